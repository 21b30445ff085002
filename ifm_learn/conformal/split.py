"""Weighted split conformal prediction in a target regime (docs/theory/conformal.md)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from ifm_ident import InputError
from ifm_ident.arrays import Floats, Ints
from ifm_learn.conformal.intervals import Guarantee, Intervals
from ifm_learn.conformal.ranks import Alpha, conformal_quantile, conformal_rank, fewest_scores, read_alpha
from ifm_learn.conformal.scores import RegimeScore, Score
from ifm_learn.conformal.weighted import WeightedSplit


def require_disjoint(calibration: Ints, fitted: Ints, what: str) -> None:
    """Raise InputError where a calibration row, by its id, was used to fit `what`.

    >>> require_disjoint(np.array([4, 5]), np.array([1, 2]), "score")
    >>> require_disjoint(np.array([4, 5]), np.array([5, 6]), "score")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: the score was fitted on 1 of 2 calibration rows (row id 5); hold some out
    """
    shared = np.intersect1d(calibration, fitted)
    if len(shared):
        raise InputError(
            f"the {what} was fitted on {len(shared)} of {len(calibration)} calibration rows (row id {shared[0]}); "
            "hold some out"
        )


@dataclass(frozen=True, eq=False)
class Calibration:
    """Calibration rows, their weights for one target regime, and how the ratio is known.

    rows: distinct ids, shape (n,); y: shape (n,); log_weights: log w(x) of every row up to one constant, shape
    (n,), w = dp*/dp_mix as `balance_log_weights` gives it. ratio: "exact" where known, "estimated" where fitted;
    ratio_rows: ids of the rows that it was fitted on, due for an estimated one. x: shape (n, p), for scores that
    need it.

    Raises InputError for wrong shapes, values that are not finite, repeated ids and rows used to fit the ratio.

    >>> ids = np.arange(3)
    >>> Calibration(ids, np.zeros(3), np.zeros(3), ratio="estimated", ratio_rows=np.array([2, 3]))
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: the ratio was fitted on 1 of 3 calibration rows (row id 2); hold some out
    """

    rows: Ints
    y: Floats
    log_weights: Floats
    ratio: Literal["exact", "estimated"]
    ratio_rows: Ints | None = None
    x: Floats | None = None

    def __post_init__(self) -> None:
        n = len(self.rows)
        if self.ratio not in ("exact", "estimated"):
            raise InputError(
                f"the ratio is 'exact' or 'estimated', got {self.ratio!r}; say 'estimated' where it was fitted to "
                "rows, 'exact' where it is known"
            )
        if self.y.shape != (n,) or self.log_weights.shape != (n,) or (self.x is not None and len(self.x) != n):
            raise InputError(
                f"{n} row ids with y of shape {self.y.shape}, log-weights {self.log_weights.shape}"
                f"{'' if self.x is None else f' and x {self.x.shape}'}; give one of each a row"
            )
        if not np.isfinite(self.y).all():
            raise InputError(f"y holds {self.y[~np.isfinite(self.y)][0]}; give finite numbers")
        if len(np.unique(self.rows)) < n:
            raise InputError("a calibration row is listed twice; every row counts once")
        if self.ratio == "exact" and self.ratio_rows is not None:
            raise InputError("an exact ratio is not fitted on rows; say ratio='estimated'")
        if self.ratio == "estimated":
            if self.ratio_rows is None:
                raise InputError("give as `ratio_rows` the ids of the rows that the ratio was fitted on")
            require_disjoint(self.rows, self.ratio_rows, "ratio")

    @property
    def guarantee(self) -> Guarantee:
        """The guarantee of intervals that count the unit's own weight."""
        return "exact-ratio" if self.ratio == "exact" else "estimated-ratio"


