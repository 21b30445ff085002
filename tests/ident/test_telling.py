"""What training regimes can tell of interventions acting together, against ranks by sympy and brute force."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import numpy as np
import pytest
import sympy
from numpy.typing import NDArray

from ifm_ident.design.model import Factor, Intervention, Model
from ifm_ident.design.regimes import Regimes
from ifm_ident.planning import dimensions_told, mixed_with, regimes_that_tell, without

Scope = tuple[int, ...]
Codes = NDArray[np.int64]


def one_hot(codes: Codes, levels: Sequence[int], scopes: Iterable[Scope]) -> sympy.Matrix:
    """The full incidence matrix, column by column from its definition."""
    columns = []
    for scope in scopes:
        for cell in itertools.product(*(range(levels[i]) for i in scope)):
            columns.append([int(all(row[i] == c for i, c in zip(scope, cell, strict=True))) for row in codes])
    return sympy.Matrix(np.array(columns).T.tolist())


def others(levels: Sequence[int], scopes: Sequence[Scope], term: Scope) -> list[Scope]:
    """Every set of interventions that acts without all of `term`: subsets of the scopes and of the term."""
    found: set[Scope] = {()}
    for scope in [*scopes, term]:
        for size in range(len(scope) + 1):
            found |= {part for part in itertools.combinations(scope, size) if not set(term) <= set(part)}
    return sorted(found)


def told(codes: Codes, levels: Sequence[int], scopes: Sequence[Scope], term: Scope) -> int:
    beside = others(levels, scopes, term)
    whole, part = (one_hot(codes, levels, some) for some in ([*beside, term], beside))
    return int(whole.rank() - part.rank())


def model_of(levels: Sequence[int]) -> Model:
    bits = tuple(Intervention(f"s{i}", tuple(range(k))) for i, k in enumerate(levels))
    return Model(bits, ("x",), (Factor("f", ("x",), ()),))


def drawn(seed: int) -> tuple[list[int], Codes, list[Scope], Scope]:
    rng = np.random.default_rng(seed)
    levels = [2, 2, int(rng.integers(2, 4))]
    every = np.array([*itertools.product(*map(range, levels))])
    codes = every[rng.permutation(len(every))[: rng.integers(3, len(every))]]
    pool = [scope for size in (1, 2) for scope in itertools.combinations(range(3), size)]
    chosen = [pool[k] for k in rng.permutation(len(pool))[: rng.integers(1, 5)]]
    term = pool[int(rng.integers(len(pool)))]
    return levels, codes, [one for one in chosen if one != term], term


@pytest.mark.parametrize("seed", range(40))
def test_what_is_told_is_a_difference_of_ranks(seed: int) -> None:
    levels, codes, scopes, term = drawn(seed)
    model, train = model_of(levels), Regimes.from_codes(codes)
    assert dimensions_told(model, scopes, [term], train) == told(codes, levels, scopes, term)
    mixed = mixed_with(model, [], scopes, term, train)
    assert (mixed is None) == (told(codes, levels, scopes, term) > 0)


@pytest.mark.parametrize("seed", range(40))
def test_regimes_that_tell_do_and_one_is_found_where_one_is_enough(seed: int) -> None:
    levels, codes, scopes, term = drawn(seed)
    if told(codes, levels, scopes, term):
        return
    found = regimes_that_tell(model_of(levels), scopes, term, Regimes.from_codes(codes))
    more = np.vstack([codes, found.add.codes()])
    assert told(more, levels, scopes, term) > 0
    every = [*itertools.product(*map(range, levels))]
    alone = [one for one in every if told(np.vstack([codes, one]), levels, scopes, term)]
    assert found.least == bool(alone)
    if alone:
        assert len(found.add) == 1
        assert np.count_nonzero(found.add.codes()) == min(map(np.count_nonzero, alone))


def test_three_pairs_that_one_regime_mixes_are_told_apart_by_none() -> None:
    """ctrl, A, B, C and A+B+C: any of the three pairs would explain what A+B+C does beyond its parts."""
    model = model_of([2, 2, 2])
    train = Regimes.from_codes(np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]]))
    pairs = [*itertools.combinations(range(3), 2)]
    for pair in pairs:
        rivals = [one for one in pairs if one != pair]
        assert dimensions_told(model, [(0,), (1,), (2,), *rivals], [pair], train) == 0
        assert dimensions_told(model, [(0,), (1,), (2,)], [pair], train) == 1
        mixed = mixed_with(model, [(0,), (1,), (2,)], rivals, pair, train)
        assert mixed
        assert set(mixed) <= set(rivals)
    assert dimensions_told(model, [(0,), (1,), (2,)], pairs, train) == 1


def test_a_pair_never_run_together_is_mixed_with_nothing() -> None:
    train = Regimes.from_codes(np.array([[0, 0], [1, 0], [0, 1]]))
    assert mixed_with(model_of([2, 2]), [(0,), (1,)], [], (0, 1), train) == ()


def test_without_takes_a_term_out_of_every_scope_that_holds_it() -> None:
    assert without([(0, 1, 2)], (0, 1)) == ((0, 2), (1, 2))
    assert without([(2,)], (0,)) == ((2,),)
    assert without([], (0, 1)) == ((0,), (1,))
