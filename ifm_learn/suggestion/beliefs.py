"""What is believed of the means of regimes: by the factors, or, where these err more, by a Gaussian process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from ifm_ident import Design, Identifier, InputError, Regimes, Status
from ifm_ident.arrays import Floats, Ints
from ifm_learn.conformal.regimes import without_regime
from ifm_learn.data.samples import Samples
from ifm_learn.estimation.posterior import Posterior, independent
from ifm_learn.randomness import one_thread, stream
from ifm_learn.suggestion._process import MOST_REGIMES, Process

ModelName = Literal["auto", "factors", "process"]

FEWEST = 5
"""Regimes left out that a comparison of the two takes."""

_REFITS, _TRIED = 24, 100
"""Regimes that are left out at most where each needs refits, and that are looked at for being identified then."""


class Beliefs(Protocol):
    """Means of regimes: what is cheap to say of each, and joint draws."""

    def moments(self, regimes: Regimes) -> tuple[Floats, Floats]:
        """A mean and its standard deviation for every regime, each (r,); nan where there is none."""

    def draws(self, regimes: Regimes, *, tails: bool = True) -> Floats:
        """Joint draws of the means, shape (draws, r); nan where there is none.

        tails: as long as few rows make them; without them variances are finite.
        """

    @property
    def needs_identification(self) -> bool:
        """Whether only identified regimes have a mean."""

    @property
    def row_variance(self) -> float:
        """The variance of a row within its regime."""


@dataclass(frozen=True, eq=False)
class ByFactors:
    """The posterior of the ladder; moments are by the model that is linear in what the factors tell."""

    posterior: Posterior
    needs_identification: bool = True

    def moments(self, regimes: Regimes) -> tuple[Floats, Floats]:
        """By least squares, of jointly identified regimes; InputError for others."""
        linear = self.posterior.linear
        spread = self.posterior.coefficients - self.posterior.coefficients.mean(axis=0)
        rows = linear.design.rows(regimes)
        variance = rows.multiply(rows @ (spread.T @ spread / len(spread))).sum(axis=1)
        return linear.means(regimes)[:, 0], np.sqrt(np.maximum(np.asarray(variance).ravel(), 0))

    @property
    def row_variance(self) -> float:
        """Of the rows within their regimes."""
        return self.posterior.row_variance

    def draws(self, regimes: Regimes, *, tails: bool = True) -> Floats:
        """By the ladder."""
        return self.posterior.draws(regimes, tails=tails)


@dataclass(frozen=True, eq=False)
class ByProcess:
    """A Gaussian process over level names, which knows nothing of factors and answers for every regime."""

    process: Process
    seed: int
    count: int
    row_variance: float
    needs_identification: bool = False

    @one_thread()
    def moments(self, regimes: Regimes) -> tuple[Floats, Floats]:
        """Of the process."""
        return self.process.moments(regimes)

    @one_thread()
    def draws(self, regimes: Regimes, *, tails: bool = True) -> Floats:
        """Joint draws of the regimes of one call, normal ones."""
        normal = stream(self.seed, "process draws").standard_normal((self.count, len(regimes)))
        return self.process.draws(regimes, normal)


@dataclass(frozen=True, eq=False)
class LeftOut:
    """Errors at regimes left out, each (m,): `factors` and `process`, in units of the outcome; over `regimes`."""

    regimes: Ints
    factors: Floats
    process: Floats

    @property
    def errors(self) -> tuple[float, float]:
        """Root mean squares."""
        return tuple(float(np.sqrt(np.mean(one**2))) for one in (self.factors, self.process))  # type: ignore[return-value]

    @property
    def prefers_process(self) -> bool:
        """Whether the factors' squared errors are larger by more than a standard error of the difference."""
        if len(self.regimes) < FEWEST:
            return False
        more = self.factors**2 - self.process**2
        return bool(more.mean() > more.std(ddof=1) / np.sqrt(len(more)))


