"""`ifm identify`: a line for each test regime."""

from __future__ import annotations

import shutil
import sys
from itertools import chain
from typing import cast, get_args

import click
import numpy as np

from ifm_ident.answer.identification import JOINT, Status
from ifm_ident.commands._levels import levels
from ifm_ident.commands._options import (
    Output,
    Seconds,
    load_study,
    open_sink,
    output_options,
    progress,
    refuse_given,
    refuse_terminal,
    study_argument,
    test_option,
    with_test,
)
from ifm_ident.commands._parts import OF_PARTS, format_of_parts, is_folder, shard_of, write_parts
from ifm_ident.commands._restriction import how_to_verify, restricted
from ifm_ident.deadline import Deadline
from ifm_ident.design.regime_text import BASELINE
from ifm_ident.design.regimes import Regimes
from ifm_ident.design.spaces import CHUNK
from ifm_ident.parts.asked import Asked, Method, in_full_chunks
from ifm_ident.parts.running import PART_ROWS
from ifm_ident.results.read import WRITERS
from ifm_ident.shares.shares import ANSWERED, shares_of
from ifm_ident.show.latex import write_latex
from ifm_ident.show.objective_words import Proofs, attained_words
from ifm_ident.show.shares_write import json_lines, share_text, text_lines
from ifm_ident.show.size_words import Sizes, basis_notes
from ifm_ident.show.table import write_table
from ifm_ident.show.words import Tally, listed, variables_of
from ifm_ident.solve.identifier import CriterionName, Identifier
from ifm_ident.solve.objectives.choose import Chosen, Objective
from ifm_ident.study.study import Study

NOT_ALL = 3
"""Exit status of --require-all when a target is not identified."""

SPARSE_SECONDS = 60.0
"""Time limit of --objective sparse where none is given: symmetric designs can take very long."""

