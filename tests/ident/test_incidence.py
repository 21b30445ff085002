"""The incidence systems against rows written out by hand and against each other."""

from __future__ import annotations

import flint
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ifm_ident.design.model import Factor, Intervention, Model
from ifm_ident.design.regimes import Regimes
from ifm_ident.errors import InputError
from ifm_ident.solve import incidence
from ifm_ident.solve.incidence import BaselineSystem, OneHotSystem
from tests.oracles import PlainDesign, regimes_of, row
from tests.strategies import plain_designs

QUICK = settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def baseline(plain: PlainDesign, factors: tuple[int, ...]) -> BaselineSystem:
    design = plain.build()
    return BaselineSystem(design.model, factors, design.train)


def rank(rows: list[list[int]]) -> int:
    return int(flint.fmpz_mat(rows).rank()) if rows and rows[0] else 0


@given(plain_designs())
@QUICK
def test_one_hot_rows_are_the_cells_shown(plain: PlainDesign) -> None:
    design = plain.build()
    system = OneHotSystem(design.model)
    cells = system.cells()
    assert len(cells) == len(set(cells)) == sum(system.sizes)
    regimes = plain.every_regime()
    matrix = system.rows(regimes_of(regimes, len(plain.levels))).toarray()
    for regime, shown in zip(regimes, matrix.tolist(), strict=True):
        expected = row(plain, plain.every_factor, regime)
        assert shown == [int(cell in expected) for cell in cells]


@given(plain_designs(), st.data())
@QUICK
def test_baseline_coordinates_are_a_basis_of_the_one_hot_row_space(
    plain: PlainDesign, data: st.DataObject
) -> None:
    """Over all regimes they have full column rank, and they span the same columns as the one-hot system."""
    factors = tuple(sorted(data.draw(st.sets(st.sampled_from(plain.every_factor), min_size=1))))
    regimes = plain.every_regime()
    system = baseline(plain, factors)
    matrix, unseen = system.rows(regimes_of(regimes, len(plain.levels)))
    assert (unseen < 0).all()
    small = matrix.toarray().tolist()
    cells = sorted(set().union(*(row(plain, factors, r) for r in regimes)))
    full = [[int(cell in row(plain, factors, r)) for cell in cells] for r in regimes]
    assert set(np.unique(small)) <= {0, 1}
    assert rank(small) == system.columns == matrix.shape[1] == rank(full)
    assert rank([a + b for a, b in zip(small, full, strict=True)]) == system.columns