@one_thread()
def left_out(posterior: Posterior, process: Process, seed: int) -> LeftOut:
    """Both models at regimes that the others identify, each predicted without its own rows.

    Of a linear model by algebra, of other rungs by refits of the likeliest, at 24 regimes at most.
    """
    samples = posterior.samples
    if posterior.work is None or set(posterior.rungs) == {"normal"}:
        errors = posterior.linear.left_out()[:, 0]
        kept = np.flatnonzero(np.isfinite(errors))
        return LeftOut(kept, errors[kept], process.left_out[kept])
    rung = max(posterior.rungs.items(), key=lambda one: one[1])[0]
    places, errors_found = [], []
    for train in _identified_by_others(samples.design, stream(seed, "left out")):
        place = int(np.searchsorted(samples.present, train))
        asked = samples.design.train.take(np.array([train]))
        try:
            found = Posterior.fit(
                without_regime(samples, train), column=posterior.column, energy=rung, draws=4, redraws=2, seed=seed
            ).means(asked)
        except InputError:
            continue
        if np.isfinite(found).all():
            places.append(place)
            errors_found.append(float(posterior.linear.statistics.mean[place, 0] - found[0]))
    at = np.array(places, dtype=np.int64)
    return LeftOut(at, np.array(errors_found), process.left_out[at])


def _identified_by_others(design: Design, rng: np.random.Generator) -> list[int]:
    """Training regimes that the others identify, in a random order, up to `_REFITS` among `_TRIED` looked at."""
    found: list[int] = []
    for train in rng.permutation(design.distinct)[:_TRIED].tolist():
        others = design.train.take(np.flatnonzero(design.first != train))
        if len(others) and len(found) < _REFITS:
            asked = design.train.take(np.array([train]))
            status = Identifier(Design(design.model, others)).verdicts(asked)[0]
            found += [train] if status == Status.IDENTIFIED else []
    return found


@dataclass(frozen=True, eq=False)
class Chosen:
    """The beliefs to act by; why, in words; and the errors at regimes left out that decided, where they did."""

    beliefs: Beliefs
    name: str
    words: str
    compared: LeftOut | None


def choose_beliefs(
    posterior: Posterior | None,
    samples: Samples,
    column: int,
    model: ModelName,
    seed: int,
    count: int,
    noise: float | None = None,
) -> Chosen:
    """By the factors, unless a process errs less at regimes left out, or is asked for."""
    if model == "factors":
        assert posterior is not None
        return Chosen(ByFactors(posterior), "factors", "The factor model answers.", None)
    process: Process | None = None
    scatter, why = 0.0, ""
    if samples.design.model.has_bases:
        why = "levels with values have no process here"
    elif len(samples.present) > MOST_REGIMES:
        why = f"more than {MOST_REGIMES:,} regimes were run"
    elif len(samples.present) < 3:
        why = "fewer than three regimes were run"
    else:
        with one_thread():
            process, scatter = fit_process(samples, column, seed, noise)
    if model == "process":
        if process is None:
            raise InputError(f"no Gaussian process is fitted: {why}", argument="model")
        return Chosen(
            ByProcess(process, seed, count, scatter),
            "process",
            "A Gaussian process answers, which knows no factors.",
            None,
        )
    assert posterior is not None
    if process is None:
        return Chosen(
            ByFactors(posterior),
            "factors",
            f"The factor model answers, compared with nothing: {why}.",
            None,
        )
    compared = left_out(posterior, process, seed)
    if len(compared.regimes) < FEWEST:
        few = len(compared.regimes)
        words = (
            f"The factor model answers, unchecked: {few or 'none'} of the regimes run can be predicted from the "
            f"others, and a check takes {FEWEST}."
        )
        return Chosen(ByFactors(posterior), "factors", words, compared)
    by_factors, by_process = compared.errors
    detail = (
        f"each of {len(compared.regimes)} regimes was predicted from the others, with errors (root mean square) "
        f"of {by_factors:.3g} by the factor model and {by_process:.3g} by a Gaussian process."
    )
    if compared.prefers_process:
        words = f"A Gaussian process answers, not the factor model: {detail}"
        return Chosen(ByProcess(process, seed, count, scatter), "process", words, compared)
    return Chosen(ByFactors(posterior), "factors", f"The factor model answers: {detail}", compared)


def fit_process(samples: Samples, column: int, seed: int, noise: float | None = None) -> tuple[Process, float]:
    """The process of the means of the regimes run, and the variance of a row."""
    group, values = independent(samples, column)
    sizes = np.bincount(group)
    means = np.bincount(group, values) / sizes
    spare = len(values) - len(sizes)
    row = 0.0 if noise is None else noise**2
    if noise is None and spare > 0:
        row = float(np.square(values - means[group]).sum()) / spare
    train = samples.design.train.take(samples.present)
    process = Process.fit(samples.design.model, train, means, row / sizes, seed)
    return process, row or process.scatter