_WRITERS = {"latex": write_latex, **WRITERS}
_UNPROVEN_SHOWN = 20
_NARROWEST = 40
_SILENT_FOR_ROUTE = ("criterion", "objective", "time_limit")
_SILENT_FOR_SUMMARY = ("tests", "method", "objective", "time_limit", "require_all")
_SILENT_FOR_LEVELS = ("tests", "method", "objective", "time_limit", "summary", "require_all")
_SUMMARY_ONLY = ("sample", "seed")

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
    type=Seconds(),
    metavar="S",
    help="Seconds for --objective in all; formulas not proven best by then are shown with a proven bound. "
    f"Default: {SPARSE_SECONDS:g} for sparse, else none.",
)
@click.option(
    "--of",
    multiple=True,
    metavar="X1,X2",
    help="Only the density of these variables and of those connected to them through factors. Repeatable.",
)
@click.option(
    "--summary",
    is_flag=True,
    help="Instead of test regimes, the whole space: which share is observed, identified, not identified, by "
    "number of active interventions.",
)
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    default=2000,
    show_default=True,
    metavar="N",
    help="With --summary: regimes drawn for an order too large to enumerate.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="With --summary: seed of the draws."
)
@click.option(
    "--levels",
    "level_names",
    multiple=True,
    metavar="NAME",
    help="Instead of test regimes: all levels of this intervention, which has a basis, at which --regime is "
    "identified, exactly. Twice, with --picture, for a surface over two.",
)
@click.option("--regime", metavar="R", help="With --levels: the regime of the other interventions. Default: ctrl.")
@click.option(
    "--picture",
    metavar="FILE",
    help="With --levels: a picture (.svg, .png, .pdf), sum|q| beneath what is identified.",
)
@click.option(
    "--shard",
    callback=shard_of,
    metavar="I/N",
    help="With -o FOLDER/: only the I-th of N shares of the parts, for several machines.",
)
@click.option(
    "--resume", is_flag=True, help="With -o FOLDER/: keep finished parts whose SHA-256 is right, write the others."
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="With -o FOLDER/: so many processes, each with the memory of one.",
)
@click.option(
    "--part-rows",
    type=click.IntRange(min=1),
    default=PART_ROWS,
    show_default=True,
    metavar="N",
    help="With -o FOLDER/: how many regimes a part answers.",
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
    of: tuple[str, ...],
    summary: bool,
    sample: int,
    seed: int,
    level_names: tuple[str, ...],
    regime: str | None,
    picture: str | None,
    shard: tuple[int, int] | None,
    resume: bool,
    workers: int,
    part_rows: int,
    require_all: bool,
    output_format: str,
    output: str | None,
    force: bool,
    quiet: bool,
) -> None:
    """A line for each test regime: observed, identified (with its formula), not identified.

    --of X1,X2 keeps the variables named and those connected to them; the result is about the model of these
    alone, and `ifm verify RESULT` checks it as such (for a JSON or Parquet file, without --study).

    -o FOLDER/, with a slash at the end, writes Parquet (or csv, json) in parts and a manifest, in memory that does
    not grow with the number of regimes; --resume goes on after an interrupt. FOLDER may be an address of fsspec,
    such as s3://bucket/answers/. `ifm verify FOLDER/` checks all of it.

    --summary counts verdicts over the whole space, exactly where a rank tells them or few enough regimes have so
    many active interventions (200,000 in all, or N of --sample), else by a uniform sample with its exact 95%
    interval. JSON, ifm-summary/1: `orders` (a list, by `active`) and `total`, each with `regimes`, `known` (how
    many verdicts are known exactly) and `sampled`, and for observed, identified_joint, identified_conditional,
    not_identified and answered: `share`, `interval`, `count` (among the known), `hits` (among the sampled).

    Time: about a second for a study of ten interventions; a million regimes take about 3 s, and ten million in
    parts about a minute.
    """
    refuse_terminal(ctx, output_format, output)
    _refuse_mixed(ctx, method, summary, output_format)
    _refuse_levels(ctx, level_names, picture, output_format)
    in_parts = output is not None and is_folder(output)
    if in_parts:
        output_format = format_of_parts(ctx, output_format)
    else:
        refuse_given(ctx, OF_PARTS, "belongs to parts: name a folder, -o FOLDER/ with a slash at the end.")
    out = Output(output_format, None if in_parts else output, force, quiet)
    whole = load_study(study, quiet)
    asked, note = restricted(whole, of) if of else (whole, "")
    notes = [note] if note else []
    notes += basis_notes(asked.design)
    if summary:
        _summarise(asked, criterion, sample, seed, notes, out)
        return
    if level_names:
        levels(asked, level_names, regime or BASELINE, criterion, picture, out)
        return
    asked = with_test(asked, tests, "--test", quiet)
    if output is not None and in_parts:
        question = Asked(asked, criterion, cast(Method, method), objective)
        for line in notes:
            out.remark(line)
        verdicts = write_parts(question, output, out, shard, resume, workers, part_rows)
        if require_all and verdicts.get(Status.NOT_IDENTIFIED.word, 0) + verdicts.get(Status.UNDECIDED.word, 0):
            ctx.exit(NOT_ALL)
        return
    solver = _answer(asked, criterion, method, objective, time_limit, notes, out)
    if asked.design is not whole.design and output_format in WRITERS:
        out.remark(how_to_verify(output_format, output))
    if solver.proofs.formulas and (output is not None or solver.proofs.proven < solver.proofs.formulas):
        out.remark(solver.proof)
    out.done(solver.tally.sentence)
    if require_all and solver.tally.open:
        ctx.exit(NOT_ALL)


def _refuse_mixed(ctx: click.Context, method: str, summary: bool, output_format: str) -> None:
    """Raises UsageError for options that say nothing to one another."""
    if method == "message-passing":
        refuse_given(ctx, _SILENT_FOR_ROUTE, "says nothing to --method message-passing: leave one out.")
    if not summary:
        refuse_given(ctx, _SUMMARY_ONLY, "belongs to --summary: add that, or leave it out.")
        return
    refuse_given(ctx, _SILENT_FOR_SUMMARY, "says nothing to --summary: leave one out.")
    if output_format not in ("table", "json"):
        raise click.UsageError(f"--summary is written as table or json, not as {output_format}.", ctx)


