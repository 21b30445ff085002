"""Intervals of means that have a range: shares of two values, counts, positive numbers.

Theory: docs/theory/ladder.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, gammaincinv
from scipy.stats import beta, gamma, norm
from scipy.stats import t as student

from ifm_ident.arrays import Floats, Ints
from ifm_learn.data.scaling import Scaling

_ROUNDING = 1e-9
_DIGITS = 16 * np.finfo(float).eps
_EXPECTED = 3.0
"""Where so many rows are expected below 0, none is seen with a probability of 5%."""

_LEAST_MEAN = 0.25
"""Of its error: a mean nearer to an end is taken for so far from it, when a row's share in it is told."""

_FLAT = 1e-12
_FEW, _MANY = 1e-9, 1e12


@dataclass(frozen=True, eq=False)
class Ranges:
    """Where the means of k columns can lie: low, high, shape (k,), infinite where there is no end.

    sure: whether rows show the end to be one, shape (k,), as two values and counts do; of positive numbers where a
    normal law in every regime would have had rows beyond 0. lumped: whether a column is of two values or of
    counts, of which rows at an end tell little, shape (k,).

    >>> rows = np.array([[0, 3.0, 0.5, -1.0], [1, 0.0, 2.5, 1.5], [0, 1, 1.5, 0.0]])
    >>> found = Ranges.of(rows, np.zeros(3, dtype=np.int64))
    >>> found.low.tolist(), found.high.tolist(), found.lumped.tolist()
    ([0.0, 0.0, 0.0, -inf], [1.0, inf, inf, inf], [True, True, False, False])
    >>> low, high = found.interval(np.full((1, 4), 0.1), np.full((1, 4), 0.1), np.full((1, 4), 30.0), 0.1)
    >>> low.round(3).tolist(), high.round(3).tolist()
    ([[0.003, 0.004, 0.0, -0.07]], [[0.43, 0.495, 0.392, 0.27]])
    """

    low: Floats
    high: Floats
    sure: NDArray[np.bool_]
    lumped: NDArray[np.bool_]

    @classmethod
    def of(cls, values: Floats, regime: Ints, scaling: Scaling | None = None) -> Ranges:
        """Of rows, shape (n, k): two values bound a mean; counts, and numbers none below 0, are bounded by 0.

        regime: of every row, shape (n,). scaling: of the values, undone before they are looked at. A logarithm is
        bounded by nothing but by two values.
        """
        k = values.shape[1]
        shift, unit = (np.zeros(k), np.ones(k)) if scaling is None else (scaling.shift, scaling.unit)
        low, high = np.full(k, -np.inf), np.full(k, np.inf)
        sure, lumped = np.zeros((2, k), dtype=bool)
        for j in range(k):
            column = values[:, j]
            least, most = float(column.min()), float(column.max())
            if least < most and bool(((column == least) | (column == most)).all()):
                low[j], high[j], sure[j], lumped[j] = least, most, True, True
                continue
            raw = column * unit[j] + shift[j]
            slack = _DIGITS * (float(np.abs(raw).max()) + abs(shift[j]))
            if (scaling is not None and scaling.log[j]) or raw.min() < -slack:
                continue
            low[j] = 0.0 - shift[j] / unit[j]
            lumped[j] = bool((np.abs(raw - np.round(raw)) <= slack).all())
            sure[j] = lumped[j] or _ends_there(raw, regime)
            if lumped[j] and least == most and raw.max() < 1.5:  # 0s or 1s alone
                high[j] = (1 - shift[j]) / unit[j]
        return cls(low, high, sure, lumped)

    @classmethod
    def none(cls, columns: int) -> Ranges:
        """Of columns that may lie anywhere."""
        nowhere = np.zeros(columns, dtype=bool)
        return cls(np.full(columns, -np.inf), np.full(columns, np.inf), nowhere, nowhere)

    def lumped_alone(self) -> Ranges:
        """Without those of positive numbers."""
        return Ranges(np.where(self.lumped, self.low, -np.inf), self.high, self.lumped, self.lumped)

    def inside(self, means: Floats) -> NDArray[np.bool_]:
        """Which means, shape (..., k), columns that surely end can have."""
        with np.errstate(invalid="ignore"):
            reach = np.where(np.isfinite(self.high), self.high - self.low, np.abs(means) + np.abs(self.low))
        slack = _ROUNDING * np.where(self.sure, reach, 0.0)
        found: NDArray[np.bool_] = ~self.sure | ((means >= self.low - slack) & (means <= self.high + slack))
        return found

    def nearest(self, means: Floats) -> Floats:
        """The means, those that columns which surely end cannot have moved to the end; nan stays."""
        return np.where(self.sure, np.clip(means, self.low, self.high), means)

    def size(self, values: Floats) -> Floats:
        """How far a row that is not at the lower end is from it, larger ones counting more, shape (k,)."""
        over = values - np.where(np.isfinite(self.low), self.low, 0.0)
        with np.errstate(invalid="ignore", divide="ignore"):  # whole numbers add up to 0 exactly
            found: Floats = (over**2).sum(axis=0) / over.sum(axis=0)
        return np.where(np.isfinite(found), found, 1.0)

    def reach(self, low: Floats, high: Floats, size: Floats) -> tuple[Floats, Floats]:
        """Between which means rows do lie, of quantiles of theirs, each (k,): a share between its two values, and
        one of counts up to the size of a row that is not 0, however rare such rows are.
        """
        two = np.isfinite(self.high)
        one = np.where(self.lumped, np.fmax(high, self.low + size), high)
        return np.where(two, self.low, low), np.where(two, self.high, one)

    def slope(self, means: Floats) -> Floats:
        """Of a mean in its logit or logarithm where columns are lumped, shape (..., k); 0 for others."""
        with np.errstate(invalid="ignore"):
            up, left = means - self.low, (self.high - means) / (self.high - self.low)
            found = np.where(np.isfinite(self.high), up * left, up)
        return np.where(self.lumped, np.fmax(found, 0.0), 0.0)

    def at_end(self, own: Floats) -> Floats:
        """Where all rows of a regime, with means `own` of shape (d, k), are at one end: -1 low, 1 high, else 0."""
        slack = _DIGITS * np.where(np.isfinite(self.low), np.abs(self.low), 0.0)
        slack = slack + _ROUNDING * np.where(np.isfinite(self.high), self.high - self.low, 0.0)
        low = self.lumped & (own <= self.low + slack)
        return np.where(low, -1.0, np.where(self.lumped & (own >= self.high - slack), 1.0, 0.0))

    def interval(
        self, mean: Floats, se: Floats, freedom: Floats, alpha: float, event: Floats | float = 0.0
    ) -> tuple[Floats, Floats]:
        """Lower and upper ends for means, each (r, k), inside the range; freedom: of the errors, (r, k).

        Without a range they are t intervals. Shares and counts have the exact intervals of as many independent
        rows as would have this error (Clopper and Pearson 1934, Korn and Graubard 1998; Garwood 1936, Fay and
        Feuer 1997). Of positive numbers the lower end is 0 at least, and the upper one lies as far as for their
        logarithm where the error is below the mean. event: what one row more of another value moves a mean by at
        least, shape (r, k).
        """
        limit = np.broadcast_to(student.ppf(1 - alpha / 2, freedom), mean.shape)
        low, high = mean - limit * se, mean + limit * se
        wide = se * (limit / norm.ppf(1 - alpha / 2))
        event = np.broadcast_to(np.asarray(event, dtype=float), mean.shape)
        ended = np.isfinite(self.low)
        two, count = ended & np.isfinite(self.high), ended & ~np.isfinite(self.high) & self.lumped
        for kind, ends in ((two, _share), (count, _count)):
            start, unit = self.low[kind], np.where(np.isfinite(self.high), self.high - self.low, 1.0)[kind]
            found = ends((mean[:, kind] - start) / unit, wide[:, kind] / unit, event[:, kind] / unit, alpha)
            low[:, kind], high[:, kind] = start + unit * found[0], start + unit * found[1]
        positive = ended & ~self.lumped
        half, over = (high - mean)[:, positive], mean[:, positive] - self.low[positive]
        with np.errstate(divide="ignore", invalid="ignore"):
            bent = np.clip(np.nan_to_num(half / over, nan=1.0), _FLAT, 1.0)
        low[:, positive] = np.fmax(low[:, positive], self.low[positive])
        high[:, positive] = mean[:, positive] + half * np.expm1(bent) / bent
        unknown = np.isnan(mean)
        return np.where(unknown, np.nan, low), np.where(unknown, np.nan, high)

    def drawn(self, column: int, mean: Floats, se: Floats, freedom: Floats, chance: Floats) -> Floats:
        """Quantiles of the mean of one column that surely ends, inside its range, shape (draws, r).

        mean, se, freedom: shape (r,); chance: of the quantiles, shape (draws, r). A share's law is beta, that of a
        count or a positive number gamma, with as many independent rows as `interval` takes. So the law's mean is
        the one given; one that lies nearer to an end than a quarter of its error is taken for so far from it.

        >>> found = Ranges.of(np.array([[0.0, 0], [1, 3], [1, 2]]), np.zeros(3, dtype=np.int64))
        >>> chance = (np.arange(1000)[:, None] + 0.5) / 1000
        >>> for column in range(2):
        ...     some = found.drawn(column, np.array([0.1]), np.array([0.1]), np.array([30.0]), chance)
        ...     print(some.min() >= 0, some.mean().round(3), some.std().round(2))
        True 0.1 0.1
        True 0.1 0.1
        """
        low, top = float(self.low[column]), float(self.high[column])
        unit = top - low if np.isfinite(top) else 1.0
        over, error = (mean - low) / unit, se / unit
        inside = np.clip(over, 0.0, 1.0 if np.isfinite(top) else np.inf)
        error = np.hypot(error, over - inside) * student.ppf(0.95, freedom) / norm.ppf(0.95)
        near = error * _LEAST_MEAN
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            if np.isfinite(top):
                near = np.fmin(near, 0.5)
                inside = np.clip(inside, near, 1 - near)
                rows = np.clip(np.nan_to_num(inside * (1 - inside) / error**2, nan=_MANY), _FEW, _MANY)
                hits, misses = (np.fmax(rows * part, _FEW) for part in (inside, 1 - inside))
                return low + unit * np.asarray(betaincinv(hits, misses, chance))
            inside = np.fmax(inside, near)
            rows = np.clip(np.nan_to_num((inside / error) ** 2, nan=_MANY), _FEW, _MANY)
            found: Floats = low + np.asarray(gammaincinv(rows, chance)) * inside / rows
            return found


