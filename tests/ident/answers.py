"""Answers by brute force: dense one-hot rows and elimination in fractions, for small designs."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import Any

import numpy as np

from ifm_ident.answer.certificate import KernelCertificate
from ifm_ident.answer.exact_text import integer_column
from ifm_ident.answer.identification import JOINT, Criterion, Identification, Status, Terms
from ifm_ident.design.design import Design
from ifm_ident.design.model import Factor, Intervention, Level, Model
from ifm_ident.design.regime_text import Notation
from ifm_ident.design.regimes import Active, RegimeLists, Regimes
from ifm_ident.results.claims import Claims

Row = list[Fraction]
Cells = list[tuple[int, tuple[int, ...]]]


@dataclass(frozen=True, eq=False)
class Case:
    """Stands in for a study."""

    name: str
    design: Design
    notation: Notation


def model_of(levels: Mapping[str, Sequence[Level]], factors: Sequence[tuple[str, str]]) -> Model:
    """Factors as ("x1 x2", "A B"): variables and interventions by name, variables in order of appearance."""
    variables = tuple(dict.fromkeys(v for x, _ in factors for v in x.split()))
    return Model(
        tuple(Intervention(name, tuple(values)) for name, values in levels.items()),
        variables,
        tuple(Factor(f"f{k}", tuple(x.split()), tuple(s.split())) for k, (x, s) in enumerate(factors, start=1)),
    )


def codes(*rows: str) -> Regimes:
    return Regimes.from_codes(np.array([[int(c) for c in row] for row in rows], dtype=np.int64))


def all_codes(model: Model) -> Regimes:
    grid = itertools.product(*(range(len(i.levels)) for i in model.interventions))
    return Regimes.from_codes(np.array(list(grid), dtype=np.int64))


def cells_of(model: Model, factors: Sequence[int]) -> Cells:
    return [
        (k, cell)
        for k in factors
        for cell in itertools.product(*(range(len(model.interventions[i].levels)) for i in model.scopes[k]))
    ]


def one_hot(model: Model, regime: Active, cells: Cells) -> Row:
    levels = dict(regime)
    return [
        Fraction(int(all(levels.get(int(i), 0) == j for i, j in zip(model.scopes[k], cell, strict=True))))
        for k, cell in cells
    ]


def reduce(rows: list[Row]) -> tuple[list[Row], list[int]]:
    """Reduced row echelon form and the pivot columns."""
    rows = [row[:] for row in rows]
    pivots: list[int] = []
    for column in range(len(rows[0])):
        at = len(pivots)
        found = next((r for r in range(at, len(rows)) if rows[r][column]), None)
        if found is None:
            continue
        rows[at], rows[found] = rows[found], rows[at]
        rows[at] = [value / rows[at][column] for value in rows[at]]
        for r in range(len(rows)):
            if r != at and rows[r][column]:
                rows[r] = [a - rows[r][column] * b for a, b in zip(rows[r], rows[at], strict=True)]
        pivots.append(column)
        if len(pivots) == len(rows):
            break
    return rows, pivots


def exponents(train: list[Row], target: Row) -> dict[int, Fraction] | None:
    """q with A^T q = b, or None."""
    m = len(train)
    rows, pivots = reduce([[row[c] for row in train] + [target[c]] for c in range(len(target))])
    if m in pivots:
        return None
    return {p: rows[r][m] for r, p in enumerate(pivots) if rows[r][m]}


def kernel(train: list[Row], target: Row) -> list[int]:
    """Integers w with A w = 0 and b·w != 0, for a target outside the row space."""
    rows, pivots = reduce(train)
    for free in (c for c in range(len(target)) if c not in pivots):
        w = [Fraction(int(c == free)) for c in range(len(target))]
        for r, p in enumerate(pivots):
            w[p] = -rows[r][free]
        if sum(a * b for a, b in zip(target, w, strict=True)):
            scale = lcm(*(value.denominator for value in w))
            return [int(value * scale) for value in w]
    raise AssertionError("the target is in the row space")


@dataclass
class Columns:
    """Rows on their way into an Identification."""

    design: Design
    heads: list[tuple[int, int, int, int]]
    terms: list[list[tuple[int, int, Fraction]]]
    kernels: list[KernelCertificate]
    missing: list[list[Active]] | None = None

    def build(self, targets: Regimes) -> Identification:
        flat = [
            term for row in self.terms for term in sorted(row, key=lambda term: (term[0], term[2] < 0, term[1]))
        ]
        head = np.array(self.heads, dtype=np.int64).reshape(-1, 4)
        lacking = None
        if self.missing is not None:
            missing = Regimes.from_active([m for row in self.missing for m in row], targets.width)
            lacking = RegimeLists.of([len(row) for row in self.missing], missing)
        return Identification(
            self.design,
            targets,
            head[:, 0].astype(np.int8),
            head[:, 1].astype(np.int8),
            head[:, 2],
            Terms(
                np.cumsum([0] + [len(row) for row in self.terms]).astype(np.int64),
                np.array([t[0] for t in flat], dtype=np.int64),
                np.array([t[1] for t in flat], dtype=np.int64),
                integer_column([t[2].numerator for t in flat]),
                integer_column([t[2].denominator for t in flat]),
            ),
            head[:, 3],
            tuple(self.kernels),
            lacking=lacking,
        )


def answer(design: Design, targets: Regimes, criterion: str = "auto") -> Identification:
    """What `identify` must find, by elimination over all cells."""
    model = design.model
    out = Columns(design, [], [], [])
    joint, first = cells_of(model, range(len(model.factors))), list(design.train)
    for target in targets:
        terms: list[tuple[int, int, Fraction]] = []
        if target in first:
            out.heads.append((Status.OBSERVED, Criterion.NONE, first.index(target), -1))
        else:
            status, decided, proof = Status.IDENTIFIED, Criterion.JOINT, -1
            blocks = {JOINT: joint} if criterion != "conditional" else {}
            terms, failed = solve(design, target, blocks)
            if (failed is not None and criterion != "joint") or not blocks:
                decided = Criterion.CONDITIONAL
                blocks = {c: cells_of(model, factors) for c, factors in enumerate(model.covers)}
                terms, failed = solve(design, target, blocks)
            if failed is not None:
                status, proof = Status.NOT_IDENTIFIED, len(out.kernels)
                cells = blocks[failed]
                w = kernel([one_hot(model, r, cells) for r in design.train], one_hot(model, target, cells))
                weights = tuple((c, v) for c, v in zip(cells, w, strict=True) if v)
                out.kernels.append(KernelCertificate(failed, weights))
            out.heads.append((status, decided, -1, proof))
        out.terms.append(terms)
    return out.build(targets)


def solve(
    design: Design, target: Active, blocks: dict[int, Cells]
) -> tuple[list[tuple[int, int, Fraction]], int | None]:
    """Terms of all blocks that have a solution, and the first that has none."""
    terms: list[tuple[int, int, Fraction]] = []
    failed = None
    for block, cells in blocks.items():
        train = [one_hot(design.model, r, cells) for r in design.train]
        q = exponents(train, one_hot(design.model, target, cells))
        if q is None:
            failed = block if failed is None else failed
        else:
            terms.extend((block, i, value) for i, value in q.items())
    return terms, failed


def undecided(design: Design, targets: Regimes, missing: list[list[Active]]) -> Identification:
    """Message passing that lacks regimes; a target without missing ones must be observed."""
    first = list(design.train)
    heads: list[tuple[int, int, int, int]] = [
        (Status.UNDECIDED, Criterion.NONE, -1, -1)
        if lacking
        else (Status.OBSERVED, Criterion.NONE, first.index(target), -1)
        for target, lacking in zip(targets, missing, strict=True)
    ]
    return Columns(design, heads, [[] for _ in heads], [], missing).build(targets)


def rows_of(claims: Claims) -> list[dict[str, Any]]:
    """Everything the claims say, row by row, in plain values."""
    rows = []
    for i, target in enumerate(claims.targets):
        formulas: dict[int, list[tuple[int, Fraction]]] = {}
        for e in range(int(claims.terms.indptr[i]), int(claims.terms.indptr[i + 1])):
            q = Fraction(int(claims.terms.numerator[e]), int(claims.terms.denominator[e]))
            formulas.setdefault(int(claims.terms.variable[e]), []).append((int(claims.terms.train[e]), q))
        j = int(claims.kernel[i])
        missing: list[Active] = []
        if claims.lacking is not None:
            missing = list(claims.lacking.take([i]).regimes)
        rows.append(
            {
                "target": target,
                "status": Status(claims.status[i]),
                "criterion": Criterion(claims.criterion[i]),
                "train": int(claims.train[i]),
                "formulas": list(formulas.items()),
                "kernel": None if j < 0 else (int(claims.kernel_variable[j]), claims.kernels[j]),
                "missing": missing,
            }
        )
    return rows


def _cases() -> dict[str, Case]:
    two = dict.fromkeys(("sigma1", "sigma2", "sigma3"), (0, 1))
    poster = model_of(two, [("x", "sigma1 sigma2"), ("x", "sigma2 sigma3")])
    cycle = model_of(two, [("x1 x2", "sigma1 sigma2"), ("x2 x3", "sigma2 sigma3"), ("x3 x1", "sigma3 sigma1")])
    odd = model_of(
        {"A": ("no", "x, y", 'say "hi"'), "B;": (0, 0.5), "unused": ("é", "ø")},
        [("v,1", "A B;"), ('v,1 "w"', ""), ('"w"', "B;"), ('"w"', "A")],
    )
    ring = model_of(
        dict.fromkeys("ABCD", (0, 1)), [("x1 x2", "A"), ("x2 x3", "B"), ("x3 x4", "C"), ("x4 x1", "A D")]
    )
    single = model_of(dict.fromkeys("ABC", (0, 1)), [("x1", "A"), ("x2", "B"), ("x3", "C")])
    halves = model_of(dict.fromkeys("ABC", (0, 1)), [("x", "A"), ("x", "B"), ("x", "C")])
    return {
        "poster": Case(
            "poster example", Design(poster, codes("000", "010", "100", "110", "001", "011")), "levels"
        ),
        "refused": Case("poster, less", Design(poster, codes("000", "110", "001")), "label"),
        "pairs": Case("halves, less", Design(halves, codes("000", "110")), "levels"),
        "cycle": Case("3-cycle", Design(cycle, codes("110", "101", "011", "100", "010", "001")), "label"),
        "odd": Case("odd names", Design(odd, codes("000", "100", "010", "000", "210")), "assignment"),
        "ring": Case("ring, in part", Design(ring, codes("0000", "1000", "0110", "0010", "0001")), "label"),
        "single": Case("singles", Design(single, codes("000", "111")), "label"),
        "halves": Case("halves", Design(halves, codes("000", "110", "101", "011")), "levels"),
    }


CASES = _cases()
