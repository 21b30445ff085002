"""IFM1 on the paper's Sachs set-up: several ground truths, two starts each, beside the same with the true density.

    IFM_DATA=DATA python benchmarks/sachs_ifm.py -o benchmarks --keep FOLDER

Each ground truth is an interventional factor model fitted to the real rows by the schedule of the paper's
code, with a seed of its own; 5,000 baseline rows and 500 of each inhibitor are drawn from it; 20 outcome problems
are asked in the 11 combinations never run. Writes sachs_ifm.md. Truths and fits are kept in a folder where one is
given, so that an interrupted run goes on. A minute a fit on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ifm_ident import Regimes
from ifm_learn.data.samples import Samples
from ifm_learn.density import DensityModel
from ifm_learn.density_fit import fit_density
from ifm_learn.experiments.paper import load_experiment
from ifm_learn.experiments.problems import Problem, draw_problems
from ifm_learn.experiments.protocol import Protocol
from ifm_learn.experiments.scores import prmse, rank_correlation
from ifm_learn.experiments.truths import Truth, draw_training, fit_truth
from ifm_learn.outcome.regressors import SmoothRegressor

Floats = NDArray[np.float64]
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
    model: Truth, regimes: Regimes, problems: list[Problem], outcome: list[SmoothRegressor], unseen: Floats
) -> tuple[Floats, Floats, float]:
    """pRMSE and rank correlation of every problem over the unseen regimes, and the seconds of inference."""
    begin = time.perf_counter()
    drawn = model.sample(regimes, DRAWS, np.random.default_rng(1))
    seconds = time.perf_counter() - begin
    found = []
    for problem, regressor in zip(problems, outcome, strict=True):
        means = np.array([regressor.predict(rows).mean() for rows in drawn])[unseen]
        mean, variance = problem.mean[unseen], problem.variance[unseen]
        found.append((prmse(mean, variance, means), rank_correlation(mean, means)))
    both = np.array(found)
    return both[:, 0], both[:, 1], seconds


def one_truth(samples: Samples, regimes: Regimes, seed: int, args: argparse.Namespace) -> list[dict[str, object]]:
    """Rows of the table for one ground truth."""
    protocol = Protocol(seed=seed)
    truth = fit_truth(samples, protocol, lambda fit: kept(args.keep, f"truth{seed}", fit)[0])
    training = draw_training(truth, samples.design, protocol)
    problems = draw_problems(truth, regimes, list(range(args.problems)), protocol.truth_draws, seed)
    outcome = [SmoothRegressor().fit(training.x, p.outcomes(training.x, seed)) for p in problems]
    unseen = np.flatnonzero(regimes.active_counts > 1)
    error, rank, _ = scores(truth, regimes, problems, outcome, unseen)
    rows: list[dict[str, object]] = [
        {"truth": seed, "start": "true density", "prmse": error.mean(), "worst": error.max(), "rcor": rank.mean()}
    ]
    for start in range(args.starts):
        model, seconds = kept(
            args.keep, f"fit{seed}-{start}", lambda start=start: fit_density(training, seed=start, jobs=args.jobs)
        )
        error, rank, inference = scores(model, regimes, problems, outcome, unseen)
        report = model.report
        rows.append(
            {
                "truth": seed,
                "start": start,
                "prmse": error.mean(),
                "worst": error.max(),
                "rcor": rank.mean(),
                "ridge": report.base,
                "fit": seconds,
                "inference": inference,
                "disagreement": report.disagreement,
            }
        )
        print(rows[-1], file=sys.stderr, flush=True)
    return rows


def markdown(rows: list[dict[str, object]], args: argparse.Namespace) -> str:
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
        "density's.",
        "",
        "| truth | start | pRMSE | worst problem | rCOR | ridge | fit, s | 16 regimes, s | starts differ, TV |",
        "| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        tail = [
            format(row[name], form) if name in row else "-"
            for name, form in (("ridge", "g"), ("fit", ".0f"), ("inference", ".1f"), ("disagreement", ".2f"))
        ]
        cells = [str(row["truth"]), str(row["start"]), *(format(row[n], ".4f") for n in ("prmse", "worst"))]
        text.append("| " + " | ".join([*cells, format(row["rcor"], ".3f"), *tail]) + " |")
    fits = [row for row in rows if "fit" in row]
    error = np.array([row["prmse"] for row in fits], dtype=float)
    rank = np.array([row["rcor"] for row in fits], dtype=float)
    text += [
        "",
        f"Mean pRMSE {error.mean():.4f}, worst run {error.max():.4f}, mean rank correlation {rank.mean():.3f}.",
        "",
    ]
    return "\n".join(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--truths", type=int, default=3)
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
