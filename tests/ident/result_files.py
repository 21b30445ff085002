"""Result files for tests: written, read, and edited as JSON."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ifm_ident.answer.identification import Identification
from ifm_ident.results.read import WRITERS, read_result
from tests.ident.answers import Case, rows_of

FORMATS = sorted(WRITERS)


def written(case: Case, found: list[Identification], kind: str) -> bytes:
    stream = io.BytesIO()
    WRITERS[kind](stream, case, found)
    return stream.getvalue()


def read_rows(path: Path, case: Case) -> list[dict[str, Any]]:
    return [row for block in read_result(path, case).blocks for row in rows_of(block)]


def saved(folder: Path, case: Case, found: list[Identification], kind: str) -> Path:
    path = folder / f"result.{kind}"
    path.write_bytes(written(case, found, kind))
    return path


def edited(case: Case, found: Identification, edit: Callable[[Any], Any]) -> bytes:
    data = json.loads(written(case, [found], "json"))
    changed = edit(data)
    return json.dumps(data if changed is None else changed).encode()


def setter(*path: str | int, to: object) -> Callable[[Any], Any]:
    def edit(data: Any) -> None:
        for step in path[:-1]:
            data = data[step]
        data[path[-1]] = to

    return edit


def remover(*path: str | int) -> Callable[[Any], Any]:
    def edit(data: Any) -> None:
        for step in path[:-1]:
            data = data[step]
        del data[path[-1]]

    return edit
