"""IFM1 on the paper's Sachs set-up: several ground truths, two starts each, beside the same with the true density.

    IFM_DATA=DATA python benchmarks/sachs_ifm.py -o benchmarks --keep FOLDER

Each ground truth is an interventional factor model fitted to the real rows by the schedule of the paper's
code, with a seed of its own; 5,000 baseline rows and 500 of each inhibitor are drawn from it; 20 outcome problems
are asked in the 11 combinations never run. Errors are told apart by whether rows can say anything about a
combination: whether most of it, by the true density, lies where the rows of one of its factors are rare.
Writes sachs_ifm.md. Truths and fits are kept in a folder where one is given, so that an interrupted run goes on.
Forty seconds a fit on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ifm_ident import Regimes
from ifm_ident.arrays import Floats, Ints
from ifm_ident.design.notation import format_regimes
from ifm_learn.data.samples import Samples
from ifm_learn.density.fit import fit_density
from ifm_learn.density.model import DensityModel
from ifm_learn.experiments.paper import load_experiment
from ifm_learn.experiments.problems import Problem, draw_problems
from ifm_learn.experiments.protocol import Protocol
from ifm_learn.experiments.published_fit import fit_published
from ifm_learn.experiments.results import rank_correlation
from ifm_learn.experiments.truths import Truth, draw_training
from ifm_learn.outcome.regressors import SmoothRegressor

Flags = NDArray[np.bool_]
DRAWS = 20_000


def kept(folder: Path | None, name: str, fit: Callable[[], DensityModel]) -> tuple[DensityModel, float]:
    """A model and the seconds that its fit took, read from the folder where it is there."""
    path, clock = (None, None) if folder is None else (folder / f"{name}.npz", folder / f"{name}.json")
    if path is not None and clock is not None and clock.exists():
        return DensityModel.load(path), float(json.loads(clock.read_text()))
    begin = time.perf_counter()
    model = fit()
    seconds = time.perf_counter() - begin
    if path is not None and clock is not None:
        model.save(path)
        clock.write_text(json.dumps(seconds))
    return model, seconds


def scores(
    model: Truth, regimes: Regimes, problems: list[Problem], outcome: list[SmoothRegressor], unseen: Ints
) -> tuple[Floats, Floats, float]:
    """Squared errors over the outcome's variance, shape (problems, unseen), rank correlations, and seconds."""
    begin = time.perf_counter()
    drawn = model.sample(regimes, DRAWS, np.random.default_rng(1))
    seconds = time.perf_counter() - begin
    errors, ranks = [], []
    for problem, regressor in zip(problems, outcome, strict=True):
        means = np.array([regressor.predict(rows).mean() for rows in drawn])[unseen]
        mean, variance = problem.mean[unseen], problem.variance[unseen]
        errors.append((means - mean) ** 2 / variance)
        ranks.append(rank_correlation(mean, means))
    return np.array(errors), np.array(ranks), seconds


def summary(errors: Floats, ranks: Floats, weak: Flags) -> dict[str, float]:
    """What the table says of one model; weak: the unseen regimes that rows say little about, shape (unseen,)."""
    return {
        "prmse": float(errors.mean()),
        "worst": float(errors.mean(axis=1).max()),
        "supported": float(errors[:, ~weak].mean()) if not weak.all() else np.nan,
        "weak": float(errors[:, weak].mean()) if weak.any() else np.nan,
        "largest": float(errors[:, ~weak].mean(axis=0).max()) if not weak.all() else np.nan,
        "rcor": float(ranks.mean()),
    }


