"""Experiments of the literature: what is identified, and what is predicted against what was measured.

    IFM_DATA=folder python benchmarks/real_studies.py -o benchmarks

(about a minute): Markdown on standard output, also written to `real_studies.md`, and the pictures
`real_studies-acidiq.png` and `real_studies-doses.png`. Beside each estimate stand the mean of that regime's own
rows, which it did not use, with its standard error, and what a classical analysis of the same training rows says
(statsmodels, scikit-learn). `--download` fetches the files.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import statsmodels.formula.api as smf
from sklearn.ensemble import GradientBoostingRegressor

from ifm_ident import Design, Regimes, Study, identify
from ifm_ident.arrays import Floats
from ifm_ident.design.spaces import Listed
from ifm_ident.files import open_output
from ifm_ident.planning import Candidates, OneEach, plan
from ifm_ident.plots import canvas
from ifm_learn import estimate_study
from ifm_learn.data.factorials import PublicStudy, load_factorial
from ifm_learn.estimation.result import Estimates
from ifm_learn.estimation.text import text_lines

Load = Any
"""`load_factorial` with the folder and whether to download."""


@dataclass(frozen=True, eq=False)
class Scored:
    """Regimes of one study: names, what their own rows say, what was estimated, what the classical model says.

    measured, error, classical, sizes (sum|q|): shape (r,); unseen: whether no row of the regime was used.
    """

    names: list[str]
    measured: Floats
    error: Floats
    found: Estimates
    classical: Floats
    sizes: Floats
    unseen: np.ndarray[Any, np.dtype[np.bool_]]

    @property
    def mean(self) -> Floats:
        """The estimates, shape (r,)."""
        return self.found.mean[:, 0]

    @property
    def inside(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Whether the interval of the mean and two standard errors of the measured mean overlap, shape (r,)."""
        low, high = self.found.confidence_low[:, 0], self.found.confidence_high[:, 0]
        return (low - 2 * self.error <= self.measured) & (self.measured <= high + 2 * self.error)

    def rmse(self, values: Floats) -> float:
        """Of values at unseen regimes, against what was measured."""
        return float(np.sqrt(np.mean((values - self.measured)[self.unseen] ** 2)))

    @property
    def noise(self) -> float:
        """The root mean square of the measured means' own standard errors at unseen regimes."""
        return float(np.sqrt(np.mean(self.error[self.unseen] ** 2)))

    def table(self) -> Iterator[str]:
        """One row an unseen regime."""
        yield "| regime | measured (error) | estimated | 90% interval | classical | sum\\|q\\| |"
        yield "| --- | ---: | ---: | ---: | ---: | ---: |"
        low, high = self.found.confidence_low[:, 0], self.found.confidence_high[:, 0]
        for i in np.flatnonzero(self.unseen).tolist():
            yield (
                f"| {self.names[i]} | {self.measured[i]:.3g} ({self.error[i]:.2g}) | {self.mean[i]:.3g} | "
                f"{low[i]:.3g} to {high[i]:.3g} | {self.classical[i]:.3g} | {self.sizes[i]:.3g} |"
            )

    def summary(self) -> str:
        """Errors of the unseen regimes in one sentence."""
        kept = self.inside[self.unseen & ~np.isnan(self.found.confidence_low[:, 0])]
        return (
            f"{self.unseen.sum()} regimes unseen: root mean square error {self.rmse(self.mean):.3g}, of the "
            f"classical model {self.rmse(self.classical):.3g}, of the measured means themselves {self.noise:.2g}; "
            f"the measured mean is within two of its errors of the interval in {kept.sum()} of {len(kept)}."
        )


def own_means(frame: pd.DataFrame, names: Sequence[str], value: str) -> tuple[dict[Any, float], dict[Any, float]]:
    """Mean and its standard error by regime."""
    cells = frame.groupby(list(names))[value]
    return cells.mean().to_dict(), cells.sem().to_dict()


