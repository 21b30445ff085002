"""Plain oracles for plans: ranks of one-hot rows over the rationals, and every subset of candidates tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import cache
from itertools import combinations, product

import flint
import numpy as np
from hypothesis import strategies as st

from ifm_ident.design.design import Design
from ifm_ident.design.model import Factor, Intervention, Model
from ifm_ident.design.regimes import Regimes
from ifm_ident.planning.reduction import PlanCriterion

Codes = tuple[int, ...]


def model_of(levels: Sequence[int], factors: Sequence[tuple[tuple[str, ...], tuple[int, ...]]]) -> Model:
    interventions = tuple(Intervention(f"s{i}", tuple(range(a))) for i, a in enumerate(levels))
    variables = tuple(dict.fromkeys(v for x, _ in factors for v in x))
    return Model(
        interventions,
        variables,
        tuple(Factor(f"f{k}", x, tuple(f"s{i}" for i in s)) for k, (x, s) in enumerate(factors)),
    )


def batch(regimes: Sequence[Codes], width: int) -> Regimes:
    return Regimes.from_codes(np.array(regimes, dtype=np.int64).reshape(-1, width))


def codes_of(regimes: Regimes) -> list[Codes]:
    return [tuple(row) for row in regimes.codes().tolist()]


def every_regime(model: Model) -> list[Codes]:
    return list(product(*(range(int(a)) for a in model.level_counts)))


class Oracle:
    """Identification by ranks of one-hot rows over the rationals."""

    def __init__(self, model: Model, criterion: str) -> None:
        self.scopes = [scope.tolist() for scope in model.scopes]
        self.systems = [tuple(range(len(model.factors)))] if criterion == "joint" else list(model.covers)
        self.identifies = cache(self._identifies)

    def _rank(self, system: tuple[int, ...], regimes: Sequence[Codes]) -> int:
        cells = [{(k, tuple(r[i] for i in self.scopes[k])) for k in system} for r in regimes]
        columns = sorted(set().union(*cells))
        return flint.fmpq_mat([[int(c in own) for c in columns] for own in cells]).rank() if regimes else 0

    def _identifies(self, train: frozenset[Codes], target: Codes) -> bool:
        return target in train or all(
            self._rank(s, [*train, target]) == self._rank(s, list(train)) for s in self.systems
        )

    def count(self, train: Sequence[Codes], targets: Sequence[Codes]) -> int:
        return sum(self.identifies(frozenset(train), t) for t in targets)


def best_subset(
    oracle: Oracle,
    free: Sequence[Codes],
    targets: Sequence[Codes],
    prices: Mapping[Codes, Fraction],
    max_add: int | None,
) -> tuple[int, Fraction]:
    """The most targets that an allowed set identifies, and the least cost of that; every subset is tried."""
    useful = [c for c in prices if not oracle.identifies(frozenset(free), c)]
    limit = len(useful) if max_add is None else min(max_add, len(useful))
    most = oracle.count([*free, *useful], targets)
    best = oracle.count(free, targets), Fraction(0)
    for size in range(1, limit + 1):
        for chosen in combinations(useful, size):
            value = sum((prices[c] for c in chosen), Fraction(0))
            if best[0] == most and value >= best[1]:
                continue
            reached = oracle.count([*free, *chosen], targets)
            if (reached, -value) > (best[0], -best[1]):
                best = reached, value
    return best


@st.composite
def problems(draw: st.DrawFn) -> tuple[Design, list[Codes], list[Codes], PlanCriterion]:
    """A design of at most 16 regimes, its training regimes, targets, a criterion."""
    width = draw(st.integers(1, 4))
    levels = draw(st.lists(st.integers(2, 3), min_size=width, max_size=width).filter(lambda a: np.prod(a) <= 16))
    scope = st.lists(st.integers(0, width - 1), unique=True, max_size=3).map(tuple)
    x = st.sampled_from([("x1",), ("x2",), ("x3",), ("x1", "x2"), ("x2", "x3"), ("x1", "x2", "x3")])
    model = model_of(levels, draw(st.lists(st.tuples(x, scope), min_size=1, max_size=4)))
    every = every_regime(model)
    train = draw(st.lists(st.sampled_from(every), min_size=1, max_size=5))
    targets = draw(st.just(every) | st.lists(st.sampled_from(every), min_size=1, max_size=4))
    return Design(model, batch(train, width)), train, targets, draw(st.sampled_from(["joint", "conditional"]))
