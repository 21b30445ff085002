"""Every testable implication of a design tested on data, with a multiplicity correction.

Theory: docs/theory/implications.md.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from scipy.stats import false_discovery_control

from ifm_ident import Identifier, InputError, Model
from ifm_ident.design import Notation
from ifm_ident.errors import nearest
from ifm_ident.implications import Implication, Implications, implications
from ifm_ident.solve import CriterionName
from ifm_ident.tabular import Tabular
from ifm_ident.views import view
from ifm_learn.conformal.ranks import Alpha, read_alpha
from ifm_learn.data.samples import Samples
from ifm_learn.falsification._nothing import nothing_to_test
from ifm_learn.falsification.energy import LEAST_FOR_ENERGY, energy_test
from ifm_learn.falsification.pairs import energy_pair, score_pair
from ifm_learn.falsification.question import Evidence, baseline_unit, question
from ifm_learn.falsification.score import score_test
from ifm_learn.randomness import checked_seed, one_thread

if TYPE_CHECKING:
    import pyarrow as pa

TestName = Literal["score", "energy"]
Correction = Literal["holm", "bh"]
TESTS: tuple[TestName, ...] = get_args(TestName)
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
    """The findings, in the order of the claims, and what to bear in mind with them."""

    implications: Implications
    alpha: Fraction
    seed: int
    correction: Correction
    findings: tuple[Finding, ...]
    warnings: tuple[str, ...]

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
    watch: Callable[[Iterable[Implication], int], Iterable[Implication]] = lambda claims, total: claims,
) -> Falsification:
    """Tests of what the design claims of its own training densities.

    criterion: as of `implications`. pairs: also what the factors say of pairs of variables: their interaction, and
    independence given the rest within every regime where no factor holds both. replicates: how many cross-fits the
    energy test averages. `p_adjusted` corrects over all findings. Every test has its own random stream, drawn
    from `seed` and the place of its claim. watch: wraps the iteration over claims, to show progress.

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
    claims = implications(Identifier(samples.design, notation), criterion, sets)
    unit = baseline_unit(samples)
    answers: list[tuple[Implication, int, TestName, Evidence]] = []
    for k, claim in enumerate(watch(claims, len(claims))):
        asked = question(samples, claim, unit)
        combination = sorted(claim.formula.exponents)[asked.combination]
        for name in dict.fromkeys(tests):
            rng = np.random.default_rng([seed, k, TESTS.index(name)])
            if len(asked.c) == 1:
                evidence = score_pair(asked) if name == "score" else energy_pair(asked, rng)
            else:
                evidence = score_test(asked) if name == "score" else energy_test(asked, rng, replicates)
            answers.append((claim, combination, name, evidence))
    adjusted = adjust([evidence.p_value for *_, evidence in answers], correction)
    findings = tuple(
        Finding(*answer, p, Fraction(p) <= level) for answer, p in zip(answers, adjusted, strict=True)
    )
    return Falsification(claims, level, seed, correction, findings, tuple(_warnings(samples, claims, findings)))


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


def _warnings(samples: Samples, claims: Implications, findings: Sequence[Finding]) -> Iterable[str]:
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
    for finding in findings:
        if finding.evidence.information < LEAST_FOR_ENERGY:
            yield (
                f"{finding.claim.formula}, {finding.test}: where the regimes overlap there is about "
                f"{_worth(finding.evidence.information)} worth of comparison; "
                + ("only large departures would show" if finding.evidence.effect else "the test is not made")
                + ", and no rejection says little"
            )


def _worth(rows: float) -> str:
    return "1 row's" if round(rows) == 1 else f"{rows:.0f} rows'"
