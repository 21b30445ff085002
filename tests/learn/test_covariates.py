"""Estimates adjusted for covariates: against statsmodels, against known truths, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from scipy.optimize import minimize
from scipy.special import expit

from ifm_ident import Factor, InputError, Intervention, Model, Regimes, Study
from ifm_ident.arrays import Floats
from ifm_learn.data.covariates import Column, Covariates, plain_study
from ifm_learn.data.reading import read_samples
from ifm_learn.data.samples import Samples
from ifm_learn.estimation.of_study import estimate_study
from ifm_learn.falsification.testing import falsify
from ifm_learn.ladder.adjusted import Adjusted
from ifm_learn.ladder.balancing import effective_share
from ifm_learn.ladder.glm import Energy

MAPPING: dict[str, Any] = {
    "interventions": {"A": [0, 1], "B": [0, 1]},
    "variables": ["y"],
    "covariates": ["age", "plate"],
    "factors": [{"sigma": ["A"], "z": ["age"]}, {"sigma": ["B"]}],
    "train": ["00", "10", "01"],
    "test": ["00", "10", "01", "11"],
}
CELLS = [(0, 0), (1, 0), (0, 1), (1, 1)]
FAMILIES = {
    "normal": sm.families.Gaussian(),
    "bernoulli": sm.families.Binomial(),
    "poisson": sm.families.Poisson(),
}


def linear(age: Floats, plate: Any, a: Any, b: Any) -> Floats:
    return np.asarray(0.2 + 0.5 * a - 0.4 * b + 0.6 * age + 0.4 * a * age + 0.5 * plate)


def table(n: int, seed: int, energy: str = "normal", shift: float = 0.0) -> pd.DataFrame:
    """n rows a regime; the law of age moves by `shift` from regime to regime."""
    rng, place = np.random.default_rng(seed), np.repeat([0, 1, 2], n)
    age = rng.normal(shift * place, 1.0)
    plate = rng.integers(0, 2, 3 * n)
    theta = linear(age, plate, place == 1, place == 2)
    draws: dict[str, Callable[[], Any]] = {
        "normal": lambda: theta + rng.normal(size=3 * n),
        "bernoulli": lambda: rng.binomial(1, expit(theta)),
        "poisson": lambda: rng.poisson(np.exp(theta / 2)),
    }
    columns = {"A": (place == 1) * 1, "B": (place == 2) * 1, "y": draws[energy]()}
    return pd.DataFrame({**columns, "age": age, "plate": np.array(["p", "q"])[plate]})


@pytest.mark.parametrize("energy", FAMILIES)
@pytest.mark.parametrize("population", ["all", "ctrl"])
def test_means_are_those_of_statsmodels(energy: Energy, population: str) -> None:
    rows = table(60, 1, energy, shift=0.5)
    found = estimate_study(Study.from_dict(MAPPING), rows, energy=energy, population=population)
    fitted = smf.glm("y ~ A * age + B + plate", rows, family=FAMILIES[energy]).fit(tol=1e-13)
    over = rows if population == "all" else rows[(rows.A == 0) & (rows.B == 0)]
    wanted = [fitted.predict(over.assign(A=a, B=b)).mean() for a, b in CELLS]
    np.testing.assert_allclose(found.mean[:, 0], wanted, rtol=1e-6)


def test_groups_are_means_over_their_rows() -> None:
    rows = table(60, 2)
    found = estimate_study(Study.from_dict(MAPPING), rows, by="plate", energy="normal")
    fitted = smf.ols("y ~ A * age + B + plate", rows).fit()
    wanted = [
        fitted.predict(rows[rows.plate == plate].assign(A=a, B=b)).mean() for a, b in CELLS for plate in ("p", "q")
    ]
    np.testing.assert_allclose(found.mean[:, 0], wanted, rtol=1e-6)
    assert found.groups == ("p", "q") * 4
    assert [entry["group"] for entry in found.mapping()["results"]] == [{"plate": "p"}, {"plate": "q"}] * 4
    assert found.to_arrow()["group"].to_pylist() == list(found.groups)


def test_errors_are_those_of_heteroscedasticity_consistent_covariances() -> None:
    """HC2 for rows; for whole units its like, by dense blocks."""
    rows = table(40, 3)
    model = Study.from_dict(MAPPING).model
    place = (rows.A + 2 * rows.B).to_numpy()
    train = Regimes.from_codes(np.array([[0, 0], [1, 0], [0, 1]]))
    plate = (rows.plate == "q").to_numpy(dtype=float)
    z = Covariates((Column("age"), Column("plate", ("p", "q"))), np.column_stack([rows.age, plate]))
    y = rows.y.to_numpy()
    target = Regimes.from_codes(np.array([[1, 1]]))
    at = {
        "Intercept": 1,
        "plate[T.q]": plate.mean(),
        "A": 1,
        "age": rows.age.mean(),
        "A:age": rows.age.mean(),
        "B": 1,
    }
    robust = smf.ols("y ~ A * age + B + plate", rows).fit(cov_type="HC2")
    row = np.array([at[name] for name in robust.model.exog_names])
    means = Adjusted.fit("normal", model, (0, 1), train, place, z, y).means(target, z.values)
    np.testing.assert_allclose(means.se, np.sqrt(row @ robust.cov_params().to_numpy() @ row), rtol=1e-9)
    both = Regimes.from_codes(np.array([[0, 0], [1, 1]]))
    means = Adjusted.fit("normal", model, (0, 1), train, place, z, y).means(both, z.values)
    away = np.array([at[name] * (name in ("A", "B", "A:age")) for name in robust.model.exog_names])
    np.testing.assert_allclose(means.difference, [0.0, away @ robust.params], rtol=1e-9, atol=1e-12)
    wanted = np.sqrt(away @ robust.cov_params().to_numpy() @ away)
    np.testing.assert_allclose(means.difference_se, [0.0, wanted], rtol=1e-9, atol=1e-12)
    unit = np.arange(len(y)) // 4
    fitted = Adjusted.fit("normal", model, (0, 1), train, place, z, y, unit)
    x, e = robust.model.exog, robust.resid.to_numpy()
    inverse, meat = np.linalg.inv(x.T @ x), np.zeros((x.shape[1],) * 2)
    for one in range(int(unit.max()) + 1):
        own = x[unit == one]
        values, vectors = np.linalg.eigh(np.eye(len(own)) - own @ inverse @ own.T)
        score = own.T @ (vectors / np.sqrt(values) @ vectors.T) @ e[unit == one]
        meat += np.outer(score, score)
    wanted = np.sqrt(row @ inverse @ meat @ inverse @ row)
    np.testing.assert_allclose(fitted.means(target, z.values).se, wanted, rtol=1e-7)


@pytest.mark.parametrize("energy", FAMILIES)
def test_a_shifted_covariate_is_not_taken_for_an_effect(energy: Energy) -> None:
    rows = table(4000, 4, energy, shift=1.0)
    rng = np.random.default_rng(0)
    age, plate = rng.normal(size=200_000), rng.integers(0, 2, 200_000)
    scale = {"normal": lambda t: t, "bernoulli": expit, "poisson": lambda t: np.exp(t / 2)}[energy]
    truth = np.array([scale(linear(age, plate, a, b)).mean() for a, b in CELLS])
    found = estimate_study(Study.from_dict(MAPPING), rows, energy=energy, population="ctrl")
    assert np.abs(found.mean[:, 0] - truth).max() < 4 * found.se.max()
    raw = rows[(rows.A == 0) & (rows.B == 1)].y.mean()
    assert abs(raw - truth[2]) > 8 * found.se.max()  # as the rows are, the shift is in the mean


def test_randomised_covariates_gain_what_theory_says() -> None:
    n, rng = 3000, np.random.default_rng(5)
    place = np.repeat([0, 1, 2], n)
    age = rng.normal(size=3 * n)
    y = 0.3 * (place == 1) + 1.5 * age + rng.normal(size=3 * n)
    rows = {"A": (place == 1) * 1, "B": (place == 2) * 1, "y": y, "age": age}
    study = Study.from_dict({
        **MAPPING, "covariates": ["age"], "randomised": True, "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}],
    })  # fmt: skip
    found = estimate_study(study, rows, effects="additive")
    share = 1.5**2 / (1 + 1.5**2)
    assert found.covariates["effect_variance_ratio"] == pytest.approx(1 - share, rel=0.1)
    plain = Study.from_dict(
        {**{k: v for k, v in MAPPING.items() if k != "covariates"}, "factors": study_factors()}
    )
    alone = estimate_study(plain, rows, energy="normal", calibration=0.0, effects="additive")
    widths = [np.diff(one.effects[1][0]["difference_interval"])[0] for one in (found, alone)]
    assert widths[0] / widths[1] == pytest.approx(np.sqrt(1 - share), rel=0.2)  # the other by 40 refits
    assert not [warning for warning in found.warnings if "randomised" in warning]
    assert min(found.covariates["overlap"][0].values()) > 0.95


def without_covariates() -> dict[str, Any]:
    return {**{k: v for k, v in MAPPING.items() if k != "covariates"}, "factors": study_factors()}


def study_factors() -> list[Mapping[str, Any]]:
    return [{"sigma": ["A"]}, {"sigma": ["B"]}]


def test_what_is_said_to_be_randomised_and_moves_is_hinted_at() -> None:
    study = Study.from_dict({**MAPPING, "randomised": True})
    found = estimate_study(study, table(200, 6, shift=1.0))
    assert any(
        "age differs between regimes" in w and "is a variable, not a covariate" in w for w in found.warnings
    )
    assert not any("plate" in w for w in found.warnings)


def test_little_overlap_is_flagged_in_the_row_and_said() -> None:
    rows = table(60, 7, shift=4.0)
    found = estimate_study(Study.from_dict(MAPPING), rows, population="ctrl")
    assert "little_overlap" in found.flags[3][0]
    assert "little_overlap" not in found.flags[0][0]
    assert any("hardly any rows have age and plate as the population has" in w for w in found.warnings)
    overlap = found.covariates["overlap"][0]
    assert overlap["00"] == pytest.approx(1.0, abs=1e-6)
    assert overlap["01"] < 0.1


def test_effective_share_is_that_of_the_ratio_of_normal_laws() -> None:
    """E[w]^2 / E[w^2] of the tilt that moves a normal mean by d is exp(-d^2)."""
    z = np.random.default_rng(8).normal(size=(20_000, 1))
    assert effective_share(z - z.mean(), np.array([0.7])) == pytest.approx(np.exp(-0.49), rel=0.05)


def test_what_rows_do_not_tell_apart_is_refused_in_words() -> None:
    rows = table(30, 9)
    rows["plate"] = np.where(rows.A == 1, "q", "p")  # plate q was for A alone
    study = Study.from_dict({**MAPPING, "factors": study_factors()})
    found = estimate_study(study, rows)
    assert np.isnan(found.mean[:, 0]).all()  # every mean over both plates
    assert "do not tell age and plate and the factors apart" in found.note[0]
    over = estimate_study(study, rows, population="ctrl")
    assert np.isfinite(over.mean[[0, 2], 0]).all()  # plate p is known without A
    assert np.isnan(over.mean[[1, 3], 0]).all()


def test_a_wrong_model_gives_no_interval() -> None:
    rows = table(500, 10)
    more = table(500, 11).assign(A=1, B=1)
    more["y"] += 3.0  # an interaction that the factors exclude
    study = Study.from_dict({**MAPPING, "train": ["00", "10", "01", "11"]})
    found = estimate_study(study, pd.concat([rows, more], ignore_index=True))
    assert all("misses_training" in words[0] for words in found.flags)
    assert np.isnan(found.confidence_low).all()


def test_variables_in_different_factors() -> None:
    """A moves x1, B moves x2, which follows x1: all factors' coordinates for the mean of each."""
    rng, place = np.random.default_rng(12), np.repeat([0, 1, 2], 3000)
    age = rng.normal(size=9000)
    x1 = 1.0 * (place == 1) + age + rng.normal(size=9000)
    x2 = 0.5 * x1 - 1.0 * (place == 2) + rng.normal(size=9000)
    study = Study.from_dict({
        **MAPPING, "variables": ["x1", "x2"], "covariates": ["age"],
        "factors": [{"x": ["x1"], "sigma": ["A"]}, {"x": ["x1", "x2"], "sigma": ["B"]}], "test": ["11"],
    })  # fmt: skip
    rows = {"A": (place == 1) * 1, "B": (place == 2) * 1, "x1": x1, "x2": x2, "age": age}
    found = estimate_study(study, rows)
    np.testing.assert_allclose(found.mean[0], [1.0, -0.5], atol=4 * float(found.se.max()))
    binary = {**rows, "x1": (x1 > 0) * 1, "x2": (x2 > 0) * 1}
    with pytest.raises(InputError, match="x1 and x2 are not"):
        estimate_study(study, binary, energy="bernoulli")
    found = estimate_study(study, binary)  # by tilts, which need no independence
    assert set(found.models[0][0]) <= {"linear"}
    assert "x1 and x2 are not" in found.energy["left_out"]["bernoulli"]


