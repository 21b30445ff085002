"""Time, memory and coverage of the least-squares means where there are many rows, columns or regimes.

`python benchmarks/ladder_size.py [SEED]` runs each row in a process of its own and writes ladder_size.md beside
itself.
"""

from __future__ import annotations

import itertools
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import reduce
from operator import add
from pathlib import Path

from ifm_ident.arrays import Floats

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from ifm_ident import Design, Factor, Intervention, Model, Regimes
from ifm_learn.data.samples import Samples
from ifm_learn.ladder.families import FamilyRung
from ifm_learn.ladder.linear_means import LinearMeans
from ifm_learn.ladder.regime_statistics import RegimeStatistics

Found = dict[str, float]

PERTURBATIONS, PAIRS, CELLS, COMPONENTS, OUTCOMES, UNSEEN = 200, 150, 37_670, 20, 2_000, 60
ROWS, COLUMNS, CHUNK = 1_000_000, 30, 50_000


def held(truth: Floats, ends: tuple[Floats, Floats]) -> float:
    return float(((ends[0] <= truth) & (truth <= ends[1])).mean())


def screen(seed: int) -> Found:
    """A factor for each perturbation and each pair that was run; outcomes linear in the components plus noise."""
    g = np.random.default_rng(seed)
    chosen = list(itertools.combinations(range(PERTURBATIONS), 2))
    order = g.permutation(len(chosen))
    pairs, new = [chosen[i] for i in order[:PAIRS]], [chosen[i] for i in order[PAIRS : PAIRS + UNSEEN]]
    regimes: list[tuple[int, ...]] = [(), *((i,) for i in range(PERTURBATIONS)), *pairs]
    effects, extra = g.normal(0, 0.5, (PERTURBATIONS, COMPONENTS)), g.normal(0, 0.4, (PAIRS, COMPONENTS))
    means = np.zeros((len(regimes), COMPONENTS))
    means[1 : 1 + PERTURBATIONS] = effects
    means[1 + PERTURBATIONS :] = effects[np.array(pairs)].sum(axis=1) + extra
    truth = effects[np.array(new)].sum(axis=1)
    loads = g.normal(size=(COMPONENTS, OUTCOMES)) / np.sqrt(COMPONENTS)
    share = CELLS // (len(regimes) + 4)
    sizes = np.full(len(regimes), share)
    sizes[0] += CELLS - sizes.sum()
    regime = np.repeat(np.arange(len(regimes)), sizes)
    x = means[regime] + g.normal(size=(CELLS, COMPONENTS))
    parts: list[RegimeStatistics] = []
    spent = 0.0
    for start in range(0, CELLS, 5_000):
        at = slice(start, start + 5_000)
        y = x[at] @ loads + g.normal(size=(len(regime[at]), OUTCOMES))
        begun = time.process_time()
        parts.append(RegimeStatistics.of(regime[at], np.concatenate([x[at], y], axis=1), len(regimes)))
        parts = [reduce(add, parts)]
        spent += time.process_time() - begun
    begun = time.process_time()
    names = [f"g{i}" for i in range(PERTURBATIONS)]
    factors = [Factor(n, ("x",), (n,)) for n in names]
    factors += [Factor(f"{names[a]}{names[b]}", ("x",), (names[a], names[b])) for a, b in pairs]
    model = Model(tuple(Intervention(n, (0, 1)) for n in names), ("x",), tuple(factors))
    active = Regimes.from_active([[(i, 1) for i in r] for r in regimes], PERTURBATIONS)
    unseen = Regimes.from_active([[(i, 1) for i in r] for r in new], PERTURBATIONS)
    every = np.concatenate([truth, truth @ loads], axis=1)
    found: Found = {}
    for errors in ("pooled", "regime"):
        fitted = LinearMeans.fit(model, tuple(range(len(factors))), active, parts[0], errors)  # type: ignore[arg-type]
        ends = fitted.interval(unseen, 0.9)
        found[f"coverage, components, {errors}"] = held(
            every[:, :COMPONENTS], tuple(e[:, :COMPONENTS] for e in ends)
        )
        found[f"coverage, outcomes, {errors}"] = held(
            every[:, COMPONENTS:], tuple(e[:, COMPONENTS:] for e in ends)
        )
    found["RMSE, outcomes"] = float(np.sqrt(np.mean((fitted.means(unseen) - every)[:, COMPONENTS:] ** 2)))
    found["CPU s, statistics and fits"] = spent + time.process_time() - begun
    return found


