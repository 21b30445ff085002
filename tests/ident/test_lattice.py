"""Integer relations against flint's normal forms and 4ti2's bases."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from pathlib import Path
from typing import Any

import flint
import numpy as np
import pytest
from scipy.sparse import csr_array

from ifm_ident.design.design import Design
from ifm_ident.errors import IfmError
from ifm_ident.implications._exchange import Tableau, exchange
from ifm_ident.implications._lattice import complement_modulo, split, tidy
from ifm_ident.implications.testable import implications
from ifm_ident.solve.exact.lattice import SIZE_LIMIT, reduced_split
from ifm_ident.solve.identifier import Identifier
from tests.ident.lattice_oracles import ask, dense, factorial, full_hnf, is_saturated, up_to_sign
from tests.oracles import Codes, PlainDesign, regimes_of, row

INDEPENDENCE = ((0,), (1,))
NO_THREE_WAY = ((0, 1), (1, 2), (0, 2))
CHAIN = ((0, 1), (1, 2))

# 4ti2 1.6.9: lattice basis (zbasis) and Markov basis (markov) of full factorials, regimes lexicographic.
FOUR_TI_TWO = {
    "independence 2x2": ((2, 2), INDEPENDENCE, [[-1, 1, 1, -1]], [[1, -1, -1, 1]]),
    "independence 2x3": (
        (2, 3),
        INDEPENDENCE,
        [[1, -1, 0, -1, 1, 0], [-1, 0, 1, 1, 0, -1]],
        [[0, 1, -1, 0, -1, 1], [1, -1, 0, -1, 1, 0], [1, 0, -1, -1, 0, 1]],
    ),
    "no three-way interaction 2x2x2": (
        (2, 2, 2),
        NO_THREE_WAY,
        [[-1, 1, 1, -1, 1, -1, -1, 1]],
        [[1, -1, -1, 1, -1, 1, 1, -1]],
    ),
    "poster, all regimes": (
        (2, 2, 2),
        CHAIN,
        [[-1, 1, 0, 0, 1, -1, 0, 0], [0, 0, -1, 1, 0, 0, 1, -1]],
        [[0, 0, 1, -1, 0, 0, -1, 1], [1, -1, 0, 0, -1, 1, 0, 0]],
    ),
}


@pytest.mark.parametrize(("levels", "scopes", "lattice", "markov"), FOUR_TI_TWO.values(), ids=FOUR_TI_TWO)
def test_lattice_is_that_of_4ti2(
    levels: Codes, scopes: tuple[Codes, ...], lattice: list[list[int]], markov: list[list[int]]
) -> None:
    ours = dense(ask(factorial(levels, scopes), "joint"), "joint")
    assert full_hnf(ours) == full_hnf(lattice) == full_hnf(markov)
    assert up_to_sign(ours.tolist()) <= up_to_sign(markov)


@pytest.mark.parametrize(("levels", "scopes", "lattice", "markov"), FOUR_TI_TWO.values(), ids=FOUR_TI_TWO)
def test_4ti2_still_says_so(
    levels: Codes, scopes: tuple[Codes, ...], lattice: list[list[int]], markov: list[list[int]], tmp_path: Path
) -> None:
    programs = {"zbasis": ("lat", lattice), "markov": ("mar", markov)}
    plain = factorial(levels, scopes)
    cells = sorted({cell for regime in plain.train for cell in row(plain, plain.every_factor, regime)})
    matrix = [[int(c in row(plain, plain.every_factor, t)) for t in plain.train] for c in cells]
    text = "\n".join(" ".join(map(str, line)) for line in [[len(cells), len(plain.train)], *matrix])
    (tmp_path / "model.mat").write_text(text + "\n")
    for program, (suffix, expected) in programs.items():
        binary = shutil.which(f"4ti2-{program}") or shutil.which(program)
        if binary is None:
            pytest.skip(f"4ti2's {program} is not installed; its answers are in FOUR_TI_TWO")
        subprocess.run([binary, "-q", str(tmp_path / "model")], check=True, capture_output=True)
        lines = (tmp_path / f"model.{suffix}").read_text().split("\n")[1:]
        found = [[int(x) for x in line.split()] for line in lines if line.strip()]
        assert full_hnf(found) == full_hnf(expected)
        assert up_to_sign(found) == up_to_sign(markov) or program == "zbasis"


def test_split_is_a_direct_sum_for_any_integers(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    reduced: list[int] = []

    def counting(relations: Any, vectors: Any) -> Any:
        reduced.append(len(relations))
        return reduced_split(relations, vectors)

    monkeypatch.setattr("ifm_ident.implications._lattice.reduced_split", counting)
    for trial in range(300):
        count, width = int(rng.integers(1, 14)), int(rng.integers(1, 9))
        low, high = [(0, 2), (-1, 2), (-3, 4)][trial % 3]
        matrix = rng.integers(low, high, (count, width))
        found = split(csr_array(matrix))
        kernel, complement = found.kernel.toarray(), found.complement.toarray()
        assert not (kernel @ matrix).any()
        assert len(kernel) == count - flint.fmpz_mat(matrix.tolist()).rank()
        both = np.vstack([kernel, complement])
        assert abs(int(flint.fmpz_mat(both.tolist()).det())) == 1
        shorter = tidy(found.kernel).toarray()
        assert full_hnf(shorter) == full_hnf(kernel)
        assert (shorter**2).sum() <= (kernel**2).sum()
    assert len(reduced) > 30  # not only the simple relations and the exchange


def test_vectors_of_a_full_factorial_are_squares() -> None:
    plain = factorial((2,) * 6, ((0, 1), (1, 2), (2, 3), (3, 4), (4, 5)))
    vectors = dense(ask(plain, "joint"), "joint")
    assert len(vectors) == 64 - 12
    assert (np.abs(vectors).sum(axis=1) == 4).all()
    assert is_saturated(vectors)


def test_order_of_pairs_does_not_leave_halves() -> None:
    """Pairs of interventions, three triangles first: elimination gives halves that another basis avoids."""
    pairs = sorted(itertools.combinations(range(9), 2), key=lambda pair: (pair[0] // 3 != pair[1] // 3, pair))
    train = [tuple(int(i in pair) for i in range(9)) for pair in pairs]
    plain = PlainDesign((2,) * 9, ("x",), tuple((("x",), (i,)) for i in range(9)), tuple(train))
    identifier = Identifier(plain.build())
    space = identifier.joint.space
    assert (np.asarray(space.solve(identifier.joint.rows).denominator) != 1).any()
    vectors = dense(implications(identifier), "joint")
    assert is_saturated(vectors)
    assert len(vectors) == 36 - 9
    assert np.abs(vectors).max() == 1


def test_random_pools_have_short_vectors() -> None:
    train = np.random.default_rng(0).integers(0, 2, (50, 30))
    plain = PlainDesign(
        (2,) * 30, ("x",), tuple((("x",), (i,)) for i in range(30)), tuple(map(tuple, train.tolist()))
    )
    vectors = dense(ask(plain), "joint")
    assert len(vectors) == 19
    assert is_saturated(vectors)
    assert np.abs(vectors).max() < 10


def test_too_large_a_lattice_is_refused_in_words() -> None:
    rows = [[1]] * (SIZE_LIMIT + 1)
    with pytest.raises(IfmError, match="a lattice of dimension 321 would have to be reduced"):
        reduced_split(rows, rows)


def test_exchange_keeps_relations_with_long_entries() -> None:
    rng = np.random.default_rng(4)
    table = rng.integers(-(2**40), 2**40, (5, 4)).astype(object)
    denominator = 2**41 + 9
    done = exchange(Tableau(table, denominator, np.arange(4), 4 + np.arange(5)))
    size = np.abs(done.table)
    assert not ((size > 0) & (size < done.denominator)).any()
    vectors = flint.fmpq_mat(9, 4)
    for j in range(4):
        vectors[j, j] = 1
    for i, j in itertools.product(range(5), range(4)):
        vectors[4 + i, j] = flint.fmpq(int(table[i, j]), denominator)
    for i, free in enumerate(done.free.tolist()):
        for column in range(4):
            total = sum(
                (
                    vectors[int(b), column] * flint.fmpq(int(done.table[i, j]), done.denominator)
                    for j, b in enumerate(done.basic.tolist())
                ),
                flint.fmpq(0),
            )
            assert total == vectors[free, column]


def test_complement_generates_over_the_integers() -> None:
    vectors = csr_array(np.eye(3, dtype=np.int64))
    image = csr_array(np.array([[2], [3], [6]]))
    found = complement_modulo(vectors, image).toarray()
    assert abs(int((found @ image.toarray())[0, 0])) == 1  # the image lattice is generated by gcd(2, 3, 6)


def test_thousands_of_regimes_stay_sparse() -> None:
    codes = np.array(list(itertools.product((0, 1), repeat=11)))
    model = factorial((2,) * 11, tuple((i, i + 1) for i in range(10))).build().model
    found = implications(Identifier(Design(model, regimes_of(codes.tolist(), 11))))
    assert len(found) == 2048 - 22
    [claims] = found.claims
    assert isinstance(claims.vectors, csr_array)
    assert claims.vectors.nnz == 4 * len(found)
