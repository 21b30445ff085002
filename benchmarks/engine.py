"""Exact identification against other solvers on designs of growing size, in one run.

Run `python benchmarks/engine.py -o benchmarks` (some minutes): a Markdown table on standard output, also written
to `engine.md`, and a figure, `engine.png`. Every method answers regimes of five perturbations in a process of its
own, on one core; times are CPU seconds, the least of three runs. `first` is the time from the design to one
answer, `next` the time of a further one, asked in a batch; memory is the peak of the whole process. Only
ifm-ident, sympy and python-flint are exact.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from designs import combinations, screen
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array
from scipy.sparse.linalg import splu

from ifm_ident.design.design import Design
from ifm_ident.design.regimes import Regimes
from ifm_ident.design.spaces import CHUNK
from ifm_ident.solve.identifier import Identifier
from ifm_ident.solve.incidence import BaselineSystem

SIZES = ((10, 15), (30, 60), (100, 400), (300, 600), (1000, 5000), (3000, 15000))
ACTIVE = 5
ONE_THREAD = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
Solve = Callable[[Regimes], object]


def ifm(design: Design) -> Solve:
    """The package itself: a batch of regimes to checked formulas."""
    identifier = Identifier(design)

    def solve(targets: Regimes) -> None:
        assert identifier.identify(targets).counts()["not_identified"] == 0

    return solve


class Square:
    """The square system of a screen in floats or integers, for solvers that know nothing of regimes."""

    def __init__(self, design: Design) -> None:
        self._incidence = BaselineSystem(design.model, tuple(range(len(design.model.factors))), design.train)
        self.transposed = csc_array(self._incidence.rows(design.train)[0].T)

    def dense(self) -> NDArray[np.int64]:
        return np.ascontiguousarray(self.transposed.toarray())

    def wanted(self, targets: Regimes) -> csr_array:
        """The target rows, shape (n, unknowns)."""
        return self._incidence.rows(targets)[0]

    def columns(self, targets: Regimes) -> NDArray[np.int64]:
        """The target rows as dense columns, shape (unknowns, n)."""
        return np.ascontiguousarray(self.wanted(targets).toarray().T)


def sympy(design: Design) -> Solve:
    """Rational LU of the dense square system, sympy's own domain matrices."""
    from sympy import QQ
    from sympy.polys.matrices import DomainMatrix

    def rational(matrix: NDArray[np.int64]) -> DomainMatrix:
        return DomainMatrix([[QQ(int(x)) for x in row] for row in matrix], matrix.shape, QQ)

    square = Square(design)
    matrix = rational(square.dense())
    return lambda targets: matrix.lu_solve(rational(square.columns(targets)))


def flint(design: Design) -> Solve:
    """Dense exact solving by python-flint."""
    from flint import fmpz_mat

    square = Square(design)
    dense = square.dense()
    matrix = fmpz_mat(len(dense), len(dense), dense.ravel().tolist())

    def solve(targets: Regimes) -> None:
        wanted = square.columns(targets)
        matrix.solve(fmpz_mat(len(wanted), len(targets), wanted.ravel().tolist()))

    return solve


def lstsq(design: Design) -> Solve:
    """Least squares in floats by numpy."""
    square = Square(design)
    dense = square.dense().astype(np.float64)
    return lambda targets: np.linalg.lstsq(dense, square.columns(targets).astype(np.float64), rcond=None)


def superlu(design: Design) -> Solve:
    """Sparse LU in floats by scipy, one target at a time (a batch would be dense: unknowns times targets).

    Of its orderings MMD_AT_PLUS_A fills in least here; the default, COLAMD, makes a solve some 80 times slower.
    """
    square = Square(design)
    factors = splu(square.transposed.astype(np.float64), permc_spec="MMD_AT_PLUS_A")
    wanted = np.zeros(square.transposed.shape[0])

    def solve(targets: Regimes) -> None:
        rows = square.wanted(targets)
        for t in range(len(targets)):
            columns = rows.indices[rows.indptr[t] : rows.indptr[t + 1]]
            wanted[columns] = 1
            factors.solve(wanted)
            wanted[columns] = 0

    return solve


METHODS: dict[str, tuple[Callable[[Design], Solve], int, int]] = {
    "ifm-ident": (ifm, 100_000, 10**9),
    "SuperLU (float)": (superlu, 1_000, 10**9),
    "lstsq (float)": (lstsq, 100, 1_000),
    "python-flint": (flint, 20, 1_000),
    "sympy": (sympy, 3, 100),
}
"""Method, further targets to ask for, and the most unknowns it is run on."""


