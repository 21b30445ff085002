"""How often `ifm falsify` rejects true models (as often as its level says) and models wrong by half a sd.

Run `python benchmarks/falsify.py -o benchmarks` (half an hour on one core): a Markdown table on standard output,
also written to `falsify.md`. Every study has its own random truth over two or three variables, two two-level
interventions, training regimes ctrl, A, B, A+B, and 300 to 1,000 rows in each. What is tested: the joint claim
of two factors over all variables, one for each intervention; the conditional claim of x1, which B does not touch;
the interaction of x1 and x2, which B leaves alone; and independence of x1 and x2 given x3 at baseline. In the
wrong models x1 is shifted by half a baseline standard deviation in A+B, against the claim. Some lines of the table
are of 300 rows a regime throughout.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import brentq
from scipy.special import softmax
from scipy.stats import binom
from tqdm import tqdm

from ifm_ident import Design, Factor, Intervention, Model, Regimes
from ifm_ident.arrays import Floats
from ifm_ident.implications.testable import Implication, implications
from ifm_ident.solve.identifier import Identifier
from ifm_learn.data.samples import Samples
from ifm_learn.falsification.energy import energy_test
from ifm_learn.falsification.pairs import energy_pair, score_pair
from ifm_learn.falsification.question import baseline_unit, question
from ifm_learn.falsification.score import score_test
from ifm_learn.falsification.testing import REPLICATES

Rng = np.random.Generator

CODES = np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
LEVEL = 0.05
KINDS = ("joint", "conditional", "interaction", "independent")


@dataclass(frozen=True)
class Claim:
    """A kind of claim: the x-scopes of the factors that A, and that B, is in, and the baseline's edges."""

    variables: int
    touched: tuple[tuple[tuple[int, ...], ...], tuple[tuple[int, ...], ...]]
    edges: tuple[tuple[int, int], ...]


def claim_of(kind: str, rng: Rng) -> Claim:
    """The shape of a random truth."""
    if kind == "independent":
        ends = ((0, 2), (1, 2))
        return Claim(3, (ends, ends), ends)
    p = int(rng.integers(2, 4))
    every = tuple(range(p))
    edges = tuple((a, b) for a in every for b in every[a + 1 :])
    second = {"joint": (every,), "conditional": (every[1:],)}.get(kind, tuple((v,) for v in every))
    return Claim(p, ((every,), second), edges)


def gaussian(claim: Claim, sizes: Floats, shift: float, rng: Rng) -> list[Floats]:
    """Interventions change the linear and the quadratic terms of the variables they touch."""
    p = claim.variables
    base = np.diag(rng.uniform(1, 2, p))
    for a, b in claim.edges:
        base[a, b] = base[b, a] = rng.uniform(-0.5, 0.5)
    touch = [np.isin(np.arange(p), np.concatenate(scopes)) for scopes in claim.touched]
    quadratic = [np.diag(rng.uniform(-0.25, 0.4, p) * mask) for mask in touch]
    linear = [rng.normal(size=p) * 0.6 * mask for mask in touch]
    rows = []
    for code, size in zip(CODES, sizes, strict=True):
        covariance = np.linalg.inv(base + code[0] * quadratic[0] + code[1] * quadratic[1])
        mean = covariance @ (code[0] * linear[0] + code[1] * linear[1])
        x = rng.multivariate_normal(mean, covariance, size=int(size))
        x[:, 0] += shift * np.sqrt(np.linalg.inv(base)[0, 0]) * code.prod()
        rows.append(x)
    return rows


def discrete(claim: Claim, sizes: Floats, shift: float, rng: Rng) -> list[Floats]:
    """Random log-linear tables of two to four values a variable (three at least for one that is shifted)."""
    counts = rng.integers(2, 5, claim.variables)
    counts[0] = max(counts[0], 3)

    def table(scope: tuple[int, ...]) -> Floats:
        shape = [int(counts[v]) if v in scope else 1 for v in range(claim.variables)]
        return np.broadcast_to(rng.normal(size=shape) * 0.5, counts)

    base = sum((table(edge) for edge in claim.edges), np.zeros(counts))
    effects = [sum(map(table, scopes), np.zeros(counts)) for scopes in claim.touched]
    return _from_tables([np.arange(k, dtype=np.float64) for k in counts], base, effects, sizes, shift, 0.0, rng)


def nonlinear(claim: Claim, sizes: Floats, shift: float, rng: Rng) -> list[Floats]:
    """Two humps, curved ridges, and interventions that act by waves and steps; exact on a fine grid."""
    grid = np.linspace(-3, 3, 61 if claim.variables == 2 else 25)
    axes = np.meshgrid(*[grid] * claim.variables, indexing="ij", sparse=True)

    def effect(scopes: tuple[tuple[int, ...], ...]) -> Floats:
        total = np.zeros((1,) * claim.variables)
        for v in sorted({v for scope in scopes for v in scope}):
            total = total + rng.uniform(-0.8, 0.8) * np.sin(2 * axes[v] + rng.uniform(-3, 3))
            total = total + rng.uniform(-0.6, 0.6) * axes[v]
        for a, b in claim.edges:
            if any(a in scope and b in scope for scope in scopes):
                total = total + rng.uniform(-1, 1) * np.tanh(2 * axes[a] * axes[b])
        return total

    base = np.zeros((1,) * claim.variables)
    for v in range(claim.variables):
        humps = rng.uniform(0.5, 1.2)
        base = base + np.logaddexp(-((axes[v] + humps) ** 2), rng.uniform(-0.7, 0.7) - (axes[v] - humps) ** 2)
    for a, b in claim.edges:
        base = base + rng.uniform(0.3, 1) * np.sin(1.5 * axes[a]) * axes[b]
    shape = (len(grid),) * claim.variables
    full = [np.broadcast_to(one, shape) for one in (base, *map(effect, claim.touched))]
    return _from_tables([grid] * claim.variables, full[0], full[1:], sizes, shift, grid[1] - grid[0], rng)


