"""Truths that a statistician would try on `ifm estimate`: whether nominal 90% intervals hold, and what is flagged.

    python benchmarks/hostile.py --studies 40 -o benchmarks
    python benchmarks/hostile.py --studies 10 --only "heavy tails;rounded" --sizes 20

Every study is drawn anew from a law whose means are known, given to `estimate_study` as a user would, and
asked about regimes that were run and that were not. Studies of factors that leave an interaction out go through
`falsify` too. Writes hostile.md.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from truths import Truth, as_given, rates

from ifm_ident import InputError, Regimes, Study
from ifm_ident.arrays import Floats, Ints
from ifm_learn import Samples, estimate_study, falsify

SIZES = (20, 200)
SEED = 90_017
POOL = 200_000

Draw = Callable[[int, np.random.Generator], Truth]


@dataclass(frozen=True)
class Case:
    """A kind of truth: why it is tried, and how a study of n rows a regime is drawn from it."""

    name: str
    why: str
    draw: Draw
    log: bool = False
    tested: bool = False


def design(levels: Sequence[int], p: int, scopes: Sequence[Sequence[int]] | None, base: bool = False) -> Study:
    """A factor for each intervention, over its scope, and for `base` one of all variables; singles are run."""
    names, variables = "ABCD"[: len(levels)], [f"x{v}" for v in range(p)]
    factors = []
    for k, name in enumerate(names):
        one: dict[str, object] = {"sigma": [name]}
        if scopes is not None:
            one["x"] = [variables[v] for v in scopes[k]]
        factors.append(one)
    if base:
        factors.append({"sigma": []})
    codes = regimes(levels)
    run = codes[(codes > 0).sum(axis=1) <= 1]
    return Study.from_dict(
        {
            "interventions": {name: list(range(n)) for name, n in zip(names, levels, strict=True)},
            "variables": variables,
            "factors": factors,
            "train": ["".join(map(str, row)) for row in run],
        }
    )


def regimes(levels: Sequence[int]) -> Ints:
    """All regimes, by the number of interventions that are active: shape (r, d)."""
    found = itertools.product(*(range(n) for n in levels))
    return np.array(sorted(found, key=lambda row: (sum(v > 0 for v in row), [-v for v in row])))


def tilted(
    base: Callable[[np.random.Generator], Floats],
    tilts: Callable[[Floats], Sequence[Sequence[Floats]]],
    scopes: Sequence[Sequence[int]] | None = None,
    sizes: Callable[[int], list[int]] | None = None,
    outcome: Callable[[Floats], Floats] | None = None,
    noise: float = 0.3,
    joined: bool = False,
) -> Draw:
    """Rows of a base law, weighed by what interventions tilt it by: the pool's weighted means are the truth.

    tilts: from rows of the pool, for every intervention and level above 0, log-weights. sizes: rows of every
    training regime. outcome: E[y | x], the same in all regimes. joined: a factor holds all variables.
    """

    @functools.cache
    def pool() -> tuple[Study, Ints, Floats, list[Floats], Floats]:
        x = base(np.random.default_rng(SEED))
        logs = tilts(x)
        levels = [1 + len(one) for one in logs]
        codes = regimes(levels)
        y = x if outcome is None else outcome(x)[:, None]
        laws, means = [], []
        for row in codes:
            log = sum((logs[k][v - 1] for k, v in enumerate(row) if v), np.zeros(len(x)))
            weight = np.exp(log - log.max())
            law = np.cumsum(weight) / weight.sum()
            law[-1] = 1.0
            laws.append(law)
            means.append(weight @ y / weight.sum())
        return design(levels, x.shape[1], scopes, joined), codes, x, laws, np.array(means)

    def draw(n: int, rng: np.random.Generator) -> Truth:
        study, codes, x, laws, means = pool()
        run = len(study.design.train)
        rows = [n] * run if sizes is None else sizes(n)
        drawn = np.concatenate([x[np.searchsorted(laws[r], rng.random(rows[r]))] for r in range(run)])
        y = None if outcome is None else outcome(drawn) + noise * rng.normal(size=len(drawn))
        samples = Samples(study.design, np.repeat(np.arange(run), rows), drawn, y)
        return Truth(samples, Regimes.from_codes(codes), means, run)

    return draw


def _units(n: int, sizes: Sequence[int], rng: np.random.Generator) -> Ints:
    """Ids of units of these sizes, at random, until there are n rows."""
    found: list[int] = []
    while len(found) < n:
        found += [0 if not found else found[-1] + 1] * int(rng.choice(sizes))
    return np.array(found[:n])


def shifted(kind: str) -> Draw:
    """x ~ N(A - B, 1) with something beside: units, an outcome that A moves by itself, a step beyond the rows."""

    def draw(n: int, rng: np.random.Generator) -> Truth:
        study, codes = design([2, 2], 1, None), regimes([2, 2])
        steps = np.array([3.0, 3.0]) if kind == "beyond" else np.array([1.0, -1.0])
        regime = np.repeat([0, 1, 2], n)
        unit = y = None
        mean = codes @ steps
        x = mean[regime] + rng.normal(size=3 * n)
        means = mean[:, None]
        if kind == "animals":
            unit = np.concatenate([_units(n, (1, 2, 4, 13), rng) + 10_000 * i for i in range(3)])
            of = np.unique(unit, return_inverse=True)[1]
            x = mean[regime] + np.sqrt(0.4) * rng.normal(size=3 * n)[of] + np.sqrt(0.6) * rng.normal(size=3 * n)
        if kind == "outcome":
            y = x + codes[regime, 0] + 0.5 * rng.normal(size=3 * n)
            means = (mean + codes[:, 0])[:, None]
        if kind == "counted":  # Poisson given the animal, negative binomial of size 2 without it
            theta = np.log(4 / 6) + codes @ np.array([0.25, -0.8])
            means = 2 / np.expm1(-theta)[:, None]
            unit = np.concatenate([_units(n, (5,), rng) + 10_000 * i for i in range(3)])
            of = np.unique(unit, return_inverse=True)[1]
            x = 1.0 * rng.poisson(means[regime, 0] * rng.gamma(2.0, 0.5, size=3 * n)[of])
        return Truth(Samples(study.design, regime, x[:, None], y, unit=unit), Regimes.from_codes(codes), means, 3)

    return draw


def hidden(testable: bool) -> Draw:
    """x ~ N((A + B - C + D) / 2 + A B C, 1) where the study has factors of pairs alone: A+B+C run, or not."""

    def draw(n: int, rng: np.random.Generator) -> Truth:
        codes = np.array([[*row, 0] for row in regimes([2, 2, 2])] + [[0, 0, 0, 1]])
        train = codes if testable else codes[codes[:, :3].sum(axis=1) < 3]
        target = np.array([[1, 1, 1, 1]])
        asked = np.concatenate([train, target])
        means = asked @ np.array([0.5, 0.5, -0.5, 0.5]) + asked[:, :3].prod(axis=1)
        study = Study.from_dict(
            {
                "interventions": {name: [0, 1] for name in "ABCD"},
                "variables": ["x0"],
                "factors": [{"sigma": list(pair)} for pair in ("AB", "AC", "BC", "D")],
                "train": ["".join(map(str, row)) for row in train],
            }
        )
        regime = np.repeat(np.arange(len(train)), n)
        x = means[regime] + rng.normal(size=len(regime))
        return Truth(
            Samples(study.design, regime, x[:, None]), Regimes.from_codes(asked), means[:, None], len(train)
        )

    return draw


def _counts(rng: np.random.Generator) -> Floats:
    return 1.0 * rng.poisson(4, size=(POOL, 1)) * (rng.random((POOL, 1)) < 0.35)


def _shared(rng: np.random.Generator) -> Floats:
    return 1.0 * (rng.poisson(2, size=(POOL, 2)) + rng.poisson(2, size=(POOL, 1)))


def _strong(rng: np.random.Generator) -> Floats:
    return np.sqrt(0.95) * rng.normal(size=(POOL, 1)) + np.sqrt(0.05) * rng.normal(size=(POOL, 4))


def _apart(x: Floats) -> list[list[Floats]]:
    return [[0.8 * x[:, 0] - 0.3 * x[:, 1] ** 2], [-0.6 * x[:, 2] + 0.3 * x[:, 2] * x[:, 3]]]


def _silent(rng: np.random.Generator) -> Floats:
    x = rng.normal(size=(POOL, 2))
    x[:, 1] = rng.poisson(np.exp(0.3 * x[:, 0]))
    return x


def _normal(p: int) -> Callable[[np.random.Generator], Floats]:
    return lambda rng: rng.normal(size=(POOL, p))


def _kinds(rng: np.random.Generator) -> Floats:
    second = rng.random((POOL, 1)) < 0.3
    return np.where(second, 1.5, -1.5) + 0.5 * rng.normal(size=(POOL, 1))


def _dirty(rng: np.random.Generator) -> Floats:
    return rng.normal(size=(POOL, 1)) * np.where(rng.random((POOL, 1)) < 0.01, 20.0, 1.0)


def _bent(x: Floats) -> list[list[Floats]]:
    return [[0.6 * x[:, 0]], [-0.3 * x[:, 0] ** 2]]


def _plain(x: Floats) -> list[list[Floats]]:
    return [[x[:, 0]], [-x[:, 0]]]


def _decades(x: Floats) -> list[list[Floats]]:
    return [[0.8 * np.log(x[:, 0]) / 2.3], [-0.5 * np.log(x[:, 0]) / 2.3]]


def _six(rng: np.random.Generator) -> Floats:
    return np.exp(2.3 * rng.normal(size=(POOL, 1)))


CASES = (
    Case(
        "heavy tails",
        "t law of 3 degrees, bounded tilts: no fourth moment",
        tilted(
            lambda rng: rng.standard_t(3, size=(POOL, 1)),
            lambda x: [[1.5 * np.tanh(x[:, 0])], [-np.tanh(x[:, 0] / 2)]],
        ),
    ),
    Case(
        "two kinds of cells",
        "interventions move the shares of a mixture, not its parts",
        tilted(_kinds, lambda x: [[1.2 * (x[:, 0] > 0)], [-1.5 * (x[:, 0] > 0)]]),
    ),
    Case(
        "zero-inflated counts",
        "65% zeros, of which B makes more",
        tilted(_counts, lambda x: [[0.25 * x[:, 0]], [-1.0 * (x[:, 0] > 0)]]),
    ),
    Case("clumped counts", "negative binomial of size 1", lambda n, rng: rates("clumped counts", 5.0, n, rng)),
    Case("counts of animals", "counts whose excess variance lies between units of 5 rows", shifted("counted")),
    Case("shared counts", "two counts with a common part: no family has them", tilted(
        _shared, lambda x: [[0.25 * x[:, 0]], [-0.3 * x[:, 1]]])),
    Case(
        "rare shares of three, 0.02",
        "2% at ctrl, combinations of three",
        lambda n, rng: rates("shares of three", 0.02, n, rng),
    ),
    Case(
        "rare shares of three, 0.2",
        "20% at ctrl, combinations of three",
        lambda n, rng: rates("shares of three", 0.2, n, rng),
    ),
    Case("rarer shares, 0.05", "5% at ctrl, less by either", lambda n, rng: rates("rarer shares", 0.05, n, rng)),
    Case("six decades", "log-normal, the mean made by the largest rows", tilted(_six, _decades)),
    Case("six decades, log", "the same where the study says `log: [x0]`", tilted(
        _six, _decades, outcome=None), log=True),
    Case("rounded", "a normal law rounded to its standard deviation", tilted(
        lambda rng: np.round(rng.normal(size=(POOL, 1))), _plain)),
    Case("three rows", "B has 3 rows", tilted(_normal(1), _plain, sizes=lambda n: [n, n, 3])),
    Case("1,000 to 10", "1,000 rows of ctrl and 10 of A", tilted(_kinds, _bent, sizes=lambda n: [1000, 10, n])),
    Case("animals of 1 to 13 rows", "units of unequal size, intra-class correlation 0.4", shifted("animals")),
    Case("strongly correlated", "four variables of correlation 0.95, joined by a base factor", tilted(
        _strong, _apart, scopes=[[0, 1], [2, 3]], joined=True)),
    Case("dependence left out", "the same without the factor that joins them", tilted(
        _strong, _apart, scopes=[[0, 1], [2, 3]]), tested=True),
    Case("coupled", "A and B add up to a correlation of 0.8", tilted(
        _normal(2), lambda x: [[0.4 * x[:, 0] * x[:, 1] + 0.5 * x[:, 0]], [0.4 * x[:, 0] * x[:, 1]]])),
    Case("outliers", "1% of the rows 20 times as wide", tilted(
        _dirty, lambda x: [[1.2 * np.tanh(x[:, 0])], [-1.2 * np.tanh(x[:, 0])]])),
    Case("knocked out", "a count that is 0 in all rows of A", tilted(
        _silent,
        lambda x: [[np.where(x[:, 1] > 0, -np.inf, 0.0)], [0.6 * x[:, 0] - 0.3 * x[:, 1]]],
        scopes=[[1], [0, 1]],
    )),
    Case("unequal spreads", "standard deviations of 1, 3 and 0.3", tilted(
        _normal(1),
        lambda x: [[(1 - 1 / 9) * x[:, 0] ** 2 / 2 + x[:, 0] / 9], [(1 - 1 / 0.09) * x[:, 0] ** 2 / 2]])),
    Case("edge", "values between 0 and 1 pressed against 1", tilted(
        lambda rng: rng.random((POOL, 1)), lambda x: [[4 * x[:, 0]], [6 * x[:, 0]]])),
    Case("three levels", "levels of A that go up and then down", tilted(
        _kinds, lambda x: [[0.6 * x[:, 0], -0.4 * x[:, 0]], [-0.3 * x[:, 0] ** 2]])),
    Case("far beyond", "A and B shift by 3 standard deviations each", shifted("beyond")),
    Case("curved outcome", "E[y | x] = exp(0.7 x)", tilted(
        _normal(1), _plain, outcome=lambda x: np.exp(0.7 * x[:, 0]))),
    Case("outcome shifts", "A moves the outcome by itself", shifted("outcome")),
    Case("interaction, testable", "factors of pairs, three interact, A+B+C run", hidden(True), tested=True),
    Case("interaction, untestable", "the same, A+B+C not run", hidden(False), tested=True),
)  # fmt: skip


def study_of(case: Case, rows: int, number: int) -> dict[str, object]:
    """What one study gave, as JSON holds it: of unseen regimes and of those that were run."""
    rng = np.random.default_rng([SEED, sum(map(ord, case.name)), rows, number])
    truth = case.draw(rows, rng)
    study, table = as_given(truth, case.log)
    means, run = logged_means(truth) if case.log else truth.means, truth.run
    begun = time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = estimate_study(study, table, calibration=0, seed=number)
    except InputError as error:
        return {"refused": str(error)}
    seconds = time.process_time() - begun
    low, high = found.confidence_low, found.confidence_high
    held = np.where(np.isnan(low), np.nan, (low <= means) & (means <= high))
    got: dict[str, object] = {
        "errors": ((found.mean - means)[run:] ** 2).ravel().tolist(),
        "held": held[run:].ravel().tolist(),
        "held_run": held[:run].ravel().tolist(),
        "half": ((high - low)[run:] / 2).ravel().tolist(),
        "flags": [list(words) for row in found.flags[run:] for words in row],
        "seconds": seconds,
    }
    if case.tested:
        tests = falsify(truth.samples, targets=truth.asked, seed=number)
        got["rejected"] = any(one.rejected for one in tests.findings)
    return got


def line(case: Case, rows: int, studies: Sequence[dict[str, Any]]) -> str:
    """A row of the table."""
    told = [one for one in studies if "refused" not in one]
    if not told:
        return f"| {case.name} | {rows} | {len(studies)} | refused: {studies[0]['refused']} | | | | | | | |"
    flags = [set(words) for one in told for words in one["flags"]]
    held = _all(told, "held")
    plain = [h for h, words in zip(held, flags, strict=True) if not words - {"untested"}]
    words = sorted({word for one in flags for word in one} - ({"untested"} if not case.tested else set()))
    shares = {word: np.mean([word in one for one in flags]) for word in words}
    shown = ", ".join(f"{word} {share:.0%}" for word, share in shares.items() if share >= 0.005)
    if case.tested:
        shown += f"; `falsify` rejects {np.mean([one['rejected'] for one in told]):.0%}"
    if len(told) < len(studies):
        shown += f"; refused in {1 - len(told) / len(studies):.0%}"
    return (
        f"| {case.name} | {rows} | {len(studies)} | {np.sqrt(np.nanmean(_all(told, 'errors'))):.3g} "
        f"| {_share(held)} | {_share(plain)} ({len(plain) / len(flags):.0%}) | {_half(_all(told, 'half'))} "
        f"| {_share(_all(told, 'held_run'))} | {np.mean(np.isnan(held)):.0%} | {shown} "
        f"| {np.mean([one['seconds'] for one in told]):.2f} |"
    )


def _all(studies: Sequence[dict[str, Any]], name: str) -> list[float]:
    return [float(value) for one in studies for value in one[name]]


def _share(values: Sequence[float]) -> str:
    known = [v for v in values if not np.isnan(v)]
    return f"{np.mean(known):.2f}" if known else "-"


def _half(values: Sequence[float]) -> str:
    known = [v for v in values if not np.isnan(v)]
    return f"{np.median(known):.3g}" if known else "-"


def logged_means(truth: Truth) -> Floats:
    """Of the logarithms of a log-normal law of six decades."""
    return 2.3 * (truth.asked.codes() @ np.array([0.8, -0.5]))[:, None]


HEAD = """# Hostile truths

