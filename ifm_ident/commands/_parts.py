"""`ifm identify -o FOLDER/`: answers in parts, with a manifest."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

import click
from click.core import ParameterSource

from ifm_ident.commands._options import Output, progress, refuse_given
from ifm_ident.parts.asked import Asked
from ifm_ident.parts.running import identify_in_parts, in_processes, in_this_process
from ifm_ident.results.folders import is_address
from ifm_ident.results.manifest import Part
from ifm_ident.results.read import WRITERS
from ifm_ident.show.words import counted

OF_PARTS = ("shard", "resume", "workers", "part_rows")
"""Parameters that say something only where the output is a folder."""

_NOT_OF_PARTS = ("summary", "time_limit")


def shard_of(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """A share such as 3/16, as (3, 16); for an option that may be absent."""
    if value is None:
        return None
    found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", value)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise click.BadParameter(f"{value!r} is no shard; write I/N, I from 1 to N, such as 3/16.", ctx, param)
    return int(found[1]), int(found[2])


def is_folder(output: str) -> bool:
    """Whether -o names a folder: by a slash at the end, or as an address."""
    return output.endswith(("/", os.sep)) or is_address(output)


def format_of_parts(ctx: click.Context, output_format: str) -> str:
    """The format of parts: Parquet where none is given. Raises UsageError for options that parts do not have."""
    refuse_given(ctx, _NOT_OF_PARTS, "has no place with -o FOLDER/: leave one out.")
    if ctx.get_parameter_source("output_format") == ParameterSource.DEFAULT:
        return "parquet"
    if output_format not in WRITERS:
        raise click.UsageError(f"parts are written as {', '.join(WRITERS)}, not as {output_format}.", ctx)
    return output_format


def write_parts(
    asked: Asked,
    folder: str,
    out: Output,
    shard: tuple[int, int] | None,
    resume: bool,
    workers: int,
    part_rows: int,
) -> dict[str, int]:
    """Writes the parts, says what they hold, and gives the number of regimes with each verdict."""

    def watched(parts: Iterable[Part], total: int) -> Iterable[Part]:
        return progress(parts, total, "part", out.quiet)

    found = identify_in_parts(
        asked,
        folder,
        output_format=out.format,
        part_rows=part_rows,
        shard=shard,
        resume=resume,
        force=out.force,
        run=in_this_process if workers == 1 else in_processes(workers),
        watch=watched,
    )
    said = ", ".join(f"{count:,} {word.replace('_', ' ')}" for word, count in found.verdicts.items() if count)
    rows = sum(part.rows for part in found.parts)
    regimes = f"{rows:,} regime{'s' * (rows != 1)}"
    out.remark(f"{folder}: {counted(len(found.parts), 'part')}, {regimes}{': ' * bool(said)}{said}.")
    return found.verdicts
