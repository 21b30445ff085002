"""Result files of any format: writing by name of the format, reading by what the file is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ifm_ident.answer.identification import Identification
from ifm_ident.errors import InputError
from ifm_ident.files import note_input
from ifm_ident.limits import require_regular
from ifm_ident.results._csv_read import read_csv
from ifm_ident.results._csv_write import write_csv
from ifm_ident.results._json_read import read_json
from ifm_ident.results._json_write import write_json
from ifm_ident.results._parquet import read_parquet, write_parquet
from ifm_ident.results.claims import Claims
from ifm_ident.results.header import Heading, StudyLike

Writer = Callable[[BinaryIO, StudyLike, Iterable[Identification]], None]

WRITERS: dict[str, Writer] = {"json": write_json, "csv": write_csv, "parquet": write_parquet}
"""Writers by format; each takes a stream, the study once, and chunks of answers one by one."""

_PARQUET_MAGIC = b"PAR1"


@dataclass(frozen=True, eq=False)
class ResultFile:
    """A result on disk: the study that it tells, and its claims, which may be gone through once.

    A CSV tells no study: `heading` is None, and the claims are about the study it was read with.
    """

    heading: Heading | None
    blocks: Iterator[Claims]


def read_result(path: str | Path, study: StudyLike | None = None) -> ResultFile:
    """A JSON, CSV or Parquet result; `study` is what a CSV is about, the others tell it themselves.

    Raises InputError naming the file and the place for all that is no result; claims are read as they are
    asked for, so some errors come then.

    >>> read_result("no-such-file.json")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: no-such-file.json: No such file or directory
    """
    path = Path(path)
    require_regular(path)
    note_input(path)
    try:
        with path.open("rb") as stream:
            start = stream.read(4096)
        with _named(path):
            if start.startswith(_PARQUET_MAGIC):
                heading, blocks = read_parquet(path)
                return ResultFile(heading, _named_blocks(path, blocks))
            if start.lstrip()[:1] in (b"{", b"["):
                heading, blocks = read_json(path)
                return ResultFile(heading, _named_blocks(path, blocks))
            if path.suffix.lower() in (".json", ".parquet"):
                raise InputError(
                    f"this is no {path.suffix[1:].lower()} result; write it again with `ifm identify`"
                )
            head = start.partition(b"\n")[0]
            if b"regime" not in head or b",mean," in head:  # the latter are estimates
                raise InputError(
                    "this is no result; write one with `ifm identify --format json|csv|parquet`, whose proofs are "
                    "checked"
                )
            if study is None:
                raise InputError("a CSV result does not tell its study; give that by `study`", argument="study")
            return ResultFile(None, _named_blocks(path, read_csv(path, study.design)))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Puts the file's name before the message of an InputError."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error}", error.path, error.argument) from None


def _named_blocks(path: Path, blocks: Iterator[Claims]) -> Iterator[Claims]:
    with _named(path):
        yield from blocks
