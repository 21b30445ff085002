"""Which factors the data support: candidates tested, scored on held-out rows, asked again of halves.

Theory: docs/theory/factors.md.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from scipy.stats import false_discovery_control

from ifm_ident import Design, Factor, InputError, Study
from ifm_ident.design import format_regimes, require_names
from ifm_ident.errors import nearest
from ifm_ident.show import listed
from ifm_ident.tabular import Tabular
from ifm_ident.views import view
from ifm_learn.conformal.ranks import Alpha, read_alpha
from ifm_learn.data.samples import Samples
from ifm_learn.factors._questions import Exact, Hypothesis, base_of, decide, scopes_on
from ifm_learn.factors._study import chosen_model
from ifm_learn.factors.candidates import Asked, Candidate, Pairs, default_candidates, given_candidates, present
from ifm_learn.falsification.term import MOST_FITTED, Rung, TermEvidence, varies
from ifm_learn.falsification.testing import fewest_units
from ifm_learn.randomness import checked_seed, one_thread, stream

if TYPE_CHECKING:
    import pyarrow as pa

Verdict = Literal["added", "not added", "kept", "dropped", "not told"]

RESAMPLES = 40
SMALL = 0.5
"""A term is dropped only where a shift of so many standard deviations would have been found 8 times in 10."""

FEWEST = 5
"""With fewer rows in a regime nothing is chosen by it."""

_FOR_SPLINES = 200
_FLOPS = 5e8
_NEWTON = 8


@dataclass(frozen=True)
class Finding:
    """What was found of one candidate.

    chosen: whether the factors have it. gain, error: what it adds to the mean log P(regime | x) of rows held out,
    in nats a row, beside all else that is chosen, and its standard error over rows or units. p_value: of no such
    term; p_adjusted: by Benjamini and Hochberg's false discovery rate, candidates to add and the study's own terms
    apart. effect: for every variable the shift in sds within regimes, with its standard error. shift: what would
    be found 8 times in 10. stability: the share of halves of the units that find it. Of a candidate that is not
    told: why, which others it is mixed with, and regimes to run; least: proven that fewer are not enough. Where
    several are mixed, p_value is of none of them acting. None where there is no such number.
    """

    candidate: Candidate
    verdict: Verdict
    chosen: bool | None
    gain: float | None = None
    error: float | None = None
    p_value: float | None = None
    p_adjusted: float | None = None
    effect: dict[str, float] = dataclasses.field(default_factory=dict)
    effect_error: dict[str, float] = dataclasses.field(default_factory=dict)
    shift: float | None = None
    stability: float | None = None
    why: str = ""
    mixed: tuple[str, ...] = ()
    regimes: tuple[str, ...] = ()
    least: bool = False


@dataclass(repr=False, frozen=True, eq=False)
class ChosenFactors(Tabular):
    """The factors chosen, and what was found of every candidate: those to add first, then the study's own.

    study: with the chosen factors in place of its own. before: the study as it was. searched: in words, what was
    looked for and what was not. rung: how logits depend on x.
    """

    study: Study
    before: Study
    findings: tuple[Finding, ...]
    rung: Rung
    level: Fraction
    seed: int
    rows: int
    units: int | None
    searched: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def factors(self) -> tuple[Factor, ...]:
        """The chosen factors."""
        return self.study.model.factors

    @property
    def changed(self) -> bool:
        """Whether they are others than the study's."""
        return self.factors != self.before.model.factors

    def __len__(self) -> int:
        return len(self.findings)

    def to_arrow(self) -> pa.Table:
        """One row a candidate."""
        return view(self, "arrow")


Watch = Callable[[Iterable[Any], int, str], Iterable[Any]]
"""Shows how far a pass has come: items, how many, what they are."""


def _plainly(items: Iterable[Any], total: int, what: str) -> Iterable[Any]:
    return items


