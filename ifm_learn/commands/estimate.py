"""`ifm estimate`: densities and effects of regimes that nobody has run, from data."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, get_args

import click

from ifm_ident import Study
from ifm_ident.commands import (
    Output,
    files,
    load_study,
    open_sink,
    output_options,
    progress,
    refuse_given,
    refuse_terminal,
    stages,
    study_argument,
    test_option,
    with_test,
)
from ifm_ident.show import counted
from ifm_ident.study import anndata_bytes
from ifm_learn.commands._options import (
    calibration_option,
    data_option,
    jobs_option,
    seed_option,
    time_limit_option,
)
from ifm_learn.data.reading import read_samples
from ifm_learn.density.fitted import FittedModel
from ifm_learn.estimation.comparison import Comparison, compare_methods
from ifm_learn.estimation.comparison_text import comparison_csv, comparison_json, comparison_lines
from ifm_learn.estimation.fitted_ladder import FittedLadder, load_fitted
from ifm_learn.estimation.of_study import estimate_study
from ifm_learn.estimation.result import Estimates
from ifm_learn.estimation.text import closing, text_lines
from ifm_learn.estimation.write import csv_lines, json_lines, write_parquet
from ifm_learn.ladder.effects import Reference
from ifm_learn.ladder.rungs import AUTO, ENERGIES
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

_SILENT_FOR_COMPARE = (
    "tests",
    "method",
    "alpha",
    "calibration",
    "model",
    "sensitivity",
    "effects",
    "half",
    "time_limit",
    "shrink",
    "population",
    "by",
)


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
@click.option(
    "--alpha",
    default="0.1",
    show_default=True,
    metavar="DECIMAL",
    help="Share of intervals that may miss: 0.1 for 90% intervals.",
)
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
    type=click.FloatRange(min=0, max=math.inf, max_open=True),
    metavar="GAMMA",
    help="Also how far means of unseen regimes move with an interaction left out, of log-magnitude up to GAMMA, "
    "and how large it must be to turn an effect's sign. With ifm1, as table or json.",
)
@click.option(
    "--energy",
    type=click.Choice(ENERGIES),
    default=AUTO,
    show_default=True,
    help="How densities are modelled: auto averages the models that rows cannot tell apart, from a normal law to "
    "splines; or one of them; or networks on a grid, mlp. ifm2 and ifm3 take grid or mlp.",
)
@click.option(
    "--effects",
    is_flag=True,
    help="Also differences from the baseline regime, and synergies: differences from what --reference expects.",
)
@click.option(
    "--reference",
    type=click.Choice(get_args(Reference)),
    default="additive",
    show_default=True,
    help="What singles lead to expect of a combination, for --effects.",
)
@click.option(
    "--shrink",
    is_flag=True,
    help="Pull means of unseen regimes towards the additive baseline, the nearest regime that was run or the mean "
    "of the singles, as far as that errs less at training regimes left out, and widen their errors to match.",
)
@click.option(
    "--population",
    metavar="WHOSE",
    shell_complete=files,
    help="Of a study with covariates: whose covariates means are over: all training rows (the default), "
    "those of the "
    "baseline, ctrl, or a FILE with a column for every covariate.",
)
@click.option("--by", metavar="COVARIATE", help="Of a study with covariates: a mean for each value of one.")
@click.option(
    "--half",
    metavar="NAME",
    help="Also the level of this intervention, whose levels have a basis, at which half of its largest effect "
    "among the levels run is reached, everything else as in each test regime.",
)
@time_limit_option
@jobs_option
@output_options(("table", "json", "csv", "parquet", "h5ad"))
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
    energy: str,
    effects: bool,
    reference: Reference,
    shrink: bool,
    population: str | None,
    by: str | None,
    half: str | None,
    time_limit: float | None,
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

    Time: 3 to 11 s for a thousand rows and a few variables. The fits of --energy normal take about 2 s for a
    screen of 200 perturbations and 2,000 outcomes, and 1 s for a million rows. --time-limit bounds it.
    """
    if output is not None and output.endswith(".h5ad"):
        given = ctx.get_parameter_source("output_format") != click.core.ParameterSource.DEFAULT
        output_format = output_format if given else "h5ad"
    elif output_format == "h5ad":
        raise click.UsageError("An .h5ad file is binary: name it with -o FILE.h5ad.", ctx)
    refuse_terminal(ctx, output_format, output)
    out = Output(output_format, output, force, quiet)
    asked = with_test(load_study(study, quiet), tests, "--test", quiet)
    if compare:
        _compare(ctx, asked, data, (seed, jobs, energy), out)
        return
    if sensitivity is not None and (method != "ifm1" or output_format in ("csv", "parquet", "h5ad")):
        raise click.UsageError("--sensitivity belongs to --method ifm1, written as table or json.", ctx)
    if output_format in ("csv", "parquet", "h5ad") and (effects or half):
        option = "--effects" if effects else "--half"
        raise click.UsageError(f"{option} is written as table or json, not as {output_format}.", ctx)
    with stages(quiet) as say:
        found = estimate_study(
            asked,
            data,
            method=method,
            alpha=alpha,
            seed=seed,
            calibration=calibration,
            model=_fitted(ctx, model),
            jobs=jobs,
            sensitivity=sensitivity,
            energy=energy,
            effects=reference if effects else None,
            time_limit=time_limit,
            shrink=shrink,
            population=population,
            by=by,
            half=half,
            say=say,
        )
    _write(found, out)


def _compare(ctx: click.Context, study: Study, data: Path | None, how: tuple[int, int, str], out: Output) -> None:
    """--compare: all methods on training regimes left out."""
    refuse_given(ctx, _SILENT_FOR_COMPARE, "says nothing to --compare: leave one out.")
    if out.format in ("parquet", "h5ad"):
        raise click.UsageError(f"--compare is written as table, json or csv, not as {out.format}.", ctx)

    def watch(steps: Iterable[Any], total: int) -> Iterable[Any]:
        return progress(steps, total, "regime", out.quiet)

    samples, (seed, jobs, energy) = read_samples(study, data), how
    compared = compare_methods(samples, seed=seed, jobs=jobs, notation=study.notation, watch=watch, energy=energy)
    out.write(_COMPARISONS[out.format](study.name, compared))


def _fitted(ctx: click.Context, model: str | None) -> FittedModel | FittedLadder | None:
    """--model: the model of `ifm fit`."""
    if model is None:
        return None
    refuse_given(ctx, ("calibration", "time_limit"), "is told by the --model: leave one out.")
    found = load_fitted(Path(model))
    if isinstance(found, FittedLadder):
        refuse_given(ctx, ("seed",), "is told by the --model: leave one out.")
    return found


def _write(found: Estimates, out: Output) -> None:
    if out.format in ("parquet", "h5ad"):
        with open_sink(out.file, out.force, text=False) as sink:
            if out.format == "parquet":
                write_parquet(sink, found)
            else:
                sink.write(anndata_bytes(found.to_anndata()))
    else:
        out.write(_LINES[out.format](found))
    if out.format != "table":
        for warning in found.warnings:
            out.remark(f"warning: {warning}")
    if found.ignored:
        out.remark(f"{counted(found.ignored, 'row')} of regimes outside `train` ignored")
    out.done(closing(found))