def million(seed: int) -> Found:
    """Eight interventions, one factor each and one over two; 30 columns and an outcome linear in them."""
    g = np.random.default_rng(seed)
    names = [f"s{i}" for i in range(8)]
    regimes: list[tuple[int, ...]] = [(), *((i,) for i in range(8)), (0, 1)]
    effects, extra = g.normal(0, 0.3, (8, COLUMNS)), g.normal(0, 0.3, COLUMNS)
    means = np.array([effects[list(r)].sum(axis=0) + extra * (r == (0, 1)) for r in regimes])
    new = [r for r in itertools.combinations(range(8), 2) if r != (0, 1)]
    truth = np.array([effects[list(r)].sum(axis=0) for r in new])
    loads = g.normal(size=COLUMNS) / np.sqrt(COLUMNS)
    spent = 0.0

    def pieces() -> Iterator[RegimeStatistics]:
        nonlocal spent
        for _ in range(0, ROWS, CHUNK):
            regime = g.integers(len(regimes), size=CHUNK)
            x = means[regime] + g.normal(size=(CHUNK, COLUMNS))
            y = x @ loads + 0.5 * g.normal(size=CHUNK)
            begun = time.process_time()
            yield RegimeStatistics.of(regime, np.c_[x, y], len(regimes), cross=True)
            spent += time.process_time() - begun

    statistics = reduce(add, pieces())
    begun = time.process_time()
    factors = (*(Factor(n, ("x",), (n,)) for n in names), Factor("both", ("x",), ("s0", "s1")))
    model = Model(tuple(Intervention(n, (0, 1)) for n in names), ("x",), factors)
    train = Regimes.from_active([[(i, 1) for i in r] for r in regimes], 8)
    fitted = LinearMeans.fit(model, tuple(range(9)), train, statistics)
    unseen = Regimes.from_active([[(i, 1) for i in r] for r in new], 8)
    every, ends = np.c_[truth, truth @ loads], fitted.interval(unseen, 0.9)
    rmse = float(np.sqrt(np.mean((fitted.means(unseen) - every)[:, -1] ** 2)))
    seconds = spent + time.process_time() - begun
    return {
        "coverage, columns": held(every[:, :-1], (ends[0][:, :-1], ends[1][:, :-1])),
        "coverage, outcome": held(every[:, -1], (ends[0][:, -1], ends[1][:, -1])),
        "RMSE, outcome": rmse,
        "CPU s, statistics and fits": seconds,
    }


def dose(seed: int, studies: int = 60) -> Found:
    """Three drugs in five doses, four rows a regime, log viability; 40 unseen triples in each of 60 studies."""
    squares, inside = [], []
    for s in range(studies):
        g = np.random.default_rng([seed, s])
        main = [np.r_[0, -np.cumsum(g.gamma(2, 0.12, 5))] for _ in range(3)]
        both = {p: np.pad(g.normal(0, 0.06, (5, 5)), ((1, 0), (1, 0))) for p in [(0, 1), (0, 2), (1, 2)]}
        cells = np.array(list(itertools.product(range(6), repeat=3)))
        mean = sum(main[k][cells[:, k]] for k in range(3)) + sum(
            t[cells[:, a], cells[:, b]] for (a, b), t in both.items()
        )
        train = (cells > 0).sum(axis=1) <= 2
        test = np.flatnonzero((cells > 0).all(axis=1) & [len(set(c)) <= 2 for c in cells.tolist()])[:40]
        names = ("A", "B", "C")
        model = Model(
            tuple(Intervention(n, tuple(range(6))) for n in names),
            ("x",),
            tuple(Factor(a + b, ("x",), (a, b)) for a, b in itertools.combinations(names, 2)),
        )
        regime = np.repeat(np.arange(train.sum()), 4)
        rows = RegimeStatistics.of(
            regime, (mean[train][regime] + g.normal(0, 0.05, len(regime)))[:, None], train.sum()
        )
        fitted = LinearMeans.fit(model, (0, 1, 2), Regimes.from_codes(cells[train]), rows)
        unseen = Regimes.from_codes(cells[test])
        squares.append(np.mean((fitted.means(unseen)[:, 0] - mean[test]) ** 2))
        inside.append(held(mean[test][:, None], fitted.interval(unseen, 0.9)))
    return {"RMSE": float(np.sqrt(np.mean(squares))), "coverage": float(np.mean(inside))}


