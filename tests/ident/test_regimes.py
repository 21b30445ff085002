"""Sparse batches of regimes against plain lists of level indices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifm_ident.arrays import ragged_arange
from ifm_ident.design.design import Design
from ifm_ident.design.model import Factor, Intervention, Model
from ifm_ident.design.regimes import Regimes, regime_map
from ifm_ident.errors import InputError
from tests.oracles import Codes, codes_of, regimes_of

QUICK = settings(max_examples=200, deadline=None, derandomize=True)
WIDTH = 4
rows = st.lists(st.tuples(*[st.integers(0, 2)] * WIDTH), max_size=8)


def as_codes(batch: Regimes) -> list[Codes]:
    return [codes_of(regime, batch.width) for regime in batch]


@given(rows)
@QUICK
def test_codes_survive_every_spelling(codes: list[Codes]) -> None:
    batch = regimes_of(codes, WIDTH)
    assert len(batch) == len(codes)
    assert as_codes(batch) == codes
    assert batch.codes().tolist() == [list(c) for c in codes]
    assert batch.active_counts.tolist() == [sum(x > 0 for x in c) for c in codes]
    assert batch.rows.tolist() == [r for r, c in enumerate(codes) for x in c if x]
    again = Regimes.from_active((tuple(reversed(regime)) for regime in batch), WIDTH)
    assert as_codes(again) == codes


@given(rows, st.data())
@QUICK
def test_taking_joining_and_restricting(codes: list[Codes], data: st.DataObject) -> None:
    batch = regimes_of(codes, WIDTH)
    picks = data.draw(st.lists(st.integers(0, len(codes) - 1))) if codes else []
    assert as_codes(batch.take(np.array(picks, dtype=np.int64))) == [codes[i] for i in picks]
    assert as_codes(batch.take(slice(1, None, 2))) == codes[1::2]
    assert as_codes(Regimes.concatenate([batch, batch.take(slice(0, 1)), batch])) == codes + codes[:1] + codes
    keep = data.draw(st.tuples(*[st.booleans()] * WIDTH))
    kept = [tuple(x if k else 0 for x, k in zip(c, keep, strict=True)) for c in codes]
    assert as_codes(batch.restrict(np.array(keep))) == kept


@given(rows, rows)
@QUICK
def test_first_equal_finds_the_first_occurrence(ours: list[Codes], theirs: list[Codes]) -> None:
    expected = [theirs.index(c) if c in theirs else -1 for c in ours]
    assert regimes_of(ours, WIDTH).first_equal(regimes_of(theirs, WIDTH)).tolist() == expected


@given(rows, rows)
@QUICK
def test_equal_fingerprints_never_make_regimes_equal(ours: list[Codes], theirs: list[Codes]) -> None:
    """With a useless fingerprint (the number of active interventions) the answers are the same."""

    class Weak(Regimes):
        def _fingerprints(self) -> np.ndarray:
            return self.active_counts.astype(np.uint64)

    def weak(codes: list[Codes]) -> Weak:
        batch = regimes_of(codes, WIDTH)
        return Weak(batch.indptr, batch.position, batch.level, WIDTH)

    expected = [theirs.index(c) if c in theirs else -1 for c in ours]
    assert weak(ours).first_equal(weak(theirs)).tolist() == expected


def test_positions_and_levels_are_not_confused() -> None:
    """Level 2 of the first intervention is not level 1 of the second, nor their sum."""
    batch = regimes_of([(2, 0), (0, 2), (1, 1), (2, 1), (1, 2)], 2)
    assert batch.first_equal(batch).tolist() == [0, 1, 2, 3, 4]


def test_a_batch_over_no_intervention_and_an_empty_batch() -> None:
    none = Regimes.from_active([], 3)
    assert len(none) == 0
    assert none.codes().shape == (0, 3)
    assert none.first_equal(none).tolist() == []
    only_baseline = Regimes.from_active([(), ()], 0)
    assert only_baseline.first_equal(only_baseline).tolist() == [0, 0]
    assert only_baseline[1] == ()


def test_ragged_ranges_with_gaps() -> None:
    starts, counts = np.array([7, 1, 3, 9]), np.array([2, 0, 3, 0])
    assert ragged_arange(starts, counts).tolist() == [7, 8, 3, 4, 5]
    assert ragged_arange(starts[:0], counts[:0]).tolist() == []


def model() -> Model:
    a, b = Intervention("A", (0, 1)), Intervention("B", ("none", "low", "high"))
    return Model((a, b), ("x",), (Factor("f", ("x",), ("A", "B")),))


def test_the_map_of_a_regime_names_every_intervention() -> None:
    assert regime_map(model(), ((1, 2),)) == {"A": 0, "B": "high"}


def test_designs_merge_repeats_but_keep_indices_as_written() -> None:
    design = Design(model(), regimes_of([(1, 0), (0, 2), (1, 0), (0, 0), (0, 2)], 2))
    assert design.first.tolist() == [0, 1, 0, 3, 1]
    assert design.distinct.tolist() == [0, 1, 3]


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (Regimes.from_active([], 2), "no training regime"),
        (Regimes.from_active([()], 3), "have 3 interventions, the model 2"),
        (regimes_of([(2, 0)], 2), "training regime 0: intervention .* has no level index 2; legal: 0"),
    ],
)
def test_impossible_designs_are_refused(train: Regimes, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        Design(model(), train)
    assert caught.value.path == ("train",)
