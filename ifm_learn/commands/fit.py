"""`ifm fit`: a density model of a study, kept in a file."""

from __future__ import annotations

from pathlib import Path

import click

from ifm_ident.commands import files, limit_option, load_study, remark, stages, study_argument
from ifm_ident.files import check_output
from ifm_ident.show import counted
from ifm_learn.commands._options import calibration_option, data_option, jobs_option, seed_option
from ifm_learn.data.reading import read_samples
from ifm_learn.density.fitted import FittedModel
from ifm_learn.ladder.rungs import ENERGIES, GRID, NETWORKS, TABLES


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
    help="mlp, networks on a grid, or grid, tied splines; the other models of `ifm estimate` need no file.",
)
@data_option
@seed_option
@calibration_option
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
    jobs: int,
    force: bool,
    quiet: bool,
) -> None:
    """Fits a density on a grid to the study's data once, for `ifm estimate --model FILE` to use with any method.

    The file also tells which rows were held out, so that prediction intervals rest on rows that nothing was fitted
    to; `ifm estimate` refuses a model of another design or of other rows.

    Time: about 6 s for a thousand rows of three variables; it grows with rows, and fast with the variables of a
    clique.
    """
    if energy not in TABLES:
        raise click.UsageError(
            f"--energy {energy} needs no file: rungs of the ladder are fitted anew in seconds by `ifm estimate "
            f"--energy {energy}`; a file keeps densities on a grid, --energy {NETWORKS} or {GRID}."
        )
    path = check_output(output, force)
    samples = read_samples(load_study(study, quiet), data)
    with stages(quiet) as say:
        say("fitting the density model")
        model = FittedModel.fit(samples, seed=seed, calibration=calibration, jobs=jobs, energy=TABLES[energy])
    model.save(path)
    for note in model.notes:
        remark(f"warning: {note}", quiet)
    report = model.density.report
    rows = counted(sum(report.rows), "row")
    remark(f"{output}: {report.objective} likelihood of {rows}, inference {model.density.cost}", quiet)
