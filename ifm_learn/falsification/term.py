"""Whether a term is missing from a model: the efficient score of regime contrast, and its gain on held-out rows.

A contrast of regimes is fitted without the term: its logits are lines, squares and products (or splines) of the
variables, with coefficients over regimes in the span of what may act. The score of the term's coefficients, less
what the fitted ones explain of it (their information), has mean zero without the term, whatever all regimes share
and wherever they overlap, as long as logits are of that form. Its variance is taken from rows or units, not from
the model. Theory: docs/theory/factors.md.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from ifm_ident.arrays import Floats, Ints
from ifm_learn.falsification._contrast import Block, fit, free_basis, information
from ifm_learn.falsification._features import Features, features
from ifm_learn.falsification.score import two_forms

Rung = Literal["linear", "quadratic", "splines"]
Mask = NDArray[np.bool_]

FOLDS = 5
ROWS_PER_COEFFICIENT = 2.5
"""With fewer rows (units) for each coefficient that is fitted, features are left out, and then the test."""

LEAST_SHARED = 1.0
"""Rows of each regime, by their chance to be of another one, that a test takes; else form alone would decide."""

MOST_FITTED = 200
"""Features are left out too where there would be more coefficients than this: time grows with their square."""

_TESTED_SHARE = 5
"""With fewer rows (units) for each direction tested, only shifts are tested."""

_CLIP = 3.0
_RIDGE_LINEAR, _RIDGE_OTHER = 0.01, 0.3
_RANK = 1e-9
_FLOOR = 1e-8
_POWER = 2.8
_SIGNS = 9_999
_MOST_UNITS = 500


@dataclass(frozen=True, eq=False)
class TermEvidence:
    """What rows say of a term.

    p_value: of the score; effect, error: for every variable the shift, given the rest, in standard deviations
    within regimes, and its standard error; the largest of several directions. shift: what would be found 8 times
    in 10 at the level of 5%.
    """

    p_value: float
    effect: dict[str, float]
    error: dict[str, float]

    @property
    def shift(self) -> float:
        """The least shift, in the variable where it is known worst, that is found 8 times in 10."""
        return _POWER * max(self.error.values())


@dataclass(frozen=True, eq=False)
class Term:
    """A term on some variables, and the rows of regimes that may show it.

    x: shape (n, p). label: shape (n,), 0 to m - 1, every regime having rows. base: shape (m, k), columns over
    regimes of all else that may act on the variables `scope`; more: shape (m, d), columns of the term, independent
    of these. unit: shape (n,), what rows belong together; None where each is by itself.

    >>> rng = np.random.default_rng(0)
    >>> label = np.repeat([0, 1, 2, 3], 100)
    >>> x = rng.normal(size=(400, 1)) + np.array([0.0, 0.5, 1.0, 2.5])[label][:, None]
    >>> base = np.array([[1.0, 0, 0], [1, 1, 0], [1, 0, 1], [1, 1, 1]])
    >>> term = Term(x, label, base, np.array([[0.0], [0], [0], [1]]), frozenset([0]), ("x",), None, "quadratic")
    >>> term.evidence().p_value < 0.01, 0.5 < term.evidence().effect["x"] < 1.5
    (True, True)
    """

    x: Floats
    label: Ints
    base: Floats
    more: Floats
    scope: frozenset[int]
    names: tuple[str, ...]
    unit: Ints | None
    rung: Rung

    @cached_property
    def together(self) -> Ints:
        """The unit of each row, 0 to u - 1, shape (n,)."""
        if self.unit is None:
            return np.arange(len(self.label), dtype=np.int64)
        return np.unique(self.unit, return_inverse=True)[1].ravel().astype(np.int64)

    @property
    def independent(self) -> int:
        """How many units there are; rows, where each is by itself."""
        return int(self.together.max()) + 1

    @cached_property
    def _free(self) -> Floats:
        return free_basis(len(self.base))

    @cached_property
    def _span(self) -> Floats:
        return _basis(self.base)

    @cached_property
    def features(self) -> Features | None:
        """Functions of x, the finer ones left out where rows are few; None where they are too few for any."""
        found = tilt_features(self.x, self.rung)
        touching, order = found.touching(self.scope), found.order
        inside = np.array([held <= self.scope for held in found.variables])
        drops: list[Mask] = [
            (order == 2) & ~touching,
            (order == 2) & ~inside,
            ~found.linear & ~touching,
            order == 2,
        ]
        keep = np.ones(len(order), dtype=bool)
        for drop in [np.zeros(len(order), dtype=bool), *drops]:
            keep &= ~drop | (order == 0)
            fitted = self._fitted(touching[keep], order[keep])
            last = drop is drops[-1]
            if (last or fitted <= MOST_FITTED) and fitted * ROWS_PER_COEFFICIENT <= self.independent:
                held = tuple(itertools.compress(found.variables, keep.tolist()))
                return Features(found.values[:, keep], held, found.linear[keep])
        return None

    def _fitted(self, touching: Mask, order: Ints) -> int:
        """How many coefficients are fitted without the term."""
        free, own = int(self._free.shape[1]), int(self._span.shape[1])
        return free + int(touching.sum()) * own + int((~touching & (order > 0)).sum()) * free

    def _blocks(self, found: Features) -> tuple[list[Block], Block]:
        """What is fitted without the term, and the term."""
        touching, constant = found.touching(self.scope), found.order == 0
        inside = np.array([bool(held) and held <= self.scope for held in found.variables])
        if int(inside.sum()) * self.more.shape[1] * _TESTED_SHARE > self.independent:
            inside &= found.linear & (found.order == 1)
        blocks = [Block(np.flatnonzero(constant), self._free, 0.0)]
        for mask, basis in ((touching, self._span), (~touching & ~constant, self._free)):
            for kind, ridge in ((found.linear, _RIDGE_LINEAR), (~found.linear, _RIDGE_OTHER)):
                if (mask & kind).any() and basis.shape[1]:
                    blocks.append(Block(np.flatnonzero(mask & kind), basis, ridge))
        more = self.more - self.more.mean(axis=0)
        return blocks, Block(np.flatnonzero(inside), more - self._span @ (self._span.T @ more), 0.0)

    @cached_property
    def _fit(self) -> _Fit | None:
        """The contrast without the term and what there is to know of the term; None where rows are too few."""
        found = self.features
        if found is None:
            return None
        blocks, term = self._blocks(found)
        if not len(term.columns):
            return None
        theta = fit(found.values, self.label, blocks)
        chance: Floats = np.exp(log_softmax(found.values @ theta, axis=1))
        every = [*blocks, term]
        whole = information([found.values[:, block.columns] for block in every], every, chance)
        sizes = [len(block.columns) * block.basis.shape[1] for block in every]
        known = sum(sizes[:-1])
        ridge = np.repeat([block.ridge + _FLOOR for block in blocks], sizes[:-1])
        across: Floats = np.linalg.solve(whole[:known, :known] + np.diag(ridge), whole[:known, known:]).astype(
            float
        )
        sharp = whole[known:, known:] - whole[known:, :known] @ across
        return _Fit(found, blocks, term, chance, across, sharp)

    @cached_property
    def refusal(self) -> str:
        """Why rows say nothing of the term, in words; "" where they do."""
        fitted = self._fit
        if fitted is None:
            return "rows are too few for the coefficients of all else"
        own = fitted.chance[np.arange(len(self.label)), self.label]
        shared = np.bincount(self.label, 1 - own, minlength=len(self.base))
        if shared[np.abs(fitted.term.basis).max(axis=1) > _RANK].min() < LEAST_SHARED:
            return "a regime that it takes has no rows where another has some"
        return ""

    def evidence(self) -> TermEvidence | None:
        """The score test of the term, deterministic; None where there is a `refusal`."""
        fitted = self._fit
        if fitted is None or self.refusal:
            return None
        found, term, known = fitted.features, fitted.term, len(fitted.across)
        terms = _scores(found.values, self.label, fitted.chance, term, np.eye(len(fitted.sharp)))
        begin = 0
        for block in fitted.blocks:
            end = begin + len(block.columns) * block.basis.shape[1]
            terms -= _scores(found.values, self.label, fitted.chance, block, fitted.across[begin:end])
            begin = end
        sums, m = terms.sum(axis=0), len(self.base)
        middle = np.zeros((m, terms.shape[1]))
        np.add.at(middle, self.label, terms)
        # without the term every regime's mean is 0; with it, they are what is looked for, no noise
        terms -= (middle / np.bincount(self.label, minlength=m)[:, None])[self.label]
        summed = np.zeros((self.independent, terms.shape[1]))
        np.add.at(summed, self.together, terms)
        inflate = self.independent / max(self.independent - known, 1)
        lines = found.linear[term.columns] & (found.order[term.columns] == 1)
        leading = np.repeat(lines, self.more.shape[1])
        _, p_value = two_forms(summed, leading, self._signs, inflate, sums)
        return TermEvidence(p_value, *self._effects(sums, summed, fitted.sharp, leading, inflate))

    @cached_property
    def _signs(self) -> Floats | None:
        """Signs of units under which sums keep their law, shape (b, u); None for rows and for many units."""
        if self.unit is None or self.independent > _MOST_UNITS:
            return None
        drawn: Floats = np.random.default_rng(self.independent).choice(
            np.array([-1.0, 1.0]), (_SIGNS, self.independent)
        )
        return drawn

    def _effects(
        self, sums: Floats, summed: Floats, sharp: Floats, leading: Mask, inflate: float
    ) -> tuple[dict[str, float], dict[str, float]]:
        """One step from no term, along shifts, of every variable: and its standard error."""
        inverse = np.linalg.pinv(sharp[np.ix_(leading, leading)], rcond=1e-8, hermitian=True)
        steps = summed[:, leading] @ inverse
        d = self.more.shape[1]
        size, error = (
            (sums[leading] @ inverse).reshape(-1, d),
            np.sqrt(inflate * (steps**2).sum(axis=0)).reshape(-1, d),
        )
        places = [next(iter(held)) for held in self._lines]
        ratio = [_within(self.x[:, v], self.label) / max(self.x[:, v].std(), 1e-300) for v in places]
        best = np.argmax(np.abs(size) / np.maximum(error, 1e-300), axis=1)
        rows = np.arange(len(places))
        return (
            {self.names[v]: float(size[k, best[k]] * ratio[k]) for k, v in zip(rows, places, strict=True)},
            {self.names[v]: float(error[k].max() * ratio[k]) for k, v in zip(rows, places, strict=True)},
        )

    @property
    def _lines(self) -> list[frozenset[int]]:
        """The variables of the lines that are tested, in order."""
        found = self.features
        assert found is not None
        return [
            held
            for held, linear in zip(found.variables, found.linear.tolist(), strict=True)
            if linear and len(held) == 1 and held <= self.scope
        ]

    def gain(self, rng: np.random.Generator) -> Floats | None:
        """What the term adds to log P(regime | x) of rows held out, in nats, shape (u,): summed within units.

        Its coefficients are pulled half way to 0, by a ridge as large as what all rows know of them: else what a
        term costs by its own error hides what it gains. None where rows are too few.
        """
        fitted = self._fit
        if fitted is None:
            return None
        found, term = fitted.features, fitted.term
        d = self.more.shape[1]
        scale = np.sqrt(np.sum(term.basis**2, axis=0))
        own = [
            Block(np.array([column]), term.basis[:, [k]] / scale[k], float(fitted.sharp[at, at] / scale[k] ** 2))
            for c, column in enumerate(term.columns.tolist())
            for k, at in enumerate(range(c * d, c * d + d))
        ]
        fold = self._folds(rng)
        with_it = _held_out(found.values, self.label, [*fitted.blocks, *own], fold)
        gains = with_it - _held_out(found.values, self.label, fitted.blocks, fold)
        return np.bincount(self.together, gains, minlength=self.independent).astype(float)

    def score(self, rng: np.random.Generator) -> Floats | None:
        """log P(regime | x) of rows held out, without the term, summed within units, shape (u,)."""
        fitted = self._fit
        if fitted is None:
            return None
        log_p = _held_out(fitted.features.values, self.label, fitted.blocks, self._folds(rng))
        return np.bincount(self.together, log_p, minlength=self.independent).astype(float)

    def _folds(self, rng: np.random.Generator) -> Ints:
        """The fold of every row: whole units, spread over folds within the regime that they begin in."""
        first = np.full(self.independent, -1, dtype=np.int64)
        first[self.together[::-1]] = self.label[::-1]
        order = rng.permutation(self.independent)
        ranked = order[np.argsort(first[order], kind="stable")]
        fold = np.empty(self.independent, dtype=np.int64)
        fold[ranked] = np.arange(self.independent) % FOLDS
        return fold[self.together]


@dataclass(frozen=True, eq=False)
class _Fit:
    """across: regression of the term's score on those of the fitted coefficients; sharp: its information."""

    features: Features
    blocks: list[Block]
    term: Block
    chance: Floats
    across: Floats
    sharp: Floats


