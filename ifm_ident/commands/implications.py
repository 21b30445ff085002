"""`ifm implications`: what the design claims that data can refute; `--aliases`: its alias table."""

from __future__ import annotations

from collections.abc import Iterator

import click

from ifm_ident.commands._options import Output, load_study, output_options, study_argument
from ifm_ident.implications.aliases import DEFAULT_ORDER, aliases
from ifm_ident.implications.testable import implications, variable_sets
from ifm_ident.show.aliases_write import alias_csv, alias_lines
from ifm_ident.show.implications_write import json_lines, latex_lines, text_lines
from ifm_ident.show.words import counted
from ifm_ident.solve.identifier import CriterionName, Identifier
from ifm_ident.study.study import Study


@click.command("implications", epilog="Example:  ifm implications study.yaml --interactions 2 --format json")
@study_argument
@click.option(
    "--criterion",
    type=click.Choice(["joint", "conditional", "auto"]),
    default="auto",
    show_default=True,
    help="joint: products constant in all variables. conditional: for each set of factors that holds a variable. "
    "auto: joint ones, then the conditional ones they do not imply.",
)
@click.option("--interactions", type=click.IntRange(min=2), metavar="K", help="Also sets of up to K variables.")
@click.option("--of-set", "sets", multiple=True, metavar="X1,X2", help="Also this set of variables. Repeatable.")
@click.option(
    "--aliases",
    "want_aliases",
    is_flag=True,
    help="The alias table of two-level interventions instead; with --format csv as a matrix.",
)
@click.option(
    "--order",
    type=click.IntRange(min=1),
    default=DEFAULT_ORDER,
    show_default=True,
    help="With --aliases: effects outside the model of up to this many interventions.",
)
@output_options(("table", "json", "latex", "csv"))
@click.pass_context
def command(
    ctx: click.Context,
    study: str,
    criterion: CriterionName,
    interactions: int | None,
    sets: tuple[str, ...],
    want_aliases: bool,
    order: int,
    output_format: str,
    output: str | None,
    force: bool,
    quiet: bool,
) -> None:
    """The testable implications of the design.

    Time: about a second for a study of ten interventions.
    """
    given = {name for name in ctx.params if ctx.get_parameter_source(name) != click.core.ParameterSource.DEFAULT}
    if want_aliases and given & {"criterion", "interactions", "sets"}:
        raise click.UsageError("--aliases is a table of its own: leave --criterion, --interactions, --of-set out.")
    if "order" in given and not want_aliases:
        raise click.UsageError(
            "--order belongs to --aliases; sets of variables are asked for with --interactions."
        )
    out = Output(output_format, output, force, quiet)
    asked = load_study(study, quiet)
    if want_aliases != (output_format == "csv") and output_format != "table":
        raise click.UsageError("--aliases is a table or csv, implications are a table, json or latex.")
    if want_aliases:
        found = aliases(asked.design, order)
        lines = alias_csv(found) if output_format == "csv" else alias_lines(asked.name, found)
        said = "alias table"
    else:
        lines, said = _implications(asked, criterion, interactions, sets, output_format)
    out.write(lines)
    out.done(said)


def _implications(
    study: Study, criterion: CriterionName, size: int | None, sets: tuple[str, ...], output_format: str
) -> tuple[Iterator[str], str]:
    asked = variable_sets(study.model, size) if size is not None else []
    asked += [tuple(name.strip() for name in text.split(",")) for text in sets]
    found = implications(Identifier(study.design, study.notation), criterion, asked)
    said = counted(len(found), "testable implication")
    if output_format == "json":
        return json_lines(found), said
    return (text_lines if output_format == "table" else latex_lines)(study, found), said
