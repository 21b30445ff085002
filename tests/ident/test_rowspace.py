"""The exact row space against flint and plain fractions, with short and with long answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from math import gcd

import flint
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ifm_ident.errors import IfmError
from ifm_ident.solve.exact import _dense as dense_module
from ifm_ident.solve.exact import rowspace as rowspace_module
from ifm_ident.solve.exact._elimination import DENSE_AREA
from ifm_ident.solve.exact.rowspace import RowSpace
from tests.oracles import greedy_basis

Matrix = NDArray[np.int64]
AREAS = [0, DENSE_AREA]
KINDS = ["table", "lifted", "primes"]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """All routes to an answer: `lifted` as if no inverse were ever small, `primes` as if no kernel were either."""
    if request.param != "table":
        monkeypatch.setattr(dense_module, "small_inverse", lambda matrix, prime: None)
    if request.param == "primes":
        monkeypatch.setattr(dense_module, "_FEW", -1)
    return str(request.param)


def rank(matrix: Matrix) -> int:
    height, width = matrix.shape
    return int(flint.fmpz_mat(height, width, [int(x) for x in matrix.ravel()]).rank())


def in_row_space(matrix: Matrix, targets: Matrix) -> list[bool]:
    r = rank(matrix)
    return [rank(np.vstack([matrix, target])) == r for target in targets]


def check(matrix: Matrix, targets: Matrix, dense_area: int, kind: str) -> RowSpace:
    """Everything a row space says about a matrix and some targets, against the oracles."""
    space = RowSpace(csr_array(matrix), dense_area)
    assert space.rank == rank(matrix)
    assert space.basis.tolist() == greedy_basis(matrix.tolist())
    expected = in_row_space(matrix, targets)
    batch = csr_array(targets)
    assert space.holds(batch).tolist() == expected
    found = space.solve(batch)
    assert found.solvable.tolist() == expected
    for t, target in enumerate(targets.tolist()):
        entries = range(int(found.indptr[t]), int(found.indptr[t + 1]))
        rows = [int(found.row[e]) for e in entries]
        q = {int(found.row[e]): Fraction(int(found.numerator[e]), int(found.denominator[e])) for e in entries}
        assert rows == sorted(set(rows))
        assert set(rows) <= set(space.basis.tolist())
        for e in entries:
            assert int(found.denominator[e]) > 0
            assert found.numerator[e] != 0
            assert gcd(int(found.numerator[e]), int(found.denominator[e])) == 1
        if expected[t]:
            reached = [sum((q[r] * int(matrix[r, c]) for r in rows), Fraction(0)) for c in range(len(target))]
            assert reached == target
        else:
            assert not rows
    outside = np.flatnonzero(~np.array(expected, dtype=bool))
    if len(outside):
        index, vectors = space.separate(csr_array(targets[outside]))
        assert sorted(set(index.tolist())) == list(range(len(vectors)))
        for t, j in zip(outside.tolist(), index.tolist(), strict=True):
            w = np.zeros(matrix.shape[1], dtype=object)
            w[list(vectors[j])] = list(vectors[j].values())
            assert not (matrix.astype(object) @ w).any()
            assert targets[t].astype(object) @ w != 0
            assert gcd(*vectors[j].values()) == 1
    inside = np.flatnonzero(expected)
    if len(inside):
        with pytest.raises(ValueError, match="nothing separates"):
            space.separate(csr_array(targets[inside[:1]]))
    if space.is_small:
        check_kernel(matrix, space)
    else:
        with pytest.raises(IfmError, match="very long entries"):
            _ = space.kernel
    if kind != "table":
        assert not space.is_small
    return space


def check_kernel(matrix: Matrix, space: RowSpace) -> None:
    """Kernel columns vanish on A, are primitive, independent, and as many as the nullity."""
    kernel = space.kernel.toarray()
    nullity = matrix.shape[1] - rank(matrix)
    assert kernel.shape == (matrix.shape[1], nullity)
    assert not (matrix.astype(object) @ kernel.astype(object)).any()
    if nullity:
        assert rank(kernel) == nullity
        assert all(gcd(*map(int, column)) == 1 for column in kernel.T)


def combinations(rng: np.random.Generator, matrix: Matrix, count: int, size: int = 3) -> Matrix:
    """Integer combinations of a few rows: targets inside."""
    height = len(matrix)
    picks = np.zeros((count, height), dtype=np.int64)
    for t in range(count):
        chosen = rng.choice(height, size=min(size, height), replace=False)
        picks[t, chosen] = rng.integers(-2, 3, len(chosen))
    inside: Matrix = picks @ matrix
    return inside


def some_targets(rng: np.random.Generator, matrix: Matrix) -> Matrix:
    """Targets inside, near the inside, at random, and zero."""
    inside = combinations(rng, matrix, 5)
    near = inside.copy()
    near[np.arange(5), rng.integers(0, matrix.shape[1], 5)] += 1
    width = matrix.shape[1]
    return np.vstack([inside, near, rng.integers(-1, 2, (4, width)), np.zeros((1, width), dtype=np.int64)])


def zero_one(rng: np.random.Generator, height: int, width: int) -> Matrix:
    return (rng.random((height, width)) < rng.uniform(0.1, 0.7)).astype(np.int64)


def signed(rng: np.random.Generator, height: int, width: int) -> Matrix:
    return rng.integers(-1, 2, (height, width)) * (rng.random((height, width)) < 0.6)


def not_unit(rng: np.random.Generator, height: int, width: int) -> Matrix:
    return rng.integers(-6, 7, (height, width)) * rng.choice([0, 2, 3], (height, width))


def with_gaps(rng: np.random.Generator, height: int, width: int) -> Matrix:
    """Zero rows, zero columns and repeated rows."""
    matrix = signed(rng, height, width)
    matrix[rng.random(height) < 0.3] = 0
    matrix[:, rng.random(width) < 0.3] = 0
    repeated: Matrix = matrix[rng.integers(0, height, height)]
    return repeated


def low_rank(rng: np.random.Generator, height: int, width: int) -> Matrix:
    inner = int(rng.integers(1, min(height, width) + 1))
    product: Matrix = signed(rng, height, inner) @ rng.integers(-3, 4, (inner, width))
    return product


def staircase(rng: np.random.Generator, height: int, width: int) -> Matrix:
    """Unit triangles first, so that several rounds of pivots happen before any core."""
    matrix = np.tril(signed(rng, height, width))
    np.fill_diagonal(matrix, 1)
    shuffled: Matrix = rng.permutation(matrix, axis=1)
    return shuffled


MAKERS: list[Callable[[np.random.Generator, int, int], Matrix]] = [
    zero_one,
    signed,
    not_unit,
    with_gaps,
    low_rank,
    staircase,
]


@pytest.mark.parametrize("dense_area", AREAS)
@pytest.mark.parametrize("make", MAKERS)
def test_random_matrices_agree_with_flint(
    make: Callable[[np.random.Generator, int, int], Matrix], dense_area: int, kind: str
) -> None:
    for seed in range(25):
        rng = np.random.default_rng(seed)
        height, width = int(rng.integers(1, 13)), int(rng.integers(1, 11))
        matrix = make(rng, height, width)
        check(matrix, some_targets(rng, matrix), dense_area, kind)


@pytest.mark.slow
@pytest.mark.parametrize("dense_area", AREAS)
@pytest.mark.parametrize("make", MAKERS)
def test_many_random_matrices_agree_with_flint(
    make: Callable[[np.random.Generator, int, int], Matrix], dense_area: int, kind: str
) -> None:
    for seed in range(100, 700):
        rng = np.random.default_rng(seed)
        matrix = make(rng, int(rng.integers(1, 31)), int(rng.integers(1, 21)))
        check(matrix, some_targets(rng, matrix), dense_area, kind)


@pytest.mark.parametrize("dense_area", AREAS)
def test_tall_matrices_keep_only_rows_that_span(dense_area: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows far down still enter: the last ones are the only ones outside the span of the first block."""
    calls = []
    spanning = rowspace_module._spanning_rows
    monkeypatch.setattr(
        rowspace_module,
        "_spanning_rows",
        lambda *a: calls.append(spanning(*a)) or calls[-1],  # type: ignore[func-returns-value]
    )
    for seed in range(6):
        rng = np.random.default_rng(seed)
        width = int(rng.integers(2, 9))
        few = combinations(rng, signed(rng, 3, width), 300)
        more = combinations(rng, signed(rng, 5, width), 150)
        last = np.eye(width, dtype=np.int64)[: int(rng.integers(0, 3))]
        matrix = np.vstack([few, more, last])
        space = check(matrix, some_targets(rng, matrix), dense_area, "table")
        assert space.is_small
        assert len(calls[-1]) < 120
    assert len(calls) == 6


