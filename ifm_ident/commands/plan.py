"""`ifm plan`: which regimes to add, at least cost, and how many samples each."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from ifm_ident.commands._options import (
    Output,
    Seconds,
    load_study,
    output_options,
    progress,
    refuse_given,
    study_argument,
    with_test,
)
from ifm_ident.deadline import TIME_LIMIT
from ifm_ident.design.notation import parse_regime
from ifm_ident.design.regimes import Regimes
from ifm_ident.design.spaces import AllRegimes
from ifm_ident.errors import InputError
from ifm_ident.planning.candidates import Candidates
from ifm_ident.planning.contradiction import refuting
from ifm_ident.planning.dosages import Dosage, random_units
from ifm_ident.planning.drop import droppable
from ifm_ident.planning.optimal_runs import c_optimal
from ifm_ident.planning.planner import plan
from ifm_ident.planning.prices import OneEach
from ifm_ident.planning.reduction import PlanCriterion
from ifm_ident.planning.search import Watch
from ifm_ident.planning.single import single_regimes
from ifm_ident.show import planning_write as write
from ifm_ident.show.words import counted
from ifm_ident.study.cost_tables import read_prices
from ifm_ident.study.study import Study

_SILENT_FOR_DROP = ("cost", "forbid", "max_active", "book", "budget", "max_add", "single", "greedy")
_SILENT_FOR_OPTIMAL = ("criterion", "targets", "book", "max_add", "single", "greedy", "drop")
_SILENT_FOR_RANDOM = (*_SILENT_FOR_DROP, "drop", "time_limit", "optimal_for")
_SILENT_FOR_REFUTE = ("book", "budget", "max_add", "single", "greedy", "time_limit", "drop")
_SILENT_FOR_NEXT = ("budget", "max_add", "time_limit")


@click.command("plan", epilog="Example:  ifm plan study.yaml --max-active 2 --budget 4000")
@study_argument
@click.option(
    "--criterion",
    type=click.Choice(["joint", "conditional"]),
    default="joint",
    show_default=True,
    help="What counts as identified: one product of densities, or a formula for every full conditional.",
)
@click.option(
    "--targets",
    "--test",
    "targets",
    multiple=True,
    metavar="SPEC",
    help="Regimes to identify instead of the study's own: all, order:2, file:PATH, or a regime (level string, "
    "label, or A=1,B=2). Repeatable.",
)
@click.option(
    "--cost",
    metavar="FILE",
    help="Table with a column cost and a regime's columns or label (others are then forbidden), or with the "
    "columns intervention and cost, added up over interventions off baseline. Default: each regime costs 1.",
)
@click.option("--forbid", multiple=True, metavar="SPEC", help="Regimes that cannot be added. Repeatable.")
@click.option(
    "--max-active", type=click.IntRange(min=0), metavar="K", help="At most K interventions off baseline."
)
@click.option("--book", multiple=True, metavar="SPEC", help="Regimes that will be run anyway. Repeatable.")
@click.option("--max-add", type=click.IntRange(min=0), metavar="N", help="At most N regimes to add.")
@click.option("--budget", type=click.IntRange(min=1), metavar="N", help="Samples to divide among the new regimes.")
@click.option(
    "--time-limit",
    type=Seconds(),
    default=TIME_LIMIT,
    show_default=True,
    metavar="S",
    help="Seconds for the exact search; then the best plan so far, with its gap.",
)
@click.option(
    "--next", "single", type=click.IntRange(min=1), metavar="K", help="Instead: the K best single regimes."
)
@click.option("--greedy", is_flag=True, help="With --next: one after the other, not each by itself.")
@click.option(
    "--optimal-for",
    metavar="R",
    help="Instead: which candidates to run, and with which shares of the samples, to tell this one regime best "
    "(c-optimal); training does not count.",
)
@click.option(
    "--refute",
    "refute",
    type=click.IntRange(min=1),
    metavar="K",
    help="Instead: the K regimes that put most untested targets to a test, so that the factors can be refuted.",
)
@click.option("--drop", is_flag=True, help="Instead: which training regimes could be dropped.")
@click.option(
    "--random",
    "units",
    type=click.IntRange(min=1),
    metavar="N",
    help="Instead: what N units identify that each get a random combination of interventions.",
)
@click.option(
    "--dosage",
    multiple=True,
    metavar="P",
    help="With --random: the chance that a unit gets an intervention (default 0.5), or A=0.3 for each; those "
    "without one stay at baseline then. Repeatable.",
)
@click.option(
    "--draws",
    type=click.IntRange(min=1),
    metavar="K",
    help="With --random: how often to draw all units. Default: 100.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), metavar="S", help="With --random: draws the units. Default: 0."
)
@output_options(("table", "json"))
@click.pass_context
def command(
    ctx: click.Context,
    study: str,
    criterion: PlanCriterion,
    targets: tuple[str, ...],
    cost: str | None,
    forbid: tuple[str, ...],
    max_active: int | None,
    book: tuple[str, ...],
    max_add: int | None,
    budget: int | None,
    time_limit: float,
    single: int | None,
    greedy: bool,
    optimal_for: str | None,
    refute: int | None,
    drop: bool,
    units: int | None,
    dosage: tuple[str, ...],
    draws: int | None,
    seed: int | None,
    output_format: str,
    output: str | None,
    force: bool,
    quiet: bool,
) -> None:
    """Which regimes to add, at least cost, so that the targets are identified; and how many samples each.

    Costs are exact decimals; `cost` in the JSON is a whole number where it is one. `gap` is the share of the cost
    above the proven lower bound. If --max-add leaves out targets within reach, the plan identifies as many as it
    can, and `gap` is the share of the proven upper bound on new targets that it misses. `unreachable` are the
    targets not identified by the plan; `optimal` is then false. Booked regimes cost nothing, count as run (in
    `identified_before` too) and share the budget; the JSON lists them under `booked`.

    --budget divides the samples so that the mean over targets of sum q^2/n over the new regimes is least, for the
    formulas that `ifm identify` gives with the new regimes last.

    Time: about a second for a study of ten interventions; a search that takes longer ends at --time-limit.
    """
    if optimal_for is not None:
        refuse_given(ctx, _SILENT_FOR_OPTIMAL, "says nothing to --optimal-for: leave one out.")
        _optimal(
            load_study(study, quiet),
            optimal_for,
            cost,
            forbid,
            max_active,
            budget,
            time_limit,
            Output(output_format, output, force, quiet),
        )
        return
    if units is None and (dosage or draws is not None or seed is not None):
        raise click.UsageError(
            "--dosage, --draws and --seed belong to --random: add that, or leave them out.", ctx
        )
    if units is not None:
        refuse_given(ctx, _SILENT_FOR_RANDOM, "says nothing to --random: leave one out.")
    elif refute is not None:
        refuse_given(ctx, _SILENT_FOR_REFUTE, "says nothing to --refute: leave one out.")
    elif drop:
        refuse_given(ctx, _SILENT_FOR_DROP, "says nothing to --drop: leave one out.")
    elif single is not None:
        refuse_given(ctx, _SILENT_FOR_NEXT, "says nothing to --next: leave one out.")
    elif greedy:
        raise click.UsageError("--greedy belongs to --next: add that, or leave it out.", ctx)
    out = Output(output_format, output, force, quiet)
    asked = with_test(load_study(study, quiet), targets, "--targets", quiet)
    _require_feasible(asked)
    if units is not None:
        found = random_units(
            asked.design,
            asked.targets,
            units,
            _dosage(dosage),
            criterion,
            draws=100 if draws is None else draws,
            seed=seed or 0,
            watch=_watch(quiet),
        )
        out.write(write.random_json(asked, found) if out.format == "json" else write.random_text(asked, found))
        out.done(counted(units, "random unit"))
        return
    if drop:
        _drop(asked, criterion, time_limit, out)
        return
    prices = OneEach(asked.model) if cost is None else read_prices(asked.model, Path(cost))
    forbidden = with_test(asked, forbid, "--forbid", quiet).test if forbid else ()
    candidates = Candidates(asked.model, prices, forbidden, max_active)
    if refute is not None:
        tested = refuting(asked.design, asked.targets, candidates, criterion, count=refute, watch=_watch(quiet))
        out.write(
            write.refuting_json(asked, tested) if out.format == "json" else write.refuting_text(asked, tested)
        )
        out.done(counted(len(tested.regimes), "regime"))
        return
    booked = _listed(with_test(asked, book, "--book", quiet)) if book else None
    if single is not None:
        _single(asked, candidates, criterion, single, greedy, booked, out)
    else:
        _plan(asked, candidates, criterion, booked, max_add, budget, time_limit, out)


def _optimal(
    study: Study,
    regime: str,
    cost: str | None,
    forbid: tuple[str, ...],
    max_active: int | None,
    budget: int | None,
    time_limit: float,
    out: Output,
) -> None:
    """--optimal-for: the c-optimal design for one regime."""
    try:
        target = parse_regime(study.model, regime)
    except InputError as error:
        raise InputError(f"--optimal-for {regime}: {error}") from None
    prices = OneEach(study.model) if cost is None else read_prices(study.model, Path(cost))
    forbidden = study.with_test(forbid, "--forbid").test if forbid else ()
    try:
        found = c_optimal(
            study.design, target, Candidates(study.model, prices, forbidden, max_active), budget, time_limit
        )
    except InputError as error:
        raise InputError(f"--optimal-for {regime}: {error}") from None
    out.write(write.optimal_json(study, found) if out.format == "json" else write.optimal_text(study, found))
    out.done(f"{counted(len(found.runs), 'regime')} to run")


def _dosage(texts: tuple[str, ...]) -> Dosage:
    """`0.3`, or `A=0.3` for each intervention that is drawn at all."""
    chances: dict[str, float] = {}
    for text in texts:
        name, equals, value = text.rpartition("=")
        if name in chances:
            raise InputError(f"--dosage {text}: {name or 'the chance for all'} has one already; leave one out")
        try:
            if equals and not name.strip():
                raise ValueError
            chances[name] = float(value)
        except ValueError:
            raise InputError(f"--dosage {text}: write a chance between 0 and 1, or NAME=CHANCE") from None
        if (not equals) and len(texts) > 1:
            raise InputError(f"--dosage {text}: a chance for all interventions stands alone; name each, as A=0.3")
    return chances.get("", 0.5) if not texts or "" in chances else chances


def _drop(study: Study, criterion: PlanCriterion, time_limit: float, out: Output) -> None:
    """--drop: which training regimes could be dropped."""
    spare = droppable(study.design, study.targets, criterion, time_limit=time_limit, watch=_watch(out.quiet))
    out.write(write.droppable_json(spare) if out.format == "json" else write.droppable_text(study, spare))
    out.done(f"{counted(len(spare.together), 'training regime')} could be dropped at once")


def _single(
    study: Study,
    candidates: Candidates,
    criterion: PlanCriterion,
    count: int,
    greedy: bool,
    booked: Regimes | None,
    out: Output,
) -> None:
    """--next: the best single regimes."""
    best = single_regimes(
        study.design,
        study.targets,
        candidates,
        criterion,
        count=count,
        one_after_the_other=greedy,
        booked=booked,
        watch=_watch(out.quiet),
    )
    out.write(write.singles_json(best, study.model) if out.format == "json" else write.singles_text(study, best))
    out.done(counted(len(best.regimes), "single regime"))


def _plan(
    study: Study,
    candidates: Candidates,
    criterion: PlanCriterion,
    booked: Regimes | None,
    max_add: int | None,
    budget: int | None,
    time_limit: float,
    out: Output,
) -> None:
    """Neither: the regimes to add."""
    found = plan(
        study.design,
        study.targets,
        candidates,
        criterion,
        booked=booked,
        max_add=max_add,
        budget=budget,
        time_limit=time_limit,
        watch=_watch(out.quiet),
    )
    out.write(write.plan_json(found) if out.format == "json" else write.plan_text(study, found))
    out.done(f"{counted(len(found.add), 'regime')} to add at cost {write.cost_text(found.cost)}")


def _require_feasible(study: Study) -> None:
    try:
        study.targets()
    except InputError as error:
        if not any(isinstance(space, AllRegimes) for space in study.test):
            raise
        widest = max(map(len, study.model.scopes))
        raise InputError(
            f"{error}; a plan that identifies --targets order:{widest}, the widest scope, identifies every regime"
        ) from None


def _listed(study: Study) -> Regimes:
    return Regimes.concatenate([Regimes.from_active([], len(study.model)), *study.targets()])


def _watch(quiet: bool) -> Watch:
    def watch(chunks: Iterable[Regimes], what: str) -> Iterable[Regimes]:
        return progress(chunks, None, f" chunks, {what}", quiet)

    return watch
