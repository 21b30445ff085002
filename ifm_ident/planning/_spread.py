"""Which of equally cheap regimes to prefer where levels have values: those whose levels tell a curve best."""

from __future__ import annotations

import numpy as np

from ifm_ident.arrays import Ints
from ifm_ident.design.model import Intervention, Model
from ifm_ident.design.regimes import Regimes

_TOLD = 1e-9


def spread(model: Model, regimes: Regimes) -> Ints:
    """The largest rank among a regime's levels with values, 0 for none off baseline; shape (n,).

    Levels are ranked by how much each adds, after those before it, to the values of the basis functions (QR with
    pivoting, from the baseline): the ends first, then the middle. Floats do: ranks only break ties.

    >>> from ifm_ident.design.bases import Basis
    >>> from ifm_ident.design.model import Factor
    >>> dose = Intervention("dose", (0, 1, 2, 3, 4), Basis("poly", degree=2))
    >>> model = Model((dose,), ("x",), (Factor("f", ("x",), ("dose",)),))
    >>> spread(model, Regimes.from_active([(), ((0, 1),), ((0, 2),), ((0, 4),)], 1)).tolist()
    [0, 4, 2, 1]
    """
    found = np.zeros(len(regimes), dtype=np.int64)
    for i in np.flatnonzero(model.valued & model.relevant).tolist():
        mine = regimes.position == i
        rank = _ranks(model.interventions[i])
        np.maximum.at(found, regimes.rows[mine], rank[regimes.level[mine]])
    return found


def _ranks(one: Intervention) -> Ints:
    count = len(one.known_levels)
    values = np.array([[1.0, *map(float, one.values(level))] for level in range(count)])
    left = values / np.maximum(np.abs(values).max(axis=0), 1e-300)
    rank = np.full(count, len(values[0]) + 1, dtype=np.int64)
    chosen = 0
    for step in range(min(values.shape)):
        rank[chosen] = step
        unit = left[chosen] / np.linalg.norm(left[chosen])
        left = left - np.outer(left @ unit, unit)
        norms = np.linalg.norm(left, axis=1)
        chosen = int(np.argmax(norms))
        if norms[chosen] < _TOLD:
            break
    return rank
