"""Cost of learning against cells, variables and regimes: counts, objectives, a fit, Gibbs sampling, memory.

Run `python benchmarks/scale_learn.py -o benchmarks` (twenty minutes; `--quick` two): writes `scale_learn.md`.
Every line is a process of its own, so that its peak of resident memory is its own; times are CPU seconds. The
models are sparse factor graphs: pairs of neighbours and, for every other variable, a pair two steps apart (the
junction tree has cliques of three variables), 20 bins a variable, one intervention on each of the first factors.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np

from ifm_ident import Design, Factor, Intervention, Model, Regimes
from ifm_learn.data.samples import Samples
from ifm_learn.energies.cells import FactorCells
from ifm_learn.energies.families import layout_of
from ifm_learn.energies.grid import Grid
from ifm_learn.fitting.contrast import RegimeContrast
from ifm_learn.fitting.fitted_energies import standard_units
from ifm_learn.fitting.likelihood import Counts, ExactLikelihood, add_base
from ifm_learn.fitting.optimise import minimise
from ifm_learn.fitting.pseudo import PseudoLikelihood
from ifm_learn.inference.gibbs import gibbs
from ifm_learn.inference.grid_tree import GridTree

SEED, DRAWS, RIDGE = 7, 2000, 1.0
COLUMNS = (
    ("read", "contexts, s"),
    ("counts", "counts, s"),
    ("exact", "exact, s"),
    ("pseudo", "pseudo, s"),
    ("contrast", "contrast, s"),
    ("fit", "fit, s"),
    ("gibbs", "Gibbs, s"),
    ("data", "data, MB"),
    ("peak", "peak above data, MB"),
)


def model_of(variables: int, interventions: int) -> Model:
    """Pairs one and two steps apart; the first factors have an intervention each."""
    pairs = [(v, v + 1) for v in range(variables - 1)] + [(v, v + 2) for v in range(0, variables - 2, 2)]
    sigma = [(f"s{k}",) if k < interventions else () for k in range(len(pairs))]
    factors = tuple(
        Factor(f"f{k}", tuple(f"x{v}" for v in pair), own)
        for k, (pair, own) in enumerate(zip(pairs, sigma, strict=True))
    )
    names = tuple(Intervention(f"s{k}", (0, 1)) for k in range(interventions))
    return Model(names, tuple(f"x{v}" for v in range(variables)), factors)


def samples_of(cells: int, variables: int, interventions: int) -> Samples:
    """Half the rows at baseline, the others spread over single interventions; each moves two variables."""
    rng = np.random.default_rng(SEED)
    codes = np.vstack([np.zeros((1, interventions), dtype=np.int64), np.eye(interventions, dtype=np.int64)])
    design = Design(model_of(variables, interventions), Regimes.from_codes(codes))
    regime = np.concatenate([np.zeros(cells // 2, np.int64), 1 + np.arange(cells - cells // 2) % interventions])
    x = rng.standard_normal((cells, variables))
    for v in range(1, variables):
        x[:, v] += 0.5 * x[:, v - 1] - (0.3 * x[:, v - 2] if v > 1 else 0.0)
    for i in range(interventions):
        x[np.ix_(regime == i + 1, [i, i + 1])] += 0.5
    return Samples(design, regime, x)


class Clock:
    """CPU seconds of steps."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}
        self.begin = time.process_time()

    def __call__(self, name: str, times: int = 1) -> None:
        now = time.process_time()
        self.spent[name] = (now - self.begin) / times
        self.begin = time.process_time()


