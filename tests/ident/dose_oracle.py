"""Random designs whose levels have values, and what is true of them, by rationals written for this purpose alone.

Rows are over other functions of the same span than the program's: truncated powers for hats and splines, and every
level's indicator for categorical interventions.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import flint

Values = list[Fraction]


def functions(spec: dict[str, Any], at: Fraction) -> Values:
    """Functions of a value that span the basis, the constant first."""
    [(kind, content)] = spec.items()
    one = Fraction(1)
    if kind == "poly":
        return [at**j for j in range(content + 1)]
    if kind == "hill":
        above = at ** content["n"]
        return [one, above / (Fraction(str(content["ec50"])) ** content["n"] + above)]
    knots = content if kind == "hat" else content["knots"]
    degree = 1 if kind == "hat" else content["degree"]
    inner = [Fraction(str(knot)) for knot in knots[1:-1]]
    return [at**j for j in range(degree + 1)] + [max(at - knot, Fraction(0)) ** degree for knot in inner]


@dataclass
class DoseDesign:
    """A random design as a study's plain map, its training and test regimes as texts of levels by name."""

    mapping: dict[str, Any]
    train: list[dict[str, str]]
    test: list[dict[str, str]]

    def at(self, name: str, level: str) -> Values:
        """The functions of one intervention at a level."""
        spec = self.mapping["interventions"][name]
        if isinstance(spec, list):
            return [Fraction(int(str(one) == level)) for one in spec]
        if "table" in spec["basis"]:
            return [Fraction(1), *(Fraction(str(v)) for v in spec["basis"]["table"][level])]
        at = Fraction(level)
        if "coordinate" in spec:
            at = next(Fraction(str(c)) for key, c in spec["coordinate"].items() if Fraction(key) == at)
        return functions(spec["basis"], at)

    def row(self, regime: dict[str, str], factors: Sequence[int]) -> Values:
        """A regime's row: factor by factor the products of functions."""
        row: Values = []
        for k in factors:
            scope = self.mapping["factors"][k]["sigma"]
            parts = [self.at(name, regime[name]) for name in scope]
            row += [math.prod(choice, start=Fraction(1)) for choice in itertools.product(*parts)]
        return row

    def systems(self) -> dict[str, list[int]]:
        """The factors that hold each variable, and all of them under the name `joint`."""
        factors = self.mapping["factors"]
        held = {v: [k for k, f in enumerate(factors) if v in f["x"]] for v in self.mapping["variables"]}
        return {"joint": list(range(len(factors))), **held}


def rank(rows: list[Values]) -> int:
    """The rank over the rationals."""
    flat = [flint.fmpq(x.numerator, x.denominator) for row in rows for x in row]
    return int(flint.fmpq_mat(len(rows), len(rows[0]), flat).rref()[1])


def _basis(rng: random.Random) -> tuple[dict[str, Any], list[str]]:
    """A basis and levels to draw from, the first the baseline."""
    kind = rng.choice(["poly", "poly", "hat", "spline", "hill", "table", "coordinate"])
    if kind == "table":
        names = ["a", "b", "c", "d"][: rng.randint(2, 4)]
        width = rng.randint(1, 2)
        rows = {n: [str(Fraction(rng.randint(-2, 2), rng.randint(1, 2))) for _ in range(width)] for n in names}
        return {"levels": names, "basis": {"table": rows}}, names
    if kind == "poly":
        levels = rng.sample(["0", "1", "2", "0.5", "-1", "1/3", "3", "0.125"], 5)
        return {"levels": levels[:3], "basis": {"poly": rng.randint(1, 3)}}, levels
    if kind == "hill":
        levels = ["0", *rng.sample(["1", "2", "0.3", "10", "1/2"], 4)]
        return {"levels": levels[:2], "basis": {"hill": {"ec50": "1.5", "n": rng.randint(1, 3)}}}, levels
    if kind == "coordinate":
        spec = {"levels": [1, 10, 100], "coordinate": {"1": 0, "10": 1, "100": "2", "1000": 3}}
        return {**spec, "basis": {"poly": rng.randint(1, 2)}}, ["1", "10", "100", "1000"]
    knots = ["0", *sorted(rng.sample(["1", "2.5", "4"], rng.randint(0, 2)), key=Fraction), "6"]
    levels = rng.sample(["0", "0.5", "1", "2", "2.5", "3", "5", "6"], 6)
    basis = {"hat": knots} if kind == "hat" else {"spline": {"knots": knots, "degree": rng.randint(1, 3)}}
    return {"levels": levels[:3], "basis": basis}, levels


def draw(seed: int) -> DoseDesign:
    """A small random design: 1 to 4 interventions, most of them with bases, 1 to 3 variables."""
    rng = random.Random(seed)
    interventions: dict[str, Any] = {}
    levels: dict[str, list[str]] = {}
    for name in "ABCD"[: rng.randint(1, 4)]:
        if rng.random() < 0.25:
            interventions[name] = [0, 1, 2][: rng.randint(2, 3)]
            levels[name] = [str(one) for one in interventions[name]]
        else:
            interventions[name], levels[name] = _basis(rng)
    if all(isinstance(spec, list) for spec in interventions.values()):
        interventions["A"], levels["A"] = _basis(rng)
    names, variables = list(interventions), ["x", "y", "z"][: rng.randint(1, 3)]
    factors = [
        {
            "x": sorted(rng.sample(variables, rng.randint(1, len(variables)))),
            "sigma": rng.sample(names, rng.randint(0, min(2, len(names)))),
        }
        for _ in range(rng.randint(1, 3))
    ]
    factors.append({"x": variables, "sigma": rng.sample(names, rng.randint(1, min(2, len(names))))})
    first = {name: levels[name][0] for name in names}

    def regime() -> dict[str, str]:
        active = rng.random()
        return {n: rng.choice(levels[n]) if rng.random() < active else first[n] for n in names}

    train = [regime() for _ in range(rng.randint(2, 14))]
    test = [regime() for _ in range(8)]
    mapping = {
        "interventions": interventions,
        "variables": variables,
        "factors": factors,
        "train": train,
        "test": test,
    }
    return DoseDesign(mapping, train, test)
