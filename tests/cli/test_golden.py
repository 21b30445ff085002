"""Every result format, byte for byte against committed files, on the studies that come with the package.

`python -m tests.cli.test_golden --write` makes the files of tests/golden anew, for a format changed on purpose;
read `git diff tests/golden` before committing them.
"""

from __future__ import annotations

import io
import json
import math
import re
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ifm_ident.cli import main
from ifm_ident.show.demonstration import save_examples
from tests.cli.running import Ifm

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
STUDIES = ("poster", "conditional", "refused", "three-cycle")
_ANSWERS = {
    "answers.json": "identify {study} --format json",
    "answers.csv": "identify {study} --format csv",
    "answers.tex": "identify {study} --format latex",
    "answers.txt": "identify {study}",
    "answers-parquet.txt": "identify {study} --format parquet",
    "joint.json": "identify {study} --format json --criterion joint",
    "messages.json": "identify {study} --format json --method message-passing",
    "messages.csv": "identify {study} --format csv --method message-passing",
    "messages.txt": "identify {study} --method message-passing",
    "messages-parquet.txt": "identify {study} --method message-passing --format parquet",
    "sparse.json": "identify {study} --format json --objective sparse",
    "l1.txt": "identify {study} --objective l1",
    "implications.json": "implications {study} --format json",
    "implications.txt": "implications {study}",
    "implications.tex": "implications {study} --format latex",
    "aliases.txt": "implications {study} --aliases",
    "plan.json": "plan {study} --budget 1000 --format json",
    "plan.txt": "plan {study} --budget 1000",
    "next.json": "plan {study} --next 3 --format json",
    "next.txt": "plan {study} --next 3",
    "drop.json": "plan {study} --drop --format json",
    "drop.txt": "plan {study} --drop",
    "summary.json": "identify {study} --summary --format json",
    "summary.txt": "identify {study} --summary",
    "explanation.txt": "explain {study} --regime 111",
}
_DATA = {
    "answers.json": "identify {study} --format json",
    "answers.txt": "identify {study}",
    "variance.txt": "identify {study} --objective variance",
    "of.json": "identify {study} --of growth --format json",
    "of.txt": "identify {study} --of growth",
    "pairs.json": "implications {study} --interactions 2 --format json",
    "pairs.tex": "implications {study} --interactions 2 --format latex",
    "pairs.txt": "implications {study} --interactions 2",
    "explanation.txt": "explain {study} --regime B+C",
    "estimates.json": "estimate {study} --method additive --seed 1 --format json",
    "estimates.csv": "estimate {study} --method additive --seed 1 --format csv",
    "estimates.txt": "estimate {study} --method additive --seed 1",
    "estimates-parquet.txt": "estimate {study} --method additive --seed 1 --format parquet",
    "findings.json": "falsify {study} --method score --seed 1 --format json",
    "findings.csv": "falsify {study} --method score --seed 1 --format csv",
    "findings.txt": "falsify {study} --method score --seed 1",
}
COMMANDS = {f"{study}/{name}": line for study in STUDIES for name, line in _ANSWERS.items()} | {
    f"cells/{name}": line for name, line in _DATA.items()
}
COMPUTED = ("estimates", "findings")
"""Files with floats that linear algebra computed: compared to nine digits, and the text around them exactly."""

_FLOAT = re.compile(r"-?\d+\.\d+(?:e[-+]?\d+)?")


def arguments(name: str, folder: Path, target: Path) -> list[str]:
    """The command of a golden file, for studies in `folder`; a Parquet table is written to `target`."""
    study = folder / f"{name.split('/')[0]}.yaml"
    words = COMMANDS[name].format(study=study).split()
    return [*words, "--output", str(target)] if words[-1] == "parquet" else words


def shown(table: Path) -> str:
    """A Parquet table as text: its schema, its metadata and a line of JSON for each row."""
    read: pa.Table = pq.read_table(table)
    schema = read.schema
    lines = [f"{field.name}: {field.type}{'' if field.nullable else ' not null'}" for field in schema]
    lines += [f"{key.decode()} = {value.decode()}" for key, value in sorted((schema.metadata or {}).items())]
    lines += [json.dumps(row, ensure_ascii=False) for row in read.to_pylist()]
    return "\n".join(lines) + "\n"


def compare(name: str, made: str, kept: str) -> None:
    if not name.split("/")[1].startswith(COMPUTED):
        assert made == kept
        return
    assert _FLOAT.sub("#", made) == _FLOAT.sub("#", kept)
    for one, two in zip(_FLOAT.findall(made), _FLOAT.findall(kept), strict=True):
        assert one == two or math.isclose(float(one), float(two), rel_tol=1e-9, abs_tol=1e-12), (one, two)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_result_is_as_committed(name: str, ifm: Ifm, folder: Path) -> None:
    table = folder / "made.parquet"
    status, out, err = ifm(*arguments(name, folder, table))
    assert status == 0, err
    compare(name, shown(table) if table.exists() else out, (GOLDEN / name).read_bytes().decode())


def test_every_golden_file_has_its_command() -> None:
    files = {path.relative_to(GOLDEN).as_posix() for path in GOLDEN.rglob("*") if path.is_file()}
    assert files == set(COMMANDS)


def write() -> None:
    """All golden files anew; stops at a command that fails."""
    with tempfile.TemporaryDirectory() as made:
        folder, output = Path(made), sys.stdout
        save_examples(folder)
        for name in COMMANDS:
            table, target = folder / "made.parquet", GOLDEN / name
            table.unlink(missing_ok=True)
            sys.argv = ["ifm", *arguments(name, folder, table)]
            with io.TextIOWrapper(io.BytesIO(), encoding="utf-8") as sys.stdout:
                try:
                    main()
                except SystemExit as end:
                    if end.code:
                        raise
                sys.stdout.flush()
                out = sys.stdout.buffer.getvalue()
            sys.stdout = output
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(shown(table).encode() if table.exists() else out)
            print(name)


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit("usage: python -m tests.cli.test_golden --write")
    write()
