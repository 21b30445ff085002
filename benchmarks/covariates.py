"""Means adjusted for covariates against known truths: coverage, the level of tests, and a large A/B test.

    python benchmarks/covariates.py normal binary counts falsify ab -o benchmarks

normal, binary, counts: A and B in factors of their own, the effect of A depending on age (`z: [age]`); ctrl, A and
B are run, A+B is not. Shares of studies whose 90% interval holds the true mean over a population, by the rows of
each regime; with covariates randomised (over all rows), and with ages that shift from regime to regime (over those
of the baseline). falsify: how often claims that hold are refuted at 5%. ab: 200,000 rows of A and B and both, five
covariates. Each part replaces its own section of covariates.md.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit
from tqdm import tqdm

from ifm_ident import Study
from ifm_learn import estimate_study
from ifm_learn.data.covariates import read_adjusted
from ifm_learn.falsification.testing import falsify

SIZES = (10, 50, 200, 500)
SHIFT = 0.5
MAPPING: dict[str, Any] = {
    "interventions": {"A": [0, 1], "B": [0, 1]},
    "variables": ["y"],
    "covariates": ["age", "plate"],
    "factors": [{"sigma": ["A"], "z": ["age"]}, {"sigma": ["B"]}],
    "train": ["ctrl", "A", "B"],
    "test": ["ctrl", "A", "B", "A+B"],
}
CELLS = np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
MEANS = {"normal": lambda t: t, "binary": expit, "counts": lambda t: np.exp(t / 2)}
KINDS = tuple(MEANS)


def theta(a: Any, b: Any, age: Any, plate: Any) -> Any:
    return 0.2 + 0.5 * a - 0.4 * b + 0.6 * age + 0.4 * a * age + 0.5 * plate


def rows(kind: str, place: Any, shift: float, rng: np.random.Generator) -> dict[str, Any]:
    """A table, of the regimes `place` (0 to 3 of CELLS)."""
    a, b = CELLS[place].T
    age = rng.normal(shift * np.array([0.0, 1.0, 2.0, 1.0])[place], 1.0)
    plate = rng.integers(0, 2, len(place))
    at = theta(a, b, age, plate)
    draws = {
        "normal": lambda: rng.normal(at, 1.0),
        "binary": lambda: rng.binomial(1, expit(at)),
        "counts": lambda: rng.poisson(np.exp(at / 2)),
    }
    return {"A": a, "B": b, "age": age, "plate": np.array(["p", "q"])[plate], "y": draws[kind]()}


def truth(kind: str) -> Any:
    """Means over ages N(0, 1) and both plates alike, by Gauss's rule."""
    nodes, weight = np.polynomial.hermite_e.hermegauss(60)
    weight = weight / weight.sum()
    each = [np.mean([weight @ MEANS[kind](theta(a, b, nodes, p)) for p in (0, 1)]) for a, b in CELLS]
    return np.array(each)


def coverage(kind: str, studies: int) -> Iterator[str]:
    yield f"{studies} studies a cell; where the level holds, the standard error of a share is "
    yield f"{np.sqrt(0.09 / studies):.1%} of one regime. A+B - ctrl is the interval of `--effects`."
    yield ""
    yield "| covariates | rows a regime | ctrl, A, B | A+B | A+B - ctrl | bias of A+B | deviation | error |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    wanted = truth(kind)
    for law, shift in (("randomised", 0.0), ("shifted", SHIFT)):
        study = Study.from_dict(MAPPING | {"randomised": not shift})
        for size in SIZES:
            held, means, errors, effects = [], [], [], []
            for s in tqdm(range(studies), desc=f"{kind}, {law}, {size}", leave=False, disable=None):
                rng = np.random.default_rng([7, KINDS.index(kind), size, int(shift > 0), s])
                table = rows(kind, np.repeat([0, 1, 2], size), shift, rng)
                found = estimate_study(
                    study, table, seed=s, effects="additive", population="ctrl" if shift else "all"
                )
                low, high = found.confidence_low[:, 0], found.confidence_high[:, 0]
                held.append(np.where(np.isnan(low), np.nan, (low <= wanted) & (wanted <= high)))
                ends = found.effects[3][0].get("difference_interval", [np.nan, np.nan])
                effects.append(
                    float(ends[0] <= wanted[3] - wanted[0] <= ends[1]) if ends[0] == ends[0] else np.nan
                )
                means.append(found.mean[3, 0])
                errors.append(found.se[3, 0])
            share = np.nanmean(held, axis=0)
            line = (
                f"| {law} | {size} | {share[:3].mean():.1%} | {share[3]:.1%} | {np.nanmean(effects):.1%} "
                f"| {np.nanmean(means) - wanted[3]:+.3f} | {np.nanstd(means, ddof=1):.3f} "
                f"| {np.sqrt(np.nanmean(np.square(errors))):.3f} |"
            )
            print(line, f"no interval: {np.isnan(held).mean():.1%}", flush=True)
            yield line