def _refuse_levels(ctx: click.Context, names: tuple[str, ...], picture: str | None, output_format: str) -> None:
    """Raises UsageError for options that say nothing to --levels, or that belong to it."""
    if not names:
        refuse_given(ctx, ("regime", "picture"), "belongs to --levels: add that, or leave it out.")
        return
    refuse_given(ctx, _SILENT_FOR_LEVELS, "says nothing to --levels: leave one out.")
    if output_format not in ("table", "json"):
        raise click.UsageError(f"--levels is written as table or json, not as {output_format}.", ctx)
    if len(names) > 2 or (len(names) == 2 and picture is None):
        raise click.UsageError("--levels names one intervention, or two for a --picture of the surface.", ctx)


def _summarise(
    study: Study, criterion: CriterionName, sample: int, seed: int, notes: list[str], out: Output
) -> None:
    found = shares_of(
        Identifier(study.design, study.notation),
        criterion,
        sample,
        seed,
        watch=lambda orders, total: progress(orders, total, "order", out.quiet),
    )
    if out.format == "json":
        out.write(json_lines(study.name, found))
        for note in notes:
            out.remark(note)
    else:
        out.write(text_lines(study.name, found, notes))
    out.done(f"{share_text(found.total.share(*ANSWERED))} of all regimes are observed or identified.")


def _answer(
    study: Study,
    criterion: CriterionName,
    method: str,
    objective: Objective,
    time_limit: float | None,
    notes: list[str],
    out: Output,
) -> _Solver:
    """Writes a line for each test regime, and gives back what counted them."""
    chunks = in_full_chunks(study.targets(CHUNK))
    solver = _Solver(study, criterion, method, objective, time_limit)
    answers = (solver.solve(targets) for targets in progress(chunks, _rounds(study), "chunk", out.quiet))
    first = next(answers)  # what is wrong with the question shows here, before anything is written
    with open_sink(out.file, out.force, text=out.format != "parquet") as sink:
        if out.format == "table":
            read = out.file is None and sys.stdout.isatty()
            width = max(shutil.get_terminal_size().columns, _NARROWEST) if read else None
            write_table(sink, study, chain([first], answers), notes, width)
        else:
            found = (chosen.identification for chosen in chain([first], answers))
            _WRITERS[out.format](sink, study, found)
    if out.format != "table":
        for line in (*notes, *solver.unproven, *filter(None, [solver.sizes.warning])):
            out.remark(line)
    return solver


class _Solver:
    """Answers chunk after chunk, and counts the verdicts as they pass."""

    def __init__(
        self, study: Study, criterion: CriterionName, method: str, objective: Objective, time_limit: float | None
    ) -> None:
        if time_limit is None and objective == "sparse":
            time_limit = SPARSE_SECONDS
        self.study, self.time_limit = study, time_limit
        self.asked = Asked(study, criterion, cast(Method, method), objective)
        self.until = Deadline.after(time_limit)
        self.tally = Tally()
        self.proofs = Proofs(objective)
        self.sizes = Sizes()
        self.unproven: list[str] = []

    def solve(self, targets: Regimes) -> Chosen:
        left = self.until.option.get("time_limit")
        chosen = self.asked.answer(targets, left)
        self.proofs = self.proofs.plus(chosen)
        self.tally = self.tally.plus(chosen.identification)
        self.sizes = self.sizes.plus(chosen.identification)
        self._keep_unproven(chosen)
        return chosen

    @property
    def proof(self) -> str:
        """How many formulas are proven best, with the time limit where that left some out."""
        if self.time_limit is None or self.proofs.proven == self.proofs.formulas:
            return self.proofs.sentence
        return f"{self.proofs.sentence} The time limit is {self.time_limit:g} s: --time-limit S."

    def _keep_unproven(self, chosen: Chosen) -> None:
        """Words on the first formulas that are not proven best."""
        model = self.study.model
        for e in np.flatnonzero(~chosen.proven)[: _UNPROVEN_SHOWN - len(self.unproven)].tolist():
            block, name = int(chosen.block[e]), chosen.identification[int(chosen.row[e])].name
            where = "" if block == JOINT else f", {listed(variables_of(model, block))} | rest"
            words = attained_words(chosen.objective, chosen.value[e], chosen.bound[e])
            self.unproven.append(f"{name}{where}: {words}")


def _rounds(study: Study) -> int:
    return -(-study.target_count // CHUNK)
