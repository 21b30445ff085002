"""Every door that makes regimes puts them in normal form or refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ifm_ident import Design, Factor, Identifier, InputError, Intervention, Model, Regimes, Status

MODEL = Model(
    tuple(Intervention(name, (0, 1, 2)) for name in "ABC"),
    ("x",),
    (Factor("f", ("x",), ("A", "B")), Factor("g", ("x",), ("C",))),
)
DESIGN = Design(MODEL, Regimes.from_codes(np.array([[0, 0, 0], [1, 0, 0], [0, 0, 1]])))


def test_an_explicit_baseline_is_left_out() -> None:
    asked = Regimes.from_active([((0, 1), (1, 0)), ((1, 0),)], 3)
    assert list(asked) == [((0, 1),), ()]
    assert (Identifier(DESIGN).identify(asked).status == Status.OBSERVED).all()
    assert len(Design(MODEL, Regimes.from_active([(), ((0, 0),), ((0, 1),)], 3)).distinct) == 2


def test_entries_in_any_order_are_the_same_regime() -> None:
    mixed = Regimes(np.array([0, 2, 2, 3]), np.array([2, 0, 1]), np.array([1, 2, 1]), 3)
    assert list(mixed) == [((0, 2), (2, 1)), (), ((1, 1),)]
    assert mixed.first_equal(Regimes.from_codes(np.array([[0, 1, 0], [2, 0, 1]]))).tolist() == [1, -1, 0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Regimes.from_active([((0, 1), (0, 1))], 3), "regime 0 names intervention 0 twice"),
        (lambda: Regimes.from_active([(), ((0, 1), (0, 2))], 3), "regime 1 names intervention 0 twice"),
        (lambda: Regimes.from_codes(np.array([[0.5, 0, 0]])), "level indices are whole numbers"),
        (lambda: Regimes.from_codes(np.array([1, 0, 0])), "level indices are whole numbers"),
        (lambda: Regimes(np.array([0, 5]), np.array([0]), np.array([1]), 3), "indptr must begin with 0"),
        (lambda: Regimes(np.array([0, 1]), np.array([0]), np.array([1, 1]), 3), "give one level for each"),
        (lambda: Regimes(np.array([0, 1]), np.array([0]), np.array([0]), 3), "level 0 is the baseline"),
        (lambda: Regimes(np.array([0, 1]), np.array([0.0]), np.array([1]), 3), "position holds whole numbers"),
    ],
)
def test_what_is_no_regime_is_refused(make: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


def test_rows_may_end_where_the_next_begins_lower() -> None:
    """Positions fall from one row to the next, not within a row; empty rows lie between, before and after."""
    codes = np.array([[0, 0, 0], [0, 0, 2], [1, 1, 0], [0, 0, 0], [2, 0, 0], [0, 0, 0]])
    assert np.array_equal(Regimes.from_codes(codes).codes(), codes)
    assert Regimes.from_codes(np.zeros((3, 2), dtype=bool)).sizes.tolist() == [0, 0, 0]
