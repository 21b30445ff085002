"""Lazily enumerated sets of regimes against enumeration by hand."""

from __future__ import annotations

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifm_ident.design.model import Factor, Intervention, Model
from ifm_ident.design.regimes import Active, Regimes
from ifm_ident.design.spaces import AllRegimes, Listed, Space, UpToOrder, require_feasible
from ifm_ident.errors import InputError


def model_of(counts: list[int]) -> Model:
    names = [f"s{i}" for i in range(len(counts))]
    interventions = tuple(Intervention(n, tuple(range(a))) for n, a in zip(names, counts, strict=True))
    return Model(interventions, ("x",), (Factor("f", ("x",), tuple(names)),))


def listed(space: Space, size: int) -> list[Active]:
    chunks = list(space.chunks(size))
    assert all(0 < len(chunk) <= size for chunk in chunks)
    return [regime for chunk in chunks for regime in chunk]


def active(codes: tuple[int, ...]) -> Active:
    return tuple((i, level) for i, level in enumerate(codes) if level)


COUNTS = st.lists(st.integers(2, 4), min_size=1, max_size=5)


@given(COUNTS, st.integers(1, 50))
def test_all_is_lexicographic_with_the_last_fastest(counts: list[int], size: int) -> None:
    space = AllRegimes(model_of(counts))
    expected = [active(codes) for codes in itertools.product(*map(range, counts))]
    assert listed(space, size) == expected
    assert space.count == len(expected)


@given(COUNTS, st.integers(0, 7), st.integers(1, 50))
def test_order_goes_by_number_then_positions_then_levels(counts: list[int], order: int, size: int) -> None:
    space = UpToOrder(model_of(counts), order)
    regimes = [active(codes) for codes in itertools.product(*map(range, counts))]
    expected = sorted(
        (regime for regime in regimes if len(regime) <= order),
        key=lambda regime: (len(regime), [p for p, _ in regime], [v for _, v in regime]),
    )
    assert listed(space, size) == expected
    assert space.count == len(expected)


def test_counts_are_exact_where_nothing_could_be_enumerated() -> None:
    wide = model_of([2] * 1000)
    assert AllRegimes(wide).count == 2**1000
    assert UpToOrder(wide, 1000).count == UpToOrder(wide, 10**30).count == 2**1000
    assert UpToOrder(wide, 999).count == 2**1000 - 1
    assert UpToOrder(model_of([3] * 300), 2).count == 1 + 300 * 2 + 300 * 299 // 2 * 4


def test_listed_keeps_order_and_repeats() -> None:
    regimes = Regimes.from_codes(np.array([[1, 0], [0, 0], [1, 0]]))
    assert listed(Listed(regimes), 2) == [((0, 1),), (), ((0, 1),)]
    assert Listed(regimes).count == 3
    assert list(Listed(regimes.take(np.arange(0))).chunks()) == []


@pytest.mark.parametrize(
    ("space", "words"),
    [
        (AllRegimes(model_of([2] * 40)), ["2^40 = 1,099,511,627,776", "{order: 2}", "list", "file"]),
        (AllRegimes(model_of([3] * 20)), ["3,486,784,401 "]),
        (AllRegimes(model_of([2] * 1000)), ["2^1000 regimes"]),
        (AllRegimes(model_of([3] * 1000)), ["about 10^477"]),
        (UpToOrder(model_of([100] * 200), 2), ["195,059,701 ", "a smaller order"]),
    ],
)
def test_what_is_too_large_is_refused_with_its_count(space: Space, words: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        require_feasible(space)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_the_limit_itself_is_feasible_and_a_negative_order_is_not() -> None:
    require_feasible(AllRegimes(model_of([2] * 26)))
    with pytest.raises(InputError, match="2\\^27"):
        require_feasible(AllRegimes(model_of([2] * 27)))
    with pytest.raises(InputError, match="order is -1"):
        UpToOrder(model_of([2]), -1)
    with pytest.raises(InputError, match="2\\^70"):
        AllRegimes(model_of([2] * 70)).chunks()


def test_spaces_beyond_the_limit_can_still_be_walked_lazily() -> None:
    first = next(AllRegimes(model_of([2] * 60)).chunks(4))
    assert list(first) == [(), ((59, 1),), ((58, 1),), ((58, 1), (59, 1))]
    first = next(UpToOrder(model_of([2] * 61), 61).chunks(3))
    assert list(first) == [(), ((0, 1),), ((1, 1),)]


def test_memory_is_bounded_by_the_chunk() -> None:
    space = UpToOrder(model_of([2] * 150), 3)
    tracemalloc.start()
    total = sum(len(chunk) for chunk in space.chunks(4096))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == space.count == 562_626
    assert peak < 4_000_000
