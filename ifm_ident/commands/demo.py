"""`ifm demo`: the poster's examples end to end."""

from __future__ import annotations

from pathlib import Path

import click

from ifm_ident.commands._options import say
from ifm_ident.show.demonstration import demonstration, save_examples


@click.command("demo", epilog="Example:  ifm demo --save .")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Draws the random models.")
@click.option("--save", metavar="FOLDER", help="Write the example studies to FOLDER instead.")
@click.option("--force", is_flag=True, help="With --save: overwrite files that are there.")
def command(seed: int, save: str | None, force: bool) -> None:
    """The poster's examples end to end, offline: formulas, a refusal with its proof, estimates and their truth.

    Time: about 15 s.
    """
    if save is not None:
        for path in save_examples(Path(save), force):
            say(str(path))
        return
    for line in demonstration(seed):
        say(line)