@one_thread()
def choose_factors(
    study: Study,
    samples: Samples,
    candidates: Pairs | Iterable[object] = "measured",
    level: Alpha = "0.05",
    *,
    drop: bool = True,
    rung: Rung | Literal["auto"] = "auto",
    seed: int = 0,
    resamples: int = RESAMPLES,
    time_limit: float | None = None,
    watch: Watch = _plainly,
    say: Callable[[str], None] = lambda text: None,
) -> ChosenFactors:
    """Which factors rows support, starting from those of the study.

    candidates: "measured" (single interventions where they do not act yet, and pairs run together), "all"
    pairs, or a list of factors or maps with `sigma` and `x`. A candidate is added where its p-value, adjusted,
    is at most `level` and its held-out gain is above one standard error. A term of the study is dropped
    (unless not `drop`) where neither holds though a shift of half a standard deviation would have been found;
    its parts stay. What exact ranks say cannot be told is neither, with the regimes that would tell. rung: how
    logits depend on x: "quadratic", which auto takes unless held-out rows speak for "splines"; "linear" finds
    more where all that interventions do is to shift, and is wrong where they change spread. resamples: halves
    of the units that the tests are made on again; 0 for none. time_limit: in seconds, by forecast. say: is
    told the forecast. Same seed, same result.

    Raises InputError for a level that is no decimal in (0, 1), unknown names, levels with values, one training
    regime only, and a forecast above the limit.

    >>> study = Study.from_dict({
    ...     "interventions": {"A": [0, 1], "B": [0, 1]},
    ...     "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}], "train": ["00", "10", "01", "11"],
    ... })
    >>> regime = np.repeat(np.arange(4), 100)
    >>> x = np.random.default_rng(0).normal(size=(400, 1)) + np.array([0.0, 0.5, 1.0, 3.0])[regime][:, None]
    >>> found = choose_factors(study, Samples(study.design, regime, x), resamples=0)
    >>> [(one.candidate.words, one.verdict) for one in found.findings]
    [('A and B on x', 'added'), ('A on x', 'kept'), ('B on x', 'kept')]
    >>> [factor.sigma for factor in found.factors]
    [('A',), ('B',), ('A', 'B')]
    >>> choose_factors(study, Samples(study.design, regime, x), [{"sigma": ["A", "C"]}])
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: candidates[0]: there is no intervention 'C'; legal: A, B
    """
    alpha, seed = read_alpha(level), checked_seed(seed)
    model = study.model
    require_names(model, "choosing factors")
    asked = _asked(study, candidates)
    _check(samples, rung, resamples, time_limit)
    exact = decide(study.design, (*asked.candidates, *present(model)))
    by: Rung = _rung(study.design, samples, asked.candidates, seed) if rung == "auto" else rung
    warnings = [*samples.notes]
    resamples = _forecast(exact, samples, by, resamples, time_limit, say, warnings)
    few = {h: why for h in exact.hypotheses if (why := _too_few(h, samples, alpha))}
    evidence: dict[Hypothesis, TermEvidence] = {}
    for one in watch(exact.hypotheses, len(exact.hypotheses), "candidate"):
        if one not in few:
            term = one.term(samples, by)
            found = term.evidence()
            if found is None:
                few[one] = term.refusal
            else:
                evidence[one] = found
    adjusted = _adjusted({one: found.p_value for one, found in evidence.items()})
    significant = {one for one, p in adjusted.items() if Fraction(p) <= alpha}
    gains = _gains(study.design, samples, by, evidence, significant, seed, watch)
    shares = _stability(exact, samples, by, alpha, seed, resamples, few, watch)
    plain = _by_lines(evidence, significant, samples, by, alpha)
    judged = _Judged(exact, few, evidence, adjusted, significant, gains, shares, plain, drop)
    new = tuple(_finding(one, judged, study) for one in asked.candidates)
    chosen = _slimmest(new)
    old = (_within(_finding(one, judged, study), chosen) for one in present(model))
    findings = (*new, *old)
    factors = chosen_model(model, chosen, [f.candidate for f in findings if f.verdict == "dropped"])
    design = Design(factors, study.design.train)
    return ChosenFactors(
        dataclasses.replace(study, design=design),
        study,
        findings,
        by,
        alpha,
        seed,
        len(samples),
        None if samples.units is None else int(samples.units.place.max()) + 1,
        asked.searched,
        tuple(dict.fromkeys(warnings)),
    )