def tilt_features(x: Floats, rung: Rung) -> Features:
    """Lines of the variables, with squares and products, or splines and products; bent beyond three sds.

    >>> found = tilt_features(np.random.default_rng(0).normal(size=(50, 2)), "quadratic")
    >>> found.values.shape, found.order.tolist()
    ((50, 6), [0, 1, 1, 1, 1, 2])
    """
    if rung == "splines":
        singles = features(np.column_stack([_standard(column) for column in x.T]), budget=x.shape[1] * 12)
        keep = singles.order <= 1
        values, variables = [singles.values[:, keep]], [*itertools.compress(singles.variables, keep.tolist())]
        linear = singles.linear[keep].tolist()
    else:
        values, variables, linear = [np.ones((len(x), 1))], [frozenset[int]()], [False]
    lines = []
    for v in range(x.shape[1]):
        z = np.clip(_standard(x[:, v]), -_CLIP, _CLIP)
        lines.append(z)
        if rung != "splines" and z.any():
            columns = [z] if len(np.unique(z)) < 3 or rung == "linear" else [z, z**2]
            values += [_standard(one)[:, None] for one in columns]
            variables += [frozenset([v])] * len(columns)
            linear += [True, False][: len(columns)]
    varies = [v for v, z in enumerate(lines) if z.any() and rung != "linear"]
    for a, b in itertools.combinations(varies, 2):
        values.append(_standard(lines[a] * lines[b])[:, None])
        variables.append(frozenset([a, b]))
        linear.append(False)
    return Features(np.hstack(values), tuple(variables), np.array(linear, dtype=bool))