def test_a_tall_matrix_with_long_answers(kind: str) -> None:
    rng = np.random.default_rng(3)
    matrix = np.vstack([combinations(rng, signed(rng, 4, 7), 200), signed(rng, 2, 7)])
    check(matrix, some_targets(rng, matrix), DENSE_AREA, kind)


@pytest.mark.parametrize("shape", [(1, 1), (4, 3), (40, 2)])
def test_the_zero_matrix_holds_zero_and_nothing_else(shape: tuple[int, int], kind: str) -> None:
    matrix = np.zeros(shape, dtype=np.int64)
    targets = np.vstack([np.zeros(shape[1], dtype=np.int64), np.eye(shape[1], dtype=np.int64)])
    assert check(matrix, targets, DENSE_AREA, kind).rank == 0


def test_a_matrix_with_stored_zeros_is_the_same_matrix() -> None:
    stored = csr_array(([1, 0, 0, 2], [0, 1, 0, 1], [0, 2, 4]), shape=(2, 2))
    space = RowSpace(stored)
    assert space.rank == 2
    assert space.holds(csr_array([[3, 5]])).tolist() == [True]
    rank_one = csr_array(([1, 0, 3, 0], [0, 1, 0, 1], [0, 2, 4]), shape=(2, 2))
    assert RowSpace(rank_one, 0).rank == 1


