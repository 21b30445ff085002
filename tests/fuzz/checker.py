"""Whether a result is true, by the definition and nothing else: fractions over the one-hot cells, plain Python.

Stricter or looser than `ifm verify` in form, never in what is claimed: what it finds false may not pass.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

Cell = tuple[str, tuple[int, ...]]


class Told:
    """What a result says of its study: cells of regimes by the factors that it names."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.levels = data["interventions"]
        self.variables = data["variables"]
        self.factors = {f["name"]: f for f in data["factors"]}
        if len(self.factors) < len(data["factors"]):
            raise ValueError("two factors of one name")
        self.train = [self.regime(one) for one in data["train"]]

    def regime(self, written: Mapping[str, Any]) -> dict[str, int]:
        """A full map as indices of levels."""
        return {name: self.index(name, written[name]) for name in self.levels}

    def index(self, name: str, level: Any) -> int:
        """The index of a level; ValueError for one that is none."""
        if isinstance(level, bool):
            raise ValueError(level)
        found: int = self.levels[name].index(level)
        return found

    def row(self, regime: Mapping[str, int], factors: Iterable[str]) -> set[Cell]:
        """The cells that a regime shows."""
        return {(k, tuple(regime[i] for i in self.factors[k]["sigma"])) for k in factors}

    def holding(self, variable: str) -> list[str]:
        """K(v)."""
        if variable not in self.variables:
            raise ValueError(variable)
        return [name for name, factor in self.factors.items() if variable in factor["x"]]

    def gives(self, terms: Sequence[Mapping[str, Any]], target: Mapping[str, int], factors: list[str]) -> bool:
        """Whether A^T q = b."""
        left: dict[Cell, Fraction] = defaultdict(Fraction)
        for term in terms:
            for cell in self.row(self._trained(term["train"]), factors):
                left[cell] += Fraction(term["exponent"])
        for cell in self.row(target, factors):
            left[cell] -= 1
        total = sum((Fraction(term["exponent"]) for term in terms), Fraction(0))
        return not any(left.values()) and (bool(factors) or total == 1)

    def refuses(self, kernel: Sequence[Mapping[str, Any]], target: Mapping[str, int], factors: list[str]) -> bool:
        """Whether A w = 0 and b·w != 0, with w on the cells of these factors."""
        weights: dict[Cell, int] = defaultdict(int)
        for entry in kernel:
            scope = self.factors[entry["factor"]]["sigma"]
            if entry["factor"] not in factors or set(entry["levels"]) != set(scope):
                return False
            weights[entry["factor"], tuple(self.index(i, entry["levels"][i]) for i in scope)] += entry["weight"]

        def collected(regime: Mapping[str, int]) -> int:
            return sum(weights[cell] for cell in self.row(regime, factors))

        return not any(map(collected, self.train)) and collected(target) != 0

    def _trained(self, index: int) -> dict[str, int]:
        if index < 0:
            raise IndexError(index)
        return self.train[index]

    def holds(self, row: Mapping[str, Any]) -> bool:
        """Whether one entry of `results` is true."""
        target, status = self.regime(row["regime"]), row["status"]
        if status == "observed":
            return self._trained(row["train"]) == target
        if status == "undecided":
            return all(self.regime(one) not in self.train for one in (row["regime"], *row["missing"]))
        joint = row["criterion"] == "joint"
        if status == "identified" and joint:
            return self.gives(row["exponents"], target, list(self.factors))
        if status == "identified":
            return all(self.gives(row["conditionals"][v], target, self.holding(v)) for v in self.variables)
        proof, partial = row["certificate"], row.get("partial", {"conditionals": {}})
        inside = list(self.factors) if joint else self.holding(proof["variable"])
        return self.refuses(proof["kernel"], target, inside) and all(
            self.gives(terms, target, self.holding(v)) for v, terms in partial["conditionals"].items()
        )


def true(data: Any) -> bool:
    """Whether all that a JSON result claims is true; False also for what cannot be made sense of."""
    try:
        data = json.loads(json.dumps(data))
        told = Told(data)
        counted = "targets" not in data or data["targets"] in (None, len(data["results"]))
        return counted and all(map(told.holds, data["results"]))
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError):
        return False
