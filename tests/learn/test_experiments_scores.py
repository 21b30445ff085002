"""Scores against hand computations and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, spearmanr

from ifm_ident import InputError
from ifm_learn.experiments.figures import panels
from ifm_learn.experiments.results import Results, prmse, rank_correlation, wins
from ifm_learn.experiments.table import markdown


def small(**estimates: list[list[float]]) -> Results:
    truth = np.array([[0.0, 1.0, 2.0], [0.0, -1.0, 1.0]])
    return Results(
        {"problems": 2},
        ("A", "B", "C"),
        truth,
        np.full_like(truth, 0.5),
        {method: np.array(rows) for method, rows in estimates.items()},
    )


def test_prmse_by_hand() -> None:
    # errors 1, 0, -2 squared over variances 1, 2, 4: (1 + 0 + 1) / 3
    found = prmse(np.array([0.0, 1.0, 2.0]), np.array([1.0, 2.0, 4.0]), np.array([1.0, 1.0, 0.0]))
    assert found == pytest.approx(2 / 3)


def test_rank_correlation_is_spearmans() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b = rng.normal(size=11), rng.integers(0, 4, size=11).astype(float)
        assert rank_correlation(a, b) == pytest.approx(spearmanr(a, b).statistic)
    assert rank_correlation(np.arange(4.0), np.zeros(4)) == 0.0
    assert np.isnan(rank_correlation(np.arange(2.0), np.array([np.nan, 1.0])))


def test_wins_are_counted_and_tested_one_sided() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=50), rng.normal(size=50) + 0.5
    a[:3] = b[:3]
    found = wins(a, b, lower_is_better=True)
    won = int((a < b).sum())
    assert (found.won, found.lost) == (won, 47 - won)
    assert found.p_value == pytest.approx(binom.sf(won - 1, 47, 0.5))
    other = wins(-a, -b, lower_is_better=False)
    assert other == found


def test_a_method_without_a_number_loses() -> None:
    found = wins(np.array([np.nan, 0.1, np.nan]), np.array([9.0, 0.2, np.nan]), lower_is_better=True)
    assert (found.won, found.lost) == (1, 1)
    with pytest.raises(InputError, match="give the same problems"):
        wins(np.zeros(2), np.zeros(3), lower_is_better=True)


def test_the_table_says_what_was_counted() -> None:
    found = small(
        blackbox=[[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]],
        ifm1=[[0.0, 1.0, 2.5], [0.0, -1.0, 1.0]],
        additive=[[0.0, 1.0, np.nan], [0.0, -1.0, 1.0]],
    )
    lines = markdown(found, "sachs", "ifm").splitlines()
    # pRMSE of IFM1: (0.25 / 0.5 / 3, 0); of the black box: (1 + 0 + 1) / 0.5 / 3 in both problems
    assert lines[3] == "| IFM1 | 0.0833 | 0.0833 | 1.000 | 2 of 2 | 0.250 | 2 of 2 | 0.250 | 0.185 | 0.942 |"
    assert lines[2] == "| black box | 1.3333 | 1.3333 | 0.000 |  |  |  |  | 0.174 | 0.930 |"
    assert lines[4].startswith("| additive | nan | nan | nan | 1 of 2 | 0.750 |")
    assert "published" not in markdown(found, "dream", "ifm")


def test_figures_have_a_column_an_experiment_and_a_box_a_method() -> None:
    rng = np.random.default_rng(0)
    one = small(blackbox=rng.normal(size=(2, 3)).tolist(), ifm1=rng.normal(size=(2, 3)).tolist())
    figure = panels({"Sachs, truth IFM": one, "Sachs, truth DAG": one})
    assert len(figure.axes) == 4
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["black box", "IFM1"]
    assert figure.axes[0].get_title(loc="left") == "Sachs, truth IFM"
    heights = figure.axes[2].get_lines()[0].get_ydata()
    # the density over -1..1 of values mirrored at the ends has mass one; trapezoid on 801 points
    assert np.trapezoid(heights, np.linspace(-1, 1, 801)) == pytest.approx(1.0, abs=0.01)
