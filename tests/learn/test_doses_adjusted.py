"""Doses and covariates in one study: the classical analysis of covariance over a basis, by statsmodels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ifm_ident import InputError, Study
from ifm_ident.arrays import Floats
from ifm_learn.data.covariates import read_adjusted
from ifm_learn.estimation.of_study import estimate_study
from ifm_learn.falsification.testing import falsify

sm = pytest.importorskip("statsmodels.api")

DOSES = (0, 1, 2, 4)
ASKED = ((0, 1.5), (1, 3), (1, 4), (0, 6))


def study(**more: Any) -> Study:
    """A dose whose effect depends on age, a partner, and a plate."""
    return Study.from_dict({
        "interventions": {"partner": [0, 1], "dose": {"levels": list(DOSES), "basis": {"poly": 2}}},
        "variables": ["y"],
        "covariates": ["age", "plate"],
        "factors": [{"sigma": ["dose"], "z": ["age"]}, {"sigma": ["partner"]}],
        "train": [*({"dose": d} for d in DOSES), {"partner": 1}, {"partner": 1, "dose": 2}],
        "test": [{"partner": p, "dose": d} for p, d in ASKED],
    } | more)  # fmt: skip


def rows_of(seed: int, each: int = 20) -> dict[str, Floats]:
    """Rows of every training regime; ages shift with the dose."""
    rng = np.random.default_rng(seed)
    partner = np.repeat([0, 0, 0, 0, 1, 1], each)
    dose = np.repeat([*DOSES, 0, 2], each).astype(float)
    age = rng.normal(0.3 * dose)
    plate = rng.integers(0, 2, len(dose))
    y = 1 + 0.5 * dose - 0.1 * dose**2 + 0.7 * partner + (0.6 + 0.2 * dose) * age + 0.4 * plate
    noise = rng.normal(size=len(dose)) * (1 + 0.3 * (dose > 1))
    return {"partner": partner, "dose": dose, "age": age, "plate": plate, "y": y + noise}


def terms(partner: Floats, dose: Floats, age: Floats, plate: Floats) -> Floats:
    curve = np.stack([np.ones_like(dose), dose, dose**2], axis=1)
    return np.column_stack([curve, curve * age[:, None], partner, plate])


def population(path: Any) -> tuple[str, Floats, Floats]:
    age, plate = np.array([0.1, 0.9, -0.5, 1.4, 0.3, 0.0, 0.7, 2.0, 1.0]), np.array([0, 1, 1, 0, 1, 0, 0, 1, 1])
    path.write_text("age,plate\n" + "".join(f"{a},{p}\n" for a, p in zip(age, plate, strict=True)))
    return str(path), age, plate


@pytest.mark.parametrize("energy", ["normal", "bernoulli", "poisson"])
def test_means_are_those_of_the_analysis_of_covariance(energy: Any, tmp_path: Any) -> None:
    table = rows_of(3)
    kinds = {"normal": "Gaussian", "bernoulli": "Binomial", "poisson": "Poisson"}
    if energy == "bernoulli":
        table["y"] = (table["y"] > np.median(table["y"])).astype(float)
    elif energy == "poisson":
        table["y"] = np.round(np.exp(table["y"] / 3)).astype(np.float64)
    x = terms(table["partner"], table["dose"], table["age"], table["plate"])
    fitted = sm.GLM(table["y"], x, family=getattr(sm.families, kinds[energy])()).fit(tol=1e-12, maxiter=200)
    path, age, plate = population(tmp_path / "who.csv")
    found = estimate_study(study(), table, energy=energy, population=path)
    hat = np.diag(x @ np.linalg.pinv(x))
    bread = np.linalg.inv(x.T @ x)
    for row, (p, d) in enumerate(ASKED):
        each = terms(np.full(len(age), p), np.full(len(age), float(d)), age, plate)
        assert found.mean[row, 0] == pytest.approx(fitted.predict(each).mean(), rel=1e-6)
        if energy == "normal":
            left = (table["y"] - x @ fitted.params) ** 2 / (1 - hat)
            weight = each.mean(axis=0) @ bread @ x.T
            assert found.se[row, 0] == pytest.approx(np.sqrt(np.sum(weight**2 * left)), rel=1e-6)


def test_a_dose_beyond_those_run_is_flagged_and_formulas_are_given_covariates() -> None:
    found = estimate_study(study(), rows_of(4), energy="normal")
    flags = [tuple(one[0]) for one in found.flags]
    assert "extrapolated" in flags[3]
    assert all("extrapolated" not in one for one in flags[:3])
    answer = study().identify()[0]
    texts = [str(one) for one in (answer.conditionals.values() if answer.conditionals else [answer.formula])]
    assert all("| age, plate;" in one for one in texts)


def test_the_average_and_its_weights_know_doses() -> None:
    """Tilts, weighted residuals and groups over a basis, near the truth of a study of many rows."""
    table = rows_of(5, 300)
    ages, plates = table["age"], table["plate"]
    for more in ({}, {"method": "dr"}, {"energy": "linear"}, {"by": "plate"}):
        found = estimate_study(study(), table, seed=1, **more)  # type: ignore[arg-type]
        assert np.isfinite(found.mean).all()
        if "by" in more:
            continue
        for row, (p, d) in enumerate(ASKED[:3]):
            true = 1 + 0.5 * d - 0.1 * d**2 + 0.7 * p + np.mean((0.6 + 0.2 * d) * ages) + 0.4 * plates.mean()
            assert abs(found.mean[row, 0] - true) < 4 * found.se[row, 0] + 0.02


def test_a_curve_that_does_not_fit_is_refuted_given_covariates() -> None:
    rejected = []
    for bend in (0.0, 2.0):
        table = rows_of(6, 150)
        table["y"] = table["y"] + bend * (table["dose"] == 2)
        samples, covariates = read_adjusted(study(), table)
        found = falsify(samples, tests=["score"], adjusted_for=(study().design, covariates))
        rejected.append(bool(found.rejected))
    assert rejected == [False, True]


def test_a_regime_that_is_not_identified_has_no_number() -> None:
    few = study(train=[{}, {"dose": 1}, {"partner": 1}])
    table = rows_of(7)
    held = (table["dose"] <= 1) & ((table["partner"] == 0) | (table["dose"] == 0))
    some = {name: column[held] for name, column in table.items()}
    found = estimate_study(few, some, energy="normal")
    assert np.isnan(found.mean[:, 0]).all()
    with pytest.raises(InputError, match="takes no account of covariates"):
        estimate_study(study(), table, energy="grid")
