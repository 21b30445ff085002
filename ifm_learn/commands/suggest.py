"""`ifm suggest`: which regimes to run next when the aim is an outcome."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

import click

from ifm_ident.commands import Output, files, load_study, output_options, stages, study_argument
from ifm_learn.commands._options import data_option, seed_option
from ifm_learn.ladder.rungs import AUTO, ENERGIES
from ifm_learn.suggestion.beliefs import ModelName
from ifm_learn.suggestion.suggester import ACQUISITIONS, MOST, SCREEN, Suggester
from ifm_learn.suggestion.suggestions import Suggestions
from ifm_learn.suggestion.write import closing, csv_lines, json_lines, text_lines

_LINES: dict[str, Callable[[Suggestions], Iterator[str]]] = {
    "table": text_lines,
    "json": json_lines,
    "csv": csv_lines,
}


@click.command("suggest", epilog="Example:  ifm suggest study.yaml --goal max --batch 4 --cost costs.csv")
@study_argument
@click.option(
    "--goal",
    default="max",
    show_default=True,
    metavar="GOAL",
    help="max or min: the largest or smallest mean. hit:0.8: a mean of 0.8 or more. learn: least mean "
    "variance over --targets. refute: most power against the factors.",
)
@click.option("--batch", type=click.IntRange(1, MOST), default=1, show_default=True, help="Regimes to suggest.")
@click.option("--outcome", metavar="NAME", help="A column or a variable; needed where the study leaves several.")
@click.option(
    "--acquisition",
    type=click.Choice(ACQUISITIONS),
    help="Of max and min: expected improvement (the default), Thompson draws, the 0.9 quantile, or the mean.",
)
@click.option(
    "--candidates",
    "--test",
    "candidates",
    multiple=True,
    metavar="SPEC",
    help="What may be suggested: all (the default), order:2, file:PATH, or a regime. Repeatable.",
)
@click.option(
    "--targets",
    multiple=True,
    metavar="SPEC",
    help="With learn: regimes to learn of, instead of the study's test.",
)
@click.option(
    "--cost",
    metavar="FILE",
    shell_complete=files,
    help="Table of costs, as in `ifm plan`; scores are ranked by what they give for their cost.",
)
@click.option("--forbid", multiple=True, metavar="SPEC", help="Regimes that are never suggested. Repeatable.")
@click.option(
    "--pending",
    type=click.Path(path_type=Path),
    metavar="FILE",
    shell_complete=files,
    help="Table of regimes that are running: never suggested, and counted as if done.",
)
@click.option(
    "--same", multiple=True, metavar="NAME", help="An intervention at one level within the batch. Repeatable."
)
@click.option(
    "--repeats/--no-repeats",
    default=None,
    help="Whether regimes that were run may be run again; by default for learn only.",
)
@click.option(
    "--model",
    type=click.Choice(get_args(ModelName)),
    default="auto",
    show_default=True,
    help="factors; a Gaussian process over level names, process; or auto: the factors unless they clearly err "
    "more at regimes left out.",
)
@click.option(
    "--energy",
    type=click.Choice(ENERGIES),
    default=AUTO,
    show_default=True,
    help="How densities are modelled by the factors, as in `ifm estimate`.",
)
@click.option(
    "--noise",
    type=float,
    metavar="SD",
    help="The standard deviation of a row, where it is known (one row a regime).",
)
@click.option(
    "--rows",
    type=float,
    metavar="N",
    help="With learn and refute: rows of a run, or units of it where rows come in units.  [default: the median]",
)
@click.option(
    "--interaction",
    type=float,
    default=1.0,
    show_default=True,
    metavar="SD",
    help="With refute: how large effects that the factors deny might be, in standard deviations of a row.",
)
@click.option(
    "--screen",
    type=click.IntRange(1, MOST),
    default=SCREEN,
    show_default=True,
    metavar="N",
    help="Candidates that draws are made of, of those that look best by a linear model.",
)
@data_option
@seed_option
@output_options(("table", "json", "csv"))
def command(
    study: str,
    goal: str,
    batch: int,
    outcome: str | None,
    acquisition: str | None,
    candidates: tuple[str, ...],
    targets: tuple[str, ...],
    cost: str | None,
    forbid: tuple[str, ...],
    pending: Path | None,
    same: tuple[str, ...],
    repeats: bool | None,
    model: ModelName,
    energy: str,
    noise: float | None,
    rows: float | None,
    interaction: float,
    screen: int,
    data: Path | None,
    seed: int,
    output_format: str,
    output: str | None,
    force: bool,
    quiet: bool,
) -> None:
    """Which regimes to run next, for the best outcome, to learn, or to refute the factors.

    The score is by draws of the candidates' means, from refits on redrawn rows, for identified regimes; of
    others it is said how many candidates a run of them would identify (`unlocks`). Rows of regimes that are not
    in `train` do not count: write `train: data` to take all.

    Time: SUGGEST
    """
    out = Output(output_format, output, force, quiet)
    asked = load_study(study, quiet)
    with stages(quiet) as say:
        suggester = Suggester(
            asked,
            data,
            goal=goal,
            outcome=outcome,
            acquisition=acquisition,
            candidates=candidates,
            targets=targets,
            cost=cost,
            forbid=forbid,
            pending=pending,
            same=same,
            repeats=repeats,
            model=model,
            energy=energy,
            noise=noise,
            rows=rows,
            interaction=interaction,
            screen=screen,
            seed=seed,
            say=say,
        )
        found = suggester.ask(batch)
    out.write(_LINES[output_format](found))
    if output_format == "csv":
        for warning in found.warnings:
            out.remark(f"warning: {warning}")
    if found.ignored:
        out.remark(f"{found.ignored:,} rows of regimes outside `train` ignored")
    out.done(closing(found))
