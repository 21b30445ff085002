"""Designs whose determinant the solver's own first primes divide: verdicts, criteria and formulas all the same."""

from __future__ import annotations

import itertools
from fractions import Fraction
from math import prod

import flint
import numpy as np
import pytest
from scipy.sparse import csr_array

from ifm_ident import Criterion, Design, Factor, Identifier, Intervention, Model, Regimes, Status
from ifm_ident.answer.identification import JOINT
from ifm_ident.arrays import Ints
from ifm_ident.solve.exact import _dense as dense
from ifm_ident.solve.exact._dense import primes
from ifm_ident.solve.exact.products import difference, product, scaled

FIRST = list(itertools.islice(primes(), 3))


def with_determinant(number: int) -> Ints:
    """A square 0/1 matrix whose determinant is `number` up to sign: paths of a ladder graph counted in binary."""
    bits = bin(number)[2:][::-1]
    n = 2 * len(bits) + 1
    graph = np.zeros((n + 1, n + 1), dtype=np.int64)
    graph[:n, :n] = np.eye(n, dtype=np.int64)
    graph[1, 0] = -1
    for i in range(1, len(bits)):
        graph[2 * i : 2 * i + 2, 2 * i - 2 : 2 * i] = -1
    for i, bit in enumerate(bits):
        if bit == "1":
            graph[2 * len(bits), 2 * i] = -1
    graph[0, n], graph[n, 2 * len(bits)] = 1, -1
    plus, minus = (graph > 0).astype(np.int64), (graph < 0).astype(np.int64)
    one = np.eye(n + 1, dtype=np.int64)
    found = np.block([[one, minus], [one, plus]])
    assert abs(int(flint.fmpz_mat(found.tolist()).det())) == number
    return found


def design_of(rows: Ints, variables: tuple[str, ...]) -> Design:
    """A factor for each intervention, variables in turn; the baseline and `rows` are run."""
    d = rows.shape[1]
    names = [f"s{i}" for i in range(d)]
    factors = tuple(Factor(f"f{i}", (variables[i % len(variables)],), (name,)) for i, name in enumerate(names))
    model = Model(tuple(Intervention(name, (0, 1)) for name in names), variables, factors)
    return Design(model, Regimes.from_codes(np.vstack([np.zeros((1, d), dtype=np.int64), rows])))


@pytest.mark.parametrize("number", [2**62 + 1, FIRST[0], prod(FIRST[:2])], ids=["2^62+1", "first", "first two"])
@pytest.mark.parametrize("variables", [("x",), ("x", "y")], ids=["one", "two"])
def test_every_target_has_its_joint_formula(number: int, variables: tuple[str, ...]) -> None:
    design = design_of(with_determinant(number), variables)
    codes = design.train.codes()
    targets = (np.random.default_rng(0).random((12, codes.shape[1])) < 0.3).astype(np.int64)
    identifier = Identifier(design)
    found = identifier.identify(Regimes.from_codes(targets))
    assert np.isin(found.status, (Status.IDENTIFIED, Status.OBSERVED)).all()
    assert np.isin(found.criterion, (Criterion.JOINT, Criterion.NONE)).all()
    assert (identifier.verdicts(found.targets) == found.status).all()
    for row in found.rows_with(Status.IDENTIFIED).tolist():
        exponents = found.terms.exponents(row)[JOINT]
        assert sum(exponents.values()) == 1
        reached = sum((q * codes[i].astype(object) for i, q in exponents.items()), np.zeros(1, dtype=object))
        assert [Fraction(value) for value in reached] == targets[row].tolist()


def test_an_unlucky_prime_costs_one_elimination(monkeypatch: pytest.MonkeyPatch) -> None:
    """No inverse is tried modulo the second and third; the whole, asked after its core, starts with the fourth."""
    tried: list[int] = []
    inverse = dense.small_inverse

    def noted(matrix: Ints, prime: int) -> tuple[Ints, int] | None:
        tried.append(prime)
        return inverse(matrix, prime)

    monkeypatch.setattr(dense, "small_inverse", noted)
    design = design_of(with_determinant(prod(FIRST)), ("x",))
    one = Regimes.from_codes(np.ones((1, design.train.codes().shape[1]), dtype=np.int64))
    assert Identifier(design).identify(one, "joint").status.tolist() == [Status.IDENTIFIED]
    fourth = next(itertools.islice(primes(), 3, None))
    assert tried == [FIRST[0], fourth, fourth]


@pytest.mark.parametrize("kind", [np.int8, np.int32, np.uint32])
def test_products_of_small_types_do_not_wrap(kind: type[np.integer]) -> None:
    """100 * 100 leaves int8, 2^20 * 2^20 the others."""
    value = 100 if kind is np.int8 else 2**20
    one = csr_array(np.array([[value]], dtype=kind))
    assert product(one, one).toarray().tolist() == [[value**2]]
    assert scaled(one, np.array([value], dtype=kind), 0).toarray().tolist() == [[value**2]]
    assert difference(one, csr_array(np.array([[2 * value]], dtype=np.int64))).toarray().tolist() == [[-value]]


def test_products_of_what_int64_may_not_hold_are_refused() -> None:
    for wrong in (np.array([[2**63]], dtype=np.uint64), np.array([[0.5]])):
        with pytest.raises(TypeError, match=r"exact products are of integers that int64 holds"):
            product(csr_array(wrong), csr_array(np.array([[1]])))
