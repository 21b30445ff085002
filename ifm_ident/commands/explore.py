"""`ifm explore`: one self-contained HTML page on which a design is changed by hand."""

from __future__ import annotations

import sys

import click

from ifm_ident.commands._options import (
    limit_option,
    load_study,
    open_sink,
    output_option,
    remark,
    study_argument,
    test_option,
    with_test,
)
from ifm_ident.explore.page import explore_page
from ifm_ident.files import check_output


@click.command("explore", epilog="Example:  ifm explore study.yaml -o study.html")
@study_argument
@test_option
@output_option
@click.option("--force", is_flag=True, help="Overwrite the output file.")
@click.option("--quiet", is_flag=True, help="No remarks on standard error.")
@limit_option
@click.pass_context
def command(
    ctx: click.Context, study: str, tests: tuple[str, ...], output: str | None, force: bool, quiet: bool
) -> None:
    """One self-contained HTML page to try a design on: change it, and every answer follows at once, exactly.

    Levels of the target are clicked, training regimes added and taken out, factors edited, another study pasted;
    verdict, formula or two models as proof, map, graphs and implications follow. The page needs no network, no
    server and no other file; the study file and the command are copied out of it. It starts at the first of the
    test regimes that were not run.

    Time: about a second; in the page an answer takes below 50 ms up to 60 unknowns.
    """
    if output is None and sys.stdout.isatty():
        raise click.UsageError(
            "the page is long and standard output is a terminal: name a file with -o FILE.", ctx
        )
    if output is not None:
        check_output(output, force)
    asked = with_test(load_study(study, quiet), tests, "--test", quiet)
    text = explore_page(asked)
    if asked.model.has_bases:
        remark(
            "warning: the page answers for named levels only; it shows this study greyed, as some of its "
            "interventions have levels with values",
            quiet,
        )
    with open_sink(output, force) as sink:
        sink.write(text.encode())
    if output is not None:
        remark(f"{output}: open it in a browser", quiet)