def _ends_there(raw: Floats, regime: Ints) -> bool:
    """Whether normal laws of the regimes' means and spreads would have had rows below 0, where there are none."""
    _, place = np.unique(regime, return_inverse=True)
    counts = np.maximum(np.bincount(place), 1)
    means = np.bincount(place, raw) / counts
    spread = np.sqrt(np.bincount(place, (raw - means[place]) ** 2) / np.maximum(counts - 1, 1))
    below = np.where(spread > 0, norm.sf(means / np.where(spread > 0, spread, 1.0)), 0.0)
    return bool(counts @ below > _EXPECTED)


@np.errstate(divide="ignore", invalid="ignore")
def _share(p: Floats, error: Floats, event: Floats, alpha: float) -> tuple[Floats, Floats]:
    """Of means between 0 and 1 with these errors; one that lies outside errs by that much more."""
    inside = np.clip(p, 0.0, 1.0)
    error = np.hypot(error, p - inside)
    near = np.fmin(error * _LEAST_MEAN, 0.5)
    rows = np.fmin(np.fmax(inside, near) * np.fmax(1 - inside, near) / error**2, 1 / event)
    rows = np.clip(np.where(np.isnan(rows), _MANY, rows), _FEW, _MANY)
    hits, misses = rows * inside, rows * (1 - inside)
    low = np.where(hits > 0, beta.ppf(alpha / 2, np.fmax(hits, _FEW), misses + 1), 0.0)
    high = np.where(misses > 0, beta.isf(alpha / 2, hits + 1, np.fmax(misses, _FEW)), 1.0)
    return np.fmin(low, inside), np.fmax(high, inside)


@np.errstate(divide="ignore", invalid="ignore", over="ignore")
def _count(m: Floats, error: Floats, event: Floats, alpha: float) -> tuple[Floats, Floats]:
    """Of means of 0 or more with these errors; of one that is below 0 as of 0."""
    inside = np.fmax(m, 0.0)
    variance = np.fmax(error**2 + (m - inside) ** 2, inside * event)
    weight = np.fmax(variance / np.fmax(inside, np.sqrt(variance) * _LEAST_MEAN), event)
    weight = np.where(variance > 0, weight, event)
    more = inside + weight
    per = np.where(more > 0, (variance + weight**2) / more, 0.0)
    unsure = np.isinf(error)
    low = np.where(
        (variance > 0) & (inside > 0), gamma.ppf(alpha / 2, inside**2 / variance) * variance / inside, inside
    )
    high = np.where(per > 0, gamma.isf(alpha / 2, more / per) * per, inside)
    return np.where(unsure, 0.0, np.fmin(low, inside)), np.where(unsure, np.inf, np.fmax(high, inside))
