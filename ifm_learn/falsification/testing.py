"""Every testable implication of a design tested on data, with a multiplicity correction.

Theory: docs/theory/implications.md.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from scipy.stats import false_discovery_control

from ifm_ident import Design, Identifier, InputError, Model, Regimes, Status
from ifm_ident.arrays import Floats, Ints
from ifm_ident.design import Notation
from ifm_ident.errors import nearest
from ifm_ident.implications import Implication, Implications, implications, untested
from ifm_ident.show import listed
from ifm_ident.solve import CriterionName
from ifm_ident.tabular import Tabular
from ifm_ident.views import view
from ifm_learn.conformal.ranks import Alpha, read_alpha
from ifm_learn.data.covariates import Covariates
from ifm_learn.data.samples import Samples
from ifm_learn.falsification._nothing import nothing_to_test
from ifm_learn.falsification.energy import LEAST_FOR_ENERGY, energy_test
from ifm_learn.falsification.pairs import energy_pair, score_pair
from ifm_learn.falsification.question import Evidence, Question, baseline_unit, question
from ifm_learn.falsification.score import LEAST_FOR_SCORE, score_test
from ifm_learn.randomness import checked_seed, one_thread

if TYPE_CHECKING:
    import pyarrow as pa

TestName = Literal["score", "energy"]
Correction = Literal["holm", "bh"]
TESTS: tuple[TestName, ...] = get_args(TestName)

_LEAST: dict[TestName, float] = {"score": LEAST_FOR_SCORE, "energy": LEAST_FOR_ENERGY}
REPLICATES = 3
FEWEST_ROWS = 100
"""With fewer rows than this in a regime the findings come with a warning."""

_PAIR_LIMIT = 2000


@dataclass(frozen=True)
class Finding:
    """One claim tested in one way; `combination` is the training regime whose departure `effect` tells."""

    claim: Implication
    combination: int
    test: TestName
    evidence: Evidence
    p_adjusted: float
    rejected: bool


@dataclass(repr=False, frozen=True, eq=False)
class Falsification(Tabular):
    """The findings, in the order of the claims, and what to bear in mind with them.

    targets: the regimes that were asked about and are identified without having been run; untested: those of them
    that no claim that could be tested bears on (`ifm_ident.implications.untested`). None where none were asked
    about.
    """

    implications: Implications
    alpha: Fraction
    seed: int
    correction: Correction
    findings: tuple[Finding, ...]
    warnings: tuple[str, ...]
    targets: Regimes | None = None
    untested: Regimes | None = None

    def __len__(self) -> int:
        return len(self.findings)

    @property
    def rejected(self) -> tuple[Finding, ...]:
        """The findings that contradict the model."""
        return tuple(finding for finding in self.findings if finding.rejected)

    def to_arrow(self) -> pa.Table:
        """One row a finding: claim, test, p-values, verdict, and effects in baseline standard deviations."""
        return view(self, "arrow")


@one_thread()
def falsify(
    samples: Samples,
    alpha: Alpha = "0.05",
    *,
    criterion: CriterionName = "auto",
    pairs: bool = True,
    tests: Sequence[TestName] = TESTS,
    correction: Correction = "holm",
    seed: int = 0,
    replicates: int = REPLICATES,
    notation: Notation = "assignment",
    targets: Regimes | None = None,
    adjusted_for: tuple[Design, Covariates] | None = None,
    watch: Callable[[Iterable[Implication], int], Iterable[Implication]] = lambda claims, total: claims,
) -> Falsification:
    """Tests of what the design claims of its own training densities.

    criterion: as of `implications`. pairs: also what the factors say of pairs of variables: their interaction,
    and independence given the rest within every regime where no factor holds both. replicates: how many
    cross-fits the energy test averages. `p_adjusted` corrects over all findings. Every test has its own random
    stream, drawn from `seed` and the place of its claim. targets: regimes that the result says whether any claim
    bears on. Units of the samples are kept whole, and no test is made where they are too few for the level.
    adjusted_for: the design with its covariates and their values, where `samples` are of the same design without
    them (`ifm_learn.data.covariates.read_adjusted`): claims are then of densities given covariates, whatever the
    laws of these are in every regime; by the score test only.
    watch: wraps the iteration over claims, to show progress.

    Raises InputError for an unknown test or correction, no test, an alpha that is no decimal in (0, 1), less than
    one replicate, and a negative seed.

    >>> from ifm_ident import Study
    >>> study = Study.from_dict({
    ...     "interventions": {"A": [0, 1], "B": [0, 1]},
    ...     "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}],
    ...     "train": ["00", "10", "01", "11"],
    ... })
    >>> rng = np.random.default_rng(0)
    >>> regime = np.repeat(np.arange(4), 300)
    >>> holds = rng.normal(size=(1200, 1)) + np.array([0.0, 0.5, 1.0, 1.5])[regime][:, None]
    >>> [finding.rejected for finding in falsify(Samples(study.design, regime, holds)).findings]
    [False, False]
    >>> fails = holds - 0.7 * (regime == 3)[:, None]
    >>> found = falsify(Samples(study.design, regime, fails)).findings[0]
    >>> found.rejected, -0.8 < found.evidence.effect["x"] < -0.5
    (True, True)
    >>> falsify(Samples(study.design, regime, holds), tests=["chi2"])
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: unknown test 'chi2'; legal: score, energy
    """
    level, seed = read_alpha(alpha), checked_seed(seed)
    _check("test", tests, TESTS)
    _check("correction", [correction], get_args(Correction))
    if replicates < 1:
        raise InputError(f"the energy test averages at least one cross-fit, got {replicates}; give 1 or more")
    if not tests:
        raise InputError(f"no test is asked for; name one or more of {', '.join(TESTS)}")
    model = samples.design.model
    sets = _pairs(model) if pairs else []
    design, covariates = adjusted_for or (samples.design, None)
    if covariates is not None and "energy" in tests:
        raise InputError("the energy test takes no account of covariates; take 'score' alone", argument="tests")
    claims = implications(Identifier(design, notation), criterion, sets)
    unit = baseline_unit(samples)
    answers: list[tuple[Implication, int, TestName, Evidence]] = []
    for k, claim in enumerate(watch(claims, len(claims))):
        asked = question(samples, claim, unit, covariates)
        combination = sorted(claim.formula.exponents)[asked.combination]
        for name in dict.fromkeys(tests):
            rng = np.random.default_rng([seed, k, TESTS.index(name)])
            few = too_few(asked, level, name)
            if few >= 0:
                where = claims.name(sorted(claim.formula.exponents)[few])
                kind = "rows" if asked.together is None else "units"
                evidence = Evidence(0.0, 1.0, {}, 0.0, f"{where} has too few {kind}")
            elif len(asked.c) == 1:
                evidence = score_pair(asked) if name == "score" else energy_pair(asked, rng)
            else:
                evidence = score_test(asked) if name == "score" else energy_test(asked, rng, replicates)
            answers.append((claim, combination, name, evidence))
    adjusted = adjust([evidence.p_value for *_, evidence in answers], correction)
    findings = tuple(
        Finding(*answer, p, Fraction(p) <= level) for answer, p in zip(answers, adjusted, strict=True)
    )
    notes = tuple(_warnings(samples, claims, findings, level))
    found = Falsification(claims, level, seed, correction, findings, notes)
    return found if targets is None or model.has_bases else _about(found, targets)


def fewest_units(level: Fraction) -> int:
    """The fewest units in a regime of which signs can give a p-value at the level: 2^(1 - k) is the least of k.

    >>> fewest_units(Fraction(1, 20)), fewest_units(Fraction(1, 100))
    (6, 8)
    """
    k = 2
    while Fraction(2, 2**k) > level:
        k += 1
    return k


def too_few(asked: Question, level: Fraction, test: TestName) -> int:
    """Which regime of the claim has too few rows or units for the test, -1 for none."""
    pairs = np.stack([asked.label, np.arange(len(asked.label)) if asked.together is None else asked.together])
    counts = np.bincount(np.unique(pairs, axis=1)[0], minlength=len(asked.c))
    return _shortest(counts, asked.c / asked.c[asked.combination], asked.together is not None, level, test)


def _shortest(counts: Ints, relative: Floats, units: bool, level: Fraction, test: TestName) -> int:
    """The regime that has too few rows or units, of `counts` with exponents relative to the combination's; -1.

    Signs of units need `fewest_units`. A comparison of independent rows is worth most where regimes are alike; the
    regime that costs most of it is too small where even that is less than the test needs.
    """
    if units:
        small = np.flatnonzero(counts < fewest_units(level))
        return int(small[0]) if len(small) else -1
    if len(counts) == 1:
        return -1
    with np.errstate(divide="ignore"):
        cost = relative**2 / counts
    return int(cost.argmax()) if 1 / cost.sum() < _LEAST[test] else -1


def testable(samples: Samples, claims: Iterable[Implication]) -> list[Implication]:
    """The claims that have the rows, or units, that the score test needs at 5%; of levels without values."""
    counts, level = np.zeros(len(samples.design.train), dtype=np.int64), read_alpha("0.05")
    units = samples.units
    counts[samples.present] = samples.sizes[samples.present] if units is None else units.counts()
    found = []
    for claim in claims:
        support = sorted(claim.formula.exponents)
        c = np.array([float(claim.formula.exponents[i]) for i in support])
        if _shortest(counts[support], c / np.abs(c).min(), units is not None, level, "score") < 0:
            found.append(claim)
    return found


def _about(found: Falsification, targets: Regimes) -> Falsification:
    """The same with the targets that were not run and are identified, and those that nothing tested bears on."""
    identifier = found.implications.identifier
    said = identifier.identify(targets)
    unseen: Ints = np.flatnonzero(said.status == Status.IDENTIFIED)
    tested = dict.fromkeys(f.claim for f in found.findings if f.evidence.effect)
    left = np.flatnonzero(untested(identifier.design, tested, said))
    return replace(found, targets=targets.take(unseen), untested=targets.take(left))


def adjust(p_values: Sequence[float], correction: Correction) -> list[float]:
    """p-values corrected for their number: Holm's family-wise, or Benjamini and Hochberg's false discovery rate.

    >>> adjust([0.01, 0.04, 0.03], "holm"), adjust([0.01, 0.04, 0.03], "bh")
    ([0.03, 0.06, 0.06], [0.03, 0.04, 0.04])
    """
    if not p_values:
        return []
    p = np.asarray(p_values)
    if correction == "bh":
        found: list[float] = false_discovery_control(p, method="bh").tolist()
        return found
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(steps, 1.0)
    held: list[float] = adjusted.tolist()
    return held


def _check(kind: str, given: Iterable[str], legal: Sequence[str]) -> None:
    for name in given:
        if name not in legal:
            raise InputError(f"unknown {kind} {name!r}; {nearest(name, legal)}")


def _pairs(model: Model) -> list[tuple[str, str]]:
    pairs = list(itertools.islice(itertools.combinations(model.variables, 2), _PAIR_LIMIT + 1))
    if len(pairs) > _PAIR_LIMIT:
        raise InputError(
            f"{len(model.variables):,} variables have more than {_PAIR_LIMIT:,} pairs; leave them out by `pairs`",
            argument="pairs",
        )
    return pairs


def _warnings(
    samples: Samples, claims: Implications, findings: Sequence[Finding], level: Fraction
) -> Iterable[str]:
    yield from samples.notes
    if not findings:
        yield nothing_to_test(samples.design, claims.identifier.notation)
        return
    present = samples.present
    small = present[samples.sizes[present] < FEWEST_ROWS]
    if len(small):
        names = ", ".join(claims.name(i) for i in small[:5].tolist()) + (" and others" if len(small) > 5 else "")
        yield (
            f"{names} {'has' if len(small) == 1 else 'have'} fewer than {FEWEST_ROWS} rows: p-values are "
            "asymptotic, their level was checked at 300 to 1,000 rows a regime; measure more"
        )
    few = dict.fromkeys(f.evidence.few for f in findings if f.evidence.few)
    if few and samples.unit is None:
        yield f"tests are not made where rows are too few: {listed([*few], 5)}; measure more rows"
    elif few:
        yield (
            f"tests are not made where a regime has fewer than {fewest_units(level)} units: {listed([*few], 5)}; "
            f"the signs of fewer give no p-value as low as {float(level):g}; measure more units"
        )
    for finding in findings:
        if not finding.evidence.few and finding.evidence.information < LEAST_FOR_ENERGY:
            yield (
                f"{finding.claim.formula}, {finding.test}: where the regimes overlap there is about "
                f"{_worth(finding.evidence.information)} worth of comparison; "
                + ("only large departures would show" if finding.evidence.effect else "the test is not made")
                + ", and no rejection says little"
            )


def _worth(rows: float) -> str:
    return "1 row's" if round(rows) == 1 else f"{rows:.0f} rows'"