def test_an_outcome_is_a_variable_of_every_factor() -> None:
    rows = table(60, 13).assign(x=0.0)
    rows["x"] = np.random.default_rng(0).normal(size=len(rows))
    mapping = {**MAPPING, "variables": ["x"]}
    study = Study.from_dict({**mapping, "data": {"file": "none.csv", "outcome": "y"}})
    found = estimate_study(study, rows)
    alone = estimate_study(Study.from_dict(MAPPING), rows)
    np.testing.assert_allclose(found.mean, alone.mean)
    assert any("taken for a variable of every factor" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "ifm3"}, "the method 'ifm3' takes no account of covariates; .*ifm1, dr, balance"),
        ({"method": "additive"}, "the method 'additive' takes no account of covariates"),
        ({"energy": "grid"}, "the energy 'grid' takes no account of covariates; .*bernoulli, poisson"),
        ({"energy": "mlp"}, "the energy 'mlp' takes no account"),
        ({"shrink": True}, "shrink takes no account of covariates"),
        ({"sensitivity": 1.0}, "sensitivity takes no account of covariates"),
        ({"effects": "bliss"}, "effects against 'bliss' take no account"),
        ({"by": "sex"}, "groups are by a covariate, and 'sex' is none; legal: age, plate"),
        ({"energy": "bernoulli"}, "takes values that are 0 or 1"),
        ({"energy": "poisson"}, "takes values that are whole numbers"),
        ({"energy": "negbin"}, "takes values that are whole numbers"),
        ({"energy": "gamma"}, "takes values that are positive"),
    ],
)
def test_what_takes_no_account_of_covariates_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        estimate_study(Study.from_dict(MAPPING), table(20, 14), **options)


