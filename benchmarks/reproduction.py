"""The paper's experiments: our tables beside the published figures, one picture, and what explains differences.

    ifm reproduce sachs --data-home DATA --jobs 2 -o reproduction-sachs
    ifm reproduce dream --data-home DATA --jobs 2 -o reproduction-dream
    python benchmarks/reproduction.py reproduction-sachs reproduction-dream -o benchmarks

Reads the results of `ifm reproduce`, fits variants of the black box to the same training rows, and writes
reproduction.md and reproduction.png. Ten minutes.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ifm_ident import Regimes, Study
from ifm_ident.files import open_output
from ifm_learn.data.samples import Samples
from ifm_learn.experiments.figures import panels
from ifm_learn.experiments.problems import Problem
from ifm_learn.experiments.read import read_results
from ifm_learn.experiments.results import Results
from ifm_learn.experiments.scores import prmse, rank_correlation
from ifm_learn.experiments.table import TITLES, markdown
from ifm_learn.outcome.baselines.blackbox import BlackBox

Floats = NDArray[np.float64]

ROUNDS = (3, 5, 10, 30, 100, 300)
NOTES = """## Why the figures differ from the published ones

The published row is one run on another ground truth: the truth is itself a fit to the data, so errors compare
within a table, not across. What was changed, and what it does:

- **The fit of the factors.** Exact likelihood through the junction tree, the average of several starts, and a
  penalty chosen by held-out likelihood, where the published code takes a few hundred Adam steps on the
  pseudo-likelihood. The last row, IFM1 with the true law of x, has the same regression and no fit: what lies
  between the two rows is the fit.
- **The regression of Y on x** is chosen by cross-validation among smooth ones, and a single tanh unit, which
  is how these problems are made, is among them. `ifm reproduce --outcome trees` has boosted trees instead.
- **The black box** depends on its number of boosting rounds, above.
- **Weights** (IFM2, IFM3, doubly robust) rest on few effective rows, listed under each table; with a handful
  of them a weighted mean is noise.
- **Joint additive** is the estimator of Kekić, Garrido Mejia and Schölkopf (ICML 2025), written anew. It is
  made for outcomes that add up over the variables acted on, which these do not.

## What the reference code does differently from the paper

By reading the authors' public Julia code (commits 9a7d921 and c3b9192), which was not run:

- the outcome and black-box regressions are chosen by a loop over 45 settings whose inner loop over folds has
  the same variable: the settings tried are those numbered like the folds, and the best single fold decides;
- the black box is XGBoost with the package's default number of rounds;
- the penalty of the DAG's regressions is added to a log-likelihood that is then maximised, the same loop
  variable is shared there, and variables without parents are drawn with mean zero: all of which weakens the
  DAG;
- true means come from one Gibbs chain of 25,000 steps after 100;
- "pRMSE" is a mean squared error over a variance, without a root; so it is here;
- IFM3 is off by default, and its place is then filled with IFM1: the figures in the published notebook agree
  to the last digit for the two.
"""


def black_boxes(folder: Path, found: Results) -> Iterator[str]:
    """Scores of boosted trees of depth 3 with a fixed number of rounds, on the same problems."""
    training = np.load(folder / "training.npz")
    samples, unseen = design_of(found, training["x"], training["regime"])
    scores: dict[int, list[tuple[float, float]]] = {rounds: [] for rounds in ROUNDS}
    files = sorted((folder / "problems").glob("[0-9]*.json"))
    for file in tqdm(files, disable=not sys.stderr.isatty(), unit="problem"):
        record = json.loads(file.read_bytes())
        mean, variance = np.array(record["mean"]), np.array(record["variance"])
        problem = Problem(record["problem"], np.array(record["coefficients"]), record["noise"], mean, variance)
        y = problem.outcomes(samples.x, int(found.settings["seed"]))  # type: ignore[call-overload]
        rows = Samples(samples.design, samples.regime, samples.x, y)
        for rounds in ROUNDS:
            estimate = BlackBox(depths=(3,), trees=(rounds,), rate=0.3).fit(rows).predict(unseen)
            scores[rounds].append((prmse(mean, variance, estimate), rank_correlation(mean, estimate)))
    yield "| rounds | pRMSE mean | rCOR mean |"
    yield "| ---: | ---: | ---: |"
    for rounds, values in scores.items():
        error, rank = np.mean(values, axis=0)
        yield f"| {rounds} | {error:.3f} | {rank:.3f} |"


def design_of(found: Results, x: Floats, regime: NDArray[np.int64]) -> tuple[Samples, Regimes]:
    """Training rows under the experiment's design, and its unseen regimes, from the settings alone."""
    keys = ("interventions", "variables", "factors", "train")
    study = Study.from_dict({**{key: found.settings[key] for key in keys}, "test": list(found.regimes)})
    return Samples(study.design, regime, x), Regimes.concatenate(list(study.targets()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("sachs", type=Path, help="folder of `ifm reproduce sachs`")
    parser.add_argument("dream", type=Path, help="folder of `ifm reproduce dream`")
    parser.add_argument("-o", "--output", type=Path, help="folder for reproduction.md and reproduction.png")
    options = parser.parse_args()
    folders = {"sachs": options.sachs, "dream": options.dream}
    results = {data: read_results(folder) for data, folder in folders.items()}
    lines = ["# The paper's experiments on this code\n"]
    for data, by_truth in results.items():
        for truth, found in by_truth.items():
            lines += [f"## {TITLES[data]}, {TITLES[truth]}: {found.settings['problems']} problems\n"]
            lines += [markdown(found, data, truth), *(f"- {note}" for note in found.notes), ""]
    lines += ["## The black box by its number of boosting rounds (Sachs, truth IFM, depth 3, rate 0.3)\n"]
    lines += [*black_boxes(options.sachs / "ifm", results["sachs"]["ifm"]), ""]
    lines += [f"Python {platform.python_version()}, numpy {np.__version__}.\n"]
    text = "\n".join(lines)
    print(text)
    if options.output is not None:
        with open_output(options.output / "reproduction.md", force=True) as stream:
            stream.write((text + "\n" + NOTES).encode())
        named = {f"{TITLES[d]}, {TITLES[t]}": r for d, by in results.items() for t, r in by.items()}
        panels(named).savefig(options.output / "reproduction.png", dpi=120)


if __name__ == "__main__":
    main()
