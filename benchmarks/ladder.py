"""Averages over the ladder of models: error and coverage of means in regimes that were run and that were not.

    python benchmarks/ladder.py --studies 200 -o benchmarks
    python benchmarks/ladder.py --studies 20 --only near,block2 --sizes 10,50
    python benchmarks/ladder.py --studies 40 --sizes 500 --only "apart, normal;apart, squares;apart, bimodal;..."
    python benchmarks/ladder.py --only "rarer shares,fewer counts" --sizes 20,50,200

Every study is drawn anew from a truth of `truths.py`; the rungs that `auto` tries are fitted and their average is
asked for 90% intervals. `additive` adds effects of single interventions on the mean. Of shares and means of counts
(`truths.RATES`, not part of the default) a row is for every rate at ctrl, and splines on a grid, of one variable
of few values the same model as a tilt, are left out. Writes ladder.md.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).parent))
from truths import APART, COUNTS, PAIRS, RATES, SHARES, Truth, apart, as_given, pair, rates, wide

from ifm_ident.arrays import Floats
from ifm_learn import estimate_study
from ifm_learn.ladder.average import fit_ladder
from ifm_learn.ladder.rungs import AUTO, GRID, rungs_for

SIZES = (10, 20, 50, 100, 200, 500)
WIDE = {"five variables": (5, 4, (600, 100, 50)), "fifty variables": (50, 10, (157,))}
WORDS = ("few_rows", "little_overlap", "misses_training", "models_disagree", "outcome_shifts")
BEYOND = ("beyond", "saturating")
SEED = 4_000


@dataclass
class Cell:
    """What the studies of one truth and size gave."""

    kind: str
    rows: int
    base: float | None = None
    errors: list[float] = field(default_factory=list)
    additive: list[float] = field(default_factory=list)
    held: list[float] = field(default_factory=list)
    half: list[float] = field(default_factory=list)
    held_run: list[float] = field(default_factory=list)
    flagged: dict[str, list[float]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)

    def add(self, truth: Truth, seed: int) -> None:
        """One study."""
        samples, run = truth.samples, truth.run
        mean, low, high, flags = self.estimated(truth, seed)
        off = mean - truth.means
        held = np.where(np.isnan(low), np.nan, (low <= truth.means) & (truth.means <= high))
        self.errors += (off[run:] ** 2).ravel().tolist()
        self.held.append(float(np.nanmean(held[run:])) if not np.isnan(held[run:]).all() else np.nan)
        self.half += ((high - low)[run:] / 2).ravel().tolist()
        if run:
            self.held_run.append(float(np.nanmean(held[:run])) if not np.isnan(held[:run]).all() else np.nan)
        values = samples.x if run else samples.y[:, None]
        own = np.stack([values[samples.regime == i].mean(axis=0) for i in samples.present])
        codes = np.concatenate([np.ones((len(truth.asked), 1)), truth.asked.codes()], axis=1)
        singles = np.concatenate([own[:1], own[1:] - own[0]])
        self.additive += ((codes @ singles - truth.means)[run:] ** 2).ravel().tolist()
        for word, where in flags.items():
            self.flagged.setdefault(word, []).append(float(where[run:].mean()))

    def estimated(self, truth: Truth, seed: int) -> tuple[Floats, Floats, Floats, dict[str, NDArray[np.bool_]]]:
        """Means, ends of intervals and flags, each (r, k); of an outcome as `ifm estimate` answers."""
        start, samples = time.process_time(), truth.samples
        if samples.y is not None:
            study, table = as_given(truth)
            got = estimate_study(study, table, seed=seed, calibration=0)
            flags = {word: np.array([[word in words for words in row] for row in got.flags]) for word in WORDS}
            found = got.mean, got.confidence_low, got.confidence_high, flags
        else:
            rungs = [rung for rung in rungs_for(AUTO, samples) if self.base is None or rung.name != GRID]
            ours = fit_ladder(samples, rungs, seed=seed).estimate(truth.asked)
            found = ours.mean, ours.low, ours.high, ours.flags
        self.seconds.append(time.process_time() - start)
        return found

    def line(self) -> str:
        """A row of the table."""
        words = {word: np.mean(share) for word, share in self.flagged.items()}
        shown = ", ".join(f"{word} {share:.0%}" for word, share in words.items() if share >= 0.005)
        run = f"{np.nanmean(self.held_run):.2f}" if self.held_run else "-"
        return (
            f"| {self.kind}{'' if self.base is None else f', {self.base:g}'} | {self.rows} "
            f"| {np.sqrt(np.mean(self.errors)):.3f} "
            f"| {np.sqrt(np.mean(self.additive)):.3f} | {np.nanmean(self.held):.2f} | {np.nanmean(self.half):.3f} "
            f"| {run} | {shown} | {np.mean(self.seconds):.2f} |"
        )


def drawn(kind: str, rows: int, study: int, base: float | None) -> Truth:
    """The truth and the samples of one study."""
    if base is not None:
        return rates(
            kind, base, rows, np.random.default_rng([77, sum(map(ord, kind)), int(base * 100), rows, study])
        )
    rng = np.random.default_rng([SEED, sum(map(ord, kind)), rows, study])
    if kind in APART:
        return apart(kind, rows, rng)
    if kind in WIDE:
        return wide(rows, rng, *WIDE[kind][:2])
    return pair(kind, rows, rng)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=100)
    parser.add_argument(
        "--only",
        metavar="KIND,...",
        help=f"of {'; '.join((*PAIRS, *BEYOND, *WIDE, *RATES, *APART))}; separated by ; where names hold commas",
    )
    parser.add_argument("--sizes", metavar="N,...", help="rows a regime, for truths of one and two variables")
    parser.add_argument("-o", metavar="FOLDER", type=Path, help="also write ladder.md there")
    given = parser.parse_args()
    sizes = tuple(map(int, given.sizes.split(","))) if given.sizes else SIZES
    kinds = given.only.split(";" if ";" in given.only else ",") if given.only else (*PAIRS, *BEYOND, *WIDE)
    lines = [
        "# Averages over the ladder of models",
        "",
        f"`python benchmarks/ladder.py --studies {given.studies} -o benchmarks`: nominal 90% intervals; a share's "
        f"standard error is {np.sqrt(0.09 / given.studies):.1%} where the level holds. Errors and half-widths in "
        "the units of the variables; `run` is the share of intervals that hold the mean of a regime that was run. "
        "Intervals that are not printed (`misses_training`) count for nothing.",
        "",
        "| truth | rows a regime | RMSE | additive | held | half-width | run | flags of regimes not run | CPU s |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- | ---: |",
    ]
    print("\n".join(lines[-2:]), flush=True)
    for kind in kinds:
        for rows in WIDE[kind][2] if kind in WIDE else sizes:
            bases: tuple[float | None, ...] = (None,)
            if kind in RATES:
                bases = SHARES if RATES[kind][0] == "share" else COUNTS
            for base in bases:
                cell = Cell(kind, rows, base)
                for study in tqdm(range(given.studies), desc=f"{kind} {rows}", leave=False, disable=None):
                    cell.add(drawn(kind, rows, study, base), study)
                lines.append(cell.line())
                print(lines[-1], flush=True)
    if given.o is not None:
        (given.o / "ladder.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
