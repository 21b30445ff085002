"""A testable implication together with the rows that can refute it, and what a test answers."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ifm_ident.arrays import Floats, Ints
from ifm_ident.implications import Implication
from ifm_learn.data.covariates import Covariates
from ifm_learn.data.samples import Samples
from ifm_learn.falsification._contrast import Block, bound_basis, free_basis
from ifm_learn.falsification._features import Features, features
from ifm_learn.falsification._overlap import side_by_side

Mask = NDArray[np.bool_]

_RIDGE_LINEAR, _RIDGE_OTHER = 0.1, 1.0
_ROWS_PER_FEATURE = 5
_SIGNS = 9_999
_MOST_UNITS = 500
"""With more units the law of sums is taken from their covariance, as that of rows is."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a test says of a claim.

    statistic: a quadratic form over its mean under the claim: 1 is what chance gives. p_value: of its upper tail.
    effect: for every variable tested, the departure in standard deviations at baseline (of a pair: of their
    covariance); empty where the test was not made. information: the rows that the comparison is worth; a shift is
    known to within 1/sqrt of it. few: which regime has too few rows or units for the test, in words, "" for none.
    """

    statistic: float
    p_value: float
    effect: dict[str, float]
    information: float
    few: str = ""


@dataclass(frozen=True, eq=False)
class Question:
    """Whether sum_i c_i log p(x; sigma^i) has no part that depends on x in the way claimed.

    Theory: docs/theory/implications.md.

    label: shape (n,), which of the m regimes of the claim a row is from. c: shape (m,), their integers, none 0, or
    where levels have values these over the largest. x: shape (n, p). unit: standard deviations at baseline, shape
    (p,). tested: the variables that the claim is about; of a pair, it is about their interaction. combination: the
    regime that the others predict, the one of least |c| (of largest, where levels have values), of these the one
    with most active interventions. together: shape (n,), 0 to u - 1, the unit of each row, None where rows are
    independent: tests of units add up terms within them and draw their signs.
    """

    label: Ints
    c: Floats
    x: Floats
    unit: Floats
    names: tuple[str, ...]
    tested: frozenset[int]
    pair: bool
    combination: int
    together: Ints | None = None

    @cached_property
    def independent(self) -> int:
        """How many units there are; rows, where these are independent."""
        return len(self.label) if self.together is None else int(self.together.max()) + 1

    @cached_property
    def signs(self) -> Floats | None:
        """Signs of units under which mean-zero sums keep their law, shape (b, u); None for rows and many units."""
        if self.together is None or self.independent > _MOST_UNITS:
            return None
        rng = np.random.default_rng(self.independent)
        drawn: Floats = rng.choice(np.array([-1.0, 1.0]), (_SIGNS, self.independent))
        return drawn

    def by_unit(self, terms: Floats) -> Floats:
        """Terms of rows, shape (n, k), added up within units, shape (u, k)."""
        if self.together is None:
            return terms
        found = np.zeros((self.independent, terms.shape[1]))
        np.add.at(found, self.together, terms)
        return found

    @cached_property
    def features(self) -> Features:
        """Features of the rows; fewer where there are few rows."""
        budget = self.independent // (_ROWS_PER_FEATURE * len(self.c))
        return features(self.x, budget, self.tested if self.pair else frozenset())

    @cached_property
    def bound(self) -> Mask:
        """The features that the claim says have no part in the combination of logits, shape (f,)."""
        return self.features.holding(self.tested) if self.pair else self.features.touching(self.tested)

    @cached_property
    def leading(self) -> Mask:
        """The bound features that carry the shifts: linear terms, or the product of the pair's."""
        leading: Mask = self.bound & self.features.linear & (self.features.order == (2 if self.pair else 1))
        return leading

    @property
    def blocks(self) -> list[Block]:
        """The regime contrast that obeys the claim."""
        return contrast_blocks(self.features, self.bound, bound_basis(self.c))

    @cached_property
    def _near(self) -> tuple[Ints, Mask]:
        return side_by_side(self.x / self.unit, self.label, len(self.c))

    def information(self, signed: Floats) -> float:
        """The number of rows that the comparison is worth, by weights of shape (n,): no more than what is near."""
        rows, near = self._near
        every, seen = (
            information(self.label[rows], self.c, self.combination, signed[rows] * kept)
            for kept in (np.ones(len(rows)), near)
        )
        worth = information(self.label, self.c, self.combination, signed)
        return worth * min(1.0, seen / every) if every > 0 else 0.0

    def without_free(self, columns: Floats, weight: Floats) -> Floats:
        """Columns, shape (n, k), less their weighted projection on the features that the claim leaves free."""
        free, root = self.features.values[:, ~self.bound], np.sqrt(weight)[:, None]
        return columns - free @ np.linalg.lstsq(root * free, root * columns, rcond=None)[0]

    def effects(self, signed: Floats, weight: Floats) -> dict[str, float]:
        """How the combination departs from its prediction, with every regime re-weighted to where they overlap.

        signed: the weights of the rows, of the signs of c. weight: the overlap. The mean of regime i under its
        weights counts c_i / c of the combination.
        """
        moved = self._moved(signed, weight).sum(axis=0)
        return {self.names[v]: float(moved[0 if self.pair else k]) for k, v in enumerate(sorted(self.tested))}

    def known(self, worth: float, signed: Floats, weight: Floats) -> float:
        """`worth` for independent rows; of units no more than the spread of `effects` over them allows."""
        if self.together is None:
            return worth
        noise = float(np.mean(np.sum(self.by_unit(self._moved(signed, weight)) ** 2, axis=0)))
        return min(worth, 1 / noise) if noise > 0 else worth

    def _moved(self, signed: Floats, weight: Floats) -> Floats:
        """What each row adds to the effects, shape (n, variables tested, or 1 for a pair)."""
        order = sorted(self.tested)
        z = (self.x[:, order] - self.x[:, order].mean(axis=0)) / self.unit[order]
        columns = self.without_free(z.prod(axis=1, keepdims=True) if self.pair else z, weight)
        mass = np.bincount(self.label, np.abs(signed), len(self.c))
        share = self.c / self.c[self.combination] / np.where(mass > 0, mass, 1.0)
        found: Floats = (share[self.label] * np.abs(signed))[:, None] * columns
        return found


