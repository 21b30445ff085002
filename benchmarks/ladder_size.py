"""Time, memory and coverage of means where there are many rows, columns or regimes: of models, of the command.

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
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

from ifm_ident.arrays import Floats

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

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


def _commanded(folder: Path, document: dict[str, Any], table: dict[str, Any], truth: Floats) -> Found:
    """`ifm estimate` of a study and its Parquet table, as a process of its own; truth: (regimes, outcomes)."""
    pq.write_table(pa.table(table), folder / "cells.parquet")
    (folder / "study.yaml").write_text(json.dumps(document), encoding="utf-8")
    words = [sys.executable, "-m", "ifm_ident.cli", "estimate", str(folder / "study.yaml"), "--format", "parquet"]
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([*words, "--quiet", "-o", str(folder / "out.parquet")], check=True)
    wall, spent = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    out = pq.read_table(folder / "out.parquet")
    mean, low, high, additive = (
        out.column(name).to_numpy().reshape(truth.shape)
        for name in ("mean", "confidence_low", "confidence_high", "additive")
    )
    return {
        "coverage": held(truth, (low, high)),
        "RMSE": float(np.sqrt(np.mean((mean - truth) ** 2))),
        "RMSE, additive": float(np.sqrt(np.mean((additive - truth) ** 2))),
        "wall s of the command": wall,
        "CPU s of the command": spent.ru_utime + spent.ru_stime - before.ru_utime - before.ru_stime,
        "peak memory of the command, GB": spent.ru_maxrss / 2**20,
    }


def _named(regimes: list[tuple[int, ...]], names: list[str]) -> list[str]:
    return ["+".join(names[i] for i in regime) or "ctrl" for regime in regimes]


def _screen_command(seed: int, outcomes: int) -> Found:
    g = np.random.default_rng(seed)
    chosen = list(itertools.combinations(range(PERTURBATIONS), 2))
    order = g.permutation(len(chosen))
    pairs, new = [chosen[i] for i in order[:PAIRS]], [chosen[i] for i in order[PAIRS : PAIRS + UNSEEN]]
    regimes: list[tuple[int, ...]] = [(), *((i,) for i in range(PERTURBATIONS)), *pairs]
    effects, extra = g.normal(0, 0.5, (PERTURBATIONS, COMPONENTS)), g.normal(0, 0.4, (PAIRS, COMPONENTS))
    means = np.array([effects[list(r)].sum(axis=0) for r in regimes])
    means[1 + PERTURBATIONS :] += extra
    truth = np.array([effects[list(r)].sum(axis=0) for r in new])
    share = CELLS // (len(regimes) + 4)
    sizes = np.full(len(regimes), share)
    sizes[0] += CELLS - sizes.sum()
    regime = np.repeat(np.arange(len(regimes)), sizes)
    x = means[regime] + g.normal(size=(CELLS, COMPONENTS))
    names, variables = [f"g{i}" for i in range(PERTURBATIONS)], [f"x{j}" for j in range(COMPONENTS)]
    table: dict[str, Any] = {
        "label": np.array(_named(regimes, names))[regime],
        **dict(zip(variables, x.T, strict=True)),
    }
    data = {"file": "cells.parquet", "label": "label"}
    if outcomes:
        loads = g.normal(size=(COMPONENTS, outcomes)) / np.sqrt(COMPONENTS)
        table |= {f"y{k}": x @ loads[:, k] + g.normal(size=CELLS) for k in range(outcomes)}
        truth, data = truth @ loads, {**data, "outcomes": "all"}
    document = {
        "interventions": {name: [0, 1] for name in names},
        "variables": variables,
        "factors": [*({"sigma": [n]} for n in names), *({"sigma": [names[a], names[b]]} for a, b in pairs)],
        "train": _named(regimes, names),
        "test": _named(new, names),
        "data": data,
    }
    with tempfile.TemporaryDirectory() as folder:
        return _commanded(Path(folder), document, table, truth)


def screen_command(seed: int) -> Found:
    """The screen by `ifm estimate`: means of the components."""
    return _screen_command(seed, 0)


def outcomes_command(seed: int) -> Found:
    """The screen by `ifm estimate`: means of all outcomes."""
    return _screen_command(seed, OUTCOMES)


def million_command(seed: int) -> Found:
    """A million rows by `ifm estimate`."""
    g = np.random.default_rng(seed)
    names, variables = [f"s{i}" for i in range(8)], [f"x{j}" for j in range(COLUMNS)]
    regimes: list[tuple[int, ...]] = [(), *((i,) for i in range(8)), (0, 1)]
    effects, extra = g.normal(0, 0.3, (8, COLUMNS)), g.normal(0, 0.3, COLUMNS)
    means = np.array([effects[list(r)].sum(axis=0) + extra * (r == (0, 1)) for r in regimes])
    new = [r for r in itertools.combinations(range(8), 2) if r != (0, 1)]
    loads = g.normal(size=COLUMNS) / np.sqrt(COLUMNS)
    regime = g.integers(len(regimes), size=ROWS)
    x = means[regime] + g.normal(size=(ROWS, COLUMNS))
    table: dict[str, Any] = {
        "label": np.array(_named(regimes, names))[regime],
        **dict(zip(variables, x.T, strict=True)),
    }
    table["y"] = x @ loads + 0.5 * g.normal(size=ROWS)
    document = {
        "interventions": {name: [0, 1] for name in names},
        "variables": variables,
        "factors": [*({"sigma": [n]} for n in names), {"sigma": ["s0", "s1"]}],
        "train": _named(regimes, names),
        "test": _named(new, names),
        "data": {"file": "cells.parquet", "label": "label", "outcome": "y"},
    }
    truth = np.array([effects[list(r)].sum(axis=0) @ loads for r in new])[:, None]
    with tempfile.TemporaryDirectory() as folder:
        return _commanded(Path(folder), document, table, truth)


def _base_command(seed: int, variables: int, drugs: int, rows: int, controls: int) -> Found:
    """A base factor over all variables, a factor of a pair for each drug; y is tanh + noise."""
    g = np.random.default_rng(seed)
    root = g.normal(size=(variables, variables)) * 0.35
    base = np.eye(variables) * 2 + (root + root.T) / 2
    base += np.eye(variables) * max(0.0, 1 - float(np.linalg.eigvalsh(base)[0]))
    scopes = [np.sort(g.choice(variables, 2, replace=False)) for _ in range(drugs)]
    bends, pulls = np.zeros((drugs, variables, variables)), np.zeros((drugs, variables))
    for k, scope in enumerate(scopes):
        half = g.normal(size=(2, 2)) * 0.5
        bends[k][np.ix_(scope, scope)], pulls[k, scope] = half @ half.T, g.normal(size=2) * 1.5
    load = g.normal(size=variables)
    load /= np.sqrt(load @ np.linalg.inv(base) @ load)

    def law(regime: tuple[int, ...]) -> tuple[Floats, Floats]:
        spread = np.linalg.inv(base + bends[list(regime)].sum(axis=0))
        return spread @ pulls[list(regime)].sum(axis=0), spread

    names, columns = [f"s{i}" for i in range(drugs)], [f"x{j}" for j in range(variables)]
    regimes: list[tuple[int, ...]] = [(), *((i,) for i in range(drugs))]
    sizes = [controls, *[rows] * drugs]
    x = np.concatenate([g.multivariate_normal(*law(r), n) for r, n in zip(regimes, sizes, strict=True)])
    new = list(itertools.combinations(range(drugs), 2))
    truth = np.empty((len(new), 1))
    for i, regime in enumerate(new):
        mean, spread = law(regime)
        z = g.normal(mean @ load, np.sqrt(load @ spread @ load), 400_000)
        truth[i] = np.tanh(z).mean()
    table: dict[str, Any] = {
        "label": np.repeat(_named(regimes, names), sizes),
        **dict(zip(columns, x.T, strict=True)),
    }
    table["y"] = np.tanh(x @ load) + 0.5 * g.normal(size=len(x))
    document = {
        "interventions": {name: [0, 1] for name in names},
        "variables": columns,
        "factors": [
            {"name": "base", "sigma": []},
            *({"x": [columns[v] for v in s], "sigma": [n]} for s, n in zip(scopes, names, strict=True)),
        ],
        "train": _named(regimes, names),
        "test": _named(new, names),
        "data": {"file": "cells.parquet", "label": "label", "outcome": "y"},
    }
    with tempfile.TemporaryDirectory() as folder:
        return _commanded(Path(folder), document, table, truth)


def wide_command(seed: int) -> Found:
    """50 variables by `ifm estimate`."""
    return _base_command(seed, 50, 10, 150, 700)


def base_command(seed: int) -> Found:
    """Five variables by `ifm estimate`."""
    return _base_command(seed, 5, 4, 600, 2400)


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
    "screen by ifm estimate": (
        screen_command,
        f"{PERTURBATIONS} perturbations, {PAIRS} pairs, {CELLS:,} cells, means of {COMPONENTS} components; "
        f"{UNSEEN} unseen pairs",
    ),
    "outcomes by ifm estimate": (outcomes_command, f"the same with {OUTCOMES:,} outcomes"),
    "million by ifm estimate": (
        million_command,
        f"{ROWS:,} rows x {COLUMNS} columns and an outcome, ten regimes; 27 unseen pairs",
    ),
    "wide by ifm estimate": (
        wide_command,
        "a base factor over 50 variables, ten interventions, 2,200 rows and an outcome; 45 unseen pairs",
    ),
    "base by ifm estimate": (
        base_command,
        "a base factor over five variables, four interventions, 4,800 rows and an outcome; six unseen pairs",
    ),
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
        "# Means at size: least squares, and the command",
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
