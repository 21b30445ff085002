"""`ifm init`: a first study file from a table, or from a graph."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from ifm_ident.commands._options import Output, files, limit_option, output_option, remark, say


@click.command("init", epilog="Example:  ifm init cells.csv -o study.yaml")
@click.argument("table", required=False, metavar="[TABLE]", shell_complete=files)
@click.option(
    "--from-graph",
    metavar="FILE",
    shell_complete=files,
    help="Instead of a table: a directed graph in GraphML (.graphml), DOT (.dot, .gv), dagitty "
    "text (.txt, .dagitty) or "
    "BIF (.bif).",
)
@click.option(
    "--label",
    multiple=True,
    metavar="COLUMN",
    help="The column of labels such as A+B. Repeatable: one intervention each.",
)
@click.option("--control", multiple=True, metavar="TEXT", help="What means baseline in labels. Repeatable.")
@click.option("--separator", metavar="TEXT", help="What joins interventions in labels.")
@click.option(
    "--intervention",
    multiple=True,
    metavar="COLUMN",
    help="A column that is an intervention, in place of guesses. Repeatable.",
)
@click.option("--outcome", metavar="COLUMN", help="The column of the outcome.")
@click.option("--pairs", is_flag=True, help="Also a factor for each pair of interventions that was run.")
@output_option
@click.option("--force", is_flag=True, help="Overwrite the output file.")
@click.option("--quiet", is_flag=True, help="No remarks on standard error.")
@limit_option
@click.pass_context
def command(
    ctx: click.Context,
    table: str | None,
    from_graph: str | None,
    label: tuple[str, ...],
    control: tuple[str, ...],
    separator: str | None,
    intervention: tuple[str, ...],
    outcome: str | None,
    pairs: bool,
    output: str | None,
    force: bool,
    quiet: bool,
) -> None:
    """A first study file from a table that nobody prepared, or from a graph; every guess is a comment in it.

    A table (CSV, TSV, Parquet, .h5ad) gives its interventions and levels, the regimes that were run, variables and
    the outcome, and one factor an intervention. A graph gives one factor for each variable with its parents.
    Without -o the file goes to standard output.

    Time: about a second for a thousand rows, two for 200,000.
    """
    if (table is None) == (from_graph is None):
        raise click.UsageError("Name a TABLE, or a graph with --from-graph, and not both.", ctx)
    out = Output("yaml", output, force, quiet)
    folder = Path(output).parent if output is not None else Path()
    if from_graph is not None:
        from ifm_ident.study.first_graph_study import study_text_of_graph

        for name, given in (
            ("--label", label),
            ("--control", control),
            ("--separator", separator),
            ("--outcome", outcome),
            ("--pairs", pairs),
        ):
            if given:
                raise click.UsageError(f"{name} is for a table; a graph has none.", ctx)
        text, estimable, counted = study_text_of_graph(from_graph, intervention), False, ""
    else:
        from ifm_ident.study.first_study import first_study

        assert table is not None
        found = first_study(
            table,
            label=label,
            control=control,
            separator=separator,
            interventions=intervention,
            outcome=outcome,
            pairs=pairs,
            folder=folder,
        )
        text, estimable, counted = found.text, found.can_estimate, found.counted
        for one in found.remarks:
            remark(f"warning: {one}", quiet)
    out.write(text.rstrip("\n").split("\n"))
    name = shlex.quote(output or "study.yaml")
    kept = output is not None
    if counted and kept:
        say(f"{output}: {counted}; read its comments: each is a guess")
    if not (quiet and not kept):
        say(f"ifm identify {name}", err=not kept)
        if estimable:
            say(f"ifm estimate {name}", err=not kept)
