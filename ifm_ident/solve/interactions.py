"""Interactions of pairs of variables that are determined where neither full conditional is.

Theory: docs/theory/conditional.md.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from fractions import Fraction

from ifm_ident.answer.formula import Formula
from ifm_ident.answer.identification import JOINT
from ifm_ident.design.design import Design
from ifm_ident.design.notation import Notation, format_regime
from ifm_ident.design.regimes import Active, Regimes
from ifm_ident.solve.basis_system import new_system
from ifm_ident.solve.system import System

MOST_PAIRS = 2_000
"""So many pairs of systems K(u), K(v) are looked at."""


@dataclass(frozen=True, slots=True)
class Interaction:
    """The log odds ratios of u and v given the rest, for u in `block`, v in `other` (indices of `Model.covers`).

    factors: K({u, v}), those that hold both. formula: sum_i q_i times the log odds ratios of training regime i;
    None where these are not determined. Without factors they are 0 in every regime, by the empty formula.
    """

    block: int
    other: int
    factors: tuple[int, ...]
    formula: Formula | None


def pair_interactions(
    design: Design, target: Active, blocks: tuple[int, ...], notation: Notation = "assignment"
) -> list[Interaction]:
    """Of every two of some blocks, whether the interactions of their variables are determined in a regime.

    `blocks` should be those whose own systems have no solution: where K(u) has one, its formula is one of every
    pair with u. Variables of one block are not looked at: their K({u, v}) is K(u). At most MOST_PAIRS pairs, in
    order.

    >>> import numpy as np
    >>> from ifm_ident.design.model import Factor, Intervention, Model
    >>> a, b = Intervention("A", (0, 1)), Intervention("B", (0, 1))
    >>> factors = Factor("f", ("x",), ("A",)), Factor("g", ("y",), ("A",)), Factor("h", ("x", "y"), ("B",))
    >>> design = Design(Model((a, b), ("x", "y"), factors), Regimes.from_codes(np.array([[0, 0], [0, 1]])))
    >>> [found] = pair_interactions(design, ((0, 1), (1, 1)), (0, 1))
    >>> found.factors, str(found.formula)
    ((2,), 'p(B=1)')
    """
    model = design.model
    batch = Regimes.from_active([target], len(model))
    known: dict[tuple[int, ...], Formula | None] = {(): Formula.of({})}
    found = []
    for block, other in itertools.islice(itertools.combinations(blocks, 2), MOST_PAIRS):
        shared = set(model.covers[other])
        factors = tuple(k for k in model.covers[block] if k in shared)
        if factors not in known:
            known[factors] = _formula(new_system(design, JOINT, factors), batch, notation)
        found.append(Interaction(block, other, factors, known[factors]))
    return found


def _formula(system: System, target: Regimes, notation: Notation) -> Formula | None:
    solvable, terms = system.solve(target)
    if not solvable[0]:
        return None
    exponents: dict[int, Fraction] = terms.exponents(0)[JOINT]
    design = system.design
    return Formula.of(
        exponents, lambda i: format_regime(design.model, design.train[i], notation), design.model.given
    )