def peak() -> float:
    """The largest resident memory so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(cells: int, variables: int, interventions: int) -> dict[str, float]:
    """CPU seconds and MB of one setting."""
    samples = samples_of(cells, variables, interventions)
    data = samples.x.nbytes / 2**20
    grid = Grid.of(samples.x)
    bins = grid.encode(samples.x)
    factors = FactorCells.of(samples.design)
    scaling = standard_units(samples.x)
    before = peak()
    # the grid's values stand for the rows: energies only take their units from them
    few = scaling.apply(samples.x[:: max(cells // 2000, 1)])
    axes = tuple(
        (values - shift) / unit
        for values, shift, unit in zip(grid.values, scaling.shift, scaling.unit, strict=True)
    )
    mlp = layout_of(factors, "mlp", few)
    quadratic = layout_of(factors, "quadratic", few)
    theta = mlp.start(np.random.default_rng(SEED))

    clock = Clock()
    pseudo = PseudoLikelihood.of(mlp, axes, grid.log_widths, bins, samples.regime)
    clock("read")
    counts = Counts.of(factors, grid, bins, samples.regime)
    clock("counts")
    exact = ExactLikelihood(mlp, GridTree.of(factors.scopes, grid.sizes), axes, grid.log_widths, counts)
    exact.value_and_gradient(theta)
    clock("exact")
    for _ in range(3):
        pseudo.value_and_gradient(theta)
    clock("pseudo", 3)
    points = scaling.apply(samples.x)
    contrast = RegimeContrast.of(quadratic, points, samples.regime)
    start = contrast.start(np.random.default_rng(SEED))
    clock.begin = time.process_time()
    for _ in range(3):
        contrast.value_and_gradient(start)
    clock("contrast", 3)
    smooth = PseudoLikelihood(quadratic, axes, grid.log_widths, pseudo.contexts)
    penalty = RIDGE * np.concatenate([quadratic.energies[k].penalty for k in factors.factor])

    def objective(at: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = smooth.value_and_gradient(at)
        return (value + 0.5 * penalty @ at**2) / cells, (gradient + penalty * at) / cells

    found = minimise(objective, np.zeros(quadratic.size))
    clock("fit")
    tables = add_base(factors, quadratic.tables(found.theta, axes), grid.log_widths)
    gibbs(factors.scopes, grid.sizes, tables, counts.choice, DRAWS, np.random.default_rng(SEED))
    clock("gibbs")
    return clock.spent | {
        "data": data,
        "peak": peak() - before,
        "iterations": found.iterations,
        "converged": found.converged,
    }


def in_process(*setting: int) -> dict[str, float]:
    """`measure` in a process of its own."""
    command = [sys.executable, __file__, "--setting", *map(str, setting)]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def table(first: str, rows: list[tuple[str, dict[str, float]]]) -> str:
    """A Markdown table, and below it the ratios from line to line."""
    lines = [
        f"| {first} | " + " | ".join(head for _, head in COLUMNS) + " |",
        "| ---: " * (1 + len(COLUMNS)) + "|",
    ]
    for name, found in rows:
        lines.append(f"| {name} | " + " | ".join(f"{found[key]:.3g}" for key, _ in COLUMNS) + " |")
    for (_, before), (name, after) in pairwise(rows):
        ratios = [f"×{after[key] / before[key]:.1f}" if before[key] > 0 else "" for key, _ in COLUMNS]
        lines.append(f"| to {name} | " + " | ".join(ratios) + " |")
    return "\n".join(lines)


def settings(quick: bool) -> list[tuple[int, int, int]]:
    """Cells, variables and interventions: by cells for each number of variables, then by interventions."""
    many = (1_000, 10_000) if quick else (10_000, 100_000, 1_000_000)
    wide = (10, 30) if quick else (10, 30, 100)
    more = (27,) if quick else (30, 99)
    return [(n, p, 9) for p in wide for n in many] + [(many[-2], wide[-1], d) for d in more]


def report(done: dict[tuple[int, int, int], dict[str, float]], command: str) -> str:
    """The tables as Markdown, of those settings that were measured."""
    many, wide, levels = (sorted({setting[i] for setting in done}) for i in range(3))
    most, middle = wide[-1], many[-2]
    iterations = [int(found["iterations"]) for found in done.values()]
    converged = "all converged" if all(found["converged"] for found in done.values()) else "not all converged"
    parts = [
        "# Cost of learning against cells, variables and regimes",
        f"`{command}`, Python {platform.python_version()}, numpy {np.__version__}, one core. CPU seconds: "
        "contexts and counts, read once from the rows; one value and gradient of the exact likelihood and of the "
        "pseudo-likelihood with mlp energies (15 units), and of the regime contrast with quadratic ones; a "
        "whole fit by pseudo-likelihood with quadratic energies "
        f"({min(iterations)} to {max(iterations)} iterations, {converged}); {DRAWS:,} Gibbs draws in every regime "
        "with their diagnostics. Lines that begin with `to` are ratios to the line before.",
    ]
    for p in wide:
        rows = [(f"{n:,}", done[n, p, 9]) for n in many if (n, p, 9) in done]
        parts += [f"## {p} variables, 10 regimes", table("cells", rows)]
    parts += [
        f"## {middle:,} cells, 10 regimes, by variables",
        table("variables", [(str(p), done[middle, p, 9]) for p in wide]),
        f"## {middle:,} cells, {most} variables, by regimes",
        table("regimes", [(str(d + 1), done[middle, most, d]) for d in levels if (middle, most, d) in done]),
    ]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Measure all settings and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, help="folder for scale_learn.md; standard output without")
    parser.add_argument("--quick", action="store_true", help="small settings")
    parser.add_argument("--setting", nargs=3, type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.setting:
        print(json.dumps(measure(*options.setting)))
        return
    done = {setting: in_process(*setting) for setting in settings(options.quick)}
    text = report(done, f"python benchmarks/scale_learn.py{' --quick' if options.quick else ''}")
    if options.output:
        (options.output / "scale_learn.md").write_text(text, encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
