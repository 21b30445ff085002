"""What is published, checked: `python .ci/package.py FIRST SECOND`, folders with a build of this checkout each.

Both builds are the same bytes. The wheel holds the two packages as they lie here, its licence, its entry points
and nothing else: no tests, no docs. Exit status 1 and a line for each fault.
"""

from __future__ import annotations

import configparser
import hashlib
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
ABOUT = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}


def faults_of_wheel(path: Path) -> Iterator[str]:
    """What is wrong with a wheel, line by line."""
    project = PROJECT["project"]
    about = f"{project['name'].replace('-', '_')}-{project['version']}.dist-info/"
    wanted = {about + name for name in ABOUT} | {
        file.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for file in (ROOT / package).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    with zipfile.ZipFile(path) as wheel:
        found = set(wheel.namelist())
        yield from (f"{path.name} lacks {name}" for name in sorted(wanted - found))
        yield from (f"{path.name} has {name}, which is not of the packages" for name in sorted(found - wanted))
        if about + "entry_points.txt" in found:
            told = configparser.ConfigParser(delimiters="=")
            told.read_string(wheel.read(about + "entry_points.txt").decode())
            have = {group: dict(told[group]) for group in told.sections()}
            due = {"console_scripts": project["scripts"], **project["entry-points"]}
            if have != due:
                yield f"{path.name}: the entry points are {have}, pyproject.toml has {due}"


def faults_of_builds(first: Path, second: Path) -> Iterator[str]:
    """Where two builds differ."""
    one, other = ({file.name: _hash(file) for file in folder.iterdir()} for folder in (first, second))
    for name in sorted(one.keys() | other.keys()):
        if one.get(name) != other.get(name):
            yield f"{name} is built differently the second time: {one.get(name)}, {other.get(name)}"
    if not any(name.endswith(".whl") for name in one) or not any(name.endswith(".tar.gz") for name in one):
        yield f"{first} holds {', '.join(sorted(one)) or 'nothing'}; a wheel and a source archive are due"


def _hash(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def main() -> None:
    """Check both builds, and print their sums."""
    first, second = map(Path, sys.argv[1:])
    faults = [*faults_of_builds(first, second), *(f for w in first.glob("*.whl") for f in faults_of_wheel(w))]
    for line in faults:
        print(line, file=sys.stderr)
    for file in sorted(first.iterdir()):
        print(f"{_hash(file)}  {file.name}")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