def _asked(study: Study, candidates: Pairs | Iterable[object]) -> Asked:
    model = study.model
    if isinstance(candidates, str):
        for pairs in get_args(Pairs):
            if candidates == pairs:
                return default_candidates(model, study.design.train, pairs)
        raise InputError(f"candidates is 'measured', 'all' or a list, got {candidates!r}", argument="candidates")
    return given_candidates(model, candidates)


def _check(samples: Samples, rung: str, resamples: int, time_limit: float | None) -> None:
    if rung not in ("auto", *get_args(Rung)):
        raise InputError(f"unknown rung {rung!r}; {nearest(rung, ('auto', *get_args(Rung)))}", argument="rung")
    if len(samples.present) < 2:
        raise InputError(
            "there is one training regime: nothing is compared with it, and no factor can be told; run a regime "
            "with an intervention"
        )
    if not isinstance(resamples, (int, np.integer)) or isinstance(resamples, bool) or resamples < 0:
        raise InputError(f"resamples is a whole number from 0, got {resamples!r}", argument="resamples")
    if time_limit is not None and not time_limit > 0:
        raise InputError(f"a time limit is a number of seconds above 0, got {time_limit}", argument="time_limit")


def _rung(design: Design, samples: Samples, candidates: Sequence[Candidate], seed: int) -> Rung:
    """Splines where they say more of held-out rows by one standard error than lines, squares and products."""
    model = design.model
    units = len(samples) if samples.units is None else int(samples.units.place.max()) + 1
    if units < _FOR_SPLINES:
        return "quadratic"
    train = design.train.take(design.distinct)
    near = np.sort(np.argsort(train.active_counts, kind="stable")[:16]).astype(np.int64)
    every = Candidate((), model.variables)
    asked = Hypothesis((every,), near, np.ones((len(near), 1)), np.zeros((len(near), 0)))
    base = base_of(
        model, train, dataclasses.replace(asked, members=()), scopes_on(model, model.variables, candidates)
    )
    scores = []
    for rung in ("quadratic", "splines"):
        scores.append(asked.term(samples, rung, base).score(stream(seed, "factors rung")))
    if scores[0] is None or scores[1] is None:
        return "quadratic"
    gap = scores[1] - scores[0]
    return "splines" if gap.mean() > gap.std(ddof=1) / np.sqrt(len(gap)) else "quadratic"


def _too_few(one: Hypothesis, samples: Samples, alpha: Fraction) -> str:
    """Why a hypothesis is not tested: "" where it is."""
    chosen, names = samples.present[one.regimes], samples.design.model.variables
    rows = np.isin(samples.regime, chosen)
    if not any(varies(samples.x[rows, names.index(v)]) for v in one.members[0].x):
        return f"{listed(one.members[0].x, 3)} {'does' if len(one.members[0].x) == 1 else 'do'} not vary"
    if samples.units is not None:
        counts, need = samples.units.counts()[one.regimes], fewest_units(alpha)
        if counts.min() < need:
            return f"a regime that it takes has {int(counts.min())} units where {need} are the least"
        return ""
    least = int(samples.sizes[chosen].min())
    return "" if least >= FEWEST else f"a regime that it takes has {least} rows where {FEWEST} are the least"


