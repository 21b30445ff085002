"""Where only singles were run nothing tells whether factors hold: do rules fixed on other data do better?

IFM_DATA=folder python benchmarks/untested_rules.py        (prints the tables of real_combinations.md; a minute)

Of the data of `ifm reproduce combinations` those where every regime asked about is `untested`. Three rules that
differ in kind, each with one strength, chosen on the first three sets and reported on the other two: pull the
ladder's means towards the strongest single or towards the mean of the singles; pull towards the strongest single
as far as the effects of singles point the same way over variables (several variables only). And intervals that
hold those of the ladder and the measured means of the strongest single and of the mean of the singles too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ifm_ident.arrays import Floats
from ifm_learn.experiments._combination_cases import SOURCES, Case
from ifm_learn.experiments.combinations import Predicted, _held, _spread, predictions
from ifm_learn.outcome.estimator import targets_of

CHOOSING, REPORTING = ("icam", "resumes", "duckweed"), ("mice", "hcs")
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)


def joined(name: str) -> Iterator[Case]:
    yield from SOURCES[name](Path(os.environ["IFM_DATA"]))


def alike(cases: list[Case]) -> Floats:
    """How far effects of the singles of each regime asked about point the same way, shape (r,): mean cosines.

    Over all variables, those of several cases of the same regimes together; nan for one variable.
    """
    parts = []
    for case in cases:
        values, train = targets_of(case.samples), case.samples.design.train
        means = {train[r]: values[case.samples.regime == r].mean(axis=0) for r in case.samples.present.tolist()}
        parts.append({key: (mean - means[()]) / _spread(case.samples) for key, mean in means.items()})
    found = []
    for active in cases[0].asked:
        singles = np.array([np.concatenate([part[(one,)] for part in parts]) for one in active])
        if singles.shape[1] < 2:
            found.append(np.nan)
            continue
        unit = singles / np.linalg.norm(singles, axis=1, keepdims=True)
        cosines = (unit @ unit.T)[np.triu_indices(len(unit), 1)]
        found.append(float(np.clip(cosines.mean(), 0, 1)))
    return np.array(found)


def main() -> None:
    errors: dict[str, dict[tuple[str, float], list[Floats]]] = {}
    held: dict[str, dict[str, list[Floats]]] = {}
    length: dict[str, list[Floats]] = {}
    for name in (*CHOOSING, *REPORTING):
        cases = list(joined(name))
        same = alike(cases)
        for case in cases:
            found, spread = predictions(case), _spread(case.samples)
            ladder, strongest, mean = (found[key] for key in ("ladder", "strongest single", "mean of singles"))
            for strength in STRENGTHS:
                toward = {
                    "strongest single": strength * np.ones(len(same)),
                    "mean of singles": strength * np.ones(len(same)),
                    "as far as alike": strength * same,
                }
                for rule, by in toward.items():
                    simple = mean if rule == "mean of singles" else strongest
                    moved = (1 - by[:, None]) * ladder.mean + by[:, None] * simple.mean
                    error = ((moved - case.measured) / spread).ravel()
                    errors.setdefault(name, {}).setdefault((rule, strength), []).append(error)
            simple = np.stack([strongest.mean, mean.mean])
            hull = Predicted(
                ladder.mean,
                np.minimum(ladder.low, simple.min(axis=0)),
                np.maximum(ladder.high, simple.max(axis=0)),
                ladder.flagged,
            )
            for kind, one in {"ladder": ladder, "hull": hull}.items():
                inside = _held(one, case.measured, case.noise)
                held.setdefault(name, {}).setdefault(kind, []).append(inside.ravel())
            longer = (hull.high - hull.low) / (ladder.high - ladder.low)
            length.setdefault(name, []).append(longer.ravel())
    print("| pulled towards | by | " + " | ".join((*CHOOSING, "choosing", *REPORTING, "reporting")) + " |")
    print("| --- |" + " ---: |" * (len(CHOOSING) + len(REPORTING) + 3))
    for rule, strength in errors["icam"]:
        rmse = {
            name: float(np.sqrt(np.mean(np.concatenate(of[rule, strength]) ** 2))) for name, of in errors.items()
        }
        cells = [
            *(rmse[name] for name in CHOOSING),
            geometric([rmse[name] for name in CHOOSING]),
            *(rmse[name] for name in REPORTING),
            geometric([rmse[name] for name in REPORTING]),
        ]
        print(f"| {rule} | {strength:g} | " + " | ".join("" if np.isnan(v) else f"{v:.2f}" for v in cells) + " |")
    print("\n| data | the ladder's intervals hold | with both simple ones inside | times as long (median) |")
    print("| --- | ---: | ---: | ---: |")
    for name, kinds in held.items():
        shares = [f"{np.nanmean(np.concatenate(kinds[kind])):.0%}" for kind in ("ladder", "hull")]
        print(f"| {name} | {' | '.join(shares)} | {np.median(np.concatenate(length[name])):.1f} |")


def geometric(values: list[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.exp(np.mean(np.log(known))))


if __name__ == "__main__":
    main()