def known_x_intervals(
    calibration: Calibration, score: Score, x: Floats, log_weights: ArrayLike, alpha: Alpha
) -> Intervals:
    """Intervals for units of the target regime with known x, shape (m, p), each with its own weight at infinity.

    log_weights: of these units, shape (m,), with the same constant as the calibration rows'. Infinite where a
    unit's weight holds more than alpha of the mass. Raises InputError where the score was fitted on calibration
    rows.

    >>> from ifm_learn.conformal.scores import AbsoluteResidual
    >>> rows = Calibration(np.arange(9), np.arange(9.0), np.zeros(9), "exact", x=np.zeros((9, 1)))
    >>> found = known_x_intervals(rows, AbsoluteResidual(lambda x: x[:, 0], np.arange(9, 20)),
    ...                           np.array([[10.0], [20.0]]), [0.0, 2.0], "0.1")
    >>> found.lower.tolist(), found.upper.tolist()
    ([2.0, -inf], [18.0, inf])
    >>> str(found.reason[1])
    "the unit's own weight is 45% of all, more than alpha = 1/10: too few calibration rows resemble it"
    """
    level = read_alpha(alpha)
    require_disjoint(calibration.rows, score.fitted_rows, "score")
    if calibration.x is None:
        raise InputError("this score needs the x of the calibration rows; give them as `x`")
    tests = np.asarray(log_weights, dtype=np.float64)
    if tests.shape != (len(x),):
        raise InputError(f"{len(x)} units with log-weights of shape {tests.shape}; give one a unit")
    split = WeightedSplit(score.of(calibration.x, calibration.y), calibration.log_weights, level)
    bound, atom = split.quantile(tests), split.atom(tests)
    lower, upper = score.interval(x, bound)
    subject = "the unit's own weight"
    reasons = [
        _reason(split, share, level, subject) if infinite else ""
        for share, infinite in zip(atom.tolist(), (bound == np.inf).tolist(), strict=True)
    ]
    return Intervals(
        lower,
        upper,
        level,
        np.full(len(x), calibration.guarantee),
        np.full(len(x), split.ess),
        np.array(reasons, dtype=np.str_),
    )


def fresh_unit_interval(
    calibration: Calibration, score: RegimeScore, sup_log_weight: float, alpha: Alpha, asymptotic: bool = False
) -> Intervals:
    """The one interval for a fresh unit of the target regime, x not known.

    sup_log_weight: supremum over the support (not over calibration rows) of the log-weight, with the rows'
    constant; inf where there is no bound, which makes the interval infinite. asymptotic: put mean weights in place
    of the unit's own and say so: that of units of the target, sum w^2 / sum w, where this makes the interval
    infinite ((1 - alpha)(ess + 1) > ess: effectively too few rows), else that of rows at and beyond the quantile.
    Raises InputError where the score was fitted on calibration rows, or
    the supremum lies below a row.

    >>> from ifm_learn.conformal.scores import RegimeResidual
    >>> rows = Calibration(np.arange(19), np.arange(19.0), np.zeros(19), "exact")
    >>> score = RegimeResidual(0.0, np.arange(19, 30))
    >>> fresh_unit_interval(rows, score, 0.0, "0.1").records()
    [{'prediction': [-17.0, 17.0], 'ess': 19.0, 'guarantee': 'exact-ratio'}]
    >>> unbounded = fresh_unit_interval(rows, score, np.inf, "0.1")
    >>> unbounded.records()[0]["prediction"], str(unbounded.reason[0])
    ([None, None], 'the weight has no bound over the support: a fresh unit may weigh more than all rows together')
    >>> fresh_unit_interval(rows, score, np.inf, "0.1", asymptotic=True).guarantee.tolist()
    ['asymptotic']
    """
    level = read_alpha(alpha)
    require_disjoint(calibration.rows, score.fitted_rows, "score")
    largest = float(calibration.log_weights.max(initial=-np.inf))
    if np.isnan(sup_log_weight) or sup_log_weight < largest:
        raise InputError(
            f"the supremum {sup_log_weight} of the log-weight lies below that of a calibration row, {largest}; "
            "give the supremum over the support, inf where there is none"
        )
    scores = score.of(calibration.y)
    share = level / scores.shape[1]
    splits = [WeightedSplit(column, calibration.log_weights, share) for column in scores.T]
    owns = [_stand_in(split) if asymptotic else sup_log_weight for split in splits]
    bound = np.array([float(split.quantile(own)) for split, own in zip(splits, owns, strict=True)])
    lower, upper = score.interval(bound)
    reason = ""
    if (bound == np.inf).any():
        k = int(np.argmax(bound == np.inf))
        subject = "the mean weight of a fresh unit" if asymptotic else "the largest weight over the support"
        reason = _reason(splits[k], float(splits[k].atom(owns[k])), share, subject)
        if owns[k] == np.inf and splits[k].ess > 0:
            reason = "the weight has no bound over the support: a fresh unit may weigh more than all rows together"
    return Intervals(
        np.array([lower]),
        np.array([upper]),
        level,
        np.array(["asymptotic" if asymptotic else calibration.guarantee]),
        np.array([splits[0].ess]),
        np.array([reason]),
    )


