"""Lattices by flint's normal forms, and implications of plain designs as dense vectors."""

from __future__ import annotations

import itertools

import flint
import numpy as np

from ifm_ident.implications.testable import Implications, implications, variable_sets
from ifm_ident.solve.identifier import Identifier
from tests.oracles import Codes, PlainDesign


def factorial(levels: Codes, scopes: tuple[Codes, ...]) -> PlainDesign:
    train = tuple(itertools.product(*map(range, levels)))
    return PlainDesign(levels, ("x",), tuple((("x",), scope) for scope in scopes), train)


def full_hnf(vectors: np.ndarray | list[list[int]]) -> list[list[int]]:
    """The Hermite normal form without zero rows: the same for two bases exactly when they span one lattice."""
    entries = [[int(x) for x in vector] for vector in vectors]
    if not entries:
        return []
    return [r for r in ([int(x) for x in h] for h in flint.fmpz_mat(entries).hnf().tolist()) if any(r)]


def is_saturated(vectors: np.ndarray) -> bool:
    """Independent, and Smith's normal form is all ones."""
    if not len(vectors):
        return True
    form = flint.fmpz_mat([[int(x) for x in vector] for vector in vectors]).snf()
    return all(abs(int(form[i, i])) == 1 for i in range(len(vectors)))


def dense(found: Implications, kind: str, variable: str | None = None) -> np.ndarray:
    """The exponents over all training regimes of the claims of a kind (about a variable)."""
    width = len(found.identifier.design.train)
    chosen = [c for c in found if c.kind == kind and (variable is None or c.variables[0] == variable)]
    vectors = np.zeros((len(chosen), width), dtype=np.int64)
    for vector, claim in zip(vectors, chosen, strict=True):
        for train, exponent in claim.formula:
            assert exponent.denominator == 1
            vector[train] = int(exponent)
    return vectors


def ask(plain: PlainDesign, criterion: str = "auto", size: int = 0) -> Implications:
    design = plain.build()
    sets = variable_sets(design.model, size) if size else []
    return implications(Identifier(design), criterion, sets)  # type: ignore[arg-type]


def up_to_sign(vectors: list[list[int]]) -> set[tuple[int, ...]]:
    """The vectors, each with its first nonzero entry positive."""
    return {max(tuple(v), tuple(-x for x in v)) for v in vectors}