def scored(
    asked: PublicStudy, frame: pd.DataFrame, value: str, formula: str, energy: str = "auto", **more: Any
) -> Scored:
    """Estimates of all test regimes beside their own rows and least squares by a formula of the training rows."""
    study = asked.study
    names = [one.name for one in study.model.interventions]
    targets = Regimes.concatenate([*study.targets()])
    levels = [
        tuple(study.model.interventions[i].known_levels[c] for i, c in enumerate(row)) for row in targets.codes()
    ]
    kinds = [type(frame[name].iloc[0]) for name in names]
    keys = [tuple(kind(level) for kind, level in zip(kinds, row, strict=True)) for row in levels]
    train = {tuple(map(str, levels_of(study, regime))) for regime in study.design.train}
    unseen = np.array([tuple(map(str, row)) not in train for row in levels])
    mean, error = own_means(frame, names, value)
    used = frame[[tuple(str(plain(v)) for v in row) in train for row in frame[names].to_numpy()]]
    predicted = smf.ols(formula, used).fit().predict(pd.DataFrame(keys, columns=names))
    answers = identify(study.design, targets)
    sizes = [1.0 if one.formula is None else float(one.formula.size) for one in answers]
    found = estimate_study(study, asked.table, calibration=0.0, energy=energy, **more)
    return Scored(
        [", ".join(f"{n} {v}" for n, v in zip(names, row, strict=True)) for row in levels],
        np.array([mean[key if len(key) > 1 else key[0]] for key in keys]),
        np.array([error[key if len(key) > 1 else key[0]] for key in keys]),
        found,
        np.asarray(predicted, dtype=float),
        np.array(sizes),
        unseen,
    )


def plain(value: Any) -> Any:
    """A number as studies write it: whole ones without a point."""
    return int(value) if isinstance(value, (int, float, np.number)) and float(value).is_integer() else value


def levels_of(study: Study, regime: Sequence[tuple[int, int]]) -> list[Any]:
    """All levels of a regime, baselines too."""
    active = dict(regime)
    return [plain(one.known_levels[active.get(i, 0)]) for i, one in enumerate(study.model.interventions)]


def grid(**levels: Sequence[Any]) -> list[dict[str, Any]]:
    """All combinations, the last fastest."""
    found: list[dict[str, Any]] = [{}]
    for name, values in levels.items():
        found = [{**one, name: value} for one in found for value in values]
    return found


# ---------------------------------------------------------------- the studies


def poisons(load: Load) -> Scored:
    """Six of twelve cells, the poisons and treatments in factors of their own; logarithms of times."""
    train = [*grid(poison=[1], treat="ABCD"), *grid(poison=[2, 3], treat="A")]
    asked = load("poisons", {"train": train, "data": {"file": "poisons.csv", "log": ["time"]}})
    frame = asked.table.to_pandas().assign(y=lambda d: np.log(d.time))
    return scored(asked, frame, "y", "y ~ C(poison) + treat")


def tooth_growth(load: Load, energy: str = "auto") -> Scored:
    """Doses 0.5 and 2 of both supplements; the middle dose, linear in the logarithm, is left out."""
    asked = load("ToothGrowth", {"train": grid(supp=["VC", "OJ"], dose=[0.5, 2])})
    frame = asked.table.to_pandas()
    return scored(asked, frame, "len", "len ~ supp * np.log2(dose)", energy)


def npk(load: Load, factors: Any = None) -> tuple[Estimates, Floats]:
    """All eight regimes adjusted for blocks, and least squares averaged over the blocks."""
    asked = load("npk", {} if factors is None else {"factors": factors})
    found = estimate_study(asked.study, asked.table, effects="additive")
    frame = asked.table.to_pandas().rename(columns={"yield": "y"})
    fit = smf.ols("y ~ block + (N + P + K)**2", frame).fit()
    regimes = [levels_of(asked.study, regime) for regime in asked.study.design.train]
    means = [fit.predict(frame.assign(N=n, P=p, K=k)).mean() for n, p, k in regimes]
    return found, np.array(means)


HATS = {"levels": [0], "basis": {"hat": [0, "156.25", "312.5", 625, 1250, 2500, 5000]}}
SHARES = (17, 33, 67, 83)


def mixtures(load: Load) -> tuple[Scored, PublicStudy]:
    """Independent action: each substance in a factor of its own, from the two by themselves; logarithms."""
    whole = load("acidiq")
    doses = list(zip(whole.table["a"].to_pylist(), whole.table["b"].to_pylist(), strict=True))
    alone = dict.fromkeys(pair for pair in doses if 0 in pair)
    changes = {
        "interventions": {"a": HATS, "b": HATS},
        "factors": [{"sigma": ["a"]}, {"sigma": ["b"]}],
        "train": [{"a": a, "b": b} for a, b in alone],
        "test": [{"a": a, "b": b} for a, b in dict.fromkeys(doses) if 0 not in (a, b)],
        "data": {"file": "acidiq.csv", "log": ["rgr"]},
    }
    asked = load("acidiq", changes)
    frame = asked.table.to_pandas().assign(y=lambda d: np.log(d.rgr))
    knots = [float(knot) for knot in HATS["basis"]["hat"]]  # type: ignore[index]
    rises = [f"np.maximum({s} - {knot}, 0)" for s in "ab" for knot in knots[:-1]]
    half = load("acidiq", {**changes, "test": [{}], "data": {"file": "acidiq.csv"}})
    return scored(asked, frame, "y", f"y ~ {' + '.join(rises)}", "normal"), half


