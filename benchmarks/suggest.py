"""Does `ifm suggest` reach the best regime sooner than its peers? Simple regret on own truths and on gene pairs.

python benchmarks/suggest.py run RESULTS.jsonl [--truths pairs,saturation,wrong] [--seeds 0:30] [--methods ...]
IFM_DATA=folder python benchmarks/suggest.py run RESULTS.jsonl --truths genes --seeds 0:10
python benchmarks/suggest.py report RESULTS.jsonl        (prints the tables of suggest.md, draws suggest.png)

`run` adds what is not in the file yet, a line a truth, method and seed. Needs `pip install bayesian-optimization`.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import time
import warnings
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ifm_ident import Study
from ifm_ident.arrays import Floats, Ints
from ifm_ident.plots import canvas
from ifm_learn import Suggester

HERE = Path(__file__).parent
NOISE = 0.3
INTERVENTIONS = 12
ROUNDS = 5
SCREEN = 400
BEST = 20
TRUTHS = ("pairs", "saturation", "wrong", "genes")
METHODS = ("random", "additive", "greedy", "gp", "suggest")
TITLES = {
    "pairs": "Right factors",
    "saturation": "Right factors, saturating mean",
    "wrong": "Wrong factors",
    "genes": "Gene pairs, replayed",
}
NAMES = {
    "random": "random",
    "additive": "additive, greedy",
    "greedy": "factors, greedy mean",
    "gp": "Gaussian process (bayesian-optimization)",
    "suggest": "ifm suggest",
    "suggest-thompson": "suggest, Thompson",
    "suggest-quantile": "suggest, quantile",
    "suggest-mean": "suggest, mean",
    "factors-ei": "suggest, factors always",
    "process-ei": "suggest, process always",
}
STYLES = {"suggest": "-", "greedy": "--", "additive": "-.", "gp": ":", "random": (0, (5, 1, 1, 1, 1, 1))}
RULES = ("suggest-thompson", "suggest-quantile", "suggest-mean", "factors-ei", "process-ei")


@dataclass(frozen=True, eq=False)
class Game:
    """Regimes as codes (r, d), their means and one measurement of each; `start` are run first, repeats too."""

    codes: Ints
    mean: Floats
    measured: Floats
    start: Ints
    first: Floats
    factors: list[dict[str, list[str]]]
    batch: int

    @property
    def names(self) -> list[str]:
        return [f"s{i}" for i in range(self.codes.shape[1])]


def own(truth: str, seed: int) -> Game:
    """12 interventions of two levels, 4,096 regimes. Run: the baseline four times, singles, neighbours in a ring.

    pairs: effects N(0, .5) and ring interactions N(0, 1), the factors are the ring's pairs. saturation: the same
    through 2 tanh(./2). wrong: all pairs interact, N(0, .5), and the factors are of single interventions.
    """
    rng, d = np.random.default_rng([7, seed]), INTERVENTIONS
    codes = (np.arange(2**d)[:, None] >> np.arange(d)) & 1
    effects, ring = rng.normal(size=d) * 0.5, rng.normal(size=d)
    if truth == "wrong":
        every = np.triu(rng.normal(size=(d, d)) * 0.5, 1)
        mean = codes @ effects + np.einsum("ni,ij,nj->n", codes, every, codes)
        factors = [{"sigma": [f"s{i}"]} for i in range(d)]
    else:
        mean = codes @ effects + (codes * np.roll(codes, -1, axis=1)) @ ring
        mean = mean if truth == "pairs" else 2 * np.tanh(mean / 2)
        factors = [{"sigma": [f"s{i}", f"s{(i + 1) % d}"]} for i in range(d)]
    bits = 1 << np.arange(d)
    start = np.concatenate([np.zeros(4, dtype=int), bits, bits + np.roll(bits, -1)])
    measured = mean + NOISE * rng.normal(size=len(mean))
    first = measured[start]
    first[:4] = mean[0] + NOISE * rng.normal(size=4)
    return Game(codes, mean, measured, start, first, factors, 4)


def genes(seed: int) -> Game:
    """Growth scores of gene pairs, replayed: singles (with the negative control) and 1% of pairs run first."""
    scores: dict[tuple[str, str], list[float]] = defaultdict(list)
    with (Path(os.environ["IFM_DATA"]) / "gene-pairs" / "norman_gamma.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            scores[min(row["id1"], row["id2"]), max(row["id1"], row["id2"])].append(float(row["score"]))
    control = "negative"
    single = {
        (a if b == control else b): float(np.mean(v))
        for (a, b), v in scores.items()
        if (a == control) != (b == control)
    }
    names = sorted(single)
    place = {name: i for i, name in enumerate(names)}
    pairs = [(a, b) for a, b in sorted(scores) if a != b and a in place and b in place]
    codes = np.zeros((1 + len(names) + len(pairs), len(names)), dtype=int)
    for i, name in enumerate(names):
        codes[1 + i, place[name]] = 1
    for k, (a, b) in enumerate(pairs):
        codes[1 + len(names) + k, [place[a], place[b]]] = 1
    mean = np.array(
        [np.mean(scores[control, control]), *(single[n] for n in names), *(np.mean(scores[p]) for p in pairs)]
    )
    rng = np.random.default_rng([8, seed])
    some = rng.choice(len(pairs), round(0.01 * len(pairs)), replace=False)
    start = np.concatenate([np.arange(1 + len(names)), 1 + len(names) + np.sort(some)])
    factors = [{"sigma": [f"s{i}"]} for i in range(len(names))]
    return Game(codes, mean, mean, start, mean[start], factors, 20)


def played(game: Game, method: str, seed: int) -> tuple[list[float], list[float], list[int]]:
    """What is found, before and after each round: regret, the mean of the best 20, how many of the true best 20.

    Regret: what the best regime run by then lacks of the best there is. Means are true ones.
    """
    run, seen = game.start.tolist(), game.first.tolist()
    top = float(game.mean.max())
    best = set(np.argsort(-game.mean, kind="stable")[:BEST].tolist())
    regret: list[float] = []
    means: list[float] = []
    hits: list[int] = []

    def note() -> None:
        there = np.unique(run)
        regret.append(top - float(game.mean[there].max()))
        means.append(float(np.sort(game.mean[there])[-BEST:].mean()))
        hits.append(len(best & set(there.tolist())))

    note()
    suggester = None
    for turn in range(ROUNDS):
        left = np.setdiff1d(np.arange(len(game.codes)), run)
        if method == "random":
            taken = np.random.default_rng([9, seed, turn]).choice(left, game.batch, replace=False)
        elif method == "additive":
            taken = _additive(game, run, seen, left)
        elif method == "gp":
            taken = _process(game, run, seen, left)
        else:
            suggester = suggester or _suggester(game, method, seed)
            batch = suggester.ask(game.batch).regimes.codes()
            taken = np.array([np.flatnonzero((game.codes == one).all(axis=1))[0] for one in batch])
            suggester.tell(_table(game, game.codes[taken], game.measured[taken]))
        run += taken.tolist()
        seen += game.measured[taken].tolist()
        note()
    return regret, means, hits


def _additive(game: Game, run: list[int], seen: list[float], left: Ints) -> Ints:
    """The highest means by least squares on single effects."""
    x = np.hstack([np.ones((len(game.codes), 1)), game.codes])
    beta = np.linalg.lstsq(x[run], np.array(seen), rcond=None)[0]
    return left[np.argsort(-(x[left] @ beta), kind="stable")[: game.batch]]


def _process(game: Game, run: list[int], seen: list[float], left: Ints) -> Ints:
    """The Gaussian process and expected improvement of bayesian-optimization, over the regimes that are left.

    The package itself maximises over a box and has no list of regimes: its regressor (Matern 5/2, alpha 1e-6, five
    restarts) and its acquisition are asked about one-hot levels; a batch by believing its means, the kernel kept.
    """
    from bayes_opt import BayesianOptimization
    from bayes_opt.acquisition import ExpectedImprovement
    from sklearn.base import clone

    places, where = np.unique(run, return_inverse=True)
    y = np.bincount(where, np.array(seen)) / np.bincount(where)  # repeats once: alpha has no room for them
    x = game.codes.astype(float)
    gp = BayesianOptimization(f=None, pbounds=dict.fromkeys(game.names, (0, 1)), random_state=0, verbose=0)._gp
    inputs = x[places]
    taken: list[int] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gp.fit(inputs, y)
        for _ in range(game.batch):
            mean, sd = gp.predict(x[left], return_std=True)
            rule = ExpectedImprovement(xi=0.01)
            rule.y_max = float(y.max())
            value = rule.base_acq(mean, np.maximum(sd, 1e-12))
            value[np.isin(left, taken)] = -np.inf
            one = int(value.argmax())
            taken.append(int(left[one]))
            inputs, y = np.vstack([inputs, x[left[one]]]), np.append(y, mean[one])
            gp = clone(gp).set_params(kernel=gp.kernel_, optimizer=None).fit(inputs, y)
    return np.array(taken)


def _table(game: Game, codes: Ints, y: Floats) -> dict[str, list[float]]:
    return {**{name: codes[:, i].tolist() for i, name in enumerate(game.names)}, "y": y.tolist()}


def _suggester(game: Game, method: str, seed: int) -> Suggester:
    model, _, rule = method.partition("-")
    names = game.names
    study = Study.from_dict(
        {
            "interventions": {name: [0, 1] for name in names},
            "variables": ["y"],
            "factors": game.factors,
            "train": [
                {n: int(c) for n, c in zip(names, row, strict=True) if c}
                for row in np.unique(game.codes[game.start], axis=0)
            ],
            "test": {"order": 2},
        }
    )
    candidates = "order:2" if len(names) > 20 else "all"
    return Suggester(
        study,
        _table(game, game.codes[game.start], game.first),
        goal="max",
        candidates=candidates,
        forbid=[] if len(names) <= 20 else _missing(game),
        model={"suggest": "auto", "greedy": "factors"}.get(model, model),  # type: ignore[arg-type]
        acquisition=rule or ("mean" if model == "greedy" else "ei"),
        screen=SCREEN,
        seed=seed,
    )


def _missing(game: Game) -> list[str]:
    """Pairs without a score."""
    there = {tuple(np.flatnonzero(row).tolist()) for row in game.codes}
    d = game.codes.shape[1]
    return [f"s{i}+s{j}" for i in range(d) for j in range(i + 1, d) if (i, j) not in there]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "report"])
    parser.add_argument("file", type=Path)
    parser.add_argument("--truths", default="pairs,saturation,wrong")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--seeds", default="0:30")
    parser.add_argument("--seconds", type=float, default=500)
    given = parser.parse_args()
    if given.what == "report":
        report(read(given.file))
        return
    start, stop = map(int, given.seeds.split(":"))
    begun = time.monotonic()
    done = {(one["truth"], one["method"], one["seed"]) for one in read(given.file)}
    with given.file.open("a", encoding="utf-8") as file:
        for seed in range(start, stop):
            for truth in given.truths.split(","):
                for method in given.methods.split(","):
                    if (truth, method, seed) in done:
                        continue
                    if time.monotonic() - begun > given.seconds:
                        sys.exit(f"{given.seconds:g} s are over at {truth}, seed {seed}; run it again to go on")
                    clock = time.process_time()
                    game = genes(seed) if truth == "genes" else own(truth, seed)
                    regret, means, hits = played(game, method, seed)
                    row = {"truth": truth, "method": method, "seed": seed, "regret": regret, "best": means}
                    row["hits"] = hits
                    print(json.dumps(row | {"cpu": round(time.process_time() - clock, 2)}), file=file, flush=True)


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def report(rows: list[dict]) -> None:
    """The tables and the picture of the runs there are."""
    found: dict[str, dict[str, dict[int, list[float]]]] = {}
    cpu: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        found.setdefault(row["truth"], {}).setdefault(row["method"], {})[row["seed"]] = row["regret"]
        cpu[row["truth"]][row["method"]].append(row["cpu"])
    lines = []
    for truth in [name for name in TRUTHS if name in found]:
        lines += [f"## {TITLES[truth]}", "", _table_of(found[truth], cpu[truth]), ""]
        told = [row for row in rows if row["truth"] == truth and "best" in row]
        if truth == "genes" and told:
            lines += [_best_of(told), ""]
    picture({truth: found[truth] for truth in TRUTHS if truth in found})
    print("\n".join(lines))


def _table_of(found: dict[str, dict[int, list[float]]], cpu: dict[str, list[float]]) -> str:
    """Mean regret by round, the last by median, against `suggest` seed by seed, and CPU seconds."""
    rounds = len(next(iter(next(iter(found.values())).values())))
    ours = found.get("suggest", {})
    head = [
        "method",
        "seeds",
        *(f"round {i}" for i in range(rounds)),
        "median at the end",
        "suggest lower, equal, higher",
    ]
    lines = ["| " + " | ".join([*head, "CPU s"]) + " |", "| --- |" + " ---: |" * len(head)]
    for method in [m for m in (*METHODS, *RULES) if m in found]:
        runs = found[method]
        curves = np.array(list(runs.values()))
        both = [(ours[seed][-1], runs[seed][-1]) for seed in runs if seed in ours]
        gap = np.array([a - b for a, b in both])
        signs = f"{(gap < -1e-12).sum()}, {(abs(gap) <= 1e-12).sum()}, {(gap > 1e-12).sum()}"
        cells = [NAMES[method], str(len(runs)), *(f"{v:.3f}" for v in curves.mean(axis=0))]
        cells += [
            f"{np.median(curves[:, -1]):.3f}",
            "" if method == "suggest" else signs,
            f"{np.mean(cpu[method]):.1f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _best_of(rows: list[dict]) -> str:
    """The mean of the best 20 found by round, how many of the true best 20 these are, and seeds against `suggest`.

    Each over the seeds that it has played; against `suggest` over those of both.
    """
    by = {method: {row["seed"]: row for row in rows if row["method"] == method} for method in (*METHODS, *RULES)}
    by = {method: runs for method, runs in by.items() if runs}
    rounds = range(ROUNDS + 1)
    head = ["method", "seeds", *(f"round {i}" for i in rounds), "of the best 20, rounds 1 to 3"]
    head += [f"suggest higher, equal, lower: round {i}" for i in (1, 2, 3)]
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    for method, runs in by.items():
        seeds, ours = sorted(runs), by.get("suggest", {})
        best, hits = (np.array([runs[seed][key] for seed in seeds]) for key in ("best", "hits"))
        both = [seed for seed in seeds if seed in ours]
        gap = np.array([np.subtract(ours[seed]["best"], runs[seed]["best"]) for seed in both])
        cells = [NAMES[method], str(len(seeds)), *(f"{value:.4f}" for value in best.mean(axis=0))]
        cells.append(", ".join(f"{value:.1f}" for value in hits.mean(axis=0)[1:4]))
        for i in (1, 2, 3):
            if method == "suggest" or not both:
                cells.append("")
                continue
            signs = ((gap[:, i] > 1e-12).sum(), (abs(gap[:, i]) <= 1e-12).sum(), (gap[:, i] < -1e-12).sum())
            cells.append(", ".join(map(str, signs)))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def picture(found: dict[str, dict[str, dict[int, list[float]]]]) -> None:
    """Mean simple regret by round, with a band of one standard error over seeds."""
    figure = canvas.figure(3.4 * len(found) + 1.6, 3.4)
    axes = figure.subplots(1, len(found), squeeze=False)[0]
    for ax, (truth, methods) in zip(axes, found.items(), strict=True):
        for (method, line), colour in zip(STYLES.items(), canvas.SERIES, strict=False):
            if method not in methods:
                continue
            curves = np.array(list(methods[method].values()))
            mean, error = (
                curves.mean(axis=0),
                curves.std(axis=0, ddof=min(len(curves) - 1, 1)) / np.sqrt(len(curves)),
            )
            ax.plot(range(len(mean)), mean, color=colour, linestyle=line, marker="o", markersize=3)
            ax.fill_between(range(len(mean)), mean - error, mean + error, color=colour, alpha=0.2, linewidth=0)
        ax.set_ylim(bottom=0)
        ax.set_xticks(range(ROUNDS + 1))
        canvas.tidy(ax, TITLES[truth], "round", "mean simple regret" if ax is axes[0] else "")
    keys = [canvas.Key(NAMES[m], c, line=s) for (m, s), c in zip(STYLES.items(), canvas.SERIES, strict=False)]
    canvas.legend(axes[-1], keys, columns=1, where="beside")
    figure.savefig(HERE / "suggest.png", dpi=130, bbox_inches="tight")


if __name__ == "__main__":
    main()
