"""Means adjusted for covariates against known truths: coverage, the level of tests, and a large A/B test.

    python benchmarks/covariates.py normal binary counts falsify ab -o benchmarks

normal, binary, counts: A and B in factors of their own, the effect of A depending on age (`z: [age]`); ctrl, A and
B are run, A+B is not. Shares of studies whose 90% interval holds the true mean over a population, by the rows of
each regime; with covariates randomised (over all rows), and with ages that shift from regime to regime (over those
of the baseline). falsify: how often claims that hold are refuted at 5%. ab: 200,000 rows of A and B and both, five
covariates.

--kept FILE holds what every study said, one a line, so that a run that was stopped goes on; writes covariates.md.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit
from tqdm import tqdm

from ifm_ident import Study
from ifm_learn import estimate_study
from ifm_learn.data.covariates import read_adjusted
from ifm_learn.falsification.testing import falsify

SIZES, TESTED = (10, 50, 200, 500), (50, 200)
LAWS = {"randomised": 0.0, "shifted": 0.5}
"""How far the mean of age moves from ctrl to A, and from A to B."""

MAPPING: dict[str, Any] = {
    "interventions": {"A": [0, 1], "B": [0, 1]},
    "variables": ["y"],
    "covariates": ["age", "plate"],
    "factors": [{"sigma": ["A"], "z": ["age"]}, {"sigma": ["B"]}],
    "train": ["ctrl", "A", "B"],
    "test": ["ctrl", "A", "B", "A+B"],
}
CELLS = np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
MEANS: dict[str, Callable[[Any], Any]] = {
    "normal": lambda t: t,
    "binary": expit,
    "counts": lambda t: np.exp(t / 2),
}
KINDS = tuple(MEANS)

Key = tuple[str, str, str, int, int]
"""Part, outcome, law of covariates, rows a regime, study."""


def theta(a: Any, b: Any, age: Any, plate: Any) -> Any:
    return 0.2 + 0.5 * a - 0.4 * b + 0.6 * age + 0.4 * a * age + 0.5 * plate


def table(kind: str, place: Any, shift: float, rng: np.random.Generator) -> dict[str, Any]:
    """Rows of the regimes `place`, 0 to 3 of CELLS."""
    a, b = CELLS[place].T
    age = rng.normal(shift * np.array([0.0, 1.0, 2.0, 1.0])[place], 1.0)
    plate = rng.integers(0, 2, len(place))
    at = theta(a, b, age, plate)
    draws: dict[str, Callable[[], Any]] = {
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


def estimated(kind: str, law: str, size: int, s: int) -> dict[str, Any]:
    """What one study's intervals hold, and the error of the mean of A+B."""
    rng = np.random.default_rng([7, KINDS.index(kind), size, int(LAWS[law] > 0), s])
    rows = table(kind, np.repeat([0, 1, 2], size), LAWS[law], rng)
    study = Study.from_dict(MAPPING | {"randomised": not LAWS[law]})
    over = "ctrl" if LAWS[law] else "all"
    found = estimate_study(study, rows, seed=s, effects="additive", population=over)
    wanted, low, high = truth(kind), found.confidence_low[:, 0], found.confidence_high[:, 0]
    ends = found.effects[3][0].get("difference_interval")
    return {
        "held": [None if np.isnan(a) else bool(a <= w <= b) for a, w, b in zip(low, wanted, high, strict=True)],
        "effect": None if ends is None else bool(ends[0] <= wanted[3] - wanted[0] <= ends[1]),
        "off": float(found.mean[3, 0] - wanted[3]),
        "se": float(found.se[3, 0]),
    }


def refuted(kind: str, law: str, size: int, s: int) -> dict[str, Any]:
    """Whether the claim that ctrl, A, B and A+B make together is refuted at 5%."""
    rng = np.random.default_rng([8, KINDS.index(kind), size, int(LAWS[law] > 0), s])
    rows = table(kind, np.repeat([0, 1, 2, 3], size), LAWS[law], rng)
    study = Study.from_dict(MAPPING | {"train": ["ctrl", "A", "B", "A+B"], "randomised": not LAWS[law]})
    samples, covariates = read_adjusted(study, rows)
    found = falsify(samples, tests=["score"], adjusted_for=(study.design, covariates), alpha=0.05)
    return {"rejected": bool(found.rejected)}


def share(values: list[Any]) -> str:
    known = [value for value in values if value is not None]
    return f"{np.mean(known):.1%}" if known else ""