def ratios(load: Load) -> Scored:
    """Mixing ratio with a quadratic basis at every total dose: 0, 50 and 100% train, the others are left out."""
    whole = load("acidiq")
    table = whole.table.filter(pc.field("dose") > 0)
    doses = sorted({float(dose) for dose in table["dose"].to_pylist()})
    coordinate = {percent: f"{percent}/100" for percent in (0, 50, 100, *SHARES)}
    changes = {
        "interventions": {
            "dose": [plain(dose) for dose in doses],
            "pct": {"levels": [0, 50, 100], "coordinate": coordinate, "basis": {"poly": 2}},
        },
        "factors": [{"sigma": ["dose", "pct"]}],
        "train": grid(dose=[plain(dose) for dose in doses], pct=[0, 50, 100]),
        "test": grid(dose=[plain(dose) for dose in doses], pct=SHARES),
    }
    asked = PublicStudy(load("acidiq", changes).study, table)
    return scored(asked, table.to_pandas(), "rgr", "rgr ~ C(dose) * (pct + I(pct**2))", "normal")


RICE = ("date", "gen", "seeds", "spacing")
OWN = "components", "average"
"""Methods of the program that need no identification, beside the factors."""

CHOICES = 8
RIVALS = "additive least squares", "least squares with all pairs", "boosted trees"


def _cells(whole: Study) -> Regimes:
    every = Regimes.concatenate([*whole.targets()])
    return every.take(np.lexsort(every.codes().T[::-1]))


def planned_cells(whole: Study, times: int) -> Regimes:
    """Cells that `plan` asks for to identify all by pairs; `times` = 2: those of two such plans."""
    every = _cells(whole)
    chosen = every.take(slice(0, 0))
    for _ in range(times):
        left = np.flatnonzero(every.first_equal(chosen) < 0) if len(chosen) else np.arange(len(every))
        first = every.take(left[:1])
        offered = Candidates(whole.model, OneEach(whole.model), (Listed(chosen),) if len(chosen) else ())
        best = plan(Design(whole.model, first), lambda: [every], offered)
        chosen = Regimes.concatenate([chosen, first, best.add])
    return chosen


def drawn_cells(whole: Study, count: int, seed: int) -> Regimes:
    """Cells in random order: first those that the ones before do not identify by pairs, then others to `count`."""
    every = _cells(whole)
    order = np.random.default_rng(seed).permutation(len(every))
    hot = np.concatenate([np.eye(len(set(one)))[one] for one in every.codes().T], axis=1)
    pairs = np.einsum("ri,rj->rij", hot, hot).reshape(len(hot), -1)
    first: list[int] = []
    for cell in order.tolist():
        if np.linalg.matrix_rank(pairs[[*first, cell]]) > len(first):
            first.append(cell)
    others = [cell for cell in order.tolist() if cell not in first]
    return every.take(np.array([*first, *others][:count]))


def rice(load: Load, cells: Regimes, factors: Any = None) -> tuple[Scored, dict[str, Floats]]:
    """Some cells, that identify all by pairs, predict the rest; beside them what rivals say from the same rows."""
    whole = load("chakravertti.factorial").study
    train = [dict(zip(RICE, levels_of(whole, regime), strict=True)) for regime in cells]
    changes = {"train": train} | ({} if factors is None else {"factors": factors})
    asked = load("chakravertti.factorial", changes)
    frame = asked.table.to_pandas().rename(columns={"yield": "y"})
    frame["spacing"] = frame["spacing"].astype(str)
    main = " + ".join(RICE)
    found = scored(asked, frame, "y", f"y ~ ({main})**2" if factors is None else f"y ~ {main}")
    runs = {tuple(str(one[name]) for name in RICE) for one in train}
    used = frame[[tuple(map(str, row)) in runs for row in frame[list(RICE)].to_numpy()]]
    targets = pd.DataFrame(
        [[str(v) for v in levels_of(asked.study, r)] for chunk in asked.study.targets() for r in chunk],
        columns=list(RICE),
    )
    said = [np.asarray(smf.ols(f"y ~ {f}", used).fit().predict(targets)) for f in (main, f"({main})**2")]
    hot = pd.get_dummies(pd.concat([used[list(RICE)], targets]))
    trees = GradientBoostingRegressor(random_state=0).fit(hot[: len(used)], used.y)
    said.append(trees.predict(hot[len(used) :]))
    for method in OWN:
        said.append(estimate_study(asked.study, asked.table, calibration=0.0, method=method).mean[:, 0])
    return found, dict(zip((*RIVALS, *OWN), said, strict=True))


