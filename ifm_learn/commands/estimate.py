"""`ifm estimate`: densities and effects of regimes that nobody has run, from data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from ifm_ident import load
from ifm_ident.commands.options import (
    files,
    open_sink,
    output_options,
    progress,
    refuse_given,
    refuse_terminal,
    remark,
    stages,
    study_argument,
    test_option,
)
from ifm_ident.files import check_output
from ifm_ident.show.words import counted
from ifm_learn.commands.options import (
    calibration_option,
    data_option,
    jobs_option,
    seed_option,
)
from ifm_learn.compare import Comparison, compare_methods
from ifm_learn.data.reading import read_samples
from ifm_learn.estimate import estimate_study
from ifm_learn.estimation.comparison_text import comparison_csv, comparison_json, comparison_lines
from ifm_learn.estimation.result import Estimates
from ifm_learn.estimation.text import closing, text_lines
from ifm_learn.estimation.write import csv_lines, json_lines, write_parquet
from ifm_learn.fitted import FittedModel
from ifm_learn.outcome.methods import METHODS

_LINES: dict[str, Callable[[Estimates], Iterator[str]]] = {
    "table": text_lines,
    "json": json_lines,
    "csv": csv_lines,
}
_COMPARISONS: dict[str, Callable[[str, Comparison], Iterator[str]]] = {
    "table": comparison_lines,
    "json": comparison_json,
    "csv": comparison_csv,
}


@click.command(
    "estimate",
    epilog="Example:  ifm estimate study.yaml --method ifm1 --alpha 0.1 --format json -o estimates.json",
)
@study_argument
@test_option
@click.option(
    "--method",
    type=click.Choice(list(METHODS)),
    default="ifm1",
    show_default=True,
    help="ifm1, ifm2, ifm3, dr, balance: by the factors, refused where these do not identify the regime. The "
    "others are baselines, which need no identification.",
)
@click.option("--alpha", default="0.1", show_default=True, metavar="DECIMAL", help="Miscoverage of the intervals.")
@seed_option
@data_option
@calibration_option
@click.option(
    "--model",
    metavar="FILE",
    shell_complete=files,
    help="A model of `ifm fit` for the same table, instead of a new fit.",
)
@click.option(
    "--compare",
    is_flag=True,
    help="Instead of test regimes: all methods on training regimes left out, of those that the others identify.",
)
@click.option(
    "--sensitivity",
    type=click.FloatRange(min=0),
    metavar="GAMMA",
    help="Also how far means of unseen regimes move with an interaction left out, of log-magnitude up to GAMMA, "
    "and how large it must be to turn an effect's sign. With ifm1, as table or json.",
)
@jobs_option
@output_options(("table", "json", "csv", "parquet"))
@click.pass_context
def command(
    ctx: click.Context,
    study: str,
    tests: tuple[str, ...],
    method: str,
    alpha: str,
    seed: int,
    data: Path | None,
    calibration: float,
    model: str | None,
    compare: bool,
    sensitivity: float | None,
    jobs: int,
    output_format: str,
    output: str | None,
    force: bool,
    quiet: bool,
) -> None:
    """Means of the outcome (of every variable, without one) in the test regimes, with intervals.

    A confidence interval is for the mean, a prediction interval for a fresh unit of the regime. Beside every
    estimate stand the additive baseline and the effective sample size; warnings tell of little overlap and of a
    model that does not give back its own training regimes.
    """
    refuse_terminal(ctx, output_format, output)
    if output is not None:
        check_output(output, force)
    asked = load(study).with_test(tests)
    if compare:
        refuse_given(
            ctx,
            ("tests", "method", "alpha", "calibration", "model", "sensitivity"),
            "says nothing to --compare: leave one out.",
        )
        if output_format == "parquet":
            raise click.UsageError("--compare is written as table, json or csv, not as parquet.", ctx)

        def watch(steps: Iterable[Any], total: int) -> Iterable[Any]:
            return progress(steps, total, "regime", quiet)

        samples = read_samples(asked, data)
        compared = compare_methods(samples, seed=seed, jobs=jobs, notation=asked.notation, watch=watch)
        with open_sink(output, force) as sink:
            for line in _COMPARISONS[output_format](asked.name, compared):
                sink.write(f"{line}\n".encode())
        return
    if sensitivity is not None and (method != "ifm1" or output_format in ("csv", "parquet")):
        raise click.UsageError("--sensitivity belongs to --method ifm1, written as table or json.", ctx)
    fitted = None
    if model is not None:
        refuse_given(ctx, ("calibration",), "is told by the --model: leave one out.")
        fitted = FittedModel.load(Path(model))
    with stages(quiet) as say:
        found = estimate_study(
            asked,
            data,
            method=method,
            alpha=alpha,
            seed=seed,
            calibration=calibration,
            model=fitted,
            jobs=jobs,
            sensitivity=sensitivity,
            say=say,
        )
    with open_sink(output, force) as sink:
        if output_format == "parquet":
            write_parquet(sink, found)
        else:
            for line in _LINES[output_format](found):
                sink.write(f"{line}\n".encode())
    if output_format != "table":
        for warning in found.warnings:
            remark(f"warning: {warning}", quiet)
    if found.ignored:
        remark(f"{counted(found.ignored, 'row')} of regimes outside `train` ignored", quiet)
    if output is not None:
        remark(f"{output}: {closing(found)}", quiet)
