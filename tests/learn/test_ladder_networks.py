"""Networks on a grid as a rung of the ladder, and densities in tables that were fitted before."""

from __future__ import annotations

import dataclasses
import itertools
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ifm_ident import InputError, Study
from ifm_ident.arrays import Floats
from ifm_learn import fit_density
from ifm_learn.data.reading import read_samples
from ifm_learn.data.samples import Samples
from ifm_learn.density.fitted import FittedModel
from ifm_learn.energies.layout import Ridge
from ifm_learn.estimation.of_study import estimate_study
from ifm_learn.ladder.networks import Networks, TablesLaw, law_of
from ifm_learn.ladder.rungs import affordable, rungs_for
from tests.learn.ladder_cases import CROSS, shifted

RAW: dict[str, Any] = {
    "interventions": {"A": [0, 1], "B": [0, 1]},
    "variables": ["u", "v"],
    "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}],
    "train": ["ctrl", "A", "B"],
    "test": ["ctrl", "A", "A+B"],
}
STUDY = Study.from_dict(RAW)
ONE = Study.from_dict(RAW | {"variables": ["u"]})
RATES = np.array([0.2, 0.5, 0.5])  # odds 1/4, 1, 1: together 1 * 1 / (1/4), a rate of 0.8


def table(rows: int = 400) -> dict[str, Floats]:
    rng = np.random.default_rng(0)
    a, b = np.repeat([[0, 0], [1, 0], [0, 1]], rows, axis=0).T
    u = (rng.random(3 * rows) < RATES[a + 2 * b]).astype(float)
    return {"A": a, "B": b, "u": u, "v": (rng.random(3 * rows) < 0.3 + 0.4 * u).astype(float)}


@cache
def binary() -> tuple[Samples, TablesLaw]:
    samples = read_samples(STUDY, table())
    law = Networks().fit(samples)
    assert isinstance(law, TablesLaw)
    return samples, law


def test_means_are_sums_over_all_points_of_the_odds_of_the_regimes() -> None:
    samples, law = binary()
    points = np.array(list(itertools.product([0.0, 1.0], repeat=2)))
    shares = np.stack([[(samples.of(i) == point).all(axis=1).mean() for point in points] for i in range(3)])
    combined = shares[1] * shares[2] / shares[0]
    expected = np.vstack([shares, combined / combined.sum()])
    found = law.means(lambda x: (x[:, None] == points).all(axis=2).astype(float), CROSS)
    np.testing.assert_allclose(found[:3], expected[:3], atol=0.02)
    np.testing.assert_allclose(found[3], expected[3], atol=0.05)  # what the ridge pulls adds up
    np.testing.assert_allclose(law.means(None, CROSS), found @ points, atol=1e-9)
    ratios = law.log_densities(points, CROSS)
    np.testing.assert_allclose(
        ratios - ratios[:, :1], np.log(found.T / found.T[:, :1]), atol=1e-6
    )  # log p(x; sigma) less that of the baseline


def test_refits_count_rows() -> None:
    samples, law = binary()
    n = len(samples)
    np.testing.assert_allclose(law.refit(np.ones(n)).means(None, CROSS), law.means(None, CROSS), atol=1e-9)
    weight = np.where(samples.x[:, 0] == 1, 1.2, 1.0)
    own = [np.average(samples.x[of], axis=0, weights=weight[of]) for of in (samples.regime == i for i in range(3))]
    rng = np.random.default_rng(0)
    for again in (law.refit(weight), law.redrawn(weight, rng)):
        np.testing.assert_allclose(again.means(None, CROSS)[:3], own, atol=0.025)
    assert (law.refit(weight).means(None, CROSS)[:3, 0] > law.means(None, CROSS)[:3, 0]).all()
    assert law.effective_rows(CROSS)[0] > 400


