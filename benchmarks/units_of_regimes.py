"""How often `ifm estimate`'s "90% of units" holds a fresh unit, at 10 to 500 rows a regime, and how wide it is.

Run `python benchmarks/units_of_regimes.py -o benchmarks` (four minutes of one core): a Markdown table on
standard output, also written to `units_of_regimes.md`. Five truths of two interventions A and B, training regimes
ctrl, A, B; regimes asked about are these and A+B, whose law the factors give. Every study has rows of its own.
Coverage is the share of 20,000 fresh units of the regime inside the interval, averaged over the studies and
variables whose interval is finite; beside it stand the share of infinite intervals and the mean width over that
of the 5% to 95% quantiles of the truth. Method `balance` over a density with quadratic energies, 20% of the rows
held out.
"""

from __future__ import annotations

import argparse
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ifm_ident import Study
from ifm_ident.arrays import Floats
from ifm_learn import Samples, estimate_study
from ifm_learn.density.fitted import FittedModel

KINDS = ("near", "block2", "bimodal", "gamma", "counts")
SIZES = (10, 20, 50, 100, 200, 500)
REGIMES = ("ctrl", "A", "B", "A+B")
_POPULATION = 200_000
_FRESH = 20_000


@dataclass(frozen=True)
class Truth:
    """Rows of ctrl, and the logarithm of how A and B change their density, each of shape (N,)."""

    kind: str
    base: Floats
    tilt: dict[str, Floats]

    def draw(self, regime: str, count: int, rng: np.random.Generator) -> Floats:
        """Rows of a regime, shape (count, p)."""
        logs = sum((self.tilt[name] for name in regime.split("+") if name in self.tilt), np.zeros(len(self.base)))
        weight = np.exp(logs - logs.max())
        return self.base[rng.choice(len(self.base), count, p=weight / weight.sum())]


def truth_of(kind: str) -> Truth:
    """A truth; the same for every study."""
    rng = np.random.default_rng(KINDS.index(kind))
    n = _POPULATION
    if kind == "near":
        x = rng.normal(size=(n, 1))
        return Truth(kind, x, {"A": x[:, 0], "B": -x[:, 0]})
    if kind == "block2":
        x = rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], n)
        a = 0.8 * x[:, 0] - 0.3 * x[:, 1] ** 2
        return Truth(kind, x, {"A": a, "B": -0.6 * x[:, 1] + 0.3 * x[:, 0] * x[:, 1]})
    if kind == "bimodal":
        x = 0.5 * rng.normal(size=(n, 1)) + rng.choice([-1.5, 1.5], size=(n, 1))
        return Truth(kind, x, {"A": 0.6 * x[:, 0], "B": -0.3 * x[:, 0] ** 2})
    if kind == "gamma":
        x = rng.gamma(3.0, 1.0, size=(n, 1))
        return Truth(kind, x, {"A": -0.5 * x[:, 0], "B": 0.4 * np.log(x[:, 0])})
    x = (rng.poisson(3, size=(n, 2)) * (rng.random((n, 2)) < 0.7)).astype(np.float64)
    return Truth(kind, x, {"A": 0.35 * x[:, 0], "B": -0.4 * x[:, 1]})


def study_of(truth: Truth) -> Study:
    """Each intervention in a factor of its own, over all variables (of counts, over one)."""
    names = [f"x{j}" for j in range(truth.base.shape[1])]
    own = [[names[0]], [names[-1]]] if truth.kind == "counts" else [names, names]
    return Study.from_dict(
        {
            "interventions": {"A": [0, 1], "B": [0, 1]},
            "variables": names,
            "factors": [{"x": x, "sigma": [s]} for x, s in zip(own, "AB", strict=True)],
            "train": list(REGIMES[:3]),
            "test": list(REGIMES),
        }
    )


def one_study(
    truth: Truth, study: Study, size: int, seed: int, fresh: list[Floats]
) -> list[list[tuple[float, float]]]:
    """(coverage, width over the ideal) of every regime and variable, coverage nan where an end is infinite."""
    rng = np.random.default_rng([82, KINDS.index(truth.kind), size, seed])
    x = np.concatenate([truth.draw(name, size, rng) for name in REGIMES[:3]])
    samples = Samples(study.design, np.repeat(np.arange(3), size), x)
    table = {"A": np.repeat([0, 1, 0], size), "B": np.repeat([0, 0, 1], size)}
    table |= {name: x[:, v] for v, name in enumerate(study.model.variables)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = FittedModel.fit(samples, seed=seed, calibration=0.2, energy="quadratic", starts=1)
        found = estimate_study(study, table, method="balance", seed=seed, model=model)
    answer = []
    for r, units in enumerate(fresh):
        low, high = found.prediction_low[r], found.prediction_high[r]
        inside = ((units >= low) & (units <= high)).mean(axis=0)
        ideal = np.diff(np.quantile(units, [0.05, 0.95], axis=0), axis=0)[0]
        finite = np.isfinite(low) & np.isfinite(high)
        answer.append(
            [(c if f else np.nan, w) for c, f, w in zip(inside, finite, (high - low) / ideal, strict=True)]
        )
    return answer


def cell(pairs: list[tuple[float, float]]) -> str:
    """Coverage, width over the ideal, share infinite."""
    coverage, width = np.array(pairs).T
    known = ~np.isnan(coverage)
    infinite = f"{100 * (~known).mean():.0f}% inf"
    if not known.any():
        return infinite
    return f"{coverage[known].mean():.2f} x{width[known].mean():.2f}" + (
        f", {infinite}" if not known.all() else ""
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=12, help="of each truth and size")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES)
    parser.add_argument("-o", "--output", type=Path, help="a folder for units_of_regimes.md")
    asked = parser.parse_args()
    began = time.perf_counter()
    lines = [
        'Coverage of "90% of units", x width over the ideal one, share of infinite intervals.',
        "",
        f"| truth | regimes | {' | '.join(f'{n} rows' for n in asked.sizes)} |",
        "| --- | --- |" + " --- |" * len(asked.sizes),
    ]
    for kind in asked.kinds:
        truth = truth_of(kind)
        study, rng = study_of(truth), np.random.default_rng(9)
        fresh = [truth.draw(name, _FRESH, rng) for name in REGIMES]
        run: list[str] = []
        unseen: list[str] = []
        for size in asked.sizes:
            studies = tqdm(range(asked.studies), desc=f"{kind}, {size} rows", disable=None, leave=False)
            found = [one_study(truth, study, size, seed, fresh) for seed in studies]
            run.append(cell([pair for one in found for regime in one[:3] for pair in regime]))
            unseen.append(cell([pair for one in found for pair in one[3]]))
        lines += [f"| {kind} | run | {' | '.join(run)} |", f"| | never run | {' | '.join(unseen)} |"]
    lines += ["", f"{asked.studies} studies a cell, {time.perf_counter() - began:.0f} s."]
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if asked.output:
        (asked.output / "units_of_regimes.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
