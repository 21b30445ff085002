"""How much of a regime lies where the rows that show its factors are: overlap, one factor at a time.

A regime that nobody has run asks each factor for its values where the regime lies. Rows inform these only where
regimes that show the factor at the same levels have rows; elsewhere the form of the energy decides, unchecked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ifm_ident.arrays import Floats, Ints
from ifm_learn.inference.grid_tree import Collected

FEWEST_ROWS = 25
"""A factor is unsupported at x where its rows are rarer than among this many rows of the regime itself,"""

LEAST_SHARE = 0.5
"""or among this share of as many rows of the regime as show the factor, where that is fewer.

So few rows do not make an extrapolation, only rows elsewhere do; standard errors tell of few.
"""

MOST_UNSUPPORTED = 0.5
"""With a larger share of a regime unsupported in some factor its prediction is an extrapolation."""


@dataclass(frozen=True, eq=False)
class FactorSupport:
    """What the training rows say about each factor where each of r regimes lies, by a density on the grid.

    unsupported: the probability, in the regime, of x where the factor's rows are rarer than among 25 rows of the
    regime itself, or than among half as many rows of the regime as the factor has if that is less, shape (r,
    factors). A factor's rows are those of all training regimes that show it at the regime's levels: a regime with
    rows of its own is never unsupported. No effective sample size: x that the regime itself almost never shows
    would decide that.
    """

    unsupported: Floats

    @property
    def worst(self) -> Ints:
        """The factor with the largest unsupported share of every regime, shape (r,)."""
        return np.asarray(self.unsupported.argmax(axis=1), dtype=np.int64)

    @property
    def weak(self) -> NDArray[np.bool_]:
        """Whether more than half of a regime is unsupported in some factor, shape (r,)."""
        found: NDArray[np.bool_] = self.unsupported.max(axis=1, initial=0.0) > MOST_UNSUPPORTED
        return found


def factor_support(
    targets: Collected, train: Collected, rows: Sequence[int], fewest: float = FEWEST_ROWS
) -> FactorSupport:
    """The support of regimes by training regimes that show all their cells, with this many rows each.

    >>> from ifm_learn.inference.grid_tree import GridTree
    >>> tree, tables = GridTree.of([(0,)], [2]), [np.log([0.5, 0.5]), np.log([0.99, 0.01])]
    >>> both = tree.collect(tables, np.array([[0], [1]]))
    >>> found = factor_support(both, both, [100, 1000])
    >>> found.unsupported.tolist(), found.weak.tolist()
    ([[0.0], [0.0]], [False, False])
    """
    expected = train.expected(np.asarray(rows, dtype=np.float64), 1 + int(train.choice.max()))
    fewest_of = [min(fewest, LEAST_SHARE * float(one.sum())) for one in expected]
    unsupported = np.empty(targets.choice.shape)
    for r, choice in enumerate(targets.choice.tolist()):
        for k, own in enumerate(targets.factor_marginals(r)):
            # less what rounding may take from exactly as many rows
            unsupported[r, k] = own[expected[choice[k]] < fewest_of[choice[k]] * (1 - 1e-9) * own].sum()
    return FactorSupport(unsupported)