@pytest.mark.parametrize("dense_area", AREAS)
@pytest.mark.parametrize("size", [2**31, 2**40, 2**45, 2**61])
def test_large_entries_are_answered_exactly(size: int, dense_area: int, kind: str) -> None:
    """Products beyond int64 are never wrapped: big integers take over."""
    for seed in range(12):
        rng = np.random.default_rng(seed)
        matrix = rng.integers(-size, size + 1, (4, 5))
        if seed % 2:
            matrix[:, 0] = rng.choice([-1, 1], 4)
        if seed % 3 == 0:
            matrix[3] = matrix[0] // 2 + matrix[1] // 4
        targets = np.vstack([matrix[1:3] // 3, matrix[0] // 4 + matrix[2] // 4, matrix[0], np.ones((1, 5))])
        check(matrix, targets.astype(np.int64), dense_area, kind)


@pytest.mark.parametrize("dense_area", AREAS)
def test_a_tall_matrix_of_large_entries(dense_area: int, kind: str) -> None:
    rng = np.random.default_rng(11)
    matrix = np.vstack([np.tile([1, 2**33, 0], (200, 1)), rng.integers(-(2**34), 2**34, (3, 3))])
    matrix[-1] = [2**50, 1, 2**50]
    targets = np.vstack([matrix[:1], matrix[-3:], np.eye(3, dtype=np.int64)])
    check(matrix, targets, dense_area, kind)
    check(matrix[:-2], targets, dense_area, kind)


@pytest.mark.parametrize("dense_area", AREAS)
def test_entries_whose_products_just_leave_int64_do_not_wrap(dense_area: int) -> None:
    """2^32 squared is 0 in int64; the exponents must hold it."""
    big = 2**32
    matrix = np.array([[1, big, 0], [0, 1, big], [0, 0, 1]], dtype=np.int64)
    found = RowSpace(csr_array(matrix), dense_area).solve(csr_array([[1, 0, 0]]))
    assert found.solvable.tolist() == [True]
    assert [int(x) for x in found.numerator] == [1, -(2**32), 2**64]


def pooled(rng: np.random.Generator, interventions: int, factors: int, pools: int) -> tuple[Matrix, Matrix]:
    """Baseline columns of a random pooled design (singles, pairs), and 20 sparse targets."""
    pairs = np.stack(np.triu_indices(interventions, 1), axis=1)
    pairs = pairs[rng.choice(len(pairs), factors, replace=False)]

    def rows(codes: Matrix) -> Matrix:
        return np.hstack(
            [np.ones((len(codes), 1), np.int64), codes, codes[:, pairs[:, 0]] * codes[:, pairs[:, 1]]]
        )

    train = rng.integers(0, 2, (pools, interventions))
    few = (rng.random((20, interventions)) < 3 / interventions).astype(np.int64)
    return rows(train), rows(few)


def test_pooled_designs_have_long_answers_and_exact_verdicts() -> None:
    """Without any patch: a dense random design overflows the tables and is answered modulo primes and lifted."""
    rng = np.random.default_rng(0)
    matrix, few = pooled(rng, 30, 60, 120)
    space = check(matrix, few[:3], DENSE_AREA, "lifted")
    assert not space.is_small
    assert space.holds(csr_array(few)).all()


def test_a_rank_deficient_pooled_design_refuses_with_lifted_certificates() -> None:
    """Fewer pools than columns: sparse targets lie outside, sums of training rows inside."""
    rng = np.random.default_rng(1)
    matrix, few = pooled(rng, 30, 60, 60)
    inside = combinations(rng, matrix, 3)
    space = check(matrix, np.vstack([few[:4], inside]), DENSE_AREA, "lifted")
    assert not space.is_small
    assert space.rank == 60 < matrix.shape[1]
    assert not space.holds(csr_array(few[few.sum(axis=1) > 1])).any()


def test_a_pooled_design_of_deficient_rank_and_more_rows_than_rank() -> None:
    """Neither full row rank nor full column rank: the rank itself needs the Hadamard bound."""
    rng = np.random.default_rng(2)
    matrix, few = pooled(rng, 25, 40, 50)
    matrix = np.vstack([matrix, combinations(rng, matrix, 25)])
    space = check(matrix, np.vstack([few[:3], combinations(rng, matrix, 3)]), DENSE_AREA, "lifted")
    assert not space.is_small
    assert space.rank == 50 < min(matrix.shape)


@pytest.mark.parametrize("few", [-1, 32])
@pytest.mark.parametrize("short", [True, False])
def test_a_prime_that_divides_minors_is_not_trusted(
    few: int, short: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With unlucky first primes (2, 3, 5 divide many minors) an answer is right or openly not given."""
    real = dense_module.primes

    def unlucky() -> Iterator[int]:
        yield from (2, 3, 5)
        yield from real()

    monkeypatch.setattr(dense_module, "primes", unlucky)
    monkeypatch.setattr(dense_module, "_FEW", few)
    if not short:
        monkeypatch.setattr(dense_module, "small_inverse", lambda matrix, prime: None)
    given = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        matrix = rng.integers(-6, 7, (int(rng.integers(1, 7)), int(rng.integers(1, 7))))
        targets = some_targets(rng, matrix)
        expected = in_row_space(matrix, targets)
        space = RowSpace(csr_array(matrix))
        try:
            claimed = space.rank
            holds = space.holds(csr_array(targets)).tolist()
        except IfmError:
            continue
        given += 1
        assert claimed == rank(matrix)
        assert holds == expected
        found = space.solve(csr_array(targets))
        assert found.solvable.tolist() == expected
    assert given > 5


@pytest.mark.parametrize("short", [True, False])
def test_no_certificate_rests_on_an_unlucky_prime(short: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel vector found modulo a prime that divides minors is checked in integers before it is given."""
    monkeypatch.setattr(dense_module, "primes", lambda: iter([2, 3, 5] * 50))
    if not short:
        monkeypatch.setattr(dense_module, "small_inverse", lambda matrix, prime: None)
    given = refused = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        matrix = rng.integers(-6, 7, (int(rng.integers(1, 7)), int(rng.integers(2, 7))))
        targets = some_targets(rng, matrix)
        space = RowSpace(csr_array(matrix), 0)
        for target in targets:
            try:
                _, [vector] = space.separate(csr_array(target[None]))
            except (IfmError, ValueError):
                refused += 1
                continue
            given += 1
            w = np.zeros(matrix.shape[1], dtype=object)
            w[list(vector)] = list(vector.values())
            assert not (matrix.astype(object) @ w).any()
            assert target.astype(object) @ w != 0
    assert given > 50
    assert refused > 50


@pytest.mark.slow
def test_the_large_pooled_design_within_seconds() -> None:
    """300 interventions, 800 pairs, 1,431 pools, rank 1,101: decided without lifting, then one formula lifted."""
    rng = np.random.default_rng(0)
    matrix, few = pooled(rng, 300, 800, 1431)
    started = time.perf_counter()
    space = RowSpace(csr_array(matrix))
    ready = time.perf_counter()
    assert space.rank == 1101
    assert space.holds(csr_array(few)).all()
    decided = time.perf_counter()
    found = space.solve(csr_array(few[:1]))
    lifted = time.perf_counter()
    print(f"factor {ready - started:.1f} s, decide {decided - ready:.1f} s, lift {lifted - decided:.1f} s")
    assert max(len(str(x)) for x in found.denominator.tolist()) > 100
    q = [0] * len(matrix)
    common = int(np.lcm.reduce(found.denominator))
    for r, n, d in zip(found.row, found.numerator, found.denominator, strict=True):
        q[int(r)] = int(n) * (common // int(d))
    reached = np.array(q, dtype=object) @ matrix.astype(object)
    assert (reached == few[0].astype(object) * common).all()
