"""Estimates of a study's test regimes: means with confidence intervals, and intervals for fresh units.

What each field means: docs/reference/results.md.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np

from ifm_ident import Identifier, InputError, Regimes, Study
from ifm_learn.conformal.ranks import Alpha, read_alpha
from ifm_learn.data.held import CALIBRATION, held_out
from ifm_learn.data.reading import read_samples
from ifm_learn.density.fitted import FittedModel
from ifm_learn.estimation._work import Say, Work
from ifm_learn.estimation.extrapolation import extrapolation_warnings
from ifm_learn.estimation.regime_sensitivity import baseline_means
from ifm_learn.estimation.result import Estimates
from ifm_learn.outcome.baselines.additive import Additive
from ifm_learn.outcome.methods import method_of
from ifm_learn.randomness import checked_seed, one_thread

MOST = 100_000
"""Test regimes that are estimated at once."""


@one_thread()
def estimate_study(
    study: Study,
    data: object = None,
    *,
    method: str = "ifm1",
    alpha: Alpha = "0.1",
    seed: int = 0,
    calibration: float = CALIBRATION,
    model: FittedModel | None = None,
    jobs: int = 1,
    sensitivity: float | None = None,
    say: Say | None = None,
) -> Estimates:
    """Means of the outcome (or of x, without one) in the test regimes, from the study's table or `data`.

    method: a name of `ifm_learn.outcome.methods`. alpha: miscoverage of both intervals, a decimal. calibration:
    the share of rows held out from everything that is fitted, for prediction intervals; 0 for no such intervals.
    model: one that was fitted to the same table before, with its own seed and calibration share. say: told what is
    being done. sensitivity: also how far the means of unseen regimes move with an interaction left out of
    log-magnitude up to this (`ifm_learn.estimation.regime_sensitivity`), for `ifm1` only.

    Regimes that are not identified get no numbers from methods that need identification. Raises InputError for an
    unknown method, a bad alpha, share, seed or sensitivity, data that cannot be read, or more than 100,000 test
    regimes.

    >>> study = Study.from_dict({
    ...     "interventions": {"A": [0, 1], "B": [0, 1], "C": [0, 1]}, "variables": ["x"],
    ...     "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}, {"sigma": ["C"]}], "train": ["000", "100", "010"],
    ...     "test": ["110", "001"],
    ... })
    >>> rng = np.random.default_rng(0)
    >>> a, b = np.repeat([[0, 0], [1, 0], [0, 1]], 1000, axis=0).T
    >>> x = rng.binomial(1, np.array([0.2, 0.5, 0.5])[a + 2 * b]).astype(float)
    >>> found = estimate_study(study, {"A": a, "B": b, "x": x}, method="balance")
    >>> [found.words_of(r) for r in range(2)], found.mean.round(1).tolist()  # odds 1 * 1 / (1/4): 4/5
    (['identified', 'not_identified'], [[0.8], [nan]])
    """
    chosen, level, seed = method_of(method), read_alpha(alpha), checked_seed(seed)
    if sensitivity is not None and (method != "ifm1" or not 0 <= sensitivity < np.inf):
        raise InputError(
            f"sensitivity is of method 'ifm1', finite and not negative, got {sensitivity} with {method!r}"
        )
    targets = targets_of_study(study)
    samples = read_samples(study, data)
    if sensitivity is not None:
        baseline_means(samples)
    tell = say or (lambda _: None)
    if model is not None:
        held = model.held(samples)
    elif chosen.needs_identification:
        tell("fitting the density model")
        model = FittedModel.fit(samples, seed=seed, calibration=calibration, jobs=jobs)
        held = model.held(samples)
    else:
        held = held_out(samples, calibration, seed)
    density = model.density if model is not None and chosen.needs_identification else None
    tell(f"estimating by {method}")
    estimator = chosen.build(density, None, seed).fit(held.fitted)
    found = Identifier(held.fitted.design, study.notation).identify(targets)
    work = Work(estimator, held, density, level, seed, tell)
    notes = [*samples.notes, *(model.notes if model is not None and density is not None else ())]
    columns = work.columns(found, notes)
    moved = () if sensitivity is None else tuple(work.sensitivities(found, sensitivity))
    notes += work.warnings(found, columns)
    weak = work.extrapolation(found)
    notes += extrapolation_warnings(study.model, targets, weak, study.notation)
    columns.note = tuple("; ".join(filter(None, both)) for both in zip(columns.note, weak, strict=True))
    additive = estimator if isinstance(estimator, Additive) else Additive().fit(held.fitted)
    beside = additive.predict(targets)
    return Estimates(
        name=study.name,
        design=study.design,
        notation=study.notation,
        method=method,
        words=chosen.words,
        needs_identification=chosen.needs_identification,
        seed=seed,
        alpha=alpha_text(alpha),
        regimes=targets,
        status=found.status,
        outcomes=study.model.variables if samples.y is None else (samples.outcome or "y",),
        without_outcome=samples.y is None,
        units=samples.scaling.units(study.model.variables) if samples.scaling and samples.y is None else (),
        additive=np.where(np.isnan(columns.mean), np.nan, beside.reshape(columns.mean.shape)),
        warnings=tuple(dict.fromkeys(notes)),
        rows=len(held.fitted),
        calibration=len(held),
        ignored=samples.ignored,
        sensitivity=moved,
        **vars(columns),
    )


def targets_of_study(study: Study) -> Regimes:
    """All test regimes; InputError for more than 100,000."""
    if study.target_count > MOST:
        raise InputError(
            f"{study.target_count:,} test regimes are more than {MOST:,}; name fewer by `test`", argument="test"
        )
    return Regimes.concatenate([*study.targets()])


def alpha_text(alpha: Alpha) -> str:
    """alpha as it was written; a number as the shortest decimal.

    >>> alpha_text("0.10"), alpha_text(0.1)
    ('0.10', '0.1')
    """
    if isinstance(alpha, Fraction):
        return str(Decimal(alpha.numerator) / Decimal(alpha.denominator))
    return float.__repr__(alpha) if isinstance(alpha, float) else str(alpha)