def test_estimates_have_what_those_of_other_energies_have() -> None:
    shown: dict[str, Any] = {"calibration": 0.0, "energy": "mlp"}
    found = estimate_study(ONE, table(), effects="additive", **shown)
    assert found.energy == {"asked": "mlp", "chosen": ["mlp"]}
    assert found.models[2][0] == {"mlp": 1.0}
    assert abs(found.mean[2, 0] - 0.8) < 3 * found.se[2, 0] < 0.3
    low, high = found.effects[2][0]["difference_interval"]
    assert low < 0.6 < high
    assert found.effects[2][0]["synergy"] == pytest.approx(found.mean[2, 0] + found.mean[0, 0] - 1.0, abs=0.1)
    wide = table() | {"y1": table()["u"], "y2": table()["v"]}
    several = estimate_study(ONE, wide, outcomes=["y1", "y2"], **shown)
    np.testing.assert_allclose(several.mean[:, 0], found.mean[:, 0], atol=0.03)


def test_units_are_redrawn_whole() -> None:
    """Each row twice: as rows of their own intervals are shorter by the root of two."""
    data = {name: np.repeat(values, 2) for name, values in table(40).items() if name != "v"}
    study = Study.from_dict({**RAW, "variables": ["u"], "data": {"file": "t.csv", "unit": "who"}})
    alone = estimate_study(ONE, data, calibration=0.0, energy="mlp")
    units = estimate_study(study, data | {"who": np.repeat(np.arange(120), 2)}, calibration=0.0, energy="mlp")
    assert np.log(units.se[:2] / alone.se[:2]).mean() > np.log(1.15)


@pytest.mark.parametrize("energy", ["mlp", "smooth"])
def test_a_file_gives_the_numbers_of_the_fit(tmp_path: Path, energy: str) -> None:
    asked = "grid" if energy == "smooth" else "mlp"
    FittedModel.fit(read_samples(ONE, table(60)), energy=energy).save(tmp_path / "model.npz")
    kept = FittedModel.load(tmp_path / "model.npz")
    by_file = estimate_study(ONE, table(60), model=kept, effects="additive")
    anew = estimate_study(ONE, table(60), energy=asked, calibration=0.0, effects="additive")
    np.testing.assert_allclose(by_file.mean, anew.mean, atol=0 if asked == "mlp" else 1e-4)
    np.testing.assert_allclose(by_file.confidence_low, anew.confidence_low, atol=0 if asked == "mlp" else 1e-3)
    assert by_file.energy["chosen"] == anew.energy["chosen"] == [asked]


def test_it_is_no_part_of_an_average_and_knows_a_limit() -> None:
    samples = shifted(20)
    assert "mlp" not in [rung.name for rung in rungs_for("auto", samples)]
    (rung,) = rungs_for("mlp", samples, seed=3)
    assert rung == Networks(3)
    assert affordable([rung], samples, None) == ([rung], {})
    with pytest.raises(InputError, match=r"no model fits the limits: mlp would take about .* with 40 refits"):
        estimate_study(ONE, table(60), energy="mlp", time_limit=1e-3)


def test_where_inference_is_not_exact_numbers_come_without_errors() -> None:
    samples = read_samples(ONE, table(60))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        density = fit_density(samples, objective="pseudo", ridge=Ridge(0.1, 0.1), starts=1)
    model = dataclasses.replace(FittedModel.fit(samples, energy="smooth"), density=density)
    found = estimate_study(ONE, table(60), model=model)
    assert np.isfinite(found.mean).all()
    assert np.isnan(found.se).all()
    assert any("no standard errors" in warning for warning in found.warnings)
    with pytest.raises(
        InputError, match="effects need a method of the factors, ifm1, dr or balance, and a density"
    ):
        estimate_study(ONE, table(60), model=model, effects="additive")
    with pytest.raises(
        InputError, match="a density has a law with errors where it was fitted by exact likelihood"
    ):
        law_of(density, samples)


def test_cliques_that_are_too_wide_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ifm_learn.ladder.networks.MAX_CELLS", 10)
    samples = shifted(20)
    assert (Networks().unfit(samples) or "").startswith("its clique tables would have ")
    with pytest.raises(InputError, match="the energy 'mlp' cannot describe these rows: its clique tables"):
        rungs_for("mlp", samples)
