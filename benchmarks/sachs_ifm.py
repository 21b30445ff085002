"""IFM1 on the paper's Sachs set-up: several ground truths, two starts each, beside the same with the true density.

    IFM_DATA=DATA python benchmarks/sachs_ifm.py -o benchmarks --keep FOLDER

Each ground truth is an interventional factor model fitted to the real rows by the schedule of the paper's
code, with a seed of its own; 5,000 baseline rows and 500 of each inhibitor are drawn from it; 20 outcome problems
are asked in the 11 combinations never run. Errors are told apart by what the rows can say about a combination: the
effective number of them under weights by the true density ratio. Writes sachs_ifm.md. Truths and fits are kept in
a folder where one is given, so that an interrupted run goes on. Forty seconds a fit on two cores.
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
from scipy.special import logsumexp
from tqdm import tqdm

from ifm_ident import Regimes
from ifm_learn.data.samples import Samples
from ifm_learn.density import DensityModel
from ifm_learn.density_fit import fit_density
from ifm_learn.experiments.paper import load_experiment
from ifm_learn.experiments.problems import Problem, draw_problems
from ifm_learn.experiments.protocol import Protocol
from ifm_learn.experiments.published_fit import fit_published
from ifm_learn.experiments.scores import rank_correlation
from ifm_learn.experiments.truths import Truth, draw_training
from ifm_learn.outcome.regressors import SmoothRegressor
from ifm_learn.ratios.diagnostics import FEWEST_EFFECTIVE

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
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


def effective_rows(truth: DensityModel, training: Samples, regimes: Regimes) -> Floats:
    """The effective number of the training rows under weights by the true density ratio, for every regime."""
    target = truth.log_potentials(training.x, regimes) - truth.log_normalisers(regimes)
    mixture = logsumexp(truth.log_densities(training.x), axis=1, b=training.sizes / len(training))
    weight = np.exp(target - mixture[:, None])
    found: Floats = weight.sum(axis=0) ** 2 / (weight**2).sum(axis=0)
    return found


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


def summary(errors: Floats, ranks: Floats, rows: Floats) -> dict[str, float]:
    """What the table says of one model; rows: the effective ones of each unseen regime, shape (unseen,)."""
    many = rows >= FEWEST_EFFECTIVE
    return {
        "prmse": float(errors.mean()),
        "worst": float(errors.mean(axis=1).max()),
        "many": float(errors[:, many].mean()) if many.any() else np.nan,
        "few": float(errors[:, ~many].mean()) if not many.all() else np.nan,
        "rcor": float(ranks.mean()),
    }


def one_truth(samples: Samples, regimes: Regimes, seed: int, args: argparse.Namespace) -> list[dict[str, object]]:
    """Rows of the table for one ground truth."""
    protocol = Protocol(seed=seed)
    truth = kept(args.keep, f"truth{seed}", lambda: fit_published(samples, protocol.bins, seed))[0]
    training = draw_training(truth, samples.design, protocol)
    problems = draw_problems(truth, regimes, list(range(args.problems)), protocol.truth_draws, seed)
    outcome = [SmoothRegressor().fit(training.x, p.outcomes(training.x, seed)) for p in problems]
    unseen = np.flatnonzero(regimes.active_counts > 1)
    effective = effective_rows(truth, training, regimes)[unseen]
    errors, ranks, _ = scores(truth, regimes, problems, outcome, unseen)
    said = {"truth": seed, "supported": int((effective >= FEWEST_EFFECTIVE).sum())}
    rows: list[dict[str, object]] = [{**said, "start": "true density", **summary(errors, ranks, effective)}]
    for start in range(args.starts):
        model, seconds = kept(
            args.keep, f"fit{seed}-{start}", lambda start=start: fit_density(training, seed=start, jobs=args.jobs)
        )
        errors, ranks, inference = scores(model, regimes, problems, outcome, unseen)
        rows.append(
            {
                **said,
                "start": start,
                **summary(errors, ranks, effective),
                "ridge": model.report.base,
                "fit": seconds,
                "inference": inference,
                "disagreement": model.report.disagreement,
            }
        )
        print(rows[-1], file=sys.stderr, flush=True)
    return rows


def markdown(rows: list[dict[str, object]], args: argparse.Namespace) -> str:
    """The table, and what it comes to."""
    least = FEWEST_EFFECTIVE
    text = [
        "# IFM1 on the Sachs set-up",
        "",
        f"`python benchmarks/sachs_ifm.py --truths {args.truths} --starts {args.starts} "
        f"--problems {args.problems} --jobs {args.jobs}`, one run. Ground truths are interventional factor models "
        f"fitted to the real rows by the schedule of the paper's code; {args.problems} outcome problems each, 11 "
        "combinations never run. pRMSE: squared error over the outcome's variance, mean over combinations and "
        "problems; worst: of one problem; rCOR: Spearman's rank correlation, mean over problems. `true density` "
        "is the same outcome regression averaged over draws of the truth: the part of the error that is not the "
        "density's. The pRMSE is told apart by what the training rows can say at all: combinations for which they "
        f"count as {least} or more under weights by the true density ratio (how many, in brackets), and those for "
        "which they count as fewer.",
        "",
        f"| truth | start | pRMSE | worst problem | {least} or more | fewer | rCOR | ridge | fit, s "
        "| 16 regimes, s | starts differ, TV |",
        "| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        tail = [
            format(row[name], form) if name in row else "-"
            for name, form in (("ridge", "g"), ("fit", ".0f"), ("inference", ".1f"), ("disagreement", ".2f"))
        ]
        errors = [format(row[name], ".4f") for name in ("prmse", "worst", "many", "few")]
        errors[2] += f" ({row['supported']})"
        cells = [str(row["truth"]), str(row["start"]), *errors, format(row["rcor"], ".3f"), *tail]
        text.append("| " + " | ".join(cells) + " |")
    fits = [row for row in rows if "fit" in row]
    error, many, few, rank = (
        np.array([row[name] for row in fits], dtype=float) for name in ("prmse", "many", "few", "rcor")
    )
    text += [
        "",
        f"Mean pRMSE {error.mean():.4f}, median {np.median(error):.4f}, worst run {error.max():.4f}. Where rows "
        f"count as {least} or more: mean {np.nanmean(many):.4f}, worst run {np.nanmax(many):.4f}; as fewer: mean "
        f"{np.nanmean(few):.4f}. Mean rank correlation {rank.mean():.3f}.",
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
