"""How often `choose_factors` adds what does not act, finds what does, and names the right variables.

Run `python benchmarks/factors.py null power scope units curse data -o benchmarks` (a quarter of an hour on one
core; any of these parts by itself; `data` needs IFM_DATA): tables in `factors.md`, the power curves in
`factors.png`. Cells that are done stand in `.factors.json` and are not done again; `--seconds 30` stops after
so much work.

Null studies have A and B in separate factors, in truth; four regimes, ctrl, A, B and A+B. Rows are drawn from a
pool of 400,000 that is re-weighted by the truth's tilts (`truths.py`), so that the null holds exactly, whatever
the shape.
"""

from __future__ import annotations

import argparse
import functools
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binom, norm
from tqdm import tqdm
from truths import _pool

from ifm_ident import Regimes, Study
from ifm_ident.arrays import Floats
from ifm_learn import Samples, choose_factors, load_sachs, read_samples
from ifm_learn.factors._questions import decide
from ifm_learn.factors.candidates import default_candidates
from ifm_learn.factors.choosing import ChosenFactors, _adjusted, _gains, _rung
from ifm_learn.ladder.normal import Normal

KINDS = {
    "near": "normal, equal spread",
    "gamma": "skewed (gamma)",
    "bimodal": "two humps, spread moves",
    "block2": "two correlated, spread and product move",
    "counts": "zero-inflated counts, A and B on different ones",
}
NULL_STUDIES, STUDIES, POWER_STUDIES = 120, 60, 40
FULL_STUDIES = 60


def cross(
    names: Sequence[str], interventions: str = "AB", regimes: Sequence[str] = ("00", "10", "01", "11")
) -> Study:
    return Study.from_dict(
        {
            "interventions": {name: [0, 1] for name in interventions},
            "variables": list(names),
            "factors": [{"sigma": [name]} for name in interventions],
            "train": list(regimes),
        }
    )


@functools.cache
def _sorted(kind: str) -> tuple[Floats, list[Floats]]:
    """The pool and the cumulated weights of the four regimes, in order of x0: near scores are near values."""
    pool, laws, _ = _pool(kind)
    order = np.argsort(pool[:, 0], kind="stable")
    return pool[order], [np.cumsum(np.diff(law, prepend=0.0)[order]) for law in laws]


