"""A million five-way regimes of a screen with 1,000 perturbations and 5,000 interacting pairs, labels to formulas.

Run `python benchmarks/million.py` (about a minute): through the command line from a Parquet file of labels to a
Parquet file of formulas, through Python in chunks, and with SuperLU in floating point on the same square system.
Every formula of the first two is checked in integers before it is given. Times are wall clock, CPU seconds beside.
"""

from __future__ import annotations

import argparse
import compileall
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from designs import combinations, screen, write_study
from engine import superlu

import ifm_ident
from ifm_ident.answer.identification import Status
from ifm_ident.design.design import Design
from ifm_ident.design.regimes import Regimes
from ifm_ident.design.spaces import CHUNK
from ifm_ident.solve.identifier import Identifier
from ifm_ident.study.study import load

ACTIVE = 5
_MEASURED = (
    "import resource, subprocess, sys, time\n"
    "start = time.perf_counter()\n"
    "code = subprocess.run(sys.argv[1:]).returncode\n"
    "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
    "print(time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss)\n"
    "sys.exit(code)\n"
)


class Clock:
    """Wall and CPU seconds of the steps between two calls."""

    def __init__(self) -> None:
        self._last = time.perf_counter(), time.process_time()

    def __call__(self) -> tuple[float, float]:
        now = time.perf_counter(), time.process_time()
        wall, cpu = now[0] - self._last[0], now[1] - self._last[1]
        self._last = now
        return wall, cpu


def command_line(folder: Path, design: Design, targets: Regimes) -> tuple[float, float, float]:
    """Wall and CPU seconds and peak GiB of `ifm identify`, in a process of its own."""
    study = write_study(folder, design, targets)
    compileall.compile_dir(Path(ifm_ident.__file__).parent, quiet=1)  # as pip does where it installs
    ifm = [
        sys.executable,
        "-m",
        "ifm_ident.cli",
        "identify",
        str(study),
        "--format",
        "parquet",
        "--quiet",
        "--force",
    ]
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, *ifm, "-o", str(folder / "out.parquet")],
        capture_output=True,
        text=True,
        check=True,
    )
    wall, cpu, peak = map(float, done.stdout.split()[-3:])
    return wall, cpu, peak / 2**20


def python_split(folder: Path, count: int) -> tuple[list[tuple[str, float, float]], int]:
    """Seconds of each step of the same work in Python, and the number of terms of all formulas."""
    clock, steps = Clock(), []

    def step(name: str) -> None:
        steps.append((name, *clock()))

    study = load(folder / "study.yaml")
    step("read the study and its labels")
    identifier = Identifier(study.design, study.notation)
    rank = identifier.joint.rank
    step("factor the design, once")
    assert rank == len(study.design.train)
    terms = identified = 0
    for chunk in study.targets(CHUNK):
        found = identifier.identify(chunk)
        identified += len(found.rows_with(Status.IDENTIFIED))
        terms += len(found.terms.train)
    step("identify and check every formula")
    assert identified == count
    return steps, terms


def superlu_each(design: Design, targets: Regimes) -> tuple[float, float]:
    """CPU seconds to factor the square system in floats, and CPU seconds a target, one at a time."""
    clock = Clock()
    solve = superlu(design)
    factoring = clock()[1]
    solve(targets)
    return factoring, clock()[1] / len(targets)


def main() -> None:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[100_000, 300_000, 1_000_000])
    parser.add_argument("--interventions", type=int, default=1000)
    parser.add_argument("--pairs", type=int, default=5000)
    options = parser.parse_args()
    design = screen(options.interventions, options.pairs)
    print(
        f"{options.interventions:,} interventions, {options.pairs:,} pairs, Python {platform.python_version()}.\n"
    )
    print("| regimes | command line, s | CPU s | peak GiB | Python: identify, s | CPU s | formulas a CPU s |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    steps: list[tuple[str, float, float]] = []
    terms = count = 0
    for count in sorted(options.counts):
        targets = combinations(design, count, ACTIVE)
        with tempfile.TemporaryDirectory() as name:
            wall, cpu, peak = command_line(Path(name), design, targets)
            steps, terms = python_split(Path(name), count)
        _, identify_wall, identify_cpu = steps[-1]
        print(
            f"| {count:,} | {wall:.1f} | {cpu:.1f} | {peak:.2f} | {identify_wall:.2f} | {identify_cpu:.2f} "
            f"| {count / identify_cpu:,.0f} |",
            flush=True,
        )
    print(f"\nSteps in Python for {count:,} regimes ({terms / count:.1f} densities a formula):\n")
    print("| step | s | CPU s |\n| --- | ---: | ---: |")
    for name, wall, cpu in steps:
        print(f"| {name} | {wall:.2f} | {cpu:.2f} |")
    factoring, each = superlu_each(design, combinations(design, 2000, ACTIVE))
    ours = steps[-1][2] / count
    print(f"\nSuperLU in floats: {factoring:.2f} CPU s to factor, {each * 1e6:,.0f} CPU µs a regime;")
    print(f"exact and checked here: {ours * 1e6:.2f} CPU µs a regime, {each / ours:,.0f} times less.")


if __name__ == "__main__":
    main()
