"""`ifm verify`: every certificate of a result checked again."""

from __future__ import annotations

import click

from ifm_ident.commands._options import files, limit_option, say
from ifm_ident.study.study import load
from ifm_ident.verification.checking import verify_file
from ifm_ident.verification.parts import holds_parts, verify_parts

DOES_NOT_HOLD = 1
"""Exit status when something does not hold."""


@click.command("verify", epilog="Example:  ifm verify answers.json --study study.yaml")
@click.argument("result", metavar="RESULT", shell_complete=files)
@click.option(
    "--study",
    metavar="STUDY",
    shell_complete=files,
    help="Also check that the result is about this study (a CSV needs it).",
)
@limit_option
@click.pass_context
def command(ctx: click.Context, result: str, study: str | None) -> None:
    """Check every certificate in a result again, by code that shares nothing with the solver.

    RESULT is a JSON, CSV or Parquet file of `ifm identify`, or its folder of parts: then every part is checked
    against the manifest too. Exit status: 0 all hold, 1 one does not (each is
    named, one that cannot be read too), 2 the file is no result.

    Time: about a second for a small study; of 100,000 regimes formulas take 1 to 3 s and refusals 2 to 4 s.
    """
    check = verify_parts if holds_parts(result) else verify_file
    outcome = check(result, load(study) if study is not None else None, study_path=study)
    say(str(outcome))
    if not outcome.holds:
        ctx.exit(DOES_NOT_HOLD)