def resumes(load: Load, leave_out: bool = False) -> tuple[Estimates, Floats, Floats]:
    """Chances of a call adjusted for the advertisement, and logistic regression averaged over the same rows.

    Also the shares called among the regimes' own rows. leave_out: without black men of high quality.
    """
    cells = grid(ethnicity=["cauc", "afam"], gender=["female", "male"], quality=["low", "high"])
    asked = load("ResumeNames", {"test": cells, "train": cells[:-1] if leave_out else cells})
    found = estimate_study(asked.study, asked.table, effects="additive")
    frame = asked.table.to_pandas()
    last = (frame.ethnicity == "afam") & (frame.gender == "male") & (frame.quality == "high")
    used = frame[~last] if leave_out else frame
    z = " + ".join(asked.study.covariates)
    fit = smf.logit(f"call ~ (ethnicity + gender + quality)**2 + {z}", used).fit(disp=0, maxiter=100, tol=1e-12)
    classical = [float(fit.predict(used.assign(**cell)).mean()) for cell in cells]
    own = frame.groupby(list(cells[0])).call.mean()
    return found, np.array(classical), np.array([own[tuple(cell.values())] for cell in cells])


DOSES = [0, 1, 2, 3, 4, 5]


def matrix_truth(a: Floats, b: Floats) -> Floats:
    """Means of the simulated dose matrix: products of quadratics, the drugs weaken each other."""
    found: Floats = 10 - 2.0 * a + 0.18 * a**2 - 1.4 * b + 0.1 * b**2 + 0.25 * a * b - 0.01 * a**2 * b
    return found


def matrix(seed: int, runs: Sequence[Mapping[str, Any]], rows: int = 4, noise: float = 0.5) -> Scored:
    """Two drugs at six doses each, `rows` wells a run; the truth stands in the place of what was measured."""
    spec = {"levels": DOSES, "basis": {"poly": 2}}
    study = Study.from_dict({
        "name": "dose matrix", "interventions": {"a": spec, "b": spec}, "variables": ["y"],
        "factors": [{"sigma": ["a", "b"]}], "train": list(runs), "test": grid(a=DOSES, b=DOSES),
    })  # fmt: skip
    frame = pd.DataFrame([dict(one) for one in grid(a=DOSES, b=DOSES) for _ in range(rows)]).astype(float)
    mean = matrix_truth(frame.a.to_numpy(), frame.b.to_numpy())
    frame["y"] = mean + noise * np.random.default_rng(seed).normal(size=len(frame))
    table = pa.table({name: frame[name].to_numpy() for name in ("a", "b", "y")})
    found = scored(PublicStudy(study, table), frame, "y", "y ~ (a + I(a**2)) * (b + I(b**2))", "normal")
    true = matrix_truth(*np.array([[float(v) for v in levels_of(study, r)] for c in study.targets() for r in c]).T)
    return replace(found, measured=true, error=np.zeros(len(true)))


def planned_matrix() -> list[dict[str, Any]]:
    """The least runs of the matrix that identify all of it, as `plan` finds them."""
    spec = {"levels": DOSES, "basis": {"poly": 2}}
    study = Study.from_dict({
        "interventions": {"a": spec, "b": spec}, "factors": [{"sigma": ["a", "b"]}], "train": [{}], "test": "all",
    })  # fmt: skip
    added = study.plan().add
    return [{"a": 0, "b": 0}, *(dict(zip("ab", levels_of(study, regime), strict=True)) for regime in added)]


# ---------------------------------------------------------------- the page


def report(load: Load, folder: Path | None) -> Iterator[str]:
    """All sections, each between comments that name it."""
    parts: dict[str, Iterator[str]] = {
        "poisons": part(poisons(load)),
        "ToothGrowth": part(tooth_growth(load)),
        "npk": _npk(load),
        "acidiq": _mixtures(load, folder),
        "chakravertti.factorial": _rice(load),
        "ResumeNames": _resumes(load),
        "matrix": _matrix(folder),
    }
    for name, lines in parts.items():
        yield f"\n## {name}\n\n<!-- {name} -->\n"
        yield from lines
        yield f"\n<!-- end of {name} -->"
    yield f"\nPython {platform.python_version()}, numpy {np.__version__}; seeds 0."