def level(studies: int) -> Iterator[str]:
    yield "ctrl, A, B and A+B are run, so that their formula is a claim; it holds. Shares refuted at 5%, of "
    yield f"{studies} studies a cell (standard error {np.sqrt(0.0475 / studies):.1%}), by the score test."
    yield ""
    yield "| outcome | covariates | rows a regime | refuted |"
    yield "| --- | --- | ---: | ---: |"
    for kind in KINDS:
        for law, shift in (("randomised", 0.0), ("shifted", SHIFT)):
            study = Study.from_dict(MAPPING | {"train": ["ctrl", "A", "B", "A+B"], "randomised": not shift})
            for size in (50, 200):
                rejected = []
                for s in tqdm(range(studies), desc=f"falsify {kind} {law} {size}", leave=False, disable=None):
                    rng = np.random.default_rng([8, KINDS.index(kind), size, int(shift > 0), s])
                    table = rows(kind, np.repeat([0, 1, 2, 3], size), shift, rng)
                    samples, covariates = read_adjusted(study, table)
                    found = falsify(samples, tests=["score"], adjusted_for=(study.design, covariates), alpha=0.05)
                    rejected.append(bool(found.rejected))
                line = f"| {kind} | {law} | {size} | {np.mean(rejected):.1%} |"
                print(line, flush=True)
                yield line


def ab() -> Iterator[str]:
    rng, n = np.random.default_rng(9), 200_000
    place = rng.integers(0, 4, n)
    a, b = CELLS[place].T
    z = rng.normal(size=(n, 5))
    names = [f"z{j}" for j in range(5)]
    slope = np.array([1.0, 0.5, 0.5, 0.25, 0.0])
    true = np.array([0.0, 0.05, 0.03, 0.08])
    y = true[place] + z @ slope + rng.normal(size=n)
    mapping = {
        **MAPPING,
        "covariates": names,
        "randomised": True,
        "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}],
        "train": ["ctrl", "A", "B", "A+B"],
    }
    table = {"A": a, "B": b, "y": y, **dict(zip(names, z.T, strict=True))}
    begun = time.perf_counter()
    found = estimate_study(Study.from_dict(mapping), table, effects="additive")
    took = time.perf_counter() - begun
    plain = {key: value for key, value in mapping.items() if key not in ("covariates", "randomised")}
    alone = estimate_study(Study.from_dict(plain), table, effects="additive", energy="normal", calibration=0.0)
    raw = np.array([y[place == r].mean() for r in range(4)])
    width = [np.diff(one.effects[3][0]["difference_interval"])[0] for one in (found, alone)]
    theory = np.sqrt(1 / (1 + slope @ slope))
    yield f"{n:,} rows in {took:.1f} s ({found.energy['chosen']}). The effect of A+B, .08: "
    yield f"{found.effects[3][0]['difference']:.4f}, 90% interval {width[0]:.4f} wide; without covariates "
    yield f"{width[1]:.4f}: ratio {width[0] / width[1]:.3f}, in theory {theory:.3f}; by the result's "
    yield f"`effect_variance_ratio` {np.sqrt(found.covariates['effect_variance_ratio']):.3f}. "
    far = np.abs(found.mean[:, 0] - true) / found.se[:, 0]
    yield f"Means of the four regimes, all run, lie {far.max():.1f} standard errors from the truth at most, "
    yield f"{np.abs(found.mean[:, 0] - raw).max():.4f} from their rows' own. Warnings: {len(found.warnings)}; "
    yield f"smallest share of rows left in effect {min(found.covariates['overlap'][0].values()):.3f}."


HEAD = """# Means adjusted for covariates

`python benchmarks/covariates.py normal binary counts falsify ab -o benchmarks`: what each part is stands in the
script's own words at its top.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="+", choices=(*KINDS, "falsify", "ab"))
    parser.add_argument("--studies", type=int, default=60)
    parser.add_argument("-o", metavar="FOLDER", type=Path, help="also write into covariates.md there")
    given = parser.parse_args()
    for part in given.parts:
        lines = (
            ab() if part == "ab" else level(given.studies) if part == "falsify" else coverage(part, given.studies)
        )
        text = "\n".join(lines)
        print(text)
        if given.o is not None:
            path = given.o / "covariates.md"
            sections = re.split(r"\n## ", path.read_text(encoding="utf-8"))[1:] if path.exists() else []
            known = {one.split("\n", 1)[0]: one.split("\n", 1)[1].strip("\n") for one in sections} | {part: text}
            order = [name for name in (*KINDS, "falsify", "ab") if name in known]
            path.write_text(HEAD + "".join(f"\n## {name}\n\n{known[name]}\n" for name in order), encoding="utf-8")


if __name__ == "__main__":
    main()
