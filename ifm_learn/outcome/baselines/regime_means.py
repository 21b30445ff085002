"""Means, variances and sizes of the training regimes, and estimators that are linear in those means."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.sparse import csr_array

from ifm_ident import Model, Regimes
from ifm_ident.arrays import Floats
from ifm_learn.checks import check_regimes
from ifm_learn.data.samples import Samples
from ifm_learn.outcome.estimator import OutcomeEstimator, shaped, targets_of
from ifm_learn.randomness import stream

_CELLS = 10_000_000
"""Entries of the dense arrays that are held at once."""


@dataclass(frozen=True, eq=False)
class RegimeSums:
    """Sufficient statistics of the targets for every fold and distinct training regime.

    count: shape (folds, m); total and square, sums of values and of squares: shape (folds, m, targets).
    """

    count: Floats
    total: Floats
    square: Floats

    @classmethod
    def of(cls, samples: Samples, folds: int = 1, seed: int = 0) -> RegimeSums:
        """Rows (whole units) are dealt to folds at random; every regime is spread evenly over them."""
        values, m = targets_of(samples), len(samples.present)
        column = np.searchsorted(samples.present, samples.regime)
        order = stream(seed, "folds").permutation(len(samples))
        order = order[np.argsort(column[order], kind="stable")]
        fold = np.empty(len(samples), dtype=np.int64)
        fold[order] = np.arange(len(samples)) % folds
        if folds > 1 and samples.units is not None:
            fold = samples.units.folds(folds, stream(seed, "folds"))
        group = fold * m + column
        which = csr_array((np.ones(len(group)), (group, np.arange(len(group)))), shape=(folds * m, len(group)))
        shape = (folds, m, values.shape[1])
        count = np.bincount(group, minlength=folds * m).astype(np.float64).reshape(folds, m)
        return cls(count, (which @ values).reshape(shape), (which @ values**2).reshape(shape))

    def means(self, without: int | None = None) -> tuple[Floats, Floats]:
        """Rows of every regime, shape (m,), and means, shape (m, targets), 0 without rows; `without` a fold."""
        count, total = self.count.sum(axis=0), self.total.sum(axis=0)
        if without is not None:
            count, total = count - self.count[without], total - self.total[without]
        return count, total / np.where(count > 0, count, 1.0)[:, None]

    def squared_error(self, fold: int, predicted: Floats) -> Floats:
        """Summed squared errors of a fold's rows, shape (targets,), for predictions of shape (m, targets)."""
        found: Floats = np.sum(
            self.square[fold] - 2 * predicted * self.total[fold] + self.count[fold][:, None] * predicted**2, axis=0
        )
        return found


def level_columns(model: Model, regimes: Regimes) -> csr_array:
    """One 0/1 column for each level off baseline, intervention by intervention, shape (r, sum of a_i - 1).

    >>> from ifm_ident import Factor, Intervention
    >>> pair = (Intervention("A", (0, 1)), Intervention("B", ("no", "low", "high")))
    >>> model = Model(pair, ("x",), (Factor("f", ("x",), ("A", "B")),))
    >>> level_columns(model, Regimes.from_codes(np.array([[1, 0], [0, 2]]))).toarray().tolist()
    [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    first = np.cumsum(model.level_counts - 1) - (model.level_counts - 1)
    columns = first[regimes.position] + regimes.level - 1
    width = int((model.level_counts - 1).sum())
    return csr_array((np.ones(len(columns)), columns, regimes.indptr), shape=(len(regimes), width))


class LinearInMeans(OutcomeEstimator):
    """An estimate that is a fixed combination of the training regimes' means, so that its error has a closed form.

    Learned by `fit`: model_, train_ (the distinct training regimes), sizes_, shape (m,), means_ and variances_,
    shape (m, targets), has_outcome_.
    """

    def fit(self, samples: Samples) -> Self:
        """Means and variances of every training regime; then what the method itself needs."""
        sums = RegimeSums.of(samples)
        self.model_ = samples.design.model
        self.train_ = samples.design.train.take(samples.present)
        self.has_outcome_ = samples.one_outcome
        self.sizes_, self.means_ = sums.means()
        column = np.searchsorted(samples.present, samples.regime)
        squares = (targets_of(samples) - self.means_[column]) ** 2
        which = csr_array((np.ones(len(column)), (column, np.arange(len(column)))))
        freedom = np.where(self.sizes_ > 1, self.sizes_ - 1, np.nan)
        self.variances_ = (which @ squares) / freedom[:, None]
        self.moved_ = None if samples.units is None else _moved_by_units(samples, self.means_)
        self._prepare(samples)
        return self

    def _prepare(self, samples: Samples) -> None:
        """What a method needs besides the means."""

    @abstractmethod
    def weights(self, regimes: Regimes) -> Floats:
        """The weight of each training regime's mean in each estimate, shape (r, m); NaN rows without one."""

    def predict(self, regimes: Regimes) -> Floats:
        """Means of the target: shape (r,) for an outcome, (r, p) for the x-variables; NaN as `reasons` says."""
        check_regimes(self.model_, regimes)
        parts = [weights @ self.means_ for weights in self._weights_in_parts(regimes)]
        return shaped(self.has_outcome_, np.concatenate(parts))

    def standard_errors(self, regimes: Regimes) -> Floats:
        """Standard errors of `predict`, of its shape: sqrt(sum_i w_i^2 s_i^2 / n_i), s_i the spread in regime i.

        Of rows that belong together, sqrt(sum_u (sum_i w_i m_ui)^2), m_ui what unit u adds to the mean of regime
        i. NaN where a regime with weight has one row (unit). Biases of the method are not in it.
        """
        check_regimes(self.model_, regimes)
        squares = self.variances_of_means()
        parts = []
        for weights in self._weights_in_parts(regimes):
            unknown = (weights != 0).astype(np.float64) @ np.isnan(squares)
            if self.moved_ is None:
                found = np.sqrt(weights**2 @ np.nan_to_num(squares))
            else:
                moved = np.einsum("ri,tui->rtu", weights, np.nan_to_num(self.moved_))
                found = np.sqrt((moved**2).sum(axis=2))
            parts.append(np.where(unknown > 0, np.nan, found))
        return shaped(self.has_outcome_, np.concatenate(parts))

    def variances_of_means(self) -> Floats:
        """Squared standard errors of the training regimes' means, shape (m, targets); nan for one row (unit)."""
        if self.moved_ is None:
            found: Floats = self.variances_ / self.sizes_[:, None]
            return found
        return np.asarray((self.moved_**2).sum(axis=1).T, dtype=np.float64)

    def _weights_in_parts(self, regimes: Regimes) -> Iterator[Floats]:
        step = max(1, _CELLS // len(self.train_))
        for start in range(0, max(len(regimes), 1), step):
            yield self.weights(regimes.take(slice(start, start + step)))


def _moved_by_units(samples: Samples, means: Floats) -> Floats:
    """What every unit adds to each regime's mean beyond its share, shape (targets, units, m).

    By sqrt(k / (k - 1)) larger in a regime of k units, so that squares add up to the variance without bias.
    """
    units = samples.units
    assert units is not None
    m, u = len(samples.present), int(units.place.max()) + 1
    left = (targets_of(samples) - means[units.regime]) / samples.sizes[samples.present][units.regime][:, None]
    cell = units.place * m + units.regime
    found: Floats = np.stack([np.bincount(cell, column, minlength=u * m).reshape(u, m) for column in left.T])
    k = units.counts()
    found *= np.sqrt(np.where(k > 1, k / np.maximum(k - 1, 1), np.nan))
    return np.asarray(found, dtype=np.float64)
