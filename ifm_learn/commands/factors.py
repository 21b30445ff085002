"""`ifm factors`: which factors the data support, and what cannot be told."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import click

from ifm_ident import InputError
from ifm_ident.commands import Output, files, limit_option, load_study, open_sink, progress, study_argument
from ifm_ident.commands import remark as remark_on
from ifm_ident.files import check_output
from ifm_ident.show import counted
from ifm_ident.study import listed_factors, written_with_factors
from ifm_learn.commands._options import data_option
from ifm_learn.data.reading import read_samples
from ifm_learn.factors.choosing import RESAMPLES, choose_factors
from ifm_learn.factors.write import csv_lines, json_lines, text_lines


@click.command("factors", epilog="Example:  ifm factors study.yaml --data cells.csv -o chosen.yaml")
@study_argument
@data_option
@click.option(
    "--pairs",
    is_flag=True,
    help="All pairs of interventions, also those never run together; by default those that were, and single "
    "interventions where they do not act yet.",
)
@click.option(
    "--candidates",
    type=click.Path(path_type=Path),
    metavar="FILE",
    shell_complete=files,
    help="Only these: a YAML or JSON file with candidates: [{sigma: [A, B], x: [x1]}].",
)
@click.option(
    "--level", default="0.05", show_default=True, metavar="DECIMAL", help="The false discovery rate allowed."
)
@click.option(
    "--rung",
    type=click.Choice(["auto", "linear", "quadratic", "splines"]),
    default="auto",
    show_default=True,
    help="What interventions may do to a variable: auto lets them shift it and change its spread, or more where "
    "rows say so; linear only shifts, which finds more and is wrong where spread changes.",
)
@click.option("--keep", is_flag=True, help="Drop nothing that the study has.")
@click.option(
    "--resamples",
    type=click.IntRange(min=0),
    default=RESAMPLES,
    show_default=True,
    help="Halves of the rows (units) that are asked again, for stability; 0 for none.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of folds and halves.")
@click.option(
    "--time-limit",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="How long choosing may take, by forecast; fewer halves are taken where that helps, which is said.",
)
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json", "csv"]),
    default="text",
    show_default=True,
    help="How the findings are written, to standard output.",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    shell_complete=files,
    help="Write the study with the chosen factors to FILE, beside the study; never over it.",
)
@click.option("--force", is_flag=True, help="Overwrite another file.")
@click.option("--quiet", is_flag=True, help="No progress and no remarks on standard error.")
@limit_option
def command(
    study: str,
    data: Path | None,
    pairs: bool,
    candidates: Path | None,
    level: str,
    rung: Literal["auto", "linear", "quadratic", "splines"],
    keep: bool,
    resamples: int,
    seed: int,
    time_limit: float | None,
    output_format: str,
    output: str | None,
    force: bool,
    quiet: bool,
) -> None:
    """Which interventions act together, and on which variables, as far as rows tell.

    Starts from the study's factors. What no training regime can tell is said, with regimes that would tell.

    Time: about 13 s for a thousand rows of four interventions, 4 s with --resamples 0.
    """
    if pairs and candidates is not None:
        raise click.UsageError("--pairs and --candidates: give one of the two.")
    out = Output(output_format, None, force, quiet)
    asked = load_study(study, quiet)
    if output is not None:
        check_output(output, force)
        written_with_factors(asked, asked.model.factors, Path(output))
    wanted = "all" if pairs else "measured" if candidates is None else listed_factors(candidates)
    samples = read_samples(asked, data)

    def watch(items: Iterable[Any], total: int, what: str) -> Iterable[Any]:
        return progress(items, total, what, quiet)

    try:
        found = choose_factors(
            asked,
            samples,
            wanted,
            level,
            drop=not keep,
            rung=rung,
            seed=seed,
            resamples=resamples,
            time_limit=time_limit,
            watch=watch,
            say=out.remark,
        )
    except InputError as error:
        if candidates is not None and str(error).startswith("candidates"):
            raise InputError(f"{candidates}: {error}") from None
        raise
    for warning in found.warnings:
        out.remark(f"warning: {warning}")
    if samples.ignored:
        out.remark(f"{counted(samples.ignored, 'row')} of regimes outside `train` ignored")
    lines = {"text": text_lines, "json": json_lines, "csv": csv_lines}[output_format](found)
    if output is not None:
        text = written_with_factors(asked, found.factors, Path(output))
        with open_sink(output, force, text=False) as sink:
            sink.write(text.encode())
    out.write(lines)
    if output is not None:
        said = "the study with the chosen factors" if found.changed else "the study as it was: nothing to change"
        remark_on(f"{output}: {said}", quiet)
