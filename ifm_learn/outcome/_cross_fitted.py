"""An outcome regression whose residuals come from fits that have not seen the row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ifm_ident.arrays import Floats
from ifm_learn.data.samples import Samples
from ifm_learn.energies.grid import Grid
from ifm_learn.outcome.regressors import CrossFit, cross_fit, fit_regressor, outcome_regressor, settled


@dataclass(frozen=True, eq=False)
class Regression:
    """m(x) and what it leaves of the targets: residuals, shape (N, targets). folds: None where x is the target.

    For x itself m is the value that stands for the bin of x on the density's grid.
    """

    grid: Grid
    folds: CrossFit | None
    residuals: Floats

    def predict(self, x: Floats) -> Floats:
        """m at points, the mean of the folds' fits, shape (n, targets)."""
        if self.folds is None:
            return self.grid.decode(self.grid.encode(x))
        return self.folds.predict(x)[:, None]

    @classmethod
    def fit(cls, samples: Samples, grid: Grid, regressor: Any, folds: int, seed: int) -> Regression:
        """Settings are chosen on all rows, once; every fold's m is fitted to the rows outside it."""
        if samples.y is None:
            return cls(grid, None, samples.x - grid.decode(grid.encode(samples.x)))
        chosen = outcome_regressor(regressor, seed)
        if regressor is None:
            chosen = settled(fit_regressor(chosen, samples.x, samples.y, groups=samples.unit))
        found = cross_fit(chosen, samples.x, samples.y, folds, seed, strata=samples.regime, groups=samples.unit)
        return cls(grid, found, (samples.y - found.out_of_fold)[:, None])
