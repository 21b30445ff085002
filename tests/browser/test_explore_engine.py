"""The engine of the page of `ifm explore`, in a browser, against Python's on random designs."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, get_args

import numpy as np

from ifm_ident.answer.identification import Answer
from ifm_ident.design.regimes import Regimes
from ifm_ident.messages.trees import junction_tree, sigma_graph
from ifm_ident.solve.identifier import CriterionName, Identifier
from tests.oracles import Codes, PlainDesign, formula_holds, refusal_holds, row

ANSWERS = """(designs) => designs.map(({ design, targets }) => {
  const identifier = new Identifier(design);
  const plain = (key, one) => (typeof one === "bigint" ? String(one) : one);
  const text = (value) => JSON.parse(JSON.stringify(value, plain));
  const answer = (target, criterion) =>
    ({ ...text(identifier.identify(target, criterion)), verdict: identifier.verdict(target, criterion) });
  return {
    answers: targets.map((target) => Object.fromEntries(["auto", "joint", "conditional"].map((criterion) =>
      [criterion, answer(target, criterion)]))),
    covers: identifier.covers,
    relations: [-1, ...identifier.covers.keys()].map((block) => text(identifier.relations(block))),
    tree: junctionTree(sigmaGraph(design.factors)),
  };
})"""


def plain_design(rng: random.Random) -> PlainDesign:
    """1 to 6 interventions of 2 or 3 levels, 1 to 6 factors of up to 3 of them, up to 16 training regimes."""
    width = rng.randint(1, 6)
    levels = tuple(rng.choice((2, 2, 2, 3)) for _ in range(width))
    variables = tuple(f"x{v}" for v in range(rng.randint(1, 3)))
    factors = []
    for _ in range(rng.randint(1, 6)):
        sigma = tuple(rng.sample(range(width), rng.randint(0, min(3, width))))
        factors.append((tuple(rng.sample(variables, rng.randint(1, len(variables)))), sigma))
    left = tuple(v for v in variables if not any(v in x for x, _ in factors))
    factors[-1] = (factors[-1][0] + left, factors[-1][1])
    regimes = [*itertools.product(*(range(a) for a in levels))]
    train = [rng.choice(regimes) for _ in range(rng.randint(1, 16))]
    return PlainDesign(levels, variables, tuple(factors), tuple(train))


def pools(rng: random.Random) -> PlainDesign:
    """20 interventions in 40 pairs, half of 60 random pools: exponents of many digits."""
    pairs = rng.sample([*itertools.combinations(range(20), 2)], 40)
    train = tuple(tuple(int(rng.random() < 0.4) for _ in range(20)) for _ in range(60))
    return PlainDesign((2,) * 20, ("x",), tuple((("x",), pair) for pair in pairs), train)


def of_page(plain: PlainDesign) -> dict[str, object]:
    """The design as the page's engine takes it."""
    return {
        "levels": plain.levels,
        "variables": len(plain.variables),
        "factors": [{"x": [plain.variables.index(v) for v in x], "sigma": sigma} for x, sigma in plain.factors],
        "train": plain.train,
    }


def exponents(terms: list[list[Any]]) -> dict[int, Fraction]:
    return {train: Fraction(int(above), int(below)) for train, above, below in terms}


def covers_of(plain: PlainDesign) -> list[tuple[int, ...]]:
    """The distinct sets K(v), in the order of their first variable."""
    return [*dict.fromkeys(plain.holding(v) for v in plain.variables)]


def factors_of(plain: PlainDesign, block: int) -> tuple[int, ...]:
    return plain.every_factor if block == -1 else covers_of(plain)[block]


def require_same(plain: PlainDesign, target: Codes, found: Mapping[str, Any], ours: Answer) -> None:
    """Verdict, criterion and formulas of the page are those of Python; each is checked from the definition."""
    joint = found["criterion"] == "joint"
    assert found["status"] == ours.status.word
    assert (found["criterion"] or "none") == ours.criterion.word
    numbers = {"observed": 0, "identified": 1 if joint else 2, "not_identified": 4 if joint else 3}
    assert found["verdict"] == numbers[found["status"]]
    formulas = {part["block"]: exponents(part["terms"]) for part in found["formulas"]}
    for block, own in formulas.items():
        assert formula_holds(plain, factors_of(plain, block), own, target)
    if ours.formula is not None:
        assert formulas == {-1: ours.formula.exponents}
    conditionals = ours.conditionals if ours.partial is None else ours.partial.conditionals
    for variable, formula in conditionals.items():
        assert formulas[covers_of(plain).index(plain.holding(variable))] == formula.exponents
    assert (found["kernel"] is None) == (ours.certificate is None)
    if found["kernel"] is not None:
        weights = {(c["factor"], tuple(c["levels"])): int(c["weight"]) for c in found["kernel"]["cells"]}
        assert refusal_holds(plain, factors_of(plain, found["kernel"]["block"]), weights, target)


