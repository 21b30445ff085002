"""How long each command takes on the examples that come with the package, in CPU seconds with Python's start.

Run `python benchmarks/commands.py -o benchmarks` (two minutes on one core): the table `commands.md`, from which
the `--help` of the commands says what to expect.
"""

from __future__ import annotations

import argparse
import resource
import shlex
import subprocess
import sys
import tempfile
from importlib.resources import as_file, files
from pathlib import Path

COMMANDS = (
    "--version",
    "init {examples}/cells.csv",
    "identify ten.yaml",
    "identify ten.yaml --format json -o answers.json",
    "verify answers.json",
    "explain ten.yaml --regime a+c+e",
    "implications ten.yaml",
    "plan ten.yaml",
    "explore ten.yaml -o explore.html",
    "report ten.yaml -o report.html",
    "report {examples}/cells.yaml -o cells.html",
    "estimate {examples}/cells.yaml --energy normal",
    "estimate {examples}/cells.yaml",
    "fit {examples}/cells.yaml -o model.npz",
    "falsify {examples}/cells.yaml",
    "factors {examples}/cells.yaml --resamples 0",
    "factors {examples}/cells.yaml",
    "suggest {examples}/cells.yaml",
    "demo",
)


NAMES = "abcdefghij"
PAIRS = [NAMES[i] + NAMES[(i + 1) % 10] for i in range(10)]
TEN = f"""name: ten
interventions: {{{", ".join(f"{name}: [0, 1]" for name in NAMES)}}}
factors: [{", ".join(f"{{sigma: [{a}, {b}]}}" for a, b in PAIRS)}]
train: [ctrl, {", ".join(NAMES)}, {", ".join("+".join(pair) for pair in PAIRS)}]
test: all
"""


def seconds(command: str, folder: str) -> float:
    """CPU seconds of one command, its children's too."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    words = [sys.executable, "-m", "ifm_ident.cli", *shlex.split(command)]
    subprocess.run(words, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", type=Path, default=Path("benchmarks"))
    given = parser.parse_args()
    lines = [
        "# How long commands take",
        "",
        "`python benchmarks/commands.py`: CPU seconds of each command, Python's start among them. `ten.yaml`: ten",
        "interventions in a ring of pairs, 21 training regimes, all 1,024 regimes asked about. `cells.yaml`, of the",
        "package: 4 interventions, 3 variables, 1,200 rows.",
        "",
        "| command | CPU s |",
        "| --- | ---: |",
    ]
    with as_file(files("ifm_ident") / "examples") as examples, tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "ten.yaml").write_text(TEN, encoding="utf-8")
        for command in COMMANDS:
            took = seconds(command.format(examples=shlex.quote(str(examples))), folder)
            lines.append(f"| `ifm {command.replace('{examples}/', '')}` | {took:.1f} |")
            print(lines[-1], flush=True)
    (given.o / "commands.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