def varies(values: Floats) -> bool:
    """Whether a column is told from a constant, shape (n,).

    >>> varies(np.array([1.0, 2.0])), varies(np.array([1e12, 1e12 + 1e-3]))
    (True, False)
    """
    return bool(_standard(values).any())


def _standard(values: Floats) -> Floats:
    centred = values - values.mean()
    spread = float(centred.std())
    scaled: Floats = centred / spread if spread > _RANK * max(float(np.abs(values).max()), 1e-300) else 0 * centred
    return scaled


def _within(values: Floats, label: Ints) -> float:
    """The standard deviation within regimes, pooled."""
    count = np.bincount(label)
    mean = np.bincount(label, values) / count
    return float(np.sqrt(np.mean((values - mean[label]) ** 2)))


def _basis(columns: Floats) -> Floats:
    """An orthonormal basis, sums 0, of the columns: shape (m, k)."""
    if not columns.shape[1]:
        return np.zeros((len(columns), 0))
    left, values, _ = np.linalg.svd(columns - columns.mean(axis=0), full_matrices=False)
    basis: Floats = left[:, values > _RANK * max(float(values[0]), 1.0)]
    return basis


def _scores(values: Floats, label: Ints, chance: Floats, block: Block, combine: Floats) -> Floats:
    """Each row's score of a block's coefficients times `combine`, shape (coefficients, t): shape (n, t)."""
    residual = block.basis[label] - chance @ block.basis
    part = values[:, block.columns]
    shaped = combine.reshape(len(block.columns), block.basis.shape[1], -1)
    found = np.zeros((len(label), shaped.shape[2]))
    for k in range(shaped.shape[1]):
        found += (part @ shaped[:, k]) * residual[:, [k]]
    return found


def _held_out(values: Floats, label: Ints, blocks: Sequence[Block], fold: Ints) -> Floats:
    """log P(regime | x) of every row by a fit that has not seen it, shape (n,)."""
    log_p, start = np.empty(len(label)), None
    for k in range(FOLDS):
        out = fold == k
        if out.any():
            start = fit(values[~out], label[~out], blocks, start)
            log_p[out] = log_softmax(values[out] @ start, axis=1)[np.arange(int(out.sum())), label[out]]
    return log_p
