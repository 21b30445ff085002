"""`ifm identify`: a line for each test regime."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from itertools import chain
from typing import get_args

import click
from click.core import ParameterSource

from ifm_ident.by_messages import identify_by_messages
from ifm_ident.commands.options import open_sink, output_options, progress, remark, study_argument, test_option
from ifm_ident.files import check_output
from ifm_ident.identification import Identification
from ifm_ident.identify import CriterionName, Identifier
from ifm_ident.message_passing import candidate_contexts
from ifm_ident.objectives import Objective, choose
from ifm_ident.regimes import Regimes
from ifm_ident.render import write_table
from ifm_ident.render_latex import write_latex
from ifm_ident.results_read import WRITERS
from ifm_ident.spaces import CHUNK
from ifm_ident.study import Study, load
from ifm_ident.words import Tally, counted

NOT_ALL = 3
"""Exit status of --require-all when a target is not identified."""

_WRITERS = {"table": write_table, "latex": write_latex, **WRITERS}

criterion_option = click.option(
    "--criterion",
    type=click.Choice(["joint", "conditional", "auto"]),
    default="auto",
    show_default=True,
    help="joint: one product of densities. conditional: one for each full conditional, never weaker. "
    "auto: joint first, conditional where that fails.",
)


@click.command("identify", epilog="Example:  ifm identify study.yaml --test order:2 --format csv -o answers.csv")
@study_argument
@test_option
@criterion_option
@click.option(
    "--method",
    type=click.Choice(["algebraic", "message-passing"]),
    default="algebraic",
    show_default=True,
    help="message-passing reads the formula off a junction tree; it never says no, only undecided.",
)
@click.option(
    "--objective",
    type=click.Choice(get_args(Objective)),
    default="basis",
    show_default=True,
    help="Which formula, where there are several: sparse has fewest densities, l1 the least sum |q|, variance the "
    "least sum q^2/n for the study's sample sizes n.",
)
@click.option(
    "--time-limit",
    type=click.FloatRange(min=0, min_open=True),
    metavar="S",
    help="Seconds for --objective in all; formulas not proven best by then are counted on standard error.",
)
@click.option(
    "--require-all", is_flag=True, help="Exit with status 3 unless every regime is observed or identified."
)
@output_options(("table", "json", "csv", "latex", "parquet"))
@click.pass_context
def command(
    ctx: click.Context,
    study: str,
    tests: tuple[str, ...],
    criterion: CriterionName,
    method: str,
    objective: Objective,
    time_limit: float | None,
    require_all: bool,
    output_format: str,
    output: str | None,
    force: bool,
    quiet: bool,
) -> None:
    """A line for each test regime: observed, identified (with its formula), not identified."""
    if output_format == "parquet" and output is None and sys.stdout.isatty():
        raise click.UsageError(
            "Parquet is binary and standard output is a terminal: name a file with -o FILE.", ctx
        )
    for name in ("criterion", "objective", "time_limit"):
        if method == "message-passing" and ctx.get_parameter_source(name) != ParameterSource.DEFAULT:
            option = f"--{name.replace('_', '-')}"
            raise click.UsageError(f"{option} says nothing to --method message-passing: leave one out.", ctx)
    if output is not None:
        check_output(output, force)
    asked = load(study).with_test(tests)
    chunks = asked.targets(CHUNK)
    solver = _Solver(asked, criterion, method, objective, time_limit)
    answers = (solver.solve(targets) for targets in progress(_full(chunks), _rounds(asked), "chunk", quiet))
    first = next(answers)  # what is wrong with the question shows here, before anything is written
    with open_sink(output, force) as sink:
        _WRITERS[output_format](sink, asked, chain([first], answers))
    if solver.unproven:
        remark(f"{counted(solver.unproven, 'formula')} not proven best for --objective {objective} in time", quiet)
    if output is not None:
        remark(f"{output}: {solver.tally.sentence}", quiet)
    if require_all and solver.tally.open:
        ctx.exit(NOT_ALL)


class _Solver:
    """Answers chunk after chunk, and counts the verdicts as they pass."""

    def __init__(
        self, study: Study, criterion: CriterionName, method: str, objective: Objective, time_limit: float | None
    ) -> None:
        self.study, self.criterion, self.objective = study, criterion, objective
        self.identifier = Identifier(study.design, study.notation)
        self.contexts = candidate_contexts(study.design) if method == "message-passing" else None
        self.until = None if time_limit is None else time.monotonic() + time_limit
        self.tally = Tally()
        self.unproven = 0

    def solve(self, targets: Regimes) -> Identification:
        study = self.study
        if self.contexts is not None:
            found = identify_by_messages(study.design, targets, study.notation, self.contexts)
        else:
            found = self.identifier.identify(targets, self.criterion)
        if self.objective != "basis":
            left = None if self.until is None else max(0.0, self.until - time.monotonic())
            chosen = choose(self.identifier, found, self.objective, study.samples, left)
            found, self.unproven = chosen.identification, self.unproven + int((~chosen.proven).sum())
        self.tally = self.tally.plus(found)
        return found


def _rounds(study: Study) -> int:
    return -(-study.target_count // CHUNK)


def _full(chunks: Iterator[Regimes]) -> Iterator[Regimes]:
    """The same regimes in chunks of about CHUNK: single ones given with --test are answered together."""
    waiting: list[Regimes] = []
    for chunk in chunks:
        waiting.append(chunk)
        if sum(map(len, waiting)) >= CHUNK:
            yield Regimes.concatenate(waiting)
            waiting = []
    if waiting:
        yield Regimes.concatenate(waiting)
