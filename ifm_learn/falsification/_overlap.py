"""Where regimes of a claim have rows side by side: a check of overlap that owes nothing to a fitted contrast.

A contrast that was penalised cannot follow a density that falls by many orders of magnitude between two regimes,
and then reports overlap where there is none. Distances between rows do not depend on it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from ifm_ident.arrays import Floats, Ints

Mask = NDArray[np.bool_]

ROWS = 300
"""Rows of a regime, drawn with a fixed seed, that are compared."""

NEIGHBOURS = 30
"""A row is side by side with a regime that has a row nearer than this own neighbour, or than a tenth of them."""


def side_by_side(x: Floats, label: Ints, regimes: int) -> tuple[Ints, Mask]:
    """Rows compared, shape (k,), and which of them have rows of every regime near, shape (k,).

    x: shape (n, p), in comparable units. label: shape (n,), below `regimes`. Near is what a regime's own rows
    are: its nearest row is no farther than the 30th neighbour of the row's own regime, of 300.

    >>> x = np.concatenate([np.linspace(0, 1, 50), np.linspace(0.5, 1.5, 50), np.linspace(9, 10, 50)])[:, None]
    >>> label = np.repeat([0, 1, 2], 50)
    >>> rows, near = side_by_side(x[:100], label[:100], 2)
    >>> bool(near[x[rows, 0] >= 0.5].any()), bool(near[x[rows, 0] < 0.3].any())
    (True, False)
    >>> bool(side_by_side(x, label, 3)[1].any())
    False
    """
    rng = np.random.default_rng(0)
    parts = [rng.permutation(np.flatnonzero(label == i))[:ROWS] for i in range(regimes)]
    near = []
    for i, own in enumerate(parts):
        k = min(NEIGHBOURS, max(1, len(own) // 10))
        within = np.partition(cdist(x[own], x[own]), k, axis=1)[:, k] if len(own) > k else np.zeros(len(own))
        found = np.ones(len(own), dtype=bool)
        for j, other in enumerate(parts):
            if j != i:
                found &= cdist(x[own], x[other]).min(axis=1, initial=np.inf) <= within
        near.append(found)
    return np.concatenate(parts), np.concatenate(near)
