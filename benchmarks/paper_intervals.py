"""Intervals of `ifm estimate` on the paper's set-ups, where the truth is a factor model fitted to the real rows.

    IFM_DATA=DATA python benchmarks/paper_intervals.py run RESULTS.jsonl --data sachs --truths 6 --problems 10
    python benchmarks/paper_intervals.py report RESULTS.jsonl        (prints the tables of paper_intervals.md)

Truths, rows and outcome problems are those of `sachs_ifm.py`, and of DREAM likewise; each problem's table is given
to `estimate_study` as a user would. Combinations are told apart by whether rows can say anything about them
(`DensityModel.support` of the truth). `run` adds what is not in the file yet; --keep FOLDER keeps the truths.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sachs_ifm import kept
from tqdm import tqdm
from truths import Truth, as_given

from ifm_learn import estimate_study
from ifm_learn.experiments.paper import load_experiment
from ifm_learn.experiments.problems import draw_problems
from ifm_learn.experiments.protocol import Protocol
from ifm_learn.experiments.published_fit import fit_published
from ifm_learn.experiments.truths import draw_training

KINDS = ("run", "supported", "others")


def of_truth(args: argparse.Namespace, seed: int, done: set[tuple[Any, ...]]) -> Iterator[dict[str, Any]]:
    """What the problems of one truth gave that are not done yet."""
    home = Path(os.environ["IFM_DATA"]) if "IFM_DATA" in os.environ else None
    samples, regimes = load_experiment(args.data, home)
    protocol = Protocol(seed=seed)
    name = f"truth{seed}" if args.data == "sachs" else f"{args.data}{seed}"
    truth = kept(args.keep, name, lambda: fit_published(samples, protocol.bins, seed))[0]
    training = draw_training(truth, samples.design, protocol)
    single = regimes.active_counts < 2
    kind = np.where(single, 0, 1)
    unseen = np.flatnonzero(~single)
    weak = truth.support(regimes.take(unseen), training.sizes[training.present].tolist()).weak
    kind[unseen[weak]] = 2
    for problem in draw_problems(truth, regimes, list(range(args.problems)), protocol.truth_draws, seed):
        if (args.data, args.energy, seed, problem.number) in done:
            continue
        y = problem.outcomes(training.x, seed)
        means, size = problem.mean, np.sqrt(problem.variance)
        given = Truth(dataclasses.replace(training, y=y, outcome="y"), regimes, means[:, None], 0)
        study, table = as_given(given)
        begun = time.process_time()
        found = estimate_study(study, table, seed=seed, calibration=0, energy=args.energy)
        low, high = found.confidence_low[:, 0], found.confidence_high[:, 0]
        yield {
            "data": args.data,
            "energy": args.energy,
            "truth": seed,
            "problem": problem.number,
            "seconds": time.process_time() - begun,
            "kind": kind.tolist(),
            "off": ((found.mean[:, 0] - means) / size).tolist(),
            "half": ((high - low) / 2 / size).tolist(),
            "held": ((low <= means) & (means <= high)).tolist(),
            "flags": [list(words) for [words] in found.flags],
        }


def report(rows: list[dict[str, Any]]) -> Iterator[str]:
    """A line for each experiment, energy and kind of regime."""
    head = ("data", "energy", "problems", "regimes", "numbers", "pRMSE", "median", "held", "without", "unflagged")
    yield "| " + " | ".join((*head, "half-width", "factor for 85%", "flags", "CPU s")) + " |"
    yield "| --- | --- | ---: | --- |" + " ---: |" * 8 + " --- | ---: |"
    for data, energy in dict.fromkeys((row["data"], row["energy"]) for row in rows):
        own = [row for row in rows if (row["data"], row["energy"]) == (data, energy)]
        for k, kind in enumerate(KINDS):
            one = [
                (off, half, held, set(words) - {"untested"})
                for row in own
                for off, half, held, words, mine in zip(
                    *(row[key] for key in ("off", "half", "held", "flags", "kind")), strict=True
                )
                if mine == k
            ]
            if not one:
                continue
            off, half = np.array([(a, np.nan if b is None else b) for a, b, _, _ in one]).T
            told = np.isfinite(half)
            held = np.array([h for _, _, h, _ in one])
            plain = np.array([not words for *_, words in one]) & told
            often = Counter(word for *_, words in one for word in words)
            shown = ", ".join(
                f"{word} {n / len(one):.0%}" for word, n in sorted(often.items()) if n >= len(one) / 200
            )
            unflagged = f"{held[plain].mean():.2f} ({plain.mean():.0%})" if plain.any() else "- (0%)"
            cells = (
                data, energy, len(own), kind, len(one), f"{np.mean(off**2):.4f}", f"{np.median(off**2):.4f}",
                f"{held[told].mean():.2f}", f"{1 - told.mean():.0%}", unflagged, f"{np.median(half[told]):.3f}",
                f"{np.quantile(np.abs(off[told]) / half[told], 0.85):.2f}", shown,
                f"{np.mean([row['seconds'] for row in own]):.1f}",
            )  # fmt: skip
            yield "| " + " | ".join(map(str, cells)) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "report"])
    parser.add_argument("file", type=Path)
    parser.add_argument("--data", choices=["sachs", "dream"], default="sachs")
    parser.add_argument("--energy", default="auto")
    parser.add_argument("--truths", type=int, default=6)
    parser.add_argument("--problems", type=int, default=10)
    parser.add_argument("--keep", type=Path, help="a folder for truths")
    args = parser.parse_args()
    rows = [json.loads(line) for line in args.file.read_text("utf-8").splitlines()] if args.file.exists() else []
    if args.what == "report":
        print("\n".join(report(rows)))
        return
    if args.keep is not None:
        args.keep.mkdir(parents=True, exist_ok=True)
    done = {(row["data"], row["energy"], row["truth"], row["problem"]) for row in rows}
    with warnings.catch_warnings(), args.file.open("a", encoding="utf-8") as file:
        warnings.simplefilter("ignore")
        for seed in tqdm(range(args.truths)):
            for row in of_truth(args, seed, done):
                print(json.dumps(row), file=file, flush=True)


if __name__ == "__main__":
    main()