def drawn(kind: str, rows: int, rng: np.random.Generator, shift: float = 0.0, icc: float = 0.0, each: int = 1):
    """A study and its samples.

    shift: a tilt of A+B that moves x0 by so many sds (for a normal). `each` rows of a unit share a normal
    score with correlation `icc`.
    """
    pool, laws = _sorted(kind)
    study = cross([f"x{v}" for v in range(pool.shape[1])])
    x, unit = [], []
    for i, law in enumerate(laws):
        if shift and i == 3:
            w = np.diff(law, prepend=0.0) * np.exp(shift * pool[:, 0] / pool[:, 0].std())
            law = np.cumsum(w) / w.sum()
        score = np.sqrt(icc) * rng.normal(size=(rows // each, 1)) + np.sqrt(1 - icc) * rng.normal(
            size=(rows // each, each)
        )
        x.append(pool[np.minimum(np.searchsorted(law, norm.cdf(score).ravel()), len(pool) - 1)])
        unit.append(np.repeat(np.arange(rows // each) + 10_000 * i, each))
    regime = np.repeat(np.arange(4), [len(part) for part in x])
    return study, Samples(study.design, regime, np.concatenate(x), unit=np.concatenate(unit) if each > 1 else None)


NOT_RUN = "not run"

CELLS: dict[str, object] = {}
BUDGET = [float("inf"), Path()]


def cell(key: str, work: Callable[[], Any]) -> Any:
    """What `work` gives, remembered; None once the seconds allowed are over."""
    if key not in CELLS:
        if time.process_time() > BUDGET[0]:
            return None
        CELLS[key] = work()
        BUDGET[1].write_text(json.dumps(CELLS))
    return CELLS[key]


def chosen(study: Study, samples: Samples, **how: object) -> ChosenFactors:
    return choose_factors(study, samples, resamples=0, **how)  # type: ignore[arg-type]


def added(found: ChosenFactors) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    return [(one.candidate.sigma, one.candidate.x) for one in found.findings if one.verdict == "added"]


def limit(count: int, level: float = 0.05) -> float:
    """Above this share, a false addition rate of `level` is contradicted (99%)."""
    return float(binom.ppf(0.99, count, level) / count)


def null_part() -> list[str]:
    lines = [
        f"## False additions, {NULL_STUDIES} null studies a cell",
        "",
        f"Share of studies with any addition at a false discovery rate of 0.05; above "
        f"{limit(NULL_STUDIES):.0%} would "
        "contradict that it is 5% (99%). In brackets the share with any adjusted "
        "p-value of 0.05 or less, before the held-out gain is asked.",
        "",
        "| truth | candidates | 10 rows | 50 rows | 200 rows |",
        "| --- | --- | --- | --- | --- |",
    ]
    for kind, words in KINDS.items():
        shares = [cell(f"null {kind} {rows}", lambda k=kind, n=rows: null_cell(k, n)) for rows in (10, 50, 200)]
        cells = (
            NOT_RUN if one is None else f"{one[1] / NULL_STUDIES:.1%} ({one[2] / NULL_STUDIES:.1%})"
            for one in shares
        )
        count = 3 if kind in ("block2", "counts") else 1
        lines.append(f"| {words} | {count} | {' | '.join(cells)} |")
    shares = [cell(f"null full {rows}", lambda n=rows: full_cell(n)) for rows in (10, 50, 200)]
    cells = (NOT_RUN if one is None else f"{one[0] / one[1]:.1%} of {one[1]}" for one in shares)
    lines.append(f"| three interventions, full 2 x 2 x 2, two correlated normals | 9 | {' | '.join(cells)} |")
    return [*lines, ""]


def found_quickly(study: Study, samples: Samples, seed: int) -> tuple[int, bool, bool]:
    """How many candidates are tested, whether one is added, whether one is significant: as "
    "`choose_factors` decides.

    Gains are made of those that are significant only, since these decide; the study's own terms are left alone.
    """
    asked = default_candidates(study.model, study.design.train).candidates
    exact = decide(study.design, asked)
    rung = _rung(study.design, samples, asked, seed)
    found = {one: evidence for one in exact.hypotheses if (evidence := one.term(samples, rung).evidence())}
    adjusted = _adjusted({one: evidence.p_value for one, evidence in found.items()})
    significant = {one for one, p in adjusted.items() if p <= 0.05}
    some = {one: evidence for one, evidence in found.items() if one in significant}
    gains = _gains(study.design, samples, rung, some, significant, seed, lambda items, total, what: items)
    return len(exact.hypotheses), any(gain > error for gain, error in gains.values()), bool(significant)


def null_cell(kind: str, rows: int) -> list[int]:
    """How many candidates, in how many studies one was added, and in how many one was significant."""
    told = [
        found_quickly(*drawn(kind, rows, np.random.default_rng([seed, rows])), seed)
        for seed in range(NULL_STUDIES)
    ]
    return [told[0][0], sum(one for _, one, _ in told), sum(p for _, _, p in told)]


def full_cell(rows: int) -> list[int]:
    """In how many studies one was added, and of how many."""
    told = [
        found_quickly(*full(rows, np.random.default_rng([seed, rows, 7])), seed)[1] for seed in range(FULL_STUDIES)
    ]
    return [sum(told), len(told)]


EIGHT = np.array([[a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1)])


def full(rows: int, rng: np.random.Generator, shift: float = 0.0) -> tuple[Study, Samples]:
    """Full factorial of three; `shift`: A and B together tilt x0, given x1, by so many sds."""
    study = cross(["x0", "x1"], "ABC", ["".join(map(str, code)) for code in EIGHT])
    covariance = np.array([[1.0, 0.5], [0.5, 1.0]])
    tilts = np.array([[0.8, 0.0], [-0.5, 0.4], [0.0, 0.6]])
    x = []
    for code in EIGHT:
        height = code @ tilts + np.array([shift * code[0] * code[1], 0.0])
        x.append(rng.multivariate_normal(covariance @ height, covariance, size=rows))
    return study, Samples(study.design, np.repeat(np.arange(8), rows), np.concatenate(x))


SHIFTS = (0.4, 0.8, 1.2, 1.6)


def power_part() -> tuple[list[str], dict[str, dict[str, list[float]]]]:
    lines = [
        f"## Power, {POWER_STUDIES} studies a cell",
        "",
        "Share of studies that add A and B together on x0; in A+B a tilt moves x0 by so many sds. "
        "`linear` assumes "
        "that interventions only shift.",
        "",
        "| truth | rung | rows a regime | " + " | ".join(f"{shift:g} sd" for shift in SHIFTS) + " |",
        "| --- | --- | --- |" + " --- |" * len(SHIFTS),
    ]
    curves: dict[str, dict[str, list[float]]] = {}
    for kind in ("near", "gamma"):
        for rung in ("auto", "linear"):
            for rows in (10, 50, 200):
                shares = [
                    cell(f"power {kind} {rung} {rows} {shift}", lambda a=(kind, rung, rows, shift): power_cell(*a))
                    for shift in SHIFTS
                ]
                curves.setdefault(f"{KINDS[kind]}, {rung}", {})[str(rows)] = shares
                lines.append(
                    f"| {KINDS[kind]} | {rung} | {rows} | "
                    + " | ".join(NOT_RUN if s is None else f"{s:.0%}" for s in shares)
                    + " |"
                )
    return [*lines, ""], curves


def power_cell(kind: str, rung: str, rows: int, shift: float) -> float:
    hits = 0
    for seed in range(POWER_STUDIES):
        study, samples = drawn(kind, rows, np.random.default_rng([seed, rows, 1]), shift)
        if rung == "auto":
            hits += found_quickly(study, samples, seed)[1]
        else:
            pair = [{"sigma": ["A", "B"]}]
            hits += bool(added(chosen(study, samples, candidates=pair, rung=rung, drop=False, seed=seed)))
    return hits / POWER_STUDIES


def scope_part() -> list[str]:
    lines = [
        f"## Which variables, {POWER_STUDIES} studies a row",
        "",
        "Full 2 x 2 x 2 of A, B, C on two correlated normals; A and B act together on x0 alone (given x1). Nine "
        "candidates.",
        "",
        "| rows a regime | shift | x0 found | on x0 alone | x1 too | another pair | a term that acts dropped |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for rows in (20, 50, 200):
        for shift in (0.8,):
            tally = cell(f"scope {rows} {shift}", lambda a=(rows, shift): scope_cell(*a))
            cells = " | ".join(NOT_RUN if tally is None else f"{tally[k]:.0%}" for k in range(5))
            lines.append(f"| {rows} | {shift:g} sd | {cells} |")
    return [*lines, ""]


def scope_cell(rows: int, shift: float) -> list[float]:
    acts = {("A",): {"x0"}, ("B",): {"x0", "x1"}, ("C",): {"x1"}}
    tally = np.zeros(5)
    for seed in range(POWER_STUDIES):
        found = chosen(*full(rows, np.random.default_rng([seed, rows, 3]), shift), seed=seed)
        pairs = {f.sigma: set(f.x) for f in found.factors if len(f.sigma) > 1}
        own = pairs.get(("A", "B"), set())
        lost = any(
            one.verdict == "dropped" and set(one.candidate.x) & acts[one.candidate.sigma] for one in found.findings
        )
        tally += ["x0" in own, own == {"x0"}, "x1" in own, bool(pairs.keys() - {("A", "B")}), lost]
    return [float(share) for share in tally / POWER_STUDIES]


def units_part() -> list[str]:
    lines = [
        f"## Units, {STUDIES} null studies a cell",
        "",
        "Rows of one unit have correlation 0.3 (of normal scores). Share of studies with any addition, "
        "with `unit` "
        "said and not said.",
        "",
        "| truth | units a regime x rows | units said | not said |",
        "| --- | --- | --- | --- |",
    ]
    for kind in ("near", "gamma"):
        for units, each in ((8, 10), (20, 10)):
            hits = cell(f"units {kind} {units}", lambda a=(kind, units, each): units_cell(*a))
            lines.append(
                f"| {KINDS[kind]} | {units} x {each} | "
                + " | ".join(NOT_RUN if hits is None else f"{hits[k] / STUDIES:.1%}" for k in range(2))
                + " |"
            )
    return [*lines, ""]


def units_cell(kind: str, units: int, each: int) -> list[int]:
    hits = np.zeros(2, dtype=int)
    for seed in range(STUDIES):
        study, samples = drawn(kind, units * each, np.random.default_rng([seed, units]), 0.0, 0.3, each)
        bare = Samples(samples.design, samples.regime, samples.x)
        hits += [found_quickly(study, one, seed)[1] for one in (samples, bare)]
    return [int(one) for one in hits]


def second_look(study: Study, samples: Samples) -> tuple[float, float]:
    """The shift of A and B together and its standard error."""
    exact = decide(study.design, default_candidates(study.model, study.design.train).candidates)
    own = next(one for one in exact.hypotheses if one.members[0].sigma == ("A", "B"))
    found = own.term(samples, "quadratic").evidence()
    assert found is not None
    return found.effect["x"], found.error["x"]


def curse_part() -> list[str]:
    lines: list[str] | None = cell("curse", curse_cell)
    return lines or []


def curse_cell() -> list[str]:
    """Coverage of 90% intervals after choosing: of the effect that was found, and of a regime that was not run."""
    count, rows, shift = 100, 50, 0.6
    train = ["000", "100", "010", "001", "110"]
    codes = np.array([[int(c) for c in one] for one in train])
    target = Regimes.from_codes(np.array([[1, 1, 1]]))
    study = cross(["x"], "ABC", train)
    truth = 0.5 - 0.5 + 0.4 + shift
    inside = np.zeros(2), np.zeros(2)
    regime = np.zeros((3, 2))
    found_count = np.zeros(2)
    for seed in range(count):
        rng = np.random.default_rng([seed, 11])

        def sample(rows: int = rows, rng: np.random.Generator = rng) -> Samples:
            mean = codes @ np.array([0.5, -0.5, 0.4]) + shift * codes[:, 0] * codes[:, 1]
            label = np.repeat(np.arange(5), rows)
            return Samples(study.design, label, rng.normal(mean[label])[:, None])

        first, second = sample(), sample()
        found = chosen(study, first, candidates=[{"sigma": ["A", "B"]}], drop=False, seed=seed)
        one = next(f for f in found.findings if f.candidate.sigma == ("A", "B"))
        other = second_look(study, second)
        if one.verdict == "added":
            found_count += 1
            for k, (size, error) in enumerate(((one.effect["x"], one.effect_error["x"]), other)):
                inside[0][k] += abs(size - shift) <= 1.645 * error
                inside[1][k] += size
        true_factors = Study.from_dict(
            {
                "interventions": {name: [0, 1] for name in "ABC"},
                "variables": ["x"],
                "factors": [{"sigma": ["A", "B"]}, {"sigma": ["C"]}],
                "train": train,
            }
        )
        for k, (design, rows_of) in enumerate(
            ((found.study.design, first), (found.study.design, second), (true_factors.design, first))
        ):
            law = Normal().fit(Samples(design, rows_of.regime, rows_of.x))
            exact = law.exact_errors(target)
            assert exact is not None
            miss = abs(float(law.means(None, target)[0, 0]) - truth)
            regime[k] += [miss <= 1.66 * exact[0][0, 0], miss**2]
    shares = inside[0] / found_count
    return [
        f"## What choosing costs, {count} studies",
        "",
        f"One normal variable, {rows} rows a regime; ctrl, A, B, C, A+B run; A and B together shift by "
        f"{shift} sd; "
        f"found in {found_count[0] / count:.0%} of studies. Nominal 90% intervals.",
        "",
        "| | same rows | new rows | factors known |",
        "| --- | --- | --- | --- |",
        f"| coverage of the shift, where it was found | {shares[0]:.0%} | {shares[1]:.0%} | |",
        f"| mean estimate of the shift ({shift}), where found | {inside[1][0] / found_count[0]:.2f} | "
        f"{inside[1][1] / found_count[1]:.2f} | |",
        f"| coverage of A+B+C, not run, normal rung | {regime[0, 0] / count:.0%} | {regime[1, 0] / count:.0%} | "
        f"{regime[2, 0] / count:.0%} |",
        f"| RMSE of A+B+C, sd | {np.sqrt(regime[0, 1] / count):.2f} | {np.sqrt(regime[1, 1] / count):.2f} | "
        f"{np.sqrt(regime[2, 1] / count):.2f} |",
        "",
    ]


def summary(found: ChosenFactors) -> str:
    tally: dict[str, int] = {}
    for one in found.findings:
        tally[one.verdict] = tally.get(one.verdict, 0) + 1
    return ", ".join(f"{count} {word}" for word, count in tally.items())


def data_part() -> list[str]:
    lines: list[str] | None = cell("data", data_cell)
    return lines or []


def data_cell() -> list[str]:
    import os

    import pandas as pd

    home = Path(os.environ["IFM_DATA"])
    lines = ["## Real data", ""]
    begun = time.process_time()
    samples = load_sachs("icam2-blocks", leave_out=["Raf", "Mek"], data_home=home)
    study = Study("Sachs", samples.design, "label", (), ())
    rng = np.random.default_rng(0)
    some = [rng.choice(np.flatnonzero(samples.regime == i), 300, replace=False) for i in samples.present]
    samples = samples.take(np.sort(np.concatenate(some)))
    model = samples.design.model
    single = [{"sigma": [i.name], "x": [v]} for i in model.interventions for v in model.variables]
    found = choose_factors(study, samples, single, resamples=0, watch=lambda i, n, w: tqdm(i, total=n, desc=w))
    lines += [
        f"**Sachs, ICAM-2 and five inhibitors, without Raf and Mek** ({len(samples):,} cells, "
        f"{len(samples.design.model.variables)} proteins, {time.process_time() - begun:.0f} s): {summary(found)}; "
        f"{found.rung}.",
        "",
    ]
    print(lines[-2], flush=True)
    table = pd.read_csv(home / "mice" / "cortex.csv")
    mouse = table["MouseID"].astype(str).str.rsplit("_", n=1).str[0]
    frame = pd.DataFrame({"unit": mouse})
    for name, column in zip("GTB", ("Genotype", "Treatment", "Behavior"), strict=True):
        values = sorted(table[column].unique())
        frame[name] = (
            (table[column] == values[1]).astype(int) if name != "G" else (table[column] != "Control").astype(int)
        )
    proteins = [c for c in table.columns[1:78] if table[c].notna().mean() > 0.98]
    tally: dict[str, int] = {}
    bare: dict[str, int] = {}
    hits = []
    for protein in proteins[:24]:
        part = frame.assign(x=np.log(table[protein])).dropna()
        own = cross(["x"], "GTB", ["".join(map(str, code)) for code in EIGHT])
        for unit, into in (("unit", tally), (None, bare)):
            rows = read_samples(own, part if unit else part.drop(columns="unit"), unit=unit)
            told = choose_factors(own, rows, resamples=0)
            for one in told.findings:
                into[one.verdict] = into.get(one.verdict, 0) + 1
                if unit and one.verdict == "added":
                    hits.append(f"{'+'.join(one.candidate.sigma)} on {protein}")
    lines += [
        f"**Mice** (72 mice x 15 rows, 2 x 2 x 2; {len(proteins[:24])} proteins, one at a time): with "
        f"mice as units "
        f"pairs are added "
        f"{tally.get('added', 0)} times of "
        f"{3 * len(proteins[:24])} ({'; '.join(hits[:6])}); rows taken as independent, "
        f"{bare.get('added', 0)} times.",
        "",
    ]
    print(lines[-2], flush=True)
    wells = pd.read_csv(home / "hcs" / "wells.csv")
    lines += [hcs(wells), ""]
    print(lines[-2], flush=True)
    return lines


def hcs(wells) -> str:
    drugs = [c for c in wells.columns if set(wells[c].unique()) <= {0, 1}]
    rest = [
        c for c in wells.columns if c not in drugs and c != "plate" and np.issubdtype(wells[c].dtype, np.number)
    ]
    values = wells[rest].to_numpy(float)
    base = (wells[drugs].sum(axis=1) == 0).to_numpy()
    values = (values - values[base].mean(axis=0)) / np.where(
        values[base].std(axis=0) > 0, values[base].std(axis=0), 1
    )
    _, _, axes = np.linalg.svd(values - values.mean(axis=0), full_matrices=False)
    score = (values - values[base].mean(axis=0)) @ axes[0]
    frame = wells[drugs].assign(x=score)
    study = Study.from_dict(
        {
            "interventions": {name: [0, 1] for name in drugs},
            "variables": ["x"],
            "factors": [{"sigma": [name]} for name in drugs],
            "train": [
                {d: 1 for d, on in zip(drugs, row, strict=True) if on}
                for row in dict.fromkeys(map(tuple, wells[drugs].to_numpy().tolist()))
            ],
        }
    )
    found = choose_factors(study, read_samples(study, frame), resamples=0)
    return (
        f"**hcs** ({len(wells)} wells, {len(drugs)} drugs, first principal score of {len(rest)} features): "
        f"{summary(found)}."
    )


def picture(curves: dict[str, dict[str, list[float]]], path: Path) -> None:
    from ifm_ident.plots import canvas

    sheet = canvas.figure(9.0, 3.6)
    panels = sheet.subplots(1, 2, sharey=True)
    for ax, kind in zip(panels, ("near", "gamma"), strict=True):
        for k, rows in enumerate(("10", "50", "200")):
            for rung, line in (("auto", "-"), ("linear", ":")):
                if None in curves.get(f"{KINDS[kind]}, {rung}", {}).get(rows, [None]):
                    continue
                ax.plot(
                    SHIFTS, curves[f"{KINDS[kind]}, {rung}"][rows], line, color=canvas.SERIES[k],
                    marker=canvas.MARKERS[k], markersize=5, label=f"{rows} rows" if rung == "auto" else None,
                )  # fmt: skip
        ax.axhline(0.05, color=canvas.INK, linewidth=0.8, linestyle="--")
        canvas.tidy(ax, KINDS[kind], "shift of A+B beyond the factors, sd")
    panels[0].set_ylabel("share of studies that add it")
    panels[0].legend(frameon=False, fontsize=8, title="solid: auto, dotted: linear", title_fontsize=8)
    sheet.savefig(path, dpi=150, bbox_inches="tight")


PARTS: dict[str, Callable[[], list[str]]] = {
    "null": null_part,
    "scope": scope_part,
    "units": units_part,
    "curse": curse_part,
    "data": data_part,
}
ORDER = ("null", "power", "scope", "units", "curse", "data")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="+", choices=ORDER)
    parser.add_argument("-o", type=Path, default=Path("benchmarks"))
    parser.add_argument("--seconds", type=float, default=float("inf"), help="of work")
    given = parser.parse_args()
    BUDGET[:] = [given.seconds, given.o / ".factors.json"]
    if BUDGET[1].exists():
        CELLS.update(json.loads(BUDGET[1].read_text()))
    done: dict[str, list[str]] = {}
    for part in given.parts:
        if part == "power":
            done["power"], curves = power_part()
            picture(curves, given.o / "factors.png")
        else:
            done[part] = PARTS[part]()
    head = [
        "# `ifm factors` on truths of its own and on data",
        "",
        "Made by `python benchmarks/factors.py null power scope units curse data -o benchmarks`. The "
        "level is 0.05 "
        "throughout.",
        "",
    ]
    text = "\n".join([*head, *(line for part in ORDER for line in done.get(part, []))])
    (given.o / "factors.md").write_text(text.rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