def one_truth(samples: Samples, regimes: Regimes, seed: int, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Rows of the table for one ground truth."""
    protocol = Protocol(seed=seed)
    truth = kept(args.keep, f"truth{seed}", lambda: fit_published(samples, protocol.bins, seed))[0]
    training = draw_training(truth, samples.design, protocol)
    problems = draw_problems(truth, regimes, list(range(args.problems)), protocol.truth_draws, seed)
    outcome = [SmoothRegressor().fit(training.x, p.outcomes(training.x, seed)) for p in problems]
    unseen = np.flatnonzero(regimes.active_counts > 1)
    combinations = regimes.take(unseen)
    weak = truth.support(combinations, training.sizes[training.present].tolist()).weak
    errors, ranks, _ = scores(truth, regimes, problems, outcome, unseen)
    names = format_regimes(samples.design.model, combinations.take(np.flatnonzero(weak)), "label").to_pylist()
    said = {"truth": seed, "count": int((~weak).sum()), "names": names}
    rows: list[dict[str, Any]] = [{**said, "start": "true density", **summary(errors, ranks, weak)}]
    for start in range(args.starts):
        model, seconds = kept(
            args.keep, f"fit{seed}-{start}", lambda start=start: fit_density(training, seed=start, jobs=args.jobs)
        )
        errors, ranks, inference = scores(model, regimes, problems, outcome, unseen)
        rows.append(
            {
                **said,
                "start": start,
                **summary(errors, ranks, weak),
                "told": int((model.support(combinations).weak == weak).sum()),
                "ridge": model.report.base,
                "fit": seconds,
                "inference": inference,
                "disagreement": model.report.disagreement,
            }
        )
        print(rows[-1], file=sys.stderr, flush=True)
    return rows


def markdown(rows: list[dict[str, Any]], args: argparse.Namespace) -> str:
    """The table, and what it comes to."""
    text = [
        "# IFM1 on the Sachs set-up",
        "",
        f"`python benchmarks/sachs_ifm.py --truths {args.truths} --starts {args.starts} "
        f"--problems {args.problems} --jobs {args.jobs}`, one run. Ground truths are interventional factor models "
        f"fitted to the real rows by the schedule of the paper's code; {args.problems} outcome problems each, 11 "
        "combinations never run. pRMSE: squared error over the outcome's variance, mean over combinations and "
        "problems; worst: of one problem; rCOR: Spearman's rank correlation, mean over problems. `true density` "
        "is the same outcome regression averaged over draws of the truth: the part of the error that is not the "
        "density's. The pRMSE is told apart by what rows can say at all: supported combinations (how many, in "
        "brackets), and the others, more than half of which lies, by the true density, where the rows of one "
        "of their factors are rarer than among 25 rows of the combination itself (`DensityModel.support`). "
        "Largest: of one supported combination, mean over problems.",
        "",
        "| truth | start | pRMSE | worst problem | supported | largest | others | rCOR | ridge | fit, s "
        "| 16 regimes, s | starts differ, TV |",
        "| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        tail = [
            format(row[name], form) if name in row else "-"
            for name, form in (("ridge", "g"), ("fit", ".0f"), ("inference", ".1f"), ("disagreement", ".2f"))
        ]
        errors = [format(row[name], ".4f") for name in ("prmse", "worst", "supported", "largest", "weak")]
        errors[2] += f" ({row['count']})"
        cells = [str(row["truth"]), str(row["start"]), *errors, format(row["rcor"], ".3f"), *tail]
        text.append("| " + " | ".join(cells) + " |")
    fits = [row for row in rows if "fit" in row]
    error, supported, largest, weak, rank, told = (
        np.array([row[name] for row in fits], dtype=float)
        for name in ("prmse", "supported", "largest", "weak", "rcor", "told")
    )
    often = Counter(name for row in rows for name in row["names"] if row["start"] == "true density")
    named = ", ".join(f"{name} ({count})" for name, count in sorted(often.items()))
    text += [
        "",
        f"Mean pRMSE {error.mean():.4f}, median {np.median(error):.4f}, worst run {error.max():.4f}; mean rank "
        f"correlation {rank.mean():.3f}. Supported combinations: mean {np.nanmean(supported):.4f}, worst run "
        f"{np.nanmax(supported):.4f}, worst combination of a run {np.nanmax(largest):.4f}. Others: mean "
        f"{np.nanmean(weak):.4f}; they are, with the number of truths: {named}. The fitted models, which do not "
        f"know the truth, put {told.mean() / 11:.0%} of the combinations on the same side.",
        "",
    ]
    return "\n".join(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--truths", type=int, default=9)
    parser.add_argument("--starts", type=int, default=2)
    parser.add_argument("--problems", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="a folder for truths and fits")
    parser.add_argument("-o", "--output", type=Path, help="the folder of sachs_ifm.md; printed without it")
    args = parser.parse_args()
    if args.keep is not None:
        args.keep.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        samples, regimes = load_experiment(
            "sachs", Path(os.environ["IFM_DATA"]) if "IFM_DATA" in os.environ else None
        )
        rows = [row for seed in tqdm(range(args.truths)) for row in one_truth(samples, regimes, seed, args)]
    text = markdown(rows, args)
    if args.output is None:
        print(text)
    else:
        (args.output / "sachs_ifm.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