def part(found: Scored, table: bool = True) -> Iterator[str]:
    """The unseen regimes, and the errors in one sentence."""
    if table:
        yield from found.table()
        yield ""
    yield found.summary()


def _npk(load: Load) -> Iterator[str]:
    found, classical = npk(load)
    yield "| regime | own rows | adjusted for blocks | 90% interval | least squares with blocks |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    own = load("npk").table.to_pandas().rename(columns={"yield": "y"}).groupby(["N", "P", "K"]).y.mean()
    for i, regime in enumerate(found.regimes):
        key = tuple(int(v) for v in levels_of(load("npk").study, regime))
        low, high = found.confidence_low[i, 0], found.confidence_high[i, 0]
        yield (
            f"| N {key[0]}, P {key[1]}, K {key[2]} | {own[key]:.1f} | {found.mean[i, 0]:.1f} | "
            f"{low:.1f} to {high:.1f} | {classical[i]:.1f} |"
        )
    alone, _ = npk(load, [{"sigma": ["N", "P", "K"]}])
    silent = int(np.isnan(alone.mean[:, 0]).sum())
    yield f"\nWith one factor over N, P and K together {silent} of 8 regimes have no number: {alone.note[0]}."


def _mixtures(load: Load, folder: Path | None) -> Iterator[str]:
    action, half = mixtures(load)
    yield "Independent action, from the two substances by themselves, logarithms:"
    yield from part(action, table=False)
    lower = int((action.mean < action.measured)[action.unseen].sum())
    yield f"The estimate lies below what was measured in {lower} of {int(action.unseen.sum())} mixtures."
    quadratic = ratios(load)
    yield "\nThe mixing ratio, a quadratic at every dose:"
    yield from part(quadratic, table=False)
    yield "\nHalf of the largest effect of each substance by itself:\n"
    for name in "ab":
        found = estimate_study(half.study, half.table, calibration=0.0, energy="normal", half=name)
        [line] = [
            line
            for line in "\n".join(text_lines(found)).replace("\n  ", " ").split("\n")
            if line.startswith("half")
        ]
        yield f"- {line}"
    if folder is not None:
        _draw(
            folder / "real_studies-acidiq.png", [("independent action, log", action), ("mixing ratio", quadratic)]
        )


def _rice(load: Load) -> Iterator[str]:
    names = " | ".join((*RIVALS, *OWN))
    yield f"| cells run | unseen | factors over pairs | factors alone | {names} | measured means |"
    yield "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    said = []
    whole = load("chakravertti.factorial").study
    for times in (1, 2):
        cells_run = planned_cells(whole, times)
        found, rivals = rice(load, cells_run)
        alone, _ = rice(load, cells_run, [{"sigma": [name]} for name in RICE])
        errors = [found.rmse(found.mean), alone.rmse(alone.mean), *map(found.rmse, rivals.values()), found.noise]
        unseen, sizes = int(found.unseen.sum()), found.sizes[found.unseen]
        cells = " | ".join(f"{error:.1f}" for error in errors)
        yield f"| {len(found.names) - unseen} | {unseen} | {cells} |"
        given = int((~np.isnan(found.found.confidence_low[:, 0])).sum())
        words = sorted({word for row in found.found.flags for words in row for word in words})
        size = (
            f"sum\\|q\\| of an unseen cell is {np.median(sizes):.3g} in the median and {sizes.max():.3g} at most; "
        )
        said.append(
            f"{len(found.names) - unseen} cells run, factors over pairs: {size if times == 1 else ''}{given} of "
            f"{len(found.names)} regimes have an interval, {int(found.inside[found.unseen].sum())} of {unseen} "
            f"measured means lie within two of their errors of it; flags: {', '.join(words)}."
        )
    yield ""
    yield from (f"- {line}" for line in said)
    yield f"\nMean errors over {CHOICES} other choices of cells of either size, drawn at random:\n"
    yield f"| cells run | {names} | choices in which the average is best |"
    yield "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    for count in (47, 88):
        table = []
        for seed in range(CHOICES):
            found, rivals = rice(load, drawn_cells(whole, count, seed))
            table.append([found.rmse(said_of_all) for said_of_all in rivals.values()])
        errors = np.array(table)
        best = int((errors[:, -1] <= errors[:, :3].min(axis=1)).sum())
        yield f"| {count} | {' | '.join(f'{error:.1f}' for error in errors.mean(axis=0))} | {best} of {CHOICES} |"