def trimmed_unit_interval(
    calibration: Calibration, score: RegimeScore, draws: ArrayLike, alpha: Alpha, share: Alpha = "0.1"
) -> Intervals:
    """The interval for a fresh unit where the weight's supremum is infinite or too large: rare x are given up.

    draws: log-weights, with the rows' constant, of N independent draws of x from the target regime, which no
    calibration row entered. With t their conformal quantile at share * alpha, a fresh unit weighs more than t at
    most that often; for the units that weigh at most t, rows that weigh more count nothing and the level is the
    rest of alpha. Together coverage is at least 1 - alpha, in the sense of the ratio's guarantee: nothing is
    clipped. Draws from a fitted model belong to an estimated ratio. ess: of the rows that count.

    >>> rows = Calibration(np.arange(99), np.arange(99.0), np.append(np.zeros(98), 9.0), "exact")
    >>> from ifm_learn.conformal.scores import RegimeResidual
    >>> score = RegimeResidual(0.0, np.arange(99, 120))
    >>> fresh_unit_interval(rows, score, 9.0, "0.1").records()[0]["prediction"]
    [None, None]
    >>> trimmed_unit_interval(rows, score, np.append(np.zeros(999), 9.0), "0.1").records()
    [{'prediction': [-90.0, 90.0], 'ess': 98.0, 'guarantee': 'exact-ratio'}]
    >>> trimmed_unit_interval(rows, score, np.zeros(9), "0.1")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: giving up 1/100 of the units takes 99 draws or more, got 9
    """
    level, part = read_alpha(alpha), read_alpha(share) * read_alpha(alpha)
    weights = np.asarray(draws, dtype=np.float64)
    if conformal_rank(len(weights), part) is None:
        raise InputError(
            f"giving up {part} of the units takes {fewest_scores(part)} draws or more, got {len(weights)}"
        )
    most = float(conformal_quantile(weights, part))
    kept = np.where(calibration.log_weights <= most, calibration.log_weights, -np.inf)
    found = fresh_unit_interval(replace(calibration, log_weights=kept), score, most, level - part)
    return replace(found, alpha=level)


def _stand_in(split: WeightedSplit) -> float:
    """The log-weight for a unit of unknown x: the mean where that makes the interval infinite, else the tail's."""
    mean = split.mean_log_weight
    return mean if float(split.quantile(mean)) == np.inf else split.tail_log_weight


def _reason(split: WeightedSplit, atom: float, level: Fraction, subject: str) -> str:
    if split.ess == 0:
        return "no calibration row has density in the target regime"
    if atom < level and np.isinf(split.scores).any():
        return "the scores of calibration rows are infinite where the quantile lies"
    return f"{subject} is {atom:.0%} of all, more than alpha = {level}: too few calibration rows resemble it"