def test_population_needs_covariates() -> None:
    plain = Study.from_dict(
        {**{k: v for k, v in MAPPING.items() if k != "covariates"}, "factors": study_factors()}
    )
    with pytest.raises(InputError, match="the study has none; list them under `covariates`"):
        estimate_study(plain, table(20, 15), population="ctrl")


def test_separated_rows_have_the_estimate_of_jeffreys_prior() -> None:
    """Against a general optimiser of the penalised likelihood; the error is no less than the family's."""
    rows = table(20, 16, "bernoulli")
    rows["y"] = (rows.age > 0) * 1
    found = estimate_study(Study.from_dict(MAPPING), rows, energy="bernoulli")
    x = smf.ols("y ~ A * age + B + plate", rows)
    y, terms = rows.y.to_numpy(), x.exog

    def loss(b: Floats) -> float:
        p = expit(terms @ b)
        information = (terms * (p * (1 - p))[:, None]).T @ terms
        return -float(y @ np.log(p) + (1 - y) @ np.log1p(-p) + np.linalg.slogdet(information)[1] / 2)

    best = minimize(loss, np.zeros(terms.shape[1]), options={"gtol": 1e-7}).x
    in_cell = [smf.ols("y ~ A * age + B + plate", rows.assign(A=a, B=b)).exog for a, b in CELLS]
    wanted = [expit(terms @ best).mean() for terms in in_cell]
    np.testing.assert_allclose(found.mean[:, 0], wanted, atol=2e-5)
    assert any("Firth 1993" in warning for warning in found.warnings)