@dataclass(frozen=True)
class Timing:
    """One method on one design: CPU seconds of the first answer and of a further one, peak memory in MiB."""

    method: str
    interventions: int
    pairs: int
    first: float
    further: float
    mib: float

    @property
    def unknowns(self) -> int:
        return 1 + self.interventions + self.pairs


def measure(method: str, interventions: int, pairs: int) -> Timing:
    """One method on one design, in this process; a tiny design warms it up."""
    make, batch, _ = METHODS[method]
    tiny = screen(6, 5)
    make(tiny)(combinations(tiny, 2, ACTIVE))
    design = screen(interventions, pairs)
    first, more = combinations(design, 1, ACTIVE), combinations(design, batch, ACTIVE, seed=1)
    start = time.process_time()
    solve = make(design)
    solve(first)
    answered = time.process_time()
    for at in range(0, batch, CHUNK):
        solve(more.take(slice(at, at + CHUNK)))
    done = time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Timing(method, interventions, pairs, answered - start, (done - answered) / batch, peak)


def run(sizes: list[tuple[int, int]]) -> list[Timing]:
    """All methods on all designs, each in a process of its own; the least of three runs for the short ones."""
    results = []
    for interventions, pairs in sizes:
        for method, (_, _, limit) in METHODS.items():
            if 1 + interventions + pairs > limit:
                continue
            runs: list[Timing] = []
            while len(runs) < 3 and not (runs and runs[-1].first > 5):
                ask = [sys.executable, __file__, "--one", method, str(interventions), str(pairs)]
                done = subprocess.run(ask, stdout=subprocess.PIPE, text=True, check=True, env=ONE_THREAD)
                runs.append(Timing(**json.loads(done.stdout)))
            best = replace(
                runs[0],
                first=min(r.first for r in runs),
                further=min(r.further for r in runs),
                mib=min(r.mib for r in runs),
            )
            print(best, file=sys.stderr, flush=True)
            results.append(best)
    return results


def table(results: list[Timing]) -> str:
    """The results as Markdown, ratios within this run."""
    ours = {r.unknowns: r.further for r in results if r.method == "ifm-ident"}
    lines = [
        "| interventions / pairs | unknowns | method | first, s | next, µs | times ifm-ident | peak, MiB |",
        "| ---: | ---: | --- | ---: | ---: | ---: | ---: |",
        *(
            f"| {r.interventions:,} / {r.pairs:,} | {r.unknowns:,} | {r.method} | {r.first:.3f} "
            f"| {r.further * 1e6:,.1f} | {r.further / ours[r.unknowns]:,.0f} | {r.mib:,.0f} |"
            for r in results
        ),
    ]
    return "\n".join([f"Python {platform.python_version()}, {platform.machine()}.", "", *lines, ""])


def draw(results: list[Timing], path: Path) -> None:
    """Cost against size, logarithmic on both axes: the first answer, and a further one."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    style = {
        "ifm-ident": ("#0072B2", "o", "-"),
        "SuperLU (float)": ("#E69F00", "s", "--"),
        "lstsq (float)": ("#009E73", "^", "-."),
        "python-flint": ("#CC79A7", "D", ":"),
        "sympy": ("#000000", "v", (0, (1, 3))),
    }
    figure, axes = plt.subplots(1, 2, figsize=(9, 4), sharex=True, layout="constrained")
    for axis, key, title in (
        (axes[0], "first", "From the design to the first formula"),
        (axes[1], "further", "Every further formula"),
    ):
        for method, (colour, marker, line) in style.items():
            points = [(r.unknowns, getattr(r, key)) for r in results if r.method == method]
            if points:
                x, y = zip(*points, strict=True)
                axis.plot(x, y, color=colour, marker=marker, linestyle=line, label=method, linewidth=1.8)
        axis.set(xscale="log", yscale="log", title=title, xlabel="unknowns (1 + interventions + pairs)")
        axis.grid(True, which="major", alpha=0.3)
    axes[0].set_ylabel("CPU seconds")
    axes[1].legend(frameon=False, fontsize=9)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Run, print the table, write table and figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="write engine.md and engine.png there")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--largest", type=int, default=10**9, help="leave out designs with more unknowns")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(asdict(measure(options.one[0], int(options.one[1]), int(options.one[2])))))
        return
    results = run([size for size in SIZES if 1 + sum(size) <= options.largest])
    text = table(results)
    print(text)
    if options.output:
        options.output.mkdir(parents=True, exist_ok=True)
        (options.output / "engine.md").write_text(text, encoding="utf-8")
        draw(results, options.output / "engine.png")


if __name__ == "__main__":
    main()