def _forecast(
    exact: Exact,
    samples: Samples,
    rung: Rung,
    resamples: int,
    time_limit: float | None,
    say: Callable[[str], None],
    warnings: list[str],
) -> int:
    """How many resamples fit the limit, by operations counted; `say` is told how long all of it takes."""
    p = samples.x.shape[1]
    lines = p * (2 if rung == "quadratic" else 4)
    once = 0.0
    for one in exact.hypotheses:
        m, k = len(one.base), np.linalg.matrix_rank(one.base)
        own = min(len(one.members[0].x) * (lines // p + p), lines + p * (p - 1) / 2)
        size = (m - 1) * (1 + lines + p * (p - 1) / 2 - own) + own * k
        size = min(size, len(samples) / 2.5, MOST_FITTED)
        once += _NEWTON * 2.0 * len(samples) * size**2 / _FLOPS + 0.01
    tests, gains = once, 6 * once
    per = once / 2
    whole = tests + gains + resamples * per
    if time_limit is not None and whole > time_limit:
        if tests + gains > time_limit:
            raise InputError(
                f"choosing takes about {tests + gains:.0f} s without resamples, more than the {time_limit:g} s "
                "allowed; allow more, or list fewer candidates",
                argument="time_limit",
            )
        fits = int((time_limit - tests - gains) / per) // 2 * 2
        warnings.append(f"{fits} halves of the rows in place of {resamples} fit the time limit")
        resamples = min(resamples, fits)
        whole = tests + gains + resamples * per
    say(f"{len(exact.hypotheses)} candidates to test, {resamples} halves: about {max(whole, 1.0):.0f} s")
    return resamples


def _adjusted(p_values: dict[Hypothesis, float]) -> dict[Hypothesis, float]:
    """Benjamini and Hochberg's adjusted p-values: candidates to add and the study's own terms apart."""
    found: dict[Hypothesis, float] = {}
    for own in (False, True):
        some = [one for one in p_values if one.members[0].present == own]
        if some:
            values = false_discovery_control([p_values[one] for one in some], method="bh").tolist()
            found |= dict(zip(some, values, strict=True))
    return found


def _by_lines(
    evidence: dict[Hypothesis, TermEvidence],
    significant: set[Hypothesis],
    samples: Samples,
    by: Rung,
    alpha: Fraction,
) -> dict[Hypothesis, float]:
    """Candidates that are significant only by lines: their adjusted p-values among all candidates by lines."""
    if by == "linear":
        return {}
    p_values = {}
    for one in evidence:
        if not one.members[0].present and one not in significant:
            found = one.term(samples, "linear").evidence()
            if found is not None:
                p_values[one] = found.p_value
        elif not one.members[0].present:
            p_values[one] = evidence[one].p_value
    return {one: p for one, p in _adjusted(p_values).items() if Fraction(p) <= alpha and one not in significant}


def _gains(
    design: Design,
    samples: Samples,
    rung: Rung,
    evidence: dict[Hypothesis, TermEvidence],
    significant: set[Hypothesis],
    seed: int,
    watch: Watch,
) -> dict[Hypothesis, tuple[float, float]]:
    """The held-out gain of each single candidate beside the study's factors and those found significant."""
    model, train = design.model, design.train.take(design.distinct)
    added = [one.members[0] for one in significant if len(one.members) == 1 and not one.members[0].present]
    found = {}
    single = [one for one in evidence if len(one.members) == 1]
    for one in watch(single, len(single), "gain"):
        own = one.members[0]
        scopes = scopes_on(model, own.x, [c for c in added if c.sigma != own.sigma])
        term = one.term(samples, rung, base_of(model, train, one, scopes))
        gain = term.gain(stream(seed, f"factors gain {own.words}"))
        if gain is not None:
            rows = len(term.label)
            error = float(gain.std(ddof=1) * np.sqrt(len(gain)) / rows)
            found[one] = (float(gain.sum() / rows), error)
    return found


def _stability(
    exact: Exact,
    samples: Samples,
    rung: Rung,
    alpha: Fraction,
    seed: int,
    resamples: int,
    few: dict[Hypothesis, str],
    watch: Watch,
) -> dict[Hypothesis, float]:
    """The share of halves of the units, in pairs that share none, whose tests find each hypothesis false."""
    asked = [one for one in exact.hypotheses if one not in few]
    if not asked or not resamples:
        return {}
    rng, times, made = stream(seed, "factors halves"), dict.fromkeys(asked, 0), dict.fromkeys(asked, 0)
    pairs = (resamples + 1) // 2
    for _ in watch(range(pairs), pairs, "pair of halves"):
        try:
            mask = samples.split_mask(0.5, rng)
        except InputError:  # a regime has one unit
            return {}
        for rows in (mask, ~mask):
            half = samples.take(rows)
            p_values = {}
            for one in asked:
                if not _too_few(one, half, alpha):
                    found = one.term(half, rung).evidence()
                    if found is not None:
                        p_values[one] = found.p_value
                        made[one] += 1
            for one, p in _adjusted(p_values).items():
                times[one] += Fraction(p) <= alpha
    return {one: times[one] / made[one] for one in asked if made[one]}


@dataclass(frozen=True, eq=False)
class _Judged:
    exact: Exact
    few: dict[Hypothesis, str]
    evidence: dict[Hypothesis, TermEvidence]
    adjusted: dict[Hypothesis, float]
    significant: set[Hypothesis]
    gains: dict[Hypothesis, tuple[float, float]]
    shares: dict[Hypothesis, float]
    plain: dict[Hypothesis, float]
    drop: bool


def _finding(candidate: Candidate, judged: _Judged, study: Study) -> Finding:
    own = [h for h in judged.exact.hypotheses if candidate in h.members]
    untold = judged.exact.untold.get(candidate)
    numbers: dict[str, Any] = {}
    if own and own[0] in judged.evidence:
        one = own[0]
        found = judged.evidence[one]
        numbers = {
            "p_value": found.p_value,
            "p_adjusted": judged.adjusted[one],
            "stability": judged.shares.get(one),
        }
        if untold is None:
            gain, error = judged.gains.get(one, (None, None))
            numbers |= {
                "gain": gain, "error": error, "effect": found.effect, "effect_error": found.error,
                "shift": found.shift,
            }  # fmt: skip
    kept: Verdict = "kept" if candidate.present else "not told"
    chosen = True if candidate.present else None
    if untold is not None:
        names = format_regimes(study.model, untold.regimes, study.notation).to_pylist()
        why = (
            f"no training regime tells it from {' and '.join(untold.mixed)}"
            if untold.mixed
            else "no training regime shows it beside what the factors tell"
        )
        return Finding(
            candidate,
            kept,
            chosen,
            **numbers,
            why=why,
            mixed=untold.mixed,
            regimes=tuple(names),
            least=untold.least,
        )
    one = own[0]
    if one in judged.few:
        return Finding(candidate, kept, chosen, why=f"not tested: {judged.few[one]}")
    significant = one in judged.significant
    gain, error = judged.gains.get(one, (0.0, 0.0))
    better = gain > error
    if not candidate.present:
        if significant and better:
            return Finding(candidate, "added", True, **numbers)
        why = "the held-out gain is within one standard error" if significant else ""
        if one in judged.plain:
            why = (
                f"it would be, were interventions known to shift variables and to leave their spread alone (rung "
                f"linear: adjusted p {judged.plain[one]:.2g})"
            )
        return Finding(candidate, "not added", False, **numbers, why=why)
    if significant or better:
        return Finding(candidate, "kept", True, **numbers)
    shift = float(numbers["shift"])
    if shift > SMALL:
        why = f"nothing speaks for it, but only shifts of {shift:.1f} sd or more would show"
        return Finding(candidate, "kept", True, **numbers, why=why)
    if not judged.drop:
        return Finding(candidate, "kept", True, **numbers, why="nothing speaks for it; terms are not dropped")
    return Finding(candidate, "dropped", False, **numbers)


def _within(found: Finding, added: Sequence[Candidate]) -> Finding:
    """The finding of a term of the study; one that an added factor holds is not dropped."""
    own = found.candidate
    for one in added:
        if found.verdict == "dropped" and set(own.sigma) < set(one.sigma) and set(own.x) <= set(one.x):
            why = f"a part of what {' and '.join(one.sigma)} do together"
            return dataclasses.replace(found, verdict="kept", chosen=True, why=why)
    return found


def _slimmest(findings: Sequence[Finding]) -> list[Candidate]:
    """The candidates added, each set of interventions on the variables where it was found.

    One on several variables at once stands only where none of these by itself was found: each of those is tested
    given the other variables, and says more.
    """
    added = [one for one in findings if one.verdict == "added"]
    kept: dict[tuple[str, ...], set[str]] = {}
    for one in added:
        own = [o for o in added if o.candidate.sigma == one.candidate.sigma]
        if any(set(o.candidate.x) < set(one.candidate.x) for o in own):
            continue
        kept.setdefault(one.candidate.sigma, set()).update(one.candidate.x)
    order: dict[str, None] = {}
    for one in findings:
        order.update(dict.fromkeys(one.candidate.x))
    return [Candidate(sigma, tuple(v for v in order if v in x)) for sigma, x in kept.items()]
