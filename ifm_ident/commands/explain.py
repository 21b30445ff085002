"""`ifm explain`: how one regime is or is not identified."""

from __future__ import annotations

import click

from ifm_ident.commands._options import limit_option, load_study, say, study_argument
from ifm_ident.commands.identify import criterion_option
from ifm_ident.design.notation import parse_regime
from ifm_ident.errors import InputError
from ifm_ident.show.explanation import explain
from ifm_ident.solve.identifier import CriterionName


@click.command("explain", epilog="Example:  ifm explain study.yaml --regime 111")
@study_argument
@click.option(
    "--regime",
    required=True,
    metavar="R",
    help="The regime: a level string (110), a label (A+B), or an assignment (A=1,B=2).",
)
@criterion_option
@limit_option
def command(study: str, regime: str, criterion: CriterionName) -> None:
    """How one regime is or is not identified, step by step.

    The incidence table, the solution and its check or the counter-example, the derivation by message passing
    where there is one, and the nearest regimes that have an answer.

    Time: about a second for a study of ten interventions.
    """
    asked = load_study(study)
    try:
        target = parse_regime(asked.model, regime)
    except InputError as error:
        raise InputError(f"--regime {regime}: {error}") from None
    for line in explain(asked, target, criterion):
        say(line)
