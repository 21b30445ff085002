"""`ifm fit`: a model of a study, kept in a file."""

from __future__ import annotations

from pathlib import Path

import click

from ifm_ident.commands import files, limit_option, load_study, remark, stages, study_argument
from ifm_ident.files import check_output
from ifm_ident.show import counted, listed
from ifm_learn.commands._options import (
    calibration_option,
    data_option,
    jobs_option,
    seed_option,
    time_limit_option,
)
from ifm_learn.data.reading import read_samples
from ifm_learn.density.fitted import FittedModel
from ifm_learn.estimation.fitted_ladder import FittedLadder
from ifm_learn.estimation.of_study import check_time
from ifm_learn.ladder.rungs import ENERGIES, NETWORKS, TABLES


@click.command("fit", epilog="Example:  ifm fit study.yaml -o model.npz")
@study_argument
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    required=True,
    shell_complete=files,
    help="Where the model goes (npz and JSON, no pickle).",
)
@click.option(
    "--energy",
    type=click.Choice(ENERGIES),
    default=NETWORKS,
    show_default=True,
    help="What is fitted: networks on a grid, mlp, or tied splines, grid, which serve every method; any other, or "
    "auto, an average over models, serves ifm1, dr and balance.",
)
@data_option
@seed_option
@calibration_option
@time_limit_option
@jobs_option
@click.option("--force", is_flag=True, help="Overwrite the output file.")
@click.option("--quiet", is_flag=True, help="No progress and no remarks on standard error.")
@limit_option
def command(
    study: str,
    output: str,
    energy: str,
    data: Path | None,
    seed: int,
    calibration: float,
    time_limit: float | None,
    jobs: int,
    force: bool,
    quiet: bool,
) -> None:
    """Fits a model to the study's data once, for `ifm estimate --model FILE` to ask it often.

    The file holds what the fit found, and no rows; it tells which rows were held out, so that prediction intervals
    rest on rows that nothing was fitted to. `ifm estimate` refuses a model of another design or of other rows.

    Time: about 6 s for a thousand rows of three variables; it grows with rows, and fast with the variables of a
    clique.
    """
    path = check_output(output, force)
    asked = load_study(study, quiet)
    if asked.covariates:
        raise click.UsageError("A study with covariates has no file of a model: `ifm estimate` fits it each time.")
    samples = read_samples(asked, data)
    if energy not in TABLES:
        with stages(quiet) as say:
            ladder = FittedLadder.fit(
                samples, energy=energy, seed=seed, calibration=calibration, time_limit=time_limit, say=say
            )
        ladder.save(path)
        for why in ladder.dropped.values():
            remark(f"warning: left out: {why}", quiet)
        names = listed(list(ladder.ladders[-1].rungs_chosen))
        remark(f"{output}: {names}, fitted to {counted(len(ladder.held(samples).fitted), 'row')}", quiet)
        return
    check_time(samples, energy, time_limit)
    with stages(quiet) as say:
        say("fitting the density model")
        model = FittedModel.fit(samples, seed=seed, calibration=calibration, jobs=jobs, energy=TABLES[energy])
    model.save(path)
    for note in model.notes:
        remark(f"warning: {note}", quiet)
    report = model.density.report
    rows = counted(sum(report.rows), "row")
    remark(f"{output}: {report.objective} likelihood of {rows}, inference {model.density.cost}", quiet)
