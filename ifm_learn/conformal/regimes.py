"""How wrong may a predicted mean of an unseen regime be? Errors at regimes left out, ranked.

Theory: docs/theory/conformal.md.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ifm_ident import Design, Identifier, InputError, Regimes, Status
from ifm_ident.arrays import Floats, Ints
from ifm_learn.conformal.ranks import Alpha, conformal_quantile, conformal_rank, fewest_scores, read_alpha
from ifm_learn.data.samples import Samples

FitPredict = Callable[[Samples, Regimes], Floats]
"""Fits on samples and predicts means, shape (regimes,) for an outcome, else (regimes, p): for an estimator,
`lambda samples, regimes: estimator().fit(samples).predict(regimes)`."""

EXCHANGEABLE = (
    "assumes that the target regime is exchangeable with the {k} regimes left out, as if all had been drawn at "
    "random from the same kind; choosing which regimes to run, or asking about combinations of more interventions "
    "than were run, can break this, and no data show it"
)


@dataclass(frozen=True, eq=False)
class RegimeErrors:
    """Errors of predicted means at k training regimes, each left out of the fit that predicted it.

    left_out: training indices, ascending, shape (k,); predicted, observed, se: shape (k,) for an outcome, else (k,
    p); se is the standard error of the observed mean. dependent: training indices that could not be left out,
    since without them they are not identified. target_predictions: predictions for t targets from each of the k
    fits, shape (k, t) or (k, t, p), nan where the fit's design does not identify the target; None without targets.

    The errors are against observed means: they hold the noise of the mean of as many rows as the regimes left out
    have. A bound on them bounds the error against the mean of a new run of that size, and for symmetric noise is
    on the safe side for the true mean. `noise` tells how much of them noise may be.
    """

    left_out: Ints
    predicted: Floats
    observed: Floats
    se: Floats
    dependent: Ints
    target_predictions: Floats | None = None

    def __len__(self) -> int:
        return len(self.left_out)

    @property
    def errors(self) -> Floats:
        """|predicted - observed|, shape (k,) or (k, p)."""
        return np.abs(self.predicted - self.observed)

    @property
    def noise(self) -> Floats:
        """Root mean square of se over that of the errors, shape () or (p,): near 1, all is noise."""
        wrong = np.sqrt((self.errors**2).mean(axis=0))
        found: Floats = np.sqrt((self.se**2).mean(axis=0)) / np.where(wrong > 0, wrong, np.nan)
        return found

    def quantile(self, alpha: Alpha) -> RegimeQuantile:
        """The error of rank ceil((1 - alpha)(k + 1)): half the width of an interval about a predicted mean.

        Raises InputError where k + 1 < 1/alpha: too few regimes can be left out to say anything at this level.

        >>> k = np.arange(9)
        >>> found = RegimeErrors(k, np.zeros(9), k / 10, np.full(9, 0.01), k[:0]).quantile("0.1")
        >>> float(found.error), found.rank, found.regimes
        (0.8, 9, 9)
        >>> RegimeErrors(k[:4], np.zeros(4), np.ones(4), np.ones(4), k[:0]).quantile("0.1")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        ifm_ident.errors.InputError: alpha = 1/10 takes 9 regimes that stay identified when left out, ...
        """
        level = read_alpha(alpha)
        rank = self._require(level)
        return RegimeQuantile(
            conformal_quantile(self.errors, level),
            level,
            rank,
            len(self),
            "errors of fits that leave one regime out, not of the fit on all: 1 - alpha holds as far as the fit "
            "hardly changes with one regime; " + EXCHANGEABLE.format(k=len(self)),
        )

    def jackknife_plus(self, alpha: Alpha) -> RegimeIntervals:
        """Intervals for the targets' means by the jackknife+ (Barber et al. 2021): at least 1 - 2 alpha in theory.

        Lower ends have rank floor(alpha (k + 1)) among the predictions less their errors, upper ends rank ceil((1
        - alpha)(k + 1)) among them plus their errors. A fit that does not identify the target counts with the
        whole line, on the safe side. Raises InputError like `quantile`, and without targets.
        """
        if self.target_predictions is None:
            raise InputError("no targets were given to leave_one_regime_out; pass them as `targets`")
        level = read_alpha(alpha)
        self._require(level)
        unknown = np.isnan(self.target_predictions)
        reach = self.errors[:, None]
        upper = conformal_quantile(np.where(unknown, np.inf, self.target_predictions + reach), level)
        lower = -conformal_quantile(np.where(unknown, np.inf, reach - self.target_predictions), level)
        return RegimeIntervals(
            lower,
            upper,
            level,
            len(self),
            "coverage at least 1 - 2 alpha, in practice about 1 - alpha; " + EXCHANGEABLE.format(k=len(self)),
        )

    def _require(self, level: Fraction) -> int:
        rank = conformal_rank(len(self), level)
        if rank is None:
            raise InputError(
                f"alpha = {level} takes {fewest_scores(level)} regimes that stay identified when left out, this "
                f"design has {len(self)}; alpha {Fraction(1, len(self) + 1)} is the least they allow"
            )
        return rank


@dataclass(frozen=True, eq=False)
class RegimeQuantile:
    """The error of a rank among regimes, shape () or (p,), how many regimes it rests on, and what it assumes."""

    error: Floats
    alpha: Fraction
    rank: int
    regimes: int
    assumption: str


@dataclass(frozen=True, eq=False)
class RegimeIntervals:
    """Intervals for the means of t targets, shape (t,) or (t, p), the regimes they rest on, what they assume."""

    lower: Floats
    upper: Floats
    alpha: Fraction
    regimes: int
    assumption: str


def without_regime(samples: Samples, train: int) -> Samples:
    """The samples and their design without one training regime, all its repeats and rows.

    Raises InputError for an index that is not a regime's first, and for the only regime.
    """
    design = samples.design
    if train not in design.distinct:
        raise InputError(f"{train} is not the first index of a training regime")
    if len(design.distinct) == 1:
        raise InputError("the only training regime cannot be left out")
    keep, rows = design.first != train, samples.regime != train
    index = np.cumsum(keep, dtype=np.int64) - 1
    return dataclasses.replace(
        samples,
        design=Design(design.model, design.train.take(np.flatnonzero(keep))),
        regime=index[samples.regime[rows]],
        x=samples.x[rows],
        y=None if samples.y is None else samples.y[rows],
        unit=None if samples.unit is None else samples.unit[rows],
    )


def identified_when_left_out(design: Design) -> Ints:
    """The training regimes (first indices, ascending) that the others identify: regimes like an unseen target.

    One elimination a regime.

    >>> from ifm_ident import Study
    >>> full = {"interventions": {"A": [0, 1], "B": [0, 1]}, "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}]}
    >>> identified_when_left_out(Study.from_dict(full | {"train": ["00", "10", "01", "11"]}).design).tolist()
    [0, 1, 2, 3]
    >>> identified_when_left_out(Study.from_dict(full | {"train": ["00", "10", "01"]}).design).tolist()
    []
    """
    found = []
    for train in design.distinct.tolist() if len(design.distinct) > 1 else []:
        others = Design(design.model, design.train.take(np.flatnonzero(design.first != train)))
        status = Identifier(others).identify(design.train.take(np.array([train]))).status[0]
        if status == Status.IDENTIFIED:
            found.append(train)
    return np.array(found, dtype=np.int64)


def leave_one_regime_out(
    samples: Samples,
    fit_predict: FitPredict,
    targets: Regimes | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> RegimeErrors:
    """Errors of predicted means at every training regime that stays identified without its own rows.

    fit_predict: called once for each such regime, with the samples that lack it; it predicts that regime and the
    targets that the smaller design identifies. progress: called with the number done and the total.
    Raises InputError for predictions of the wrong shape or not finite.

    >>> from ifm_ident import Factor, Intervention, Model
    >>> model = Model((Intervention("A", (0, 1, 2)),), ("x",), (Factor("f", ("x",), ()),))
    >>> design = Design(model, Regimes.from_codes(np.array([[0], [1], [2]])))
    >>> samples = Samples(design, np.array([0, 1, 2, 2]), np.array([[1.0], [2.0], [2.5], [3.5]]))
    >>> def overall_mean(rows, regimes):
    ...     return np.repeat(rows.x.mean(axis=0, keepdims=True), len(regimes), axis=0)
    >>> found = leave_one_regime_out(samples, overall_mean)
    >>> found.errors.ravel().round(2).tolist(), float(found.quantile("0.25").error[0].round(2))
    ([1.67, 0.33, 1.5], 1.67)
    """
    values = samples.x if samples.y is None else samples.y
    width = values.shape[1:]
    left_out = identified_when_left_out(samples.design)
    predicted, observed, errors = (np.empty((len(left_out), *width)) for _ in range(3))
    wanted = targets if targets is not None else Regimes.from_active([], len(samples.design.model))
    others = np.full((len(left_out), len(wanted), *width), np.nan)
    for k, train in enumerate(left_out.tolist()):
        rest = without_regime(samples, train)
        status = Identifier(rest.design).identify(wanted).status
        known = np.flatnonzero((status == Status.IDENTIFIED) | (status == Status.OBSERVED))
        batch = Regimes.concatenate([samples.design.train.take(np.array([train])), wanted.take(known)])
        found = np.asarray(fit_predict(rest, batch), dtype=np.float64)
        if found.shape != (len(batch), *width) or not np.isfinite(found).all():
            raise InputError(
                f"without training regime {train} the fit predicted shape {found.shape} where finite values of "
                f"shape {(len(batch), *width)} are due"
            )
        predicted[k], others[k, known] = found[0], found[1:]
        own = values[samples.regime == train]
        observed[k] = own.mean(axis=0)
        errors[k] = own.std(axis=0, ddof=1) / math.sqrt(len(own)) if len(own) > 1 else np.inf
        if progress is not None:
            progress(k + 1, len(left_out))
    dependent = np.setdiff1d(samples.design.distinct, left_out)
    return RegimeErrors(left_out, predicted, observed, errors, dependent, None if targets is None else others)