`python benchmarks/hostile.py -o benchmarks`: studies that a statistician would try, drawn from laws whose means
are known, each estimated by `estimate_study` as it is by default. `held`: the share of nominal 90% intervals
that hold the mean of regimes never run; `unflagged`: of those in whose row no flag stands but `untested`, and in
brackets how many these are; half-width: the median; `run`: `held` in regimes that were; `without`: no interval
is printed. Where the level holds a share of n intervals has a standard error of .3 / sqrt(n): 10% of 9, 4.7% of
40.
"""

COLUMNS = (
    "| truth | rows a regime | studies | RMSE | held | unflagged | half-width | run | without "
    "| flags of regimes not run | CPU s |\n"
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- | ---: |"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=40)
    parser.add_argument("--only", metavar="NAME;...", help="names of truths, separated by ;")
    parser.add_argument("--sizes", metavar="N,...", help="rows a regime")
    parser.add_argument("--keep", metavar="FILE", type=Path, help="what studies gave, which are not run again")
    parser.add_argument("--table", action="store_true", help="run nothing: the table of what --keep FILE holds")
    parser.add_argument("-o", metavar="FOLDER", type=Path, help="also write hostile.md there")
    asked = parser.parse_args()
    sizes = tuple(map(int, asked.sizes.split(","))) if asked.sizes else SIZES
    cases = [one for one in CASES if not asked.only or one.name in asked.only.split(";")]
    kept: dict[tuple[str, int, int], dict[str, Any]] = {}
    if asked.keep is not None and asked.keep.exists():
        for text in asked.keep.read_text(encoding="utf-8").splitlines():
            name, rows, number, got = json.loads(text)
            kept[name, rows, number] = got
    for number, case, rows in itertools.product(range(0 if asked.table else asked.studies), cases, sizes):
        key = case.name, rows, number
        if key not in kept:
            kept[key] = study_of(case, rows, number)
            if asked.keep is not None:
                with asked.keep.open("a", encoding="utf-8") as file:
                    file.write(json.dumps([*key, kept[key]]) + "\n")
    lines = [COLUMNS]
    for case, rows in itertools.product(cases, sizes):
        mine = [
            got
            for (name, n, _), got in sorted(kept.items(), key=lambda one: one[0])
            if (name, n) == (case.name, rows)
        ]
        if mine:
            lines.append(line(case, rows, mine))
    print("\n".join(lines))
    if asked.o is not None:
        why = "\n".join(f"- {case.name}: {case.why}." for case in cases)
        (asked.o / "hostile.md").write_text("\n".join([HEAD, *lines, "", why]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
