"""Experiments of the literature: the fits of statsmodels, regimes left out inside their intervals, refusals."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from ifm_ident import Status
from ifm_learn import estimate_study, load_factorial
from tests.scripts import loaded

pytest.importorskip("statsmodels")
pytest.importorskip("pandas")

ROOT = Path(__file__).parents[2]
if not (ROOT / "benchmarks" / "real_studies.py").exists():
    pytest.skip("no checkout: there is no folder benchmarks", allow_module_level=True)

studies = loaded(ROOT / "benchmarks" / "real_studies.py")
load = partial(load_factorial)
REAL = pytest.mark.skipif(
    not (Path(os.environ.get("IFM_DATA") or "no-such-folder") / "factorials" / "poisons.csv").exists(),
    reason="IFM_DATA does not name a folder with factorials/",
)


@REAL
def test_poisons_six_cells_are_least_squares_and_hold_what_was_measured() -> None:
    found = studies.poisons(load)
    assert found.unseen.sum() == 6
    np.testing.assert_allclose(found.mean, found.classical, rtol=1e-6)
    assert found.inside[found.unseen].all()
    assert found.rmse(found.mean) < 0.23
    assert (found.sizes[found.unseen] == 3).all()
    together = load("poisons", {"factors": [{"sigma": ["poison", "treat"]}], "train": found_train(6)})
    assert together.study.identify().counts()["not_identified"] == 6


def found_train(cells: int) -> list[dict[str, object]]:
    """All treatments of poison 1, then A of the others."""
    every = [*studies.grid(poison=[1], treat="ABCD"), *studies.grid(poison=[2, 3], treat="A")]
    return list(every[:cells])


@REAL
def test_a_dose_left_out_is_interpolated() -> None:
    normal = studies.tooth_growth(load, "normal")
    np.testing.assert_allclose(normal.mean, normal.classical, rtol=1e-6)
    found = studies.tooth_growth(load)
    assert found.unseen.sum() == 2
    assert found.inside[found.unseen].all()
    named = load(
        "ToothGrowth",
        {
            "interventions": {"supp": ["VC", "OJ"], "dose": [0.5, 1, 2]},
            "train": studies.grid(supp=["VC", "OJ"], dose=[0.5, 2]),
        },
    )
    assert named.study.identify().counts()["not_identified"] == 2


@REAL
def test_blocks_are_adjusted_for_and_what_they_hide_is_not_told() -> None:
    found, classical = studies.npk(load)
    np.testing.assert_allclose(found.mean[:, 0], classical, rtol=1e-6)
    hidden, _ = studies.npk(load, [{"sigma": ["N", "P", "K"]}])
    assert (hidden.status == Status.OBSERVED).all()
    assert np.isnan(hidden.mean).all()
    assert all("do not tell block and the factors apart" in note for note in hidden.note)


@REAL
def test_mixtures_by_ratio_are_foretold_and_by_independent_action_are_not() -> None:
    action, half = studies.mixtures(load)
    np.testing.assert_allclose(action.mean, action.classical, rtol=1e-6)
    assert action.rmse(action.mean) > 4 * action.noise
    assert (action.mean < action.measured)[action.unseen].sum() > 30
    ratios = studies.ratios(load)
    np.testing.assert_allclose(ratios.mean, ratios.classical, rtol=1e-6)
    assert ratios.rmse(ratios.mean) < 0.02
    assert ratios.inside[ratios.unseen].mean() > 0.8
    found = estimate_study(half.study, half.table, calibration=0.0, energy="normal", half="a")
    low, high = found.half_levels[0]["interval"]
    # half of .293 - .024, the controls and the largest dose, is passed between doses 312.5 (.177) and 625 (.105)
    assert 156.25 < low < found.half_levels[0]["level"] < high < 625


@REAL
def test_planned_cells_identify_all_of_the_rice_and_cost_what_they_magnify() -> None:
    whole = load("chakravertti.factorial").study
    planned = studies.planned_cells(whole, 1)
    found, rivals = studies.rice(load, planned)
    assert (~found.unseen).sum() == 47  # 1 + 10 + 36 products of indicators, no fewer rows span them
    assert (found.found.status != Status.NOT_IDENTIFIED).all()
    np.testing.assert_allclose(found.mean, rivals["least squares with all pairs"], rtol=1e-6)
    assert found.sizes.max() == 17
    alone, _ = studies.rice(load, planned, [{"sigma": [name]} for name in studies.RICE])
    best = min(alone.rmse(rivals[name]) for name in studies.RIVALS)
    assert alone.rmse(alone.mean) <= best * (1 + 1e-6)
    assert found.rmse(rivals["components"]) < best
    assert found.rmse(rivals["average"]) < best
    twice, others = studies.rice(load, studies.planned_cells(whole, 2))
    assert twice.rmse(others["average"]) < min(twice.rmse(others[name]) for name in studies.RIVALS)
    assert found.inside[found.unseen].mean() > 0.9


@REAL
def test_calls_are_logistic_regression_and_a_cell_left_out_is_held() -> None:
    found, classical, _ = studies.resumes(load)
    np.testing.assert_allclose(found.mean[:, 0], classical, rtol=1e-6)
    assert not found.warnings  # columns of yes and no are no units
    left, _, own = studies.resumes(load, leave_out=True)
    assert left.status.tolist() == [Status.OBSERVED] * 7 + [Status.IDENTIFIED]
    error = np.sqrt(own[7] * (1 - own[7]) / 278)  # of the 278 rows left out
    assert left.confidence_low[7, 0] - 2 * error < own[7] < left.confidence_high[7, 0] + 2 * error


def test_a_planned_dose_matrix_is_estimated_to_its_noise() -> None:
    runs = studies.planned_matrix()
    assert len(runs) == 9
    found = [studies.matrix(seed, runs) for seed in range(12)]
    np.testing.assert_allclose(found[0].mean, found[0].classical, rtol=1e-6)
    # a formula of 4-row means errs by at most sum|q| / 2 of a row's error of .5
    error = np.sqrt(np.mean([one.rmse(one.mean) ** 2 for one in found]))
    assert error < 0.5 * found[0].sizes.max() / 2
    held = [
        (one.found.confidence_low[:, 0] <= one.measured) & (one.measured <= one.found.confidence_high[:, 0])
        for one in found
    ]
    # means of one study share their rows: allowed is what 12 independent ones of coverage 0.9 give in 999 of 1,000
    assert np.mean(held) > 0.9 - 3 * np.sqrt(0.09 / 12)