@pytest.mark.parametrize("wide", [0, 1, 3, 256])
@given(plain=plain_designs(), data=st.data())
@QUICK
def test_weights_on_columns_and_on_cells_agree(
    plain: PlainDesign, data: st.DataObject, wide: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`to_cells` keeps the value of every regime whose wide cells were trained, on legal cells of the factors."""
    monkeypatch.setattr(incidence, "WIDE", wide)
    factors = tuple(sorted(data.draw(st.sets(st.sampled_from(plain.every_factor), min_size=1))))
    system = baseline(plain, factors)
    regimes = plain.every_regime()
    matrix, unseen = system.rows(regimes_of(regimes, len(plain.levels)))
    weights = {
        c: w for c in range(system.columns) if (w := data.draw(st.integers(-3, 3))) and data.draw(st.booleans())
    }
    cells = system.to_cells(weights)
    assert all(cells.values())
    assert list(cells) == sorted(cells)
    assert all(k in factors for k, _ in cells)
    dense = matrix.toarray()
    for t, regime in enumerate(regimes):
        if unseen[t] < 0:
            value = sum(w * int(dense[t, c]) for c, w in weights.items())
            assert value == sum(cells.get(cell, 0) for cell in row(plain, factors, regime))


@pytest.mark.parametrize("wide", [0, 1, 3])
@given(plain=plain_designs())
@QUICK
def test_unseen_wide_cells_are_reported_with_their_factor(
    plain: PlainDesign, wide: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incidence, "WIDE", wide)
    regimes = plain.every_regime()
    _, unseen = baseline(plain, plain.every_factor).rows(regimes_of(regimes, len(plain.levels)))
    trained = set().union(*(row(plain, plain.every_factor, r) for r in plain.train))

    def size(k: int) -> int:
        return int(np.prod([plain.levels[i] for i in plain.factors[k][1]], dtype=np.int64))

    for t, regime in enumerate(regimes):
        missing = [k for k, levels in row(plain, plain.every_factor, regime) - trained if size(k) > wide]
        assert unseen[t] == min(missing, default=-1)


def three_levels() -> Model:
    a, b = Intervention("A", (0, 1)), Intervention("B", ("none", "low", "high"))
    return Model((a, b), ("x",), (Factor("f", ("x",), ("B", "A")), Factor("g", ("x",), ())))


def test_rows_by_hand() -> None:
    """Columns: 1, A, B=low, B=high, A and B=low, A and B=high; the one-hot block of f runs with A fastest."""
    model = three_levels()
    regimes = Regimes.from_codes(np.array([[0, 0], [1, 0], [0, 1], [0, 2], [1, 2]]))
    rows, unseen = BaselineSystem(model, (0, 1), regimes).rows(regimes)
    assert rows.toarray().tolist() == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 0, 1, 0, 0, 0],
        [1, 0, 0, 1, 0, 0],
        [1, 1, 0, 1, 0, 1],
    ]
    assert unseen.tolist() == [-1] * 5
    full = OneHotSystem(model)
    assert full.cells()[:4] == [(0, (0, 0)), (0, (0, 1)), (0, (1, 0)), (0, (1, 1))]
    assert full.cells()[-1] == (1, ())
    assert np.flatnonzero(full.rows(regimes).toarray()[4]).tolist() == [5, 6]


def test_no_rows() -> None:
    model = three_levels()
    none = Regimes.from_active([], 2)
    train = Regimes.from_codes(np.array([[0, 0]]))
    rows, unseen = BaselineSystem(model, (0,), train).rows(none)
    assert rows.shape == (0, 6)
    assert len(unseen) == 0
    assert OneHotSystem(model).rows(none).shape == (0, 7)


def test_a_factor_over_no_intervention_is_one_column() -> None:
    model = three_levels()
    regimes = Regimes.from_codes(np.array([[0, 0], [1, 2]]))
    rows, _ = BaselineSystem(model, (1,), regimes).rows(regimes)
    assert rows.toarray().tolist() == [[1], [1]]


def large(width: int, pairs: list[tuple[int, int]]) -> Model:
    names = [f"g{i}" for i in range(width)]
    return Model(
        tuple(Intervention(n, (0, 1)) for n in names),
        ("x",),
        tuple(Factor(f"f{p}", ("x",), (names[i], names[j])) for p, (i, j) in enumerate(pairs)),
    )


@pytest.mark.parametrize("candidates", [1, 50, 2**22])
@pytest.mark.parametrize("table", [0, 2**25])
def test_blocks_and_look_ups_of_any_size_give_the_same_rows(
    candidates: int, table: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row is 1, its active interventions and its active pairs that share a factor, however it is looked up."""
    rng = np.random.default_rng(4)
    pairs = sorted({(int(i), int(j)) for i, j in np.sort(rng.integers(0, 60, (150, 2))) if i != j})
    model = large(60, pairs)
    codes = (rng.random((200, 60)) < rng.random((200, 1)) / 4).astype(np.int64)
    codes[17] = 0
    regimes = Regimes.from_codes(codes)
    monkeypatch.setattr(incidence, "_CANDIDATES", candidates)
    monkeypatch.setattr(incidence, "_TABLE_ENTRIES", table)
    system = BaselineSystem(model, tuple(range(len(pairs))), regimes)
    named = sorted({i for pair in pairs for i in pair})
    rows = system.rows(regimes)[0].toarray()
    expected = np.hstack([np.ones((200, 1), np.int64), codes[:, named]])
    expected = np.hstack([expected, np.stack([codes[:, i] * codes[:, j] for i, j in pairs], axis=1)])
    assert (rows == expected).all()


def test_the_one_hot_system_refuses_to_be_huge() -> None:
    names = tuple(f"g{i}" for i in range(40))
    model = Model(tuple(Intervention(n, (0, 1)) for n in names), ("x",), (Factor("all", ("x",), names),))
    with pytest.raises(InputError, match="1,099,511,627,776 columns"):
        OneHotSystem(model)
    small = BaselineSystem(model, (0,), Regimes.from_active([(), ((3, 1),)], 40))
    assert small.columns == 2
    rows, unseen = small.rows(Regimes.from_active([((3, 1),), ((4, 1),)], 40))
    assert rows.toarray().tolist() == [[0, 1], [0, 0]]
    assert unseen.tolist() == [-1, 0]