def _from_tables(
    grids: list[Floats], base: Floats, effects: list[Floats], sizes: Floats, shift: float, width: float, rng: Rng
) -> list[Floats]:
    """Draws from a table of log-densities in every regime, spread evenly within cells of a width."""
    cells = np.stack([axis.ravel() for axis in np.meshgrid(*grids, indexing="ij")], axis=1)
    first = cells[:, 0]
    p_base = softmax(base.ravel())
    unit = np.sqrt(p_base @ first**2 - (p_base @ first) ** 2)
    rows = []
    for code, size in zip(CODES, sizes, strict=True):
        log_p = (base + code[0] * effects[0] + code[1] * effects[1]).ravel()
        if shift and code.all():
            aim = softmax(log_p) @ first + shift * unit
            if aim < first.max():
                log_p = (
                    log_p
                    + brentq(lambda tilt, at=log_p, to=aim: softmax(at + tilt * first) @ first - to, 0, 50) * first
                )
        x = cells[rng.choice(len(cells), size=int(size), p=softmax(log_p))]
        rows.append(x + width * (rng.random(x.shape) - 0.5))
    return rows


TRUTHS: dict[str, Callable[[Claim, Floats, float, Rng], list[Floats]]] = {
    "Gaussian": gaussian,
    "discrete": discrete,
    "nonlinear": nonlinear,
}


def study(kind: str, claim: Claim, rows: list[Floats]) -> tuple[Samples, Implication]:
    """The samples and the claim of them that is tested."""
    names = tuple(f"x{v + 1}" for v in range(claim.variables))
    factors = [
        Factor(f"f{name}{k}", tuple(names[v] for v in scope), (name,))
        for name, scopes in zip("AB", claim.touched, strict=True)
        for k, scope in enumerate(scopes)
    ]
    model = Model((Intervention("A", (0, 1)), Intervention("B", (0, 1))), names, tuple(factors))
    design = Design(model, Regimes.from_codes(CODES))
    regime = np.repeat(np.arange(4), [len(x) for x in rows])
    criterion = "joint" if kind == "joint" else "conditional"
    found = implications(Identifier(design), criterion, [names[:2]])
    wanted = {"joint": "joint", "conditional": "conditional"}.get(kind, "interaction")
    claims = [c for c in found if c.kind == wanted and (wanted == "joint" or c.variables[0] == "x1")]
    return Samples(design, regime, np.vstack(rows)), claims[-1 if kind == "conditional" else 0]


def p_values(kind: str, truth: str, shift: float, rows: int | None, studies: int) -> Floats:
    """p-values of the score and the energy test, shape (studies, 2)."""
    found = np.empty((studies, 2))
    for s in tqdm(range(studies), desc=f"{kind}, {truth}, {shift}", leave=False, disable=None):
        rng = np.random.default_rng([7, s, int(10 * shift), sorted(TRUTHS).index(truth)])
        sizes = rng.integers(300, 1001, 4) if rows is None else np.full(4, rows)
        claim = claim_of(kind, rng)
        samples, tested = study(kind, claim, TRUTHS[truth](claim, sizes, shift, rng))
        asked = question(samples, tested, baseline_unit(samples))
        pair = len(asked.c) == 1
        found[s, 0] = (score_pair(asked) if pair else score_test(asked)).p_value
        found[s, 1] = (energy_pair(asked, rng) if pair else energy_test(asked, rng, REPLICATES)).p_value
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", metavar="FOLDER", type=Path, help="also write falsify.md there")
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--only", choices=KINDS)
    given = parser.parse_args()
    low, high = binom.ppf([0.0005, 0.9995], given.studies, LEVEL) / given.studies
    lines = [
        f"# Size and power of `ifm falsify`, {given.studies:,} studies a row",
        "",
        (
            f"Shares of studies rejected at the {LEVEL:.0%} level (no correction: one claim a study). Of true "
            f"models {low:.1%} to {high:.1%} is within the 99.9% limits of chance. Wrong ones: half as many. "
            "Made by `python benchmarks/falsify.py -o benchmarks`."
        ),
        "",
        "| claim | truth | shift of x1, sd | rows a regime | score | energy | seconds a study |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    print("\n".join(lines))
    for kind in [given.only] if given.only else KINDS:
        cases = [(0.0, None), (0.5, None), (0.5, 300)] if kind in KINDS[:2] else [(0.0, None)]
        for shift, rows in cases:
            for truth in TRUTHS:
                start = time.process_time()
                p = p_values(kind, truth, shift, rows, given.studies if shift == 0 else given.studies // 2)
                spent = (time.process_time() - start) / len(p)
                shares = " | ".join(f"{share:.1%}" for share in (p < LEVEL).mean(axis=0))
                lines.append(
                    f"| {kind} | {truth} | {shift:g} | {rows or '300 to 1,000'} | {shares} | {spent:.2f} |"
                )
                print(lines[-1], flush=True)
    if given.o is not None:
        (given.o / "falsify.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
