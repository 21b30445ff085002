"""`ifm reproduce`: the paper's semi-synthetic experiments, and combinations that were really measured."""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import click

from ifm_ident import InputError
from ifm_ident.commands import progress, refuse_given, remark, say, stages
from ifm_ident.files import held_folder
from ifm_learn.data.fetch import data_folder
from ifm_learn.experiments.paper import DataName, load_experiment
from ifm_learn.experiments.protocol import METHODS, TRUTHS, Protocol
from ifm_learn.experiments.run import run_experiment
from ifm_learn.experiments.write import tables, write_all

PROBLEMS, QUICK_PROBLEMS = 100, 5

_IN_PAGE = ("truths", "problems", "methods", "outcome", "seed", "quick")
"""The options that the numbers depend on."""

_OF_THE_PAPER = ("truths", "problems", "methods", "outcome", "jobs", "quick", "download")


@click.command(
    "reproduce",
    epilog="Example:  ifm reproduce sachs --truth ifm --jobs 2 --data-home data -o reproduction-sachs",
)
@click.argument("data", type=click.Choice(["sachs", "dream", "combinations"]))
@click.option(
    "--truth",
    "truths",
    type=click.Choice(TRUTHS),
    multiple=True,
    help="The model fitted to the real data and taken as the truth. Repeatable; default both.",
)
@click.option(
    "--problems",
    type=click.IntRange(min=1),
    metavar="N",
    help=f"Outcome problems for each truth.  [default: {PROBLEMS}, with --quick {QUICK_PROBLEMS}]",
)
@click.option(
    "--method", "methods", type=click.Choice(METHODS), multiple=True, help="Repeatable; default all of them."
)
@click.option(
    "--outcome",
    type=click.Choice(["smooth", "trees"]),
    default="smooth",
    show_default=True,
    help="The regression of the outcome on x, the same for all: smooth, by cross-validation, or boosted trees.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Processes.")
@click.option("--quick", is_flag=True, help="Coarse and short, to see it work in under two minutes.")
@click.option(
    "--data-home",
    type=click.Path(path_type=Path),
    envvar="IFM_DATA",
    metavar="FOLDER",
    help="Where the public data are or are put; else the environment variable IFM_DATA, else the user's cache.",
)
@click.option("--download", is_flag=True, help="Fetch public data that are not there (SHA-256 checked).")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Results; an interrupted run continues from it.  [default: reproduction-DATA]",
)
@click.option("--quiet", is_flag=True, help="No progress and no remarks on standard error.")
@click.pass_context
def command(
    ctx: click.Context,
    data: DataName | Literal["combinations"],
    truths: tuple[str, ...],
    problems: int | None,
    methods: tuple[str, ...],
    outcome: str,
    seed: int,
    jobs: int,
    quick: bool,
    data_home: Path | None,
    download: bool,
    output: Path | None,
    quiet: bool,
) -> None:
    """The paper's experiment on DATA (sachs or dream), or predictions of measured combinations.

    \b
    A ground truth is fitted to the real data and sampled; every method sees that training sample and answers for
    regimes never run, in each of the outcome problems. Writes results.parquet, scores.parquet, results.json,
    table.md, figure.png, figure.svg and report.html, and prints the table.

    \b
    combinations: eight data sets, combinations held back, every way to predict them beside estimates by factors.
    Writes combinations.json, table.md, figure.png and figure.svg.

    Time: combinations about a minute; sachs and dream with --quick under two minutes, in full much longer.
    """
    if data == "combinations":
        refuse_given(ctx, _OF_THE_PAPER, "is of the paper's experiments, sachs and dream: leave it out.")
        _combinations(data_home, output, seed, quiet)
        return
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            samples, regimes = load_experiment(data, data_home, download)
        except InputError as error:
            raise InputError(f"{error} (on the command line --download and --data-home)") from None
    for warning in caught:
        remark(f"warning: {warning.message}", quiet)
    count = problems or (QUICK_PROBLEMS if quick else PROBLEMS)

    def watch(items: Iterable[Any], total: int) -> Iterable[Any]:
        return progress(items, total, "problem", quiet)

    with held_folder(output or f"reproduction-{data}") as folder:
        found = {}
        for truth in dict.fromkeys(truths or TRUTHS):
            options = {"truth": truth, "seed": seed, "outcome": outcome, "methods": methods or METHODS}
            protocol = Protocol(**options)  # type: ignore[arg-type]
            with stages(quiet) as stage:
                found[truth] = run_experiment(
                    samples,
                    regimes,
                    protocol.quick() if quick else protocol,
                    count,
                    folder / truth,
                    jobs=jobs,
                    say=stage,
                    watch=watch,
                )
        written = write_all(found, data, folder, _made_by(ctx))
    say(tables(found, data).removesuffix("\n"))
    remark(f"{folder}: {', '.join(path.name for path in written)}", quiet)


def _combinations(data_home: Path | None, output: Path | None, seed: int, quiet: bool) -> None:
    """The measured combinations."""
    from ifm_learn.experiments.combination_page import table, words, write
    from ifm_learn.experiments.combinations import require_files, run_combinations

    home = data_folder(data_home)
    try:
        require_files(home)
    except InputError as error:
        raise InputError(f"{error} (on the command line --data-home)") from None
    with held_folder(output or "reproduction-combinations") as folder:
        with stages(quiet) as stage:
            found = run_combinations(folder, home, seed=seed, say=stage)
        written = write(found, seed, folder)
    say(f"{table(found)}\n{words(found)}".removesuffix("\n"))
    remark(f"{folder}: {', '.join(path.name for path in written)}", quiet)


def _made_by(ctx: click.Context) -> str:
    """The command as it can be typed again, for any folder and number of processes: its numbers are the same."""
    words = ["ifm", "reproduce", str(ctx.params["data"])]
    for option in ctx.command.params:
        if option.name is None or option.name not in _IN_PAGE:
            continue
        if ctx.get_parameter_source(option.name) == click.core.ParameterSource.DEFAULT:
            continue
        if ctx.params[option.name] is True:
            words.append(option.opts[0])
            continue
        values = ctx.params[option.name]
        for value in values if isinstance(values, tuple) else (values,):
            words += [option.opts[0], str(value)]
    return shlex.join(words)
