"""`ifm falsify`: the testable implications of a design, tested on data."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from ifm_ident import Regimes, Study
from ifm_ident.commands import Output, load_study, output_options, progress, study_argument
from ifm_ident.implications import Implication
from ifm_ident.show import counted
from ifm_ident.solve import CriterionName
from ifm_learn.data.covariates import read_adjusted
from ifm_learn.data.reading import read_samples
from ifm_learn.falsification.repair import suggestions
from ifm_learn.falsification.testing import REPLICATES, TESTS, Correction, TestName, falsify
from ifm_learn.falsification.write import csv_lines, json_lines, text_lines, verdict

MOST_TARGETS = 10_000
"""Of more test regimes it is not said which are untested."""


@click.command(
    "falsify", epilog="Example:  ifm falsify study.yaml --data cells.csv --alpha 0.05 --correction holm"
)
@study_argument
@click.option("--data", type=click.Path(path_type=Path), metavar="FILE", help="The table, instead of the study's.")
@click.option("--alpha", default="0.05", show_default=True, metavar="DECIMAL", help="The level of the tests.")
@click.option(
    "--correction",
    type=click.Choice(["holm", "bh"]),
    default="holm",
    show_default=True,
    help="For the number of tests: holm (family-wise error) or bh (false discovery rate).",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the energy test's fits."
)
@click.option(
    "--method",
    "methods",
    type=click.Choice(TESTS),
    multiple=True,
    help="score: a missing interaction in regime contrast. energy: a regime against the others, re-weighted. "
    "Repeatable; default both.",
)
@click.option(
    "--criterion",
    type=click.Choice(["joint", "conditional", "auto"]),
    default="auto",
    show_default=True,
    help="Which claims, as in `ifm implications`.",
)
@click.option(
    "--pairs/--no-pairs",
    default=True,
    show_default=True,
    help="Also interactions of two variables, and their independence where no factor holds both.",
)
@click.option(
    "--replicates",
    type=click.IntRange(min=1),
    default=REPLICATES,
    show_default=True,
    help="Cross-fits that the energy test averages: more are steadier over seeds.",
)
@output_options(("table", "json", "csv"))
def command(
    study: str,
    data: Path | None,
    alpha: str,
    correction: Correction,
    seed: int,
    methods: tuple[TestName, ...],
    criterion: CriterionName,
    pairs: bool,
    replicates: int,
    output_format: str,
    output: str | None,
    force: bool,
    quiet: bool,
) -> None:
    """Tests the implications of the design on data.

    Time: about 2 s for a thousand rows of three variables.
    """
    out = Output(output_format, output, force, quiet)
    asked = load_study(study, quiet)
    if asked.covariates:
        samples, covariates = read_adjusted(asked, data)
        given, methods = (asked.design, covariates), methods or ("score",)
    else:
        samples, given = read_samples(asked, data), None

    def shown(claims: Iterable[Implication], total: int) -> Iterable[Implication]:
        return progress(claims, total, "claim", quiet)

    found = falsify(
        samples,
        alpha,
        criterion=criterion,
        pairs=pairs,
        tests=methods or TESTS,
        correction=correction,
        seed=seed,
        replicates=replicates,
        notation=asked.notation,
        targets=_targets(asked, out),
        adjusted_for=given,
        watch=shown,
    )
    suggested = suggestions(samples, found) if given is None else ()
    for warning in found.warnings:
        out.remark(f"warning: {warning}")
    if samples.ignored:
        out.remark(f"{counted(samples.ignored, 'row')} of regimes outside `train` ignored")
    if output_format == "json":
        lines = json_lines(found, suggested)
    elif output_format == "csv":
        lines = csv_lines(found)
    else:
        lines = text_lines(asked.name, found, suggested, len(samples))
    out.write(lines)
    out.done(verdict(found))


def _targets(study: Study, out: Output) -> Regimes | None:
    """The test regimes of the study; None, and said, where they are too many to look at each."""
    if study.target_count > MOST_TARGETS:
        out.remark(
            f"{study.target_count:,} test regimes are more than {MOST_TARGETS:,}: which of them are "
            "untested is not said"
        )
        return None
    return Regimes.concatenate([*study.targets()])