def information(label: Ints, c: Floats, combination: int, signed: Floats) -> float:
    """The number of rows that a comparison of re-weighted regimes is worth: 1 / sum_i (c_i / c*)^2 / n_i.

    n_i is the effective sample size of regime i under its weights, c* the combination's integer: a mean of unit
    variance departs from its prediction with a standard error of 1/sqrt of the result.
    """
    first, second = (np.bincount(label, np.abs(signed) ** k, len(c)) for k in (1, 2))
    if not first.all():
        return 0.0
    return float(1 / np.sum((c / c[combination]) ** 2 * second / first**2))


def contrast_blocks(found: Features, bound: Mask, basis: Floats) -> list[Block]:
    """A regime contrast whose bound features have coefficients in the span of `basis`."""
    every = free_basis(len(basis))
    constant = found.order == 0
    blocks = [Block(np.flatnonzero(constant), every, 0.0)]
    for mask, span in ((bound, basis), (~bound & ~constant, every)):
        for kind, ridge in ((found.linear, _RIDGE_LINEAR), (~found.linear, _RIDGE_OTHER)):
            blocks.append(Block(np.flatnonzero(mask & kind), span, ridge))
    return blocks


def baseline_unit(samples: Samples) -> Floats:
    """Standard deviations, shape (p,), in the baseline regime, or pooled within regimes where it was not run."""
    active = samples.design.train.active_counts
    base = [i for i in samples.present.tolist() if active[i] == 0 and samples.sizes[i] > 1]
    chosen = base or samples.present.tolist()
    parts = [samples.of(i) - samples.of(i).mean(axis=0) for i in chosen]
    unit: Floats = np.sqrt(np.mean(np.vstack(parts) ** 2, axis=0))
    return np.where(unit > 0, unit, 1.0)


def question(samples: Samples, claim: Implication, unit: Floats, covariates: Covariates | None = None) -> Question:
    """The rows of the regimes of a claim, and what it says of them.

    Covariates stand beside the variables and the claim is about none of them: what a regime contrast says of them
    alone is left free, which is each regime's own law of covariates (docs/theory/covariates.md).
    """
    exponents = claim.formula.exponents
    support = sorted(exponents)
    position = np.full(len(samples.design.train), -1, dtype=np.int64)
    position[support] = np.arange(len(support))
    rows = np.flatnonzero(position[samples.regime] >= 0)
    names = samples.design.model.variables
    tested = frozenset(names.index(v) for v in claim.variables) or frozenset(range(len(names)))
    x = samples.x
    if covariates is not None:
        x, names = np.hstack([x, covariates.values]), (*names, *covariates.labels)
        spread = covariates.values.std(axis=0)
        unit = np.concatenate([unit, np.where(spread > 0, spread, 1.0)])
    active = samples.design.train.active_counts
    valued = samples.design.model.has_bases  # there |c| differ by orders: the largest is predicted best
    size = [(abs(exponents[i]) * (1 if valued else -1), int(active[i])) for i in support]
    largest = max(map(abs, exponents.values())) if valued else Fraction(1)
    return Question(
        position[samples.regime[rows]],
        np.array([float(exponents[i] / largest) for i in support], dtype=np.float64),
        x[rows],
        unit,
        names,
        tested,
        claim.kind == "interaction",
        max(range(len(support)), key=lambda k: size[k]),
        None if samples.unit is None else np.unique(samples.unit[rows], return_inverse=True)[1].ravel(),
    )
