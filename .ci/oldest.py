"""Pins of the oldest versions that pyproject.toml allows, for pip: `python .ci/oldest.py > oldest.txt`.

One line for every dependency of the package and of its extras `all` and `test`, from the floor `name>=version`;
`pip install '.[test]' -c oldest.txt` then installs the oldest of everything. With `--check` it says instead which
of the packages installed here are not at their floor; exit status 1 where there are any.
"""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_FLOOR = re.compile(r"^([\w.-]+)(?:\[[\w,]+\])?>=([\w.]+)$")


def floors(project: dict[str, object], extras: tuple[str, ...] = ("all", "test")) -> dict[str, str]:
    """Package to oldest version. Raises ValueError for a requirement that has no floor."""
    optional: dict[str, list[str]] = project["optional-dependencies"]  # type: ignore[assignment]
    wanted: list[str] = [*project["dependencies"]]  # type: ignore[misc]
    queue, seen = [*extras], set()
    found = {}
    while queue:
        extra = queue.pop()
        if extra not in seen:
            seen.add(extra)
            wanted += optional[extra]
            own = (re.fullmatch(rf"{project['name']}\[([\w,]+)\]", text) for text in optional[extra])
            queue += [name for match in own if match for name in match[1].split(",")]
    for text in wanted:
        if text.startswith(f"{project['name']}["):
            continue
        match = _FLOOR.match(text)
        if not match:
            raise ValueError(f"{text!r} has no floor; write it as name>=version")
        found[match[1]] = match[2]
    return dict(sorted(found.items()))


def _same(a: str, b: str) -> bool:
    parts = [[int(x) for x in re.findall(r"\d+", text)] for text in (a, b)]
    longest = max(map(len, parts))
    return len({(*part, *[0] * (longest - len(part))) for part in parts}) == 1


def main() -> int:
    """Print the pins, or check what is installed."""
    text = (Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8")
    oldest = floors(tomllib.loads(text)["project"])
    if "--check" not in sys.argv[1:]:
        print("\n".join(f"{name}=={pin}" for name, pin in oldest.items()))
        return 0
    bad = []
    for name, pin in oldest.items():
        try:
            have = version(name)
        except PackageNotFoundError:
            have = "nothing"
        if not _same(have, pin):
            bad.append(f"{name}: {have} is installed, the floor is {pin}")
    print("\n".join(bad) or f"all {len(oldest)} packages are at their floors")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
