"""`ifm report`: one self-contained HTML page about a study."""

from __future__ import annotations

import shlex
import sys

import click

from ifm_ident.commands._options import (
    Seconds,
    files,
    limit_option,
    load_study,
    open_sink,
    output_option,
    progress,
    remark,
    stages,
    study_argument,
    test_option,
    with_test,
)
from ifm_ident.commands.identify import criterion_option
from ifm_ident.design.spaces import CHUNK
from ifm_ident.errors import InputError, MissingExtraError
from ifm_ident.files import check_output
from ifm_ident.plugins import EXTRA, PluginError, plugin
from ifm_ident.report import load_result
from ifm_ident.report.page import MOST_ROWS, Asked, write_report
from ifm_ident.report.part import Estimator, Part, Reader
from ifm_ident.solve.identifier import CriterionName, Identifier
from ifm_ident.study.study import Study


@click.command("report", epilog="Example:  ifm report study.yaml -o study.html")
@study_argument
@test_option
@criterion_option
@click.option("--estimates", metavar="FILE", shell_complete=files, help="Result of `ifm estimate --format json`.")
@click.option(
    "--falsification", metavar="FILE", shell_complete=files, help="Result of `ifm falsify --format json`."
)
@click.option(
    "--rows",
    type=click.IntRange(min=1),
    default=MOST_ROWS,
    show_default=True,
    metavar="N",
    help="At most N regimes in the table; counts are of all.",
)
@click.option(
    "--time-limit",
    type=Seconds(),
    default=10.0,
    show_default=True,
    metavar="S",
    help="Seconds for the search for a plan; then the best one so far, with its gap.",
)
@output_option
@click.option("--force", is_flag=True, help="Overwrite the output file.")
@click.option("--quiet", is_flag=True, help="No progress and no remarks on standard error.")
@limit_option
@click.pass_context
def command(
    ctx: click.Context,
    study: str,
    tests: tuple[str, ...],
    criterion: CriterionName,
    estimates: str | None,
    falsification: str | None,
    rows: int,
    time_limit: float,
    output: str | None,
    force: bool,
    quiet: bool,
) -> None:
    """One self-contained HTML page: design, pictures, regimes with formulas, refusals, implications, plan, data.

    The page needs no network and no other file. Where the study names data and the learning part is installed, it
    estimates the test regimes; --estimates and --falsification take results that are there already.

    Time: two to three seconds for a study of ten interventions; what `ifm estimate` takes comes on top where the
    study names data.
    """
    if output is None and sys.stdout.isatty():
        raise click.UsageError(
            "the page is long and standard output is a terminal: name a file with -o FILE.", ctx
        )
    if output is not None:
        check_output(output, force)
    asked = with_test(load_study(study, quiet), tests, "--test", quiet)
    chunks = asked.targets(CHUNK)
    tests_of_data = [] if falsification is None else [_read("falsification", asked, falsification)]
    parts, note = [], ""
    if estimates is not None:
        parts.append(_read("estimates", asked, estimates))
    elif asked.data is not None:
        made, note = _estimated(asked, quiet)
        parts += [] if made is None else [made]
    parts += tests_of_data
    identifier = Identifier(asked.design, asked.notation)
    rounds = -(-asked.target_count // CHUNK)
    answers = (identifier.identify(targets, criterion) for targets in progress(chunks, rounds, "chunk", quiet))
    page = Asked(criterion, _made_by(ctx, study), shlex.quote(study), rows, time_limit, tuple(parts), note)
    with open_sink(output, force) as sink:
        tally = write_report(sink, asked, page, answers)
    if output is not None:
        remark(f"{output}: {tally.sentence}", quiet)


def _made_by(ctx: click.Context, study: str) -> str:
    """The command as it can be typed again, for any output file: two runs give the same bytes."""
    words = ["ifm", "report", study]
    for option in ctx.command.params:
        if option.name in ("study", "output", "force", "quiet", "limit") or option.name is None:
            continue
        if ctx.get_parameter_source(option.name) == click.core.ParameterSource.DEFAULT:
            continue
        values = ctx.params[option.name]
        for value in values if isinstance(values, tuple) else (values,):
            words += [option.opts[0], str(value)]
    return shlex.join([*words, "-o", "FILE.html"])


def _read(name: str, study: Study, path: str) -> Part:
    """The part that shows a result file, by the plug-in that knows such files."""
    reader: Reader = plugin("ifm.report", name)
    return reader.part(study, load_result(path), path)


def _estimated(study: Study, quiet: bool) -> tuple[Part | None, str]:
    """Estimates of the learning part where it is there, else what to do; as `ifm estimate` without options."""
    advice = (
        "The study names data. `ifm estimate STUDY --format json -o FILE.json` estimates the test regimes; "
        "--estimates FILE.json puts the result here."
    )
    try:
        estimator: Estimator = plugin("ifm.report", "estimates")
        if reason := estimator.too_many(study):
            return None, f"{advice} Not done here: {reason}"
        remark("estimates from the study's data; --estimates FILE puts those of `ifm estimate` instead", quiet)
        with stages(quiet) as say:
            return estimator.estimated(study, say), ""
    except (MissingExtraError, PluginError) as error:
        return None, f"{advice} Not done here: {error}"
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("ifm_"):
            raise
        return None, f"{advice} Not done here: {MissingExtraError(error.name, EXTRA)}"
    except InputError as error:
        raise InputError(f"the study's data: {error}") from None