def coverage_lines(kind: str, kept: dict[Key, Any]) -> Iterator[str]:
    heads = ("rows a regime", "studies", "ctrl, A, B", "A+B", "effect of A+B", "bias", "deviation", "error")
    yield f"| covariates | {' | '.join(heads)} |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    for law in LAWS:
        for size in SIZES:
            got = [one for key, one in kept.items() if key[:4] == (kind, kind, law, size)]
            if got:
                run = [value for one in got for value in one["held"][:3]]
                off = np.array([one["off"] for one in got])
                yield (
                    f"| {law} | {size} | {len(got)} | {share(run)} | {share([one['held'][3] for one in got])} "
                    f"| {share([one['effect'] for one in got])} | {off.mean():+.3f} | {off.std(ddof=1):.3f} "
                    f"| {np.sqrt(np.mean([one['se'] ** 2 for one in got])):.3f} |"
                )


def level_lines(kept: dict[Key, Any]) -> Iterator[str]:
    yield "| outcome | covariates | rows a regime | studies | refuted |"
    yield "| --- | --- | ---: | ---: | ---: |"
    for kind in KINDS:
        for law in LAWS:
            for size in TESTED:
                got = [one["rejected"] for key, one in kept.items() if key[:4] == ("falsify", kind, law, size)]
                if got:
                    yield f"| {kind} | {law} | {size} | {len(got)} | {share(got)} |"


def ab() -> str:
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
    rows = {"A": a, "B": b, "y": y, **dict(zip(names, z.T, strict=True))}
    begun = time.process_time()
    found = estimate_study(Study.from_dict(mapping), rows, effects="additive")
    took = time.process_time() - begun
    plain = {key: value for key, value in mapping.items() if key not in ("covariates", "randomised")}
    alone = estimate_study(Study.from_dict(plain), rows, effects="additive", energy="normal", calibration=0.0)
    raw = np.array([y[place == r].mean() for r in range(4)])
    width = [float(np.diff(one.effects[3][0]["difference_interval"])[0]) for one in (found, alone)]
    theory = np.sqrt(1 / (1 + slope @ slope))
    far = np.abs(found.mean[:, 0] - true) / found.se[:, 0]
    effect, ratio = found.effects[3][0]["difference"], np.sqrt(found.covariates["effect_variance_ratio"])
    away = np.abs(found.mean[:, 0] - raw).max()
    return (
        f"{n:,} rows in {took:.1f} CPU seconds, by {', '.join(map(str, found.energy['chosen']))}.\n"
        f"Effect of A+B, truly .08: {effect:.4f}, 90% interval {width[0]:.4f} wide, without covariates\n"
        f"{width[1]:.4f} (by refits): ratio {width[0] / width[1]:.3f}; by `effect_variance_ratio` {ratio:.3f};\n"
        f"in theory {theory:.3f}. Means of the four regimes lie {far.max():.1f} errors from the truth at most,\n"
        f"{away:.4f} from their rows' own; warnings: {len(found.warnings)}; least share of rows left in effect\n"
        f"{min(found.covariates['overlap'][0].values()):.3f}.\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="+", choices=(*KINDS, "falsify", "ab"))
    parser.add_argument("--studies", type=int, default=60)
    parser.add_argument("--kept", metavar="FILE", type=Path, help="where what studies said is kept")
    parser.add_argument("--seconds", type=float, default=np.inf, help="start no study after so many")
    parser.add_argument("-o", metavar="FOLDER", type=Path, help="also write covariates.md there")
    given = parser.parse_args()
    kept: dict[Key, Any] = {}
    if given.kept is not None and given.kept.exists():
        for line in given.kept.read_text(encoding="utf-8").splitlines():
            key, value = json.loads(line)
            kept[tuple(key)] = value
    wanted: list[Key] = []
    for s in range(given.studies):
        for part in given.parts:
            kinds, sizes = (KINDS, TESTED) if part == "falsify" else ((part,), SIZES)
            if part != "ab":
                wanted += [(part, kind, law, size, s) for kind in kinds for law in LAWS for size in sizes]
    begun = time.monotonic()
    for key in tqdm([key for key in wanted if key not in kept], disable=None):
        if time.monotonic() - begun > given.seconds:
            break
        kept[key] = (refuted if key[0] == "falsify" else estimated)(*key[1:])
        if given.kept is not None:
            with given.kept.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps([key, kept[key]]) + "\n")
    lines = [
        "# Means adjusted for covariates",
        "",
        f"`python benchmarks/covariates.py {' '.join(given.parts)} --studies {given.studies} -o benchmarks`: the",
        "top of the script says what each part is. By chance alone a share errs by",
        f"{np.sqrt(0.09 / given.studies):.1%} at a level of 90%, by {np.sqrt(0.0475 / given.studies):.1%} at 5%.",
        "bias, deviation: of estimates of the mean of A+B; error: the root of the mean of their squared standard",
        "errors.",
    ]
    for part in given.parts:
        lines += ["", f"## {part}", ""]
        if part == "ab":
            lines.append(ab())
        else:
            lines += level_lines(kept) if part == "falsify" else coverage_lines(part, kept)
    text = "\n".join(lines).rstrip() + "\n"
    print(text)
    if given.o is not None:
        (given.o / "covariates.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