def require_vanishing(plain: PlainDesign, factors: tuple[int, ...], weights: Mapping[int, Fraction]) -> None:
    """The training rows, times these weights, add up to 0 in every cell."""
    sums: dict[object, Fraction] = {}
    for train, weight in weights.items():
        for cell in row(plain, factors, plain.train[train]):
            sums[cell] = sums.get(cell, Fraction(0)) + weight
    assert weights
    assert not any(sums.values())


def compared(engine: Any, plains: list[PlainDesign], rng: random.Random, most: int) -> dict[str, int]:
    """How many answers of each status were compared."""
    targets = []
    for plain in plains:
        regimes = plain.every_regime() if len(plain.levels) < 10 else []
        few = [tuple(rng.randrange(a) for a in plain.levels) for _ in range(most)]
        targets.append(rng.sample(regimes, min(most, len(regimes))) if regimes else few)
    asked = [{"design": of_page(p), "targets": t} for p, t in zip(plains, targets, strict=True)]
    counts: dict[str, int] = {}
    for plain, own, found in zip(plains, targets, engine.evaluate(ANSWERS, asked), strict=True):
        design = plain.build()
        identifier = Identifier(design)
        regimes_of = Regimes.from_codes(np.array(own, dtype=np.int64).reshape(len(own), len(plain.levels)))
        for criterion in get_args(CriterionName):
            ours = identifier.identify(regimes_of, criterion)
            for t, target in enumerate(own):
                require_same(plain, target, found["answers"][t][criterion], ours[t])
                word = f"{ours[t].status.word} {criterion}"
                counts[word] = counts.get(word, 0) + 1
        assert [*map(tuple, found["covers"])] == covers_of(plain)
        tree = junction_tree(sigma_graph(design.model))
        assert [*map(tuple, found["tree"]["cliques"])] == [*tree.cliques]
        assert tuple(found["tree"]["parent"]) == tree.parent
        assert [*map(tuple, found["tree"]["separators"])] == [*tree.separators]
        assert [*map(tuple, found["tree"]["fill"])] == [*tree.fill]
        for block, relations in enumerate(found["relations"], -1):
            assert len(relations) == (identifier.joint if block == -1 else identifier.conditional(block)).freedom
            for relation in relations:
                require_vanishing(plain, factors_of(plain, block), exponents(relation))
    return counts


def test_the_engine_agrees_with_python_on_random_designs(engine: Any) -> None:
    rng = random.Random(20)
    counts = compared(engine, [plain_design(rng) for _ in range(500)], rng, 6)
    assert len(counts) == 9  # three verdicts by three criteria
    assert min(counts.values()) > 100, counts


def test_the_engine_keeps_long_numbers(engine: Any) -> None:
    """Exponents and kernels beyond what a double holds."""
    engine.evaluate("() => { patience = 300000; }")
    rng = random.Random(4)
    plains = [pools(rng) for _ in range(3)]
    counts = compared(engine, plains, rng, 6)
    assert counts.get("identified auto", 0) + counts.get("not_identified auto", 0) > 10
    long = engine.evaluate(
        "(design) => new Identifier(design).system(-1).kept.some((row) => typeof row.lead === 'bigint')",
        of_page(plains[0]),
    )
    assert long


def test_an_unlucky_prime_is_found_out(engine: Any) -> None:
    """Rows that are independent, and not modulo the prime that guesses, are added by the exact check."""
    found = engine.evaluate(
        """() => {
          const guess = independentModulo;
          independentModulo = (rows, seen) => guess(rows, seen).slice(0, 2);
          try {
            const space = new RowSpace([[0], [1], [2], [0, 1]]);
            return [space.rank, space.others, space.holds([2]), space.solve([2]).length, space.solve([3])];
          } finally { independentModulo = guess; }
        }"""
    )
    assert found == [3, [3], True, 1, None]
