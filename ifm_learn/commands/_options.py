"""Options that the commands of estimation share."""

from __future__ import annotations

from pathlib import Path

import click

from ifm_ident.commands import files
from ifm_learn.data.held import CALIBRATION

data_option = click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="FILE",
    shell_complete=files,
    help="The table, instead of the study's.",
)
seed_option = click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of splits, fits and draws."
)
calibration_option = click.option(
    "--calibration",
    type=click.FloatRange(min=0, max=1, max_open=True),
    default=CALIBRATION,
    show_default=True,
    metavar="SHARE",
    help="Share of every training regime's rows held out for prediction intervals; 0 for no such intervals.",
)
jobs_option = click.option(
    "--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Processes; any number, same result."
)

time_limit_option = click.option(
    "--time-limit",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="How long fitting may take, by forecast; models that would take longer are left out, which is said.",
)
