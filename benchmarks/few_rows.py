"""How often 90% intervals of a mean hold it, in regimes that were run and in one that was not, by rows a regime.

    python benchmarks/few_rows.py -o benchmarks

The truth is as plain as can be, x ~ N(A - B, 1) with A and B in factors of their own: ctrl, A and B are run,
A+B, whose mean is 0, is not.
The estimates are those of networks on a grid (`--energy mlp`, `ifm1`, no calibration rows).
Writes few_rows.md.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ifm_ident import Study
from ifm_learn import estimate_study

SIZES = (50, 100, 200)
MEANS = np.array([0.0, 1.0, -1.0, 0.0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=60)
    parser.add_argument("-o", metavar="FOLDER", type=Path, help="also write few_rows.md there")
    given = parser.parse_args()
    study = Study.from_dict(
        {
            "interventions": {"A": [0, 1], "B": [0, 1]},
            "variables": ["x"],
            "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}],
            "train": ["ctrl", "A", "B"],
            "test": ["ctrl", "A", "B", "A+B"],
        }
    )
    lines = [
        "# Intervals of means by rows a regime",
        "",
        f"`python benchmarks/few_rows.py --studies {given.studies} -o benchmarks`: x ~ N(A - B, 1), factors of A "
        "and of B; ctrl, A and B run, A+B not; networks on a grid (`--energy mlp`). Shares of studies "
        "whose 90% interval holds the true mean (a "
        f"share's standard error is {np.sqrt(0.09 / given.studies):.1%} where the level holds), and of A+B the "
        "standard deviation of the estimates beside the mean of their standard errors.",
        "",
        "| rows a regime | ctrl, A and B | A+B | deviation | standard error |",
        "| ---: | ---: | ---: | ---: | ---: |",
    ]
    for rows in SIZES:
        held, means, errors = [], [], []
        for s in tqdm(range(given.studies), desc=f"{rows} rows", leave=False, disable=None):
            a, b = np.repeat([[0, 0], [1, 0], [0, 1]], rows, axis=0).T
            x = np.random.default_rng([11, rows, s]).normal(a - b, 1.0)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = estimate_study(study, {"A": a, "B": b, "x": x}, calibration=0.0, energy="mlp")
            held.append((found.confidence_low[:, 0] <= MEANS) & (found.confidence_high[:, 0] >= MEANS))
            means.append(found.mean[3, 0])
            errors.append(found.se[3, 0])
        share = np.mean(held, axis=0)
        lines.append(
            f"| {rows} | {share[:3].mean():.1%} | {share[3]:.1%} | {np.std(means, ddof=1):.2f} "
            f"| {np.mean(errors):.2f} |"
        )
        print(lines[-1], flush=True)
    text = "\n".join(lines) + "\n"
    print(text)
    if given.o is not None:
        (given.o / "few_rows.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
