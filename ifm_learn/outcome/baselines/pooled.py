"""Pooled regression: ridge on intervention levels and, if wanted, on the interactions that training shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, hstack

from ifm_ident import InputError, Regimes
from ifm_ident.arrays import Floats
from ifm_learn.data.samples import Samples
from ifm_learn.outcome.baselines.regime_means import LinearInMeans, RegimeSums, level_columns

ALPHAS = tuple(float(a) for a in np.geomspace(1e-6, 1e2, 17))
"""Penalties tried by default, relative to the number of rows."""


class Pooled(LinearInMeans):
    """Ridge regression of the target on regime indicators over all pooled rows, intercept not penalised.

    interactions: also one column for each pair of levels that some training regime holds together; pairs never
    seen have no column, so no effect. alphas: penalties, relative to the number of rows; of several, the one with
    the least cross-validated squared error over rows (summed over targets in units of their variance). An effect
    that training does not determine is shrunk to zero or shared, never refused. Every row counts alike, so that
    the fit depends on the regimes' means and sizes alone.

    Learned by `fit`, besides the means: alpha_.

    >>> from ifm_ident import Study
    >>> design = Study.from_dict({
    ...     "interventions": {"A": [0, 1], "B": [0, 1]}, "factors": [{"sigma": ["A", "B"]}],
    ...     "train": ["00", "10", "01"],
    ... }).design
    >>> samples = Samples(design, np.arange(3), np.zeros((3, 1)), np.array([1.0, 3.0, 0.5]))
    >>> both = Regimes.from_codes(np.array([[1, 1]]))
    >>> Pooled(alphas=[0.0]).fit(samples).predict(both).round(9).tolist()
    [2.5]
    """

    method: ClassVar[str] = "pooled"

    def __init__(
        self, interactions: bool = False, alphas: Sequence[float] = ALPHAS, folds: int = 5, seed: int = 0
    ) -> None:
        self.interactions = interactions
        self.alphas = alphas
        self.folds = folds
        self.seed = seed

    def _prepare(self, samples: Samples) -> None:
        if not len(self.alphas) or min(self.alphas) < 0:
            raise InputError(f"the penalties are {self.alphas}; give one or more, none negative")
        levels = level_columns(self.model_, self.train_)
        self.pairs_: NDArray[np.int64] = np.empty((2, 0), dtype=np.int64)
        if self.interactions:
            together = (levels.T @ levels).tocoo()
            above = together.row < together.col
            self.pairs_ = np.stack([together.row[above], together.col[above]]).astype(np.int64)
        columns = self._columns(self.train_)
        self.alpha_ = float(self.alphas[0])
        if len(self.alphas) > 1:
            errors = self._held_out_errors(columns, RegimeSums.of(samples, self.folds, self.seed))
            self.alpha_ = float(self.alphas[int(np.argmin(errors))])
        m = len(self.train_)
        smoother = _ridge(self.alpha_, columns, np.eye(m), self.sizes_)
        self.coef_: Floats = smoother.coef_.reshape(m, -1)
        self.intercept_: Floats = np.broadcast_to(smoother.intercept_, (m,))

    def _columns(self, regimes: Regimes) -> csr_array:
        levels = level_columns(self.model_, regimes)
        if not self.pairs_.size:
            return levels
        split = levels.tocsc()
        return csr_array(hstack([levels, split[:, self.pairs_[0]].multiply(split[:, self.pairs_[1]])]))

    def _held_out_errors(self, columns: csr_array, sums: RegimeSums) -> Floats:
        rows = self.sizes_.sum()
        variance = sums.square.sum(axis=(0, 1)) / rows - (sums.total.sum(axis=(0, 1)) / rows) ** 2
        scale = np.where(variance > 0, variance, 1.0)
        errors = np.zeros(len(self.alphas))
        for fold in range(self.folds):
            count, means = sums.means(without=fold)
            if not (count > 0).any():
                continue
            for a, alpha in enumerate(self.alphas):
                predicted = _ridge(alpha, columns, means, count).predict(columns).reshape(means.shape)
                errors[a] += float((sums.squared_error(fold, predicted) / scale).sum())
        return errors

    def weights(self, regimes: Regimes) -> Floats:
        """The ridge smoother's weights of the training means, shape (r, m)."""
        found: Floats = self._columns(regimes) @ self.coef_.T + self.intercept_
        return found


def _ridge(alpha: float, columns: csr_array, targets: Floats, rows: Floats) -> Any:
    """Ridge regression of targets, shape (m, t), on the columns, regime i counted rows[i] times."""
    from sklearn.linear_model import Ridge

    seen = rows > 0
    fit = Ridge(alpha=alpha * rows.sum(), solver="cholesky" if alpha > 0 else "svd")
    return fit.fit(columns[seen].toarray(), targets[seen], sample_weight=rows[seen])