def genome(seed: int) -> Found:
    """A factor for each of 10,000 perturbations and 5,000 pairs, five rows a regime, 100 outcomes."""
    g = np.random.default_rng(seed)
    count, outcomes = 10_000, 100
    names = [f"g{i}" for i in range(count)]
    pairs = sorted({tuple(sorted(g.choice(count, 2, replace=False).tolist())) for _ in range(5_000)})
    new = [tuple(sorted(g.choice(count, 2, replace=False).tolist())) for _ in range(UNSEEN)]
    regimes: list[tuple[int, ...]] = [(), *((i,) for i in range(count)), *pairs]
    effects = g.normal(0, 0.5, (count, outcomes))
    means = np.array([effects[list(r)].sum(axis=0) for r in regimes])
    means[1 + count :] += g.normal(0, 0.4, (len(pairs), outcomes))
    regime = np.repeat(np.arange(len(regimes)), 5)
    y = means[regime] + g.normal(size=(len(regime), outcomes))
    begun = time.process_time()
    factors = [Factor(n, ("x",), (n,)) for n in names]
    factors += [Factor(f"{names[a]}{names[b]}", ("x",), (names[a], names[b])) for a, b in pairs]
    model = Model(tuple(Intervention(n, (0, 1)) for n in names), ("x",), tuple(factors))
    train, unseen = (Regimes.from_active([[(i, 1) for i in r] for r in rs], count) for rs in (regimes, new))
    statistics = RegimeStatistics.of(regime, y, len(regimes))
    ends = LinearMeans.fit(model, tuple(range(len(factors))), train, statistics).interval(unseen, 0.9)
    seconds = time.process_time() - begun
    truth = np.array([effects[list(r)].sum(axis=0) for r in new])
    return {"coverage": held(truth, ends), "CPU s, statistics and fits": seconds}


def families(seed: int) -> Found:
    """Poisson and gamma rungs of 100,000 rows in ten regimes: a fit, and a refit on other weights."""
    g = np.random.default_rng(seed)
    names = [f"s{i}" for i in range(9)]
    model = Model(
        tuple(Intervention(n, (0, 1)) for n in names), ("x",), tuple(Factor(n, ("x",), (n,)) for n in names)
    )
    train = Regimes.from_active([(), *(((i, 1),) for i in range(9))], 9)
    regime = g.integers(10, size=100_000)
    found: Found = {}
    for name in ("bernoulli", "poisson", "negbin", "gamma"):
        x = {"bernoulli": g.random(100_000) < 0.3, "gamma": g.gamma(3, 1 + regime / 10)}.get(name)
        x = g.poisson(2 + regime / 10) if x is None else x
        samples = Samples(Design(model, train), regime, np.asarray(x, dtype=np.float64)[:, None])
        begun = time.process_time()
        law = FamilyRung(name).fit(samples)  # type: ignore[arg-type]
        found[f"{name}, CPU s of a fit"] = time.process_time() - begun
        begun = time.process_time()
        law.refit(g.poisson(1, 100_000).astype(np.float64))
        found[f"{name}, CPU s of a refit"] = time.process_time() - begun
    return found


CASES: dict[str, tuple[Callable[[int], Found], str]] = {
    "screen": (
        screen,
        f"{PERTURBATIONS} perturbations, {PAIRS} pairs, {CELLS:,} cells, {COMPONENTS} components and "
        f"{OUTCOMES:,} outcomes; {UNSEEN} unseen pairs",
    ),
    "million": (million, f"{ROWS:,} rows x {COLUMNS} columns and an outcome, ten regimes; 27 unseen pairs"),
    "genome": (
        genome,
        f"10,000 perturbations, 5,000 pairs, 100 outcomes, five rows a regime; {UNSEEN} unseen pairs",
    ),
    "families": (families, "100,000 counts or positive values in ten regimes"),
    "dose": (dose, "three drugs, five doses, four rows a regime, 60 studies; 40 unseen triples"),
}


def run(case: str, seed: int) -> Found:
    """One case in a process of its own, with its wall time and the most memory it held."""
    code = f"import json, ladder_size as b; print(json.dumps(b.child({case!r}, {seed})))"
    here = Path(__file__).resolve().parent
    path = os.pathsep.join([str(here), str(here.parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    found: Found = json.loads(done.stdout)
    return found


def child(case: str, seed: int) -> Found:
    begun = time.perf_counter()
    found = CASES[case][0](seed)
    found["wall s, with the simulation"] = time.perf_counter() - begun
    found["peak memory, GB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return found


def main(seed: int) -> None:
    lines = [
        "# Least-squares means at size",
        "",
        f"`python benchmarks/ladder_size.py {seed}`, nominal 90% intervals, one core.",
    ]
    for case, (_, words) in CASES.items():
        lines += ["", f"## {case}", f"{words[0].upper()}{words[1:]}.", "", "| what | found |", "| --- | --- |"]
        lines += [f"| {name} | {value:.3g} |" for name, value in run(case, seed).items()]
        print("\n".join(lines[-8:]), flush=True)
    Path(__file__).with_suffix(".md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
