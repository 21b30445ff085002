"""Regimes far apart: no test where rows tell nothing, and a level that holds where they tell little."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from ifm_ident import Factor
from ifm_learn.data.samples import Samples
from ifm_learn.falsification._overlap import side_by_side
from ifm_learn.falsification.testing import Falsification, falsify
from tests.learn.falsification_truths import CODES, model, samples_of


def apart(distance: float, n: int, seed: int) -> Samples:
    """x ~ N(distance (A - B), 1): the claim holds, since normal laws of one variance are closed under it."""
    rng = np.random.default_rng(seed)
    rows = [rng.normal(distance * (a - b), 1.0, (n, 1)) for a, b in CODES]
    return samples_of(model(Factor("fA", ("x",), ("A",)), Factor("fB", ("x",), ("B",)), variables=("x",)), rows)


def made(found: Falsification) -> list[bool]:
    return [bool(finding.evidence.effect) for finding in found.findings]


@pytest.mark.parametrize("distance", [4.0, 12.0, 20.0, 60.0])
def test_nothing_is_tested_where_no_rows_are_side_by_side(distance: float) -> None:
    # exp(-distance^2 / 2) of the rows of A are where those of the baseline are: none of 300
    for seed in range(3):
        found = falsify(apart(distance, 300, seed), pairs=False)
        assert made(found) == [False, False]
        assert [finding.evidence.information for finding in found.findings] == pytest.approx([0.0, 0.0], abs=0.5)
        assert len(found.warnings) == 2


def test_level_of_the_score_test_where_little_overlaps() -> None:
    # two deviations apart: a regime has 13% of another's density where that has most, and 1% a deviation away
    found = [falsify(apart(2.0, 1000, 50 + s), pairs=False, tests=["score"]).findings[0] for s in range(60)]
    assert all(finding.evidence.effect for finding in found)
    assert sum(finding.evidence.p_value < 0.05 for finding in found) <= binom.ppf(0.9995, 60, 0.05)


def test_rows_of_one_law_are_side_by_side() -> None:
    rng = np.random.default_rng(0)
    label = np.repeat([0, 1, 2], 200)
    for x in (rng.normal(size=(600, 5)), rng.integers(0, 3, (600, 2)).astype(float), np.zeros((600, 1))):
        assert side_by_side(x, label, 3)[1].mean() > 0.99
    few = np.repeat([0, 1], [200, 2])
    rows, near = side_by_side(rng.normal(size=(202, 1)), few, 2)
    assert sorted(rows.tolist()) == list(range(202))
    assert near.any()
    assert not near.all()
