"""Worked problems: designs whose answers are known by hand, each with the reason."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from tests.oracles import Codes, PlainDesign

HALF = Fraction(1, 2)


@dataclass(frozen=True)
class Case:
    """A design and what is known about some targets.

    formulas: target to the {training index: exponent} of its basis formula; conditional: target to {variable:
    exponents}, identified by the conditional criterion only; no_product: targets with no joint formula; refused:
    targets that no method can identify.
    """

    name: str
    why: str
    plain: PlainDesign
    rank: int
    formulas: dict[Codes, dict[int, Fraction | int]] = field(default_factory=dict)
    conditional: dict[Codes, dict[str, dict[int, Fraction | int]]] = field(default_factory=dict)
    no_product: tuple[Codes, ...] = ()
    refused: tuple[Codes, ...] = ()


def codes(text: str) -> Codes:
    """A level string as level indices."""
    return tuple(int(c) for c in text)


def _train(texts: str) -> tuple[Codes, ...]:
    return tuple(map(codes, texts.split()))


CHAIN = Case(
    "poster example",
    "s1 and s3 never share a factor, so each is changed in turn while s2 stays at 1",
    PlainDesign((2, 2, 2), ("x",), ((("x",), (0, 1)), (("x",), (1, 2))), _train("000 010 100 110 001 011")),
    rank=6,
    formulas={codes("111"): {3: 1, 5: 1, 1: -1}, codes("101"): {2: 1, 4: 1, 0: -1}},
)

CYCLE = Case(
    "three-cycle",
    "without a three-way factor the three-way interaction is a product of the seven other regimes",
    PlainDesign(
        (2, 2, 2),
        ("x",),
        ((("x",), (0, 1)), (("x",), (1, 2)), (("x",), (0, 2))),
        _train("000 010 100 110 001 011 101"),
    ),
    rank=7,
    formulas={codes("111"): {0: 1, 3: 1, 5: 1, 6: 1, 1: -1, 2: -1, 4: -1}},
)

CONDITIONAL = Case(
    "conditional only",
    "six regimes cannot span seven columns, but each variable sees two of the three factors",
    PlainDesign(
        (2, 2, 2),
        ("x1", "x2", "x3"),
        ((("x1", "x2"), (0, 1)), (("x2", "x3"), (1, 2)), (("x1", "x3"), (0, 2))),
        _train("110 101 011 100 010 001"),
    ),
    rank=6,
    conditional={
        codes("111"): {"x1": {0: 1, 1: 1, 3: -1}, "x2": {0: 1, 2: 1, 4: -1}, "x3": {1: 1, 2: 1, 5: -1}},
    },
    no_product=(codes("111"), codes("000")),
)

PARITY = Case(
    "half fraction",
    "no context moves a single intervention, yet square roots of the even regimes cancel",
    PlainDesign((2, 2, 2), ("x",), ((("x",), (0,)), (("x",), (1,)), (("x",), (2,))), _train("000 110 101 011")),
    rank=4,
    formulas={codes("111"): {0: -HALF, 1: HALF, 2: HALF, 3: HALF}},
)

SATURATED = Case(
    "one factor over everything",
    "a factor over all interventions says nothing about a combination that was not seen",
    PlainDesign((2, 2), ("x",), ((("x",), (0, 1)),), _train("00 10 01")),
    rank=3,
    no_product=(codes("11"),),
    refused=(codes("11"),),
)

UNTOUCHED = Case(
    "an intervention in no factor",
    "s2 changes nothing, so 01 has the density of 00 and 11 that of 10",
    PlainDesign((2, 2), ("x",), ((("x",), (0,)),), _train("00 10")),
    rank=2,
    formulas={codes("01"): {0: 1}, codes("11"): {1: 1}},
)

SPLIT = Case(
    "separate variables, separate factors",
    "with a variable to itself every factor needs each of its levels once: two regimes identify all eight",
    PlainDesign(
        (2, 2, 2), ("x1", "x2", "x3"), ((("x1",), (0,)), (("x2",), (1,)), (("x3",), (2,))), _train("000 111")
    ),
    rank=2,
    conditional={
        codes("100"): {"x1": {1: 1}, "x2": {0: 1}, "x3": {0: 1}},
        codes("011"): {"x1": {0: 1}, "x2": {1: 1}, "x3": {1: 1}},
    },
    no_product=(codes("100"), codes("010"), codes("011")),
)

NEVER_SEEN = Case(
    "a level never trained",
    "the highest dose of s1 was in no experiment, so every regime that has it is out of reach",
    PlainDesign((3, 2), ("x",), ((("x",), (0,)), (("x",), (1,))), _train("00 10 01")),
    rank=3,
    formulas={codes("11"): {1: 1, 2: 1, 0: -1}},
    no_product=(codes("20"), codes("21")),
    refused=(codes("20"), codes("21")),
)

REPEATED = Case(
    "repeated training regimes",
    "repeats add nothing: formulas use the first of equal regimes",
    PlainDesign((2, 2), ("x",), ((("x",), (0,)), (("x",), (1,))), _train("00 00 10 10 01 00")),
    rank=3,
    formulas={codes("11"): {2: 1, 4: 1, 0: -1}},
)

CASES = (CHAIN, CYCLE, CONDITIONAL, PARITY, SATURATED, UNTOUCHED, SPLIT, NEVER_SEEN, REPEATED)