def _resumes(load: Load) -> Iterator[str]:
    yield "| regime | own rows | adjusted | 90% interval | logistic | left out: predicted | 90% interval |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    found, classical, own = resumes(load)
    left, _, _ = resumes(load, leave_out=True)
    for i, name in enumerate(found.names()):
        low, high = found.confidence_low[i, 0], found.confidence_high[i, 0]
        last = f"{left.mean[i, 0]:.4f} | {left.confidence_low[i, 0]:.4f} to {left.confidence_high[i, 0]:.4f}"
        yield (
            f"| {name} | {own[i]:.4f} | {found.mean[i, 0]:.4f} | {low:.4f} to {high:.4f} | {classical[i]:.4f} | "
            f"{last if i == len(own) - 1 else ' | '} |"
        )
    yield ""
    yield from (f"- {line}" for line in found.warnings)


def _matrix(folder: Path | None) -> Iterator[str]:
    runs = planned_matrix()
    square = grid(a=[0, 1, 3, 5], b=[0, 1, 3, 5])
    yield "| runs | sum\\|q\\|, median, largest | error of means | of least squares | intervals that hold |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    for name, some in ((f"the {len(runs)} that `plan` adds", runs), ("16: doses 0, 1, 3, 5 of each", square)):
        every = [matrix(seed, some) for seed in range(40)]
        held = [
            (s.found.confidence_low[:, 0] <= s.measured) & (s.measured <= s.found.confidence_high[:, 0])
            for s in every
        ]
        unseen, sizes = every[0].unseen, every[0].sizes[every[0].unseen]
        told = np.mean([h[unseen] for h in held])
        error = np.sqrt(np.mean([s.rmse(s.mean) ** 2 for s in every]))
        classical = np.sqrt(np.mean([s.rmse(s.classical) ** 2 for s in every]))
        size = f"{np.median(sizes):.3g}, {sizes.max():.3g}"
        yield f"| {name} | {size} | {error:.3f} | {classical:.3f} | {told:.2f} |"
    yield "\n40 studies of 4 wells a run; the truth is known, so errors and intervals are those of the truth."
    if folder is not None:
        _draw(
            folder / "real_studies-doses.png",
            [(f"{len(runs)} runs by plan", matrix(0, runs)), ("16 runs, 4 by 4", matrix(0, square))],
            "true",
        )


def _draw(path: Path, parts: Sequence[tuple[str, Scored]], what: str = "measured") -> None:
    """Estimates with intervals against what is measured, one panel each."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2 * len(parts), 4.0), layout="constrained")
    for (title, found), ax in zip(parts, figure.subplots(1, len(parts), squeeze=False)[0], strict=True):
        canvas.tidy(ax, title, f"{what} mean", "estimated")
        x, y = found.measured[found.unseen], found.mean[found.unseen]
        low, high = (side[found.unseen, 0] for side in (found.found.confidence_low, found.found.confidence_high))
        ends = [min(x.min(), y.min()), max(x.max(), y.max())]
        ax.plot(ends, ends, color=canvas.INK, linewidth=0.8, linestyle=":")
        ax.vlines(x, low, high, color=canvas.SKY, linewidth=1.5)
        ax.hlines(y, x - found.error[found.unseen], x + found.error[found.unseen], color=canvas.SKY, linewidth=1.5)
        ax.plot(
            x, y, marker="o", linestyle="none", color=canvas.BLUE, markersize=4, label="estimated, 90% interval"
        )
        ax.plot(
            x, found.classical[found.unseen], marker="x", linestyle="none", color=canvas.INK, markersize=4,
            label="least squares",
        )  # fmt: skip
        ax.legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=150)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data-home", type=Path)
    parser.add_argument("--download", action="store_true")
    parser.add_argument("-o", "--output", type=Path, help="folder for real_studies.md and its pictures")
    options = parser.parse_args()
    load = partial(load_factorial, data_home=options.data_home, download=options.download)
    lines = ["# Experiments of the literature"]
    for line in report(load, options.output):
        print(line, flush=True)
        lines.append(line)
    if options.output is not None:
        with open_output(options.output / "real_studies.md", force=True) as stream:
            stream.write(("\n".join(lines) + "\n").encode())


if __name__ == "__main__":
    main()
