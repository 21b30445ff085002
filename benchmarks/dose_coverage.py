"""Nominal 90% intervals of means at doses never run, by kind of truth and rows a regime.

    python benchmarks/dose_coverage.py -o benchmarks

quadratic: normal, a quadratic mean. surface: normal, two drugs, quadratic by linear. counts: Poisson, the
logarithm of the mean a line. tilts: a skewed law tilted by a bounded function in proportion to the dose.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
import warnings
from pathlib import Path

import numpy as np

from ifm_ident import Study
from ifm_learn import estimate_study

DOSES = (0.0, 1.0, 2.0, 3.0)
BETWEEN, BEYOND = (0.5, 1.5, 2.5), (4.0,)
SIZES = (10, 20, 50, 100, 200, 500)
_POOL = np.random.default_rng(7).gamma(2.0, size=200_000)


def one_drug(degree: int) -> tuple[Study, list[tuple[float, ...]], list[tuple[float, ...]]]:
    """A study of one drug, the doses run, and those asked."""
    run, asked = [(dose,) for dose in DOSES], [(dose,) for dose in (*DOSES, *BETWEEN, *BEYOND)]
    return study({"s": degree}, run, asked, [["s"]]), run, asked


def study(bases: dict[str, int], run: list, asked: list, scopes: list[list[str]]) -> Study:
    names = list(bases)
    return Study.from_dict(
        {
            "interventions": {
                name: {"levels": list(DOSES), "basis": {"poly": degree}} for name, degree in bases.items()
            },
            "variables": ["x"],
            "factors": [{"sigma": scope} for scope in scopes],
            "train": [dict(zip(names, one, strict=True)) for one in run],
            "test": [dict(zip(names, one, strict=True)) for one in asked],
        }
    )


def truth(kind: str, dose: tuple[float, ...], n: int, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Rows at a dose, and their true mean."""
    if kind == "quadratic":
        mean = 1 + 0.8 * dose[0] - 0.2 * dose[0] ** 2
        return rng.normal(mean, 1, n), mean
    if kind == "surface":
        s, t = dose
        mean = 0.8 * s - 0.2 * s**2 + 0.5 * t + 0.15 * s * t
        return rng.normal(mean, 1, n), mean
    if kind == "counts":
        mean = float(np.exp(0.5 + 0.3 * dose[0]))
        return rng.poisson(mean, n).astype(float), mean
    weight = np.exp(0.8 * dose[0] * np.tanh(_POOL - 2))
    law = np.cumsum(weight) / weight.sum()
    return _POOL[np.searchsorted(law, rng.random(n))], float(_POOL @ weight / weight.sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=40)
    parser.add_argument("-o", "--output", type=Path)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    lines = [
        "# Intervals at doses",
        "",
        f"`python benchmarks/dose_coverage.py --studies {given.studies}`: the shares of true means that nominal",
        "90% intervals hold, at doses that were run (0, 1, 2, 3), in between and beyond (4). Standard error of",
        f"a share: about {np.sqrt(0.09 / given.studies / 3):.1%} in between, with three doses asked a study, more",
        "beyond. An interval that is not printed counts for nothing.",
        "",
        "| truth | rows a regime | run | in between | RMSE | beyond | flagged beyond | CPU s a study |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    grid = list(itertools.product(DOSES, (0.0, 1.0)))
    wide = [*grid, *itertools.product(BETWEEN, (0.5,)), *itertools.product(BEYOND, (0.5,))]
    designs = {
        "quadratic": one_drug(2),
        "surface": (study({"s": 2, "t": 1}, grid, wide, [["s", "t"]]), grid, wide),
        "counts": one_drug(1),
        "tilts": one_drug(1),
    }
    for kind, (asked_of, run, asked) in designs.items():
        for size in SIZES:
            held, errors, flagged, begun = [], [], [], time.process_time()
            for number in range(given.studies):
                rng = np.random.default_rng([11, size, number])
                parts = [truth(kind, dose, size, rng)[0] for dose in run]
                codes = np.repeat(np.array(run), size, axis=0)
                table = dict(zip(asked_of.model.position, codes.T, strict=True)) | {"x": np.concatenate(parts)}
                found = estimate_study(asked_of, table, calibration=0, seed=number)
                means = np.array([truth(kind, dose, 1, rng)[1] for dose in asked])
                low, high = found.confidence_low[:, 0], found.confidence_high[:, 0]
                held.append(np.where(np.isnan(low), np.nan, (low <= means) & (means <= high)))
                errors.append(found.mean[:, 0] - means)
                flagged.append([bool({"extrapolated", "little_overlap"} & set(row[0])) for row in found.flags])
            share, m = np.nanmean(np.array(held), axis=0), len(run)
            off = np.array(errors)[:, m : m + 3]
            cost = (time.process_time() - begun) / given.studies
            lines.append(
                f"| {kind} | {size} | {share[:m].mean():.2f} | {share[m : m + 3].mean():.2f} "
                f"| {np.sqrt(np.nanmean(off**2)):.3f} | {share[-1]:.2f} | {np.mean(flagged, axis=0)[-1]:.0%} "
                f"| {cost:.2f} |"
            )
            sys.stderr.write(lines[-1] + "\n")
    text = "\n".join(lines) + "\n"
    if given.output is None:
        sys.stdout.write(text)
    else:
        (given.output / "dose_coverage.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