def test_an_arm_of_zeros_alone_has_an_interval() -> None:
    """No sale among 40: the upper end is about 3/40, not 0."""
    rows = table(40, 22, "bernoulli")
    rows.loc[rows.A == 1, "y"] = 0
    study = Study.from_dict({**MAPPING, "factors": study_factors()})
    found = estimate_study(study, rows, energy="bernoulli")
    assert 0.02 < found.confidence_high[1, 0] < 0.12
    assert found.confidence_low[1, 0] == 0.0
    tilted = estimate_study(study, rows, energy="linear")
    assert 0.02 < tilted.confidence_high[1, 0] < 0.15


def test_samples_never_hold_rows_of_a_study_with_covariates() -> None:
    """So that nothing that knows no covariates is fitted to them in silence."""
    study = Study.from_dict(MAPPING)
    with pytest.raises(InputError, match="takes no account of covariates age and plate"):
        read_samples(study, table(20, 17))
    with pytest.raises(InputError, match="takes no account of covariates"):
        Samples(study.design, np.arange(3), np.zeros((3, 1)))
    model = Model((Intervention("A", (0, 1)),), ("x",), (Factor("f", ("x",), ("A",)),), ("age",))
    assert model.covariates == ("age",)


def test_claims_are_tested_given_covariates() -> None:
    """The laws of age differ, and so does y for that reason alone: no claim is refuted; an interaction is."""
    study = Study.from_dict({**MAPPING, "covariates": ["age"], "train": ["00", "10", "01", "11"]})
    rng, place = np.random.default_rng(20), np.repeat(np.arange(4), 200)
    age = rng.normal(size=800) + np.array([0, 0.6, -0.4, 0.9])[place]
    a, b = np.isin(place, (1, 3)), np.isin(place, (2, 3))
    y = 0.5 * a - 0.4 * b + 0.8 * age + 0.3 * a * age + rng.normal(size=800)
    z = (study.design, Covariates((Column("age"),), age[:, None]))
    plain = plain_study(study).design
    holds, fails = Samples(plain, place, y[:, None]), Samples(plain, place, (y + 0.8 * (place == 3))[:, None])
    found = falsify(holds, tests=["score"], adjusted_for=z)
    assert str(found.findings[0].claim.formula).startswith("p(x | age; ")
    assert not found.rejected
    assert falsify(fails, tests=["score"], adjusted_for=z).rejected
    with pytest.raises(InputError, match="the energy test takes no account of covariates"):
        falsify(holds, adjusted_for=z)


def test_degrees_of_freedom_of_few_rows_are_those_of_the_form() -> None:
    """Twice the squared mean over the variance of HC2's quadratic form under equal variances, written out."""
    rng = np.random.default_rng(8)
    place, age = np.repeat([0, 1], [5, 9]), rng.normal(size=(14, 1))
    model = Model((Intervention("A", (0, 1)),), ("y",), (Factor("f", ("y",), ("A",)),))
    train = Regimes.from_codes(np.array([[0], [1]]))
    fitted = Adjusted.fit(
        "normal", model, (0,), train, place, Covariates((Column("age"),), age), rng.normal(size=14)
    )
    population = np.array([[0.2], [1.0], [-0.4]])
    x = np.column_stack([np.ones(14), place, age])
    hat = x @ np.linalg.inv(x.T @ x) @ x.T
    for i, freedom in enumerate(fitted.means(train, population).freedom.tolist()):
        w = x @ np.linalg.inv(x.T @ x) @ np.array([1.0, i, population.mean()])
        left = np.eye(14) - hat
        form = left @ np.diag(w**2 / np.diag(left)) @ left
        assert freedom == pytest.approx(np.trace(form) ** 2 / np.trace(form @ form), rel=1e-9)
