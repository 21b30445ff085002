"""Plans as tables for people and as JSON (`ifm-plan/1`)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction

from ifm_ident.answer.exact_text import exponent_text, size_text
from ifm_ident.design.model import Model
from ifm_ident.design.notation import format_regimes
from ifm_ident.design.regimes import Regimes, regime_map
from ifm_ident.planning.contradiction import Refuting
from ifm_ident.planning.dosages import RandomUnits
from ifm_ident.planning.drop import Droppable
from ifm_ident.planning.optimal_runs import OptimalRuns
from ifm_ident.planning.planner import Plan
from ifm_ident.planning.samples import variance_factor
from ifm_ident.planning.single import Singles
from ifm_ident.results.documents import Listing, document
from ifm_ident.show._aligned import aligned
from ifm_ident.show.table import wrapped
from ifm_ident.show.words import counted, listed
from ifm_ident.study.study import Study

_SHOWN = 20


def plan_json(plan: Plan) -> Iterator[str]:
    """A plan as JSON, one regime a line; `booked` is there only when regimes were booked."""
    samples = plan.samples or [None] * (len(plan.add) + len(plan.booked))
    booked = {"booked": _runs(plan.design.model, plan.booked, samples[len(plan.add) :])}
    lost = (regime_map(plan.design.model, regime) for regime in plan.unreachable)
    return document(
        {"schema": "ifm-plan/1"},
        {"criterion": plan.criterion},
        {"cost": plan.cost, "optimal": plan.optimal},
        {"gap": plan.gap},
        {"add": _runs(plan.design.model, plan.add, samples[: len(plan.add)])},
        *([booked] if len(plan.booked) else []),
        {"identified_before": plan.identified_before, "identified_after": plan.identified_after},
        {"targets": plan.targets},
        {"unreachable": Listing(lost)},
    )


def _runs(model: Model, regimes: Regimes, samples: Sequence[int | None]) -> Listing:
    entries = zip(regimes, samples, strict=True)
    return Listing({"regime": regime_map(model, regime), "samples": n} for regime, n in entries)


def optimal_json(study: Study, found: OptimalRuns) -> Iterator[str]:
    """The c-optimal runs for one regime, as JSON (`ifm-plan-optimal/1`)."""
    model = study.model
    samples = found.samples or [None] * len(found.runs)
    entries = (
        {"regime": regime_map(model, regime), "exponent": exponent_text(q), "share": share, "samples": n}
        for regime, q, share, n in zip(found.runs, found.exponents, found.shares, samples, strict=True)
    )
    return document(
        {"schema": "ifm-plan-optimal/1"},
        {"target": regime_map(model, found.target)},
        {"size": exponent_text(found.size), "bound": exponent_text(found.bound)},
        {"candidates": found.candidates},
        {"run": Listing(entries)},
    )


def optimal_text(study: Study, found: OptimalRuns) -> Iterator[str]:
    """The c-optimal runs for people."""
    name = format_regimes(study.model, Regimes.from_active([found.target], len(study.model)), study.notation)[0]
    yield from wrapped(
        f"{study.name}: what to run to tell {name} best, from {counted(found.candidates, 'candidate regime')}",
        "  ",
    )
    yield ""
    columns = [
        ["regime", *format_regimes(study.model, found.runs, study.notation).to_pylist()],
        ["exponent", *map(exponent_text, found.exponents)],
        ["share", *(f"{float(share):.1%}" for share in found.shares)],
    ]
    if found.samples is not None:
        columns.append(["samples", *(f"{n:,}" for n in found.samples)])
    yield from aligned(zip(*columns, strict=True), "  ", right=(1, 2, 3))
    yield ""
    best = "proven least" if found.size == found.bound else f"at least {float(found.bound):.4g} is proven"
    yield from wrapped(
        f"sum|q| = {size_text(found.size)} ({best}): with N samples so divided, the log of the formula has the "
        f"variance that one regime with N / {float(found.size**2):.4g} samples has."
    )


def singles_json(found: Singles, model: Model) -> Iterator[str]:
    """The single regimes that identify most, as JSON (`ifm-plan-next/1`)."""
    entries = (
        {"regime": regime_map(model, regime), "identifies": gain, "cost": cost}
        for regime, gain, cost in zip(found.regimes, found.gains, found.costs, strict=True)
    )
    return document(
        {"schema": "ifm-plan-next/1"},
        {"criterion": found.criterion, "one_after_the_other": found.one_after_the_other},
        {"every_candidate": found.every_candidate},
        {"identified_before": found.identified_before, "targets": found.targets},
        {"next": Listing(entries)},
    )


def droppable_json(found: Droppable) -> Iterator[str]:
    """Which training regimes could be dropped, as JSON (`ifm-plan-drop/1`)."""
    return document(
        {"schema": "ifm-plan-drop/1"},
        {"criterion": found.criterion},
        {"each": found.each},
        {"together": found.together, "gap": found.gap},
        {"identified": found.identified, "targets": found.targets},
    )


def plan_text(study: Study, plan: Plan) -> Iterator[str]:
    """A plan for people: what to add, what that achieves, and whether anything cheaper could."""
    yield from _heading(study, plan.criterion, plan.targets, plan.identified_before, len(plan.booked))
    runs = Regimes.concatenate([plan.booked, plan.add])
    if len(runs):
        cost = ["booked"] * len(plan.booked) + [cost_text(cost) for cost in plan.costs]
        columns = [
            ["regime", *format_regimes(plan.design.model, runs, study.notation).to_pylist()],
            ["cost", *cost],
        ]
        if plan.samples is not None:
            samples = (*plan.samples[len(plan.add) :], *plan.samples[: len(plan.add)])
            columns.append(["samples", *(f"{n:,}" for n in samples)])
        yield from aligned(zip(*columns, strict=True), "  ", right=(1, 2))
        yield ""
    if len(plan.unreachable):
        shown = format_regimes(plan.design.model, plan.unreachable.take(slice(_SHOWN)), study.notation).to_pylist()
        more = len(plan.unreachable) - len(shown)
        names = [*shown, f"{more:,} more"] if more else shown
        yield from wrapped(f"Not identified even then: {listed(names, _SHOWN + 1)}.", "  ")
    if plan.samples is not None and len(runs):
        yield from wrapped(_variance_words(plan, len(runs)))
    yield from wrapped(_closing(plan))


def _variance_words(plan: Plan, runs: int) -> str:
    assert plan.samples is not None
    count = plan.identified_after * (1 if plan.criterion == "joint" else len(plan.design.model.variables))
    with_these = variance_factor(plan.squares, plan.samples) / max(count, 1)
    share, over = divmod(sum(plan.samples), runs)
    alike = [share + 1] * over + [share] * (runs - over)
    even = variance_factor(plan.squares, alike) / max(count, 1)
    return (
        f"Samples are {sum(plan.samples):,} in all, divided so that the mean over identified targets of sum q^2/n "
        f"over these regimes is least: {float(with_these):.3g}, against {float(even):.3g} if divided evenly."
    )


def _closing(plan: Plan) -> str:
    done = f"{plan.identified_after:,} of {counted(plan.targets, 'target')} identified"
    if not len(plan.add):
        text = f"Nothing to add: {done}"
    else:
        text = f"{counted(len(plan.add), 'regime')} to add at cost {cost_text(plan.cost)}: {done}"
    if plan.limited:
        if not plan.gap:
            return f"{text}. No allowed plan of that size identifies more."
        return f"{text}. At most {_percent(plan.gap)} of the new targets that might be within reach are missed."
    whose = "No allowed plan" if not len(plan.unreachable) else "No allowed plan for the same targets"
    if not plan.gap:
        return f"{text}. {whose} costs less." if len(plan.add) else f"{text}."
    return f"{text}. {whose} costs less than {cost_text(plan.bound)} (gap {_percent(plan.gap)})."


def singles_text(study: Study, found: Singles) -> Iterator[str]:
    """The single regimes that identify most, for people."""
    yield from _heading(study, found.criterion, found.targets, found.identified_before, 0)
    if not len(found.regimes):
        yield from wrapped("No single regime identifies a further target.")
        return
    names = format_regimes(study.model, found.regimes, study.notation).to_pylist()
    gains = [f"{gain:,}" for gain in found.gains]
    costs = [cost_text(cost) for cost in found.costs]
    rows = [("regime", "identifies", "cost"), *zip(names, gains, costs, strict=True)]
    yield from aligned(rows, "  ", right=(1, 2))
    yield ""
    how = "one after the other" if found.one_after_the_other else "each by itself"
    text = f"{counted(len(names), 'regime')}, {how}, with the number of new targets that each identifies."
    if not found.every_candidate:
        text += " There are too many regimes to look at all: others might identify more."
    yield from wrapped(text)


def droppable_text(study: Study, found: Droppable) -> Iterator[str]:
    """Which training regimes could be dropped, for people."""
    yield from _heading(study, found.criterion, found.targets, found.identified, 0)
    names = format_regimes(study.model, study.design.train, study.notation).to_pylist()
    if not found.each:
        yield from wrapped("Every training regime is needed: without it some target is lost.")
        return
    for title, chosen in (("Each of these alone", found.each), ("All of these at once", found.together)):
        shown = ", ".join(names[i] for i in chosen)
        yield from wrapped(f"{title} could be dropped without losing a target: {shown}.", "  ")
    if not found.gap:
        yield from wrapped(f"No more than {counted(len(found.together), 'regime')} can be dropped at once.")
    else:
        yield from wrapped(
            f"More might be dropped: {_percent(found.gap)} of the regimes kept are not proven necessary."
        )


def cost_text(cost: Fraction) -> str:
    """A cost as a decimal, exact: costs are read as decimals.

    >>> cost_text(Fraction(5, 2)), cost_text(Fraction(1200)), cost_text(Fraction(1, 1000))
    ('2.5', '1200', '0.001')
    """
    digits = 0
    while (cost * 10**digits).denominator != 1:
        digits += 1
    text = str(int(cost * 10**digits)).rjust(digits + 1, "0")
    return f"{text[:-digits]}.{text[-digits:]}" if digits else text


def _percent(share: Fraction) -> str:
    return f"{float(100 * share):.3g}%"


def _heading(study: Study, criterion: str, targets: int, before: int, booked: int) -> Iterator[str]:
    model = study.model
    parts = [counted(len(model), "intervention"), counted(len(model.factors), "factor")]
    parts.append(study.design.training_words)
    if booked:
        parts.append(f"{booked:,} booked")
    yield from wrapped(f"{' '.join(study.name.split())}: {', '.join(parts)}", "  ")
    yield from wrapped(
        f"By the {criterion} criterion {before:,} of {counted(targets, 'target')} "
        f"{'is' if before == 1 else 'are'} identified now."
    )
    yield ""


def random_json(study: Study, found: RandomUnits) -> Iterator[str]:
    """What random units identify, as JSON (`ifm-plan-random/1`)."""
    rows = zip(found.units, found.regimes, found.identified, found.error, found.complete, strict=True)
    names = ("units", "regimes", "identified", "error", "complete")
    return document(
        {"schema": "ifm-plan-random/1"},
        {"criterion": found.criterion, "draws": found.draws, "seed": found.seed},
        {"dosage": dict(zip(study.model.position, found.dosage, strict=True))},
        {"identified_before": found.identified_before, "targets": found.targets},
        {"random": Listing(_finite(dict(zip(names, row, strict=True))) for row in rows)},
    )


def _finite(entry: dict[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in entry.items()}


def random_text(study: Study, found: RandomUnits) -> Iterator[str]:
    """What random units identify, for people."""
    drawn = {
        f"{name} {chance:g}": None
        for name, chance in zip(study.model.position, found.dosage, strict=True)
        if chance
    }
    same = len(set(found.dosage)) == 1
    chances = f"each intervention with chance {found.dosage[0]:g}" if same else listed([*drawn])
    yield from wrapped(
        f"{study.name}: units that get {chances}, means of {counted(found.draws, 'draw')} (seed {found.seed}); "
        f"{found.identified_before} of {counted(found.targets, 'target')} identified before",
        "  ",
    )
    yield ""
    columns = [
        ["units", *map(str, found.units)],
        ["different regimes", *(f"{value:.1f}" for value in found.regimes)],
        ["targets identified", *(f"{value:.1f}" for value in found.identified)],
        ["of all", *(f"{value / max(found.targets, 1):.0%}" for value in found.identified)],
        ["every one, in", *(f"{value:.0%} of draws" for value in found.complete)],
    ]
    yield from aligned(zip(*columns, strict=True), "  ", right=range(5))


def refuting_json(study: Study, found: Refuting) -> Iterator[str]:
    """Regimes that put targets to a test, as JSON (`ifm-plan-refute/1`)."""
    rows = zip(found.regimes, found.tests, found.claims, found.costs, strict=True)
    return document(
        {"schema": "ifm-plan-refute/1"},
        {"criterion": found.criterion, "claims_before": found.claims_before},
        {"untested": found.untested, "targets": found.targets},
        {
            "next": Listing(
                {"regime": regime_map(study.model, regime), "tests": tests, "claims": claims, "cost": cost}
                for regime, tests, claims, cost in rows
            )
        },
    )


def refuting_text(study: Study, found: Refuting) -> Iterator[str]:
    """Regimes that put targets to a test, for people."""
    yield from wrapped(
        f"{study.name}: {counted(found.claims_before, 'testable implication')}; no claim bears on "
        f"{found.untested} of {counted(found.targets, 'target')}",
        "  ",
    )
    yield ""
    if not len(found.regimes):
        yield from wrapped("No regime that may be run is identified: nothing can be put to a test by one run.")
        return
    names = format_regimes(study.model, found.regimes, study.notation).to_pylist()
    columns = [
        ["regime", *names],
        ["tests", *map(str, found.tests)],
        ["new implications", *map(str, found.claims)],
        ["cost", *map(cost_text, found.costs)],
    ]
    yield from aligned(zip(*columns, strict=True), "  ", right=(1, 2, 3))
    yield ""
    yield from wrapped(
        "Each by itself: its formula can be held against what is measured there. tests: how many other targets "
        "that no claim bears on now rely on what is then tested."
    )
