"""Are probabilities by draws calibrated where rows are few? Own truths with right factors.

python benchmarks/draws.py run RESULTS.jsonl [--seeds 0:40]        (a second a study; adds what is missing)
python benchmarks/draws.py report RESULTS.jsonl                    (prints the table of suggest.md)

Four interventions in factors of their own, effects N(0, .7); the baseline and the singles are run, asked are the
eleven combinations. share: 5 rows of 0 and 1, logits add up; count: 4 Poisson rows, logarithms add up; beside: 4
rows of a normal outcome beside a variable that nothing moves. Draws as they are against normal draws of the same
refits, cut off where the numbers end.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ifm_ident import InputError, Regimes, Study
from ifm_ident.arrays import Floats
from ifm_learn.data.samples import Samples
from ifm_learn.estimation.posterior import Posterior

CASES = {"share": 5, "count": 4, "beside": 4}
EVERY = Regimes.from_codes(np.array([code for code in itertools.product([0, 1], repeat=4) if sum(code) > 1]))
STUDY = Study.from_dict(
    {
        "interventions": {name: [0, 1] for name in "ABCD"},
        "variables": ["y"],
        "factors": [{"sigma": [name]} for name in "ABCD"],
        "train": ["0000", "1000", "0100", "0010", "0001"],
    }
)


def truth(kind: str, seed: int) -> tuple[Samples, Floats, float]:
    """Rows, the means asked about, and a threshold near their median."""
    rng = np.random.default_rng([21, list(CASES).index(kind), seed])
    effects = 0.7 * rng.normal(size=4)
    regime = np.repeat(np.arange(5), CASES[kind])
    train, asked = (codes @ effects for codes in (STUDY.design.train.codes(), EVERY.codes()))
    if kind == "share":
        own, mean = (1 / (1 + np.exp(1 - eta)) for eta in (train, asked))
        y = (rng.random(len(regime)) < own[regime]).astype(float)
    elif kind == "count":
        own, mean = np.exp(0.3 + train), np.exp(0.3 + asked)
        y = rng.poisson(own[regime]).astype(float)
    else:
        mean, y = asked, train[regime] + rng.normal(size=len(regime))
    threshold = float(np.median(mean) + 0.25 * mean.std() * rng.normal())
    if kind == "beside":
        return Samples(STUDY.design, regime, rng.normal(size=(len(y), 1)), y=y, outcome="z"), mean, threshold
    return Samples(STUDY.design, regime, y[:, None]), mean, threshold


def cut(posterior: Posterior) -> Floats:
    """Normal draws by refits and errors (the t law where few rows have one), cut off at the range."""
    found = np.empty((len(posterior.level), len(EVERY)))
    for which, table in posterior._tables(EVERY):
        last, column = np.cumsum(table.weights, axis=0), posterior._column(table)
        rung = (posterior.level[:, None, None] >= last[None, :, :, column]).sum(axis=1)
        for k, name in enumerate(table.rungs):
            mean = table.rung_means[k][:, column]
            away = table.rung_replicates[k][:, :, column] - mean
            size, error = np.sqrt(np.mean(away**2, axis=0)), table.rung_errors[k][:, column]
            scale = np.where(np.isfinite(error) & (size > 0), error / np.maximum(size, 1e-300), 1.0)
            drawn = mean + (posterior.mix @ away) * scale
            if name == "normal" and posterior._exact:
                drawn = posterior.linear.means_by(posterior.coefficients, EVERY.take(which))
            found[:, which] = np.where(np.minimum(rung, len(table.rungs) - 1) == k, drawn, found[:, which])
    ranges, at = posterior._ranges, posterior.column
    return np.clip(found, ranges.low[at], ranges.high[at]) if ranges.sure[at] else found


def played(kind: str, seed: int) -> dict[str, Any] | None:
    """Of both kinds of draws the shares above the threshold and below the truth, and how far their mean is off."""
    samples, mean, threshold = truth(kind, seed)
    try:
        posterior = Posterior.fit(samples, seed=seed)
    except InputError:
        return None
    centre = posterior.means(EVERY)
    row: dict[str, Any] = {"kind": kind, "seed": seed, "hit": (mean >= threshold).tolist()}
    for name, drawn in (("as they are", posterior.draws(EVERY)), ("normal, cut", cut(posterior))):
        row[name] = {
            "passes": (drawn >= threshold).mean(axis=0).tolist(),
            "below": (drawn <= mean).mean(axis=0).tolist(),
            "shift": ((drawn.mean(axis=0) - centre) / drawn.std(axis=0)).tolist(),
        }
    return row


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def report(rows: list[dict[str, Any]]) -> Iterator[str]:
    """A line for each kind of rows and of draws."""
    by = defaultdict(list)
    for row in rows:
        by[row["kind"]].append(row)
    head = ["studies", "draws", "90% of draws hold", "surer than 95%", "of these right", "Brier", "logarithmic"]
    yield f"| rows | {' | '.join(head)} | mean off |"
    yield "| --- | ---: | --- |" + " ---: |" * 6
    for kind, own in by.items():
        hit = np.array([row["hit"] for row in own])
        for name in ("normal, cut", "as they are"):
            passes, below, shift = (
                np.array([row[name][key] for row in own]) for key in ("passes", "below", "shift")
            )
            sure = (passes > 0.95) | (passes < 0.05)
            right = np.where(passes > 0.5, hit, ~hit)
            chance = np.clip(passes, 1 / 800, 1 - 1 / 800)
            log = -np.where(hit, np.log(chance), np.log(1 - chance)).mean()
            cells = [
                f"{kind}, {CASES[kind]} a regime",
                str(len(own)),
                name,
                f"{np.mean((below > 0.05) & (below < 0.95)):.0%}",
                f"{sure.mean():.0%}",
                f"{right[sure].mean():.0%}",
                f"{np.mean((passes - hit) ** 2):.3f}",
                f"{log:.3f}",
                f"{np.sqrt(np.mean(shift**2)):.2f}",
            ]
            yield "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "report"])
    parser.add_argument("file", type=Path)
    parser.add_argument("--seeds", default="0:40")
    parser.add_argument("--seconds", type=float, default=500)
    given = parser.parse_args()
    if given.what == "report":
        print("\n".join(report(read(given.file))))
        return
    begun, done = time.monotonic(), {(row["kind"], row["seed"]) for row in read(given.file)}
    with given.file.open("a", encoding="utf-8") as file:
        for seed in range(*map(int, given.seeds.split(":"))):
            for kind in CASES:
                if (kind, seed) in done or time.monotonic() - begun > given.seconds:
                    continue
                row = played(kind, seed)
                if row is not None:
                    print(json.dumps(row), file=file, flush=True)


if __name__ == "__main__":
    main()
