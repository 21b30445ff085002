"""Families, tilts and weights given covariates: against statsmodels, enumerated truths and general optimisers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from scipy.optimize import minimize
from scipy.special import softmax
from scipy.stats import nbinom

from ifm_ident import InputError, Study
from ifm_ident.arrays import Floats
from ifm_learn.estimation.of_study import estimate_study
from ifm_learn.ladder.glm import FAMILIES, solve
from tests.learn.test_covariates import CELLS, MAPPING, table

FORMULA = "y ~ A * age + B + plate"


def positive(n: int, seed: int) -> pd.DataFrame:
    """Gamma laws whose rates add up over factors and covariates."""
    rows, rng = table(n, seed), np.random.default_rng(seed)
    rows["age"] = rng.uniform(0, 1, len(rows))
    rate = 1 + 0.5 * rows.A + 0.3 * rows.B + 0.6 * rows.age + 0.4 * rows.A * rows.age + 0.2 * (rows.plate == "q")
    rows["y"] = rng.gamma(3.0, 1 / rate)
    return rows


def counts(n: int, seed: int) -> pd.DataFrame:
    """Negative binomials of size 2 whose canonical parameters add up."""
    rows, rng = table(n, seed), np.random.default_rng(seed)
    rows["age"] = rng.uniform(0, 1, len(rows))
    theta = -0.6 - 0.4 * rows.A - 0.3 * rows.B + 0.2 * rows.age - 0.1 * (rows.plate == "q")
    rows["y"] = rng.negative_binomial(2.0, -np.expm1(theta))
    return rows


@pytest.mark.filterwarnings("ignore:.*does not respect the domain")
def test_gamma_means_are_those_of_statsmodels() -> None:
    rows = positive(80, 1)
    found = estimate_study(Study.from_dict(MAPPING), rows, energy="gamma")
    link = sm.families.links.InversePower()
    fitted = smf.glm(FORMULA, rows, family=sm.families.Gamma(link=link)).fit(tol=1e-13, maxiter=200)
    wanted = [fitted.predict(rows.assign(A=a, B=b)).mean() for a, b in CELLS]
    np.testing.assert_allclose(found.mean[:, 0], wanted, rtol=1e-6)


@pytest.mark.filterwarnings("ignore:.*does not respect the domain")
def test_negative_binomial_means_are_those_of_statsmodels() -> None:
    """At the size of greatest likelihood, which a scan of sizes confirms."""
    rows = counts(150, 2)
    found = estimate_study(Study.from_dict(MAPPING), rows, energy="negbin")
    terms = smf.ols(FORMULA, rows)
    best = solve(FAMILIES["negbin"], terms.exog, rows.y.to_numpy(dtype=float), np.ones(len(rows)))
    size = float(vars(best.family)["size"])
    fits = {}
    for one in (size, size * 1.05, size / 1.05):
        link = sm.families.links.NegativeBinomial(alpha=1 / one)
        family = sm.families.NegativeBinomial(link=link, alpha=1 / one)
        start = np.r_[-np.log1p(one / rows.y.mean()), np.zeros(terms.exog.shape[1] - 1)]
        fits[one] = smf.glm(FORMULA, rows, family=family).fit(start_params=start, tol=1e-13, maxiter=500)
    likely = [nbinom.logpmf(rows.y, one, one / (one + fit.mu)).sum() for one, fit in fits.items()]
    assert likely[0] > max(likely[1:])
    wanted = [fits[size].predict(rows.assign(A=a, B=b)).mean() for a, b in CELLS]
    np.testing.assert_allclose(found.mean[:, 0], wanted, rtol=1e-5)


def test_a_rate_beyond_its_range_has_no_mean() -> None:
    """Both effects make the rate small: together they leave it below 0, which is no law."""
    rows, rng = positive(400, 3), np.random.default_rng(3)
    study = Study.from_dict({**MAPPING, "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}]})
    rows["y"] = rng.gamma(3.0, 1 / (1 - 0.7 * rows.A - 0.7 * rows.B))
    found = estimate_study(study, rows, energy="gamma")
    assert np.isfinite(found.mean[:3, 0]).all()
    assert np.isnan(found.mean[3, 0])
    assert "leaves its range here for some age and plate" in found.note[3]
    averaged = estimate_study(study, rows)
    assert np.isfinite(averaged.mean[3, 0])
    assert "gamma" not in averaged.models[3][0]


@pytest.mark.parametrize(
    ("rows", "among", "never"),
    [
        (table(60, 4), {"normal", "linear", "quadratic", "splines"}, {"bernoulli", "poisson", "gamma"}),
        (table(60, 4, "bernoulli"), {"bernoulli", "linear"}, {"normal", "quadratic", "poisson", "negbin"}),
        (table(60, 4, "poisson"), {"poisson", "negbin", "normal", "linear"}, {"gamma", "bernoulli"}),
        (positive(60, 4), {"gamma", "normal", "linear", "splines"}, {"poisson", "bernoulli"}),
    ],
)
def test_what_rows_may_come_from_is_tried_and_averaged(
    rows: pd.DataFrame, among: set[str], never: set[str]
) -> None:
    found = estimate_study(Study.from_dict(MAPPING), rows)
    tried = set(found.energy["behind"]) | set(found.energy.get("left_out", {}))
    assert among <= tried
    assert not never & tried
    for shares in (one[0] for one in found.models):
        assert sum(shares.values()) == pytest.approx(1.0, abs=1e-5)
    names = list(found.models[3][0])
    alone = {name: estimate_study(Study.from_dict(MAPPING), rows, energy=name) for name in names}
    means = np.array([alone[name].mean[3, 0] for name in names])
    share = np.array(list(found.models[3][0].values()))
    assert min(means) - 0.1 <= found.mean[3, 0] <= max(means) + 0.1
    # refits of tilts by other random numbers, so about
    assert found.se[3, 0] ** 2 >= 0.8 * float(share @ (means - share @ means) ** 2)


def test_synergies_are_interactions_with_their_errors() -> None:
    """Of one factor of A and B by least squares: the coefficient of A:B and its HC2 error; a tilt's is not far."""
    rows, more = table(60, 8), table(60, 9)
    more = more[(more.A == 0) & (more.B == 0)].assign(A=1, B=1)
    rows = pd.concat([rows, more.assign(y=more.y + 1.0)], ignore_index=True)
    study = Study.from_dict({
        **MAPPING, "factors": [{"sigma": ["A", "B"], "z": ["age"]}], "train": ["00", "10", "01", "11"],
        "test": ["11", "10"],
    })  # fmt: skip
    found = estimate_study(study, rows, energy="normal", effects="additive").effects
    centred = rows.assign(age=rows.age - rows.age.mean())
    fitted = smf.ols("y ~ A * B * age + plate", centred).fit(cov_type="HC2")
    assert found[0][0]["synergy"] == pytest.approx(fitted.params["A:B"], rel=1e-9)
    assert found[0][0]["expected"] + found[0][0]["synergy"] == pytest.approx(
        estimate_study(study, rows, energy="normal").mean[0, 0]
    )
    low, high = found[0][0]["synergy_interval"]
    # the draw of the ages that means are over is in the error too
    slope = fitted.params["A:B:age"] * rows.age.std(ddof=0) / np.sqrt(len(rows))
    error = np.hypot(fitted.bse["A:B"], slope)
    assert (high - low) / 2 == pytest.approx(error * 1.66, rel=0.05)
    assert found[1][0]["synergy"] == pytest.approx(0.0, abs=1e-12)
    tilted = estimate_study(study, rows, energy="linear", effects="additive").effects[0][0]
    assert abs(tilted["synergy"] - fitted.params["A:B"]) < error


DISCRETE: dict[str, Any] = {
    **MAPPING, "covariates": ["age"], "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}],
}  # fmt: skip
BASE = np.array([[3.0, 1.0, 0.5, 2.0], [0.2, 1.0, 3.0, 0.3], [2.0, 0.2, 0.2, 2.0]])
"""p_0(y | age), y 0 to 3, by rows of age 0 to 2: no family of laws, no line in age."""
AGES = np.array([[0.5, 0.3, 0.2], [0.2, 0.6, 0.2], [0.25, 0.25, 0.5]])
"""Laws of age in ctrl, A and B."""


def discrete(n: int, seed: int) -> tuple[pd.DataFrame, Floats]:
    """n rows each of ctrl, A and B, y given age tilted by .5 y and -.4 y; the true means over ctrl's ages."""
    rng, y = np.random.default_rng(seed), np.arange(4)
    laws = [softmax(np.log(BASE) + (0.5 * a - 0.4 * b) * y, axis=1) for a, b in CELLS]
    parts = []
    for r, (a, b) in enumerate(CELLS[:3]):
        age = rng.choice(3, n, p=AGES[r])
        drawn = (rng.random((n, 1)) > np.cumsum(laws[r][age], axis=1)).sum(axis=1)
        parts.append(pd.DataFrame({"A": a, "B": b, "age": age, "y": drawn}))
    return pd.concat(parts, ignore_index=True), np.array([AGES[0] @ law @ y for law in laws])


@pytest.mark.parametrize(
    ("energy", "method"), [("linear", "ifm1"), ("quadratic", "ifm1"), ("linear", "balance"), ("linear", "dr")]
)
def test_tilts_need_no_family_of_laws(energy: str, method: str) -> None:
    rows, truth = discrete(4000, 5)
    found = estimate_study(Study.from_dict(DISCRETE), rows, energy=energy, method=method, population="ctrl")
    assert (np.abs(found.mean[:, 0] - truth) < 4 * found.se[:, 0]).all()
    assert found.se.max() < 0.1
    normal = estimate_study(Study.from_dict(DISCRETE), rows, energy="normal", population="ctrl")
    assert abs(normal.mean[2, 0] - truth[2]) > 4 * normal.se[2, 0]  # y is no line in age


def test_doubly_robust_means_of_regimes_that_were_run() -> None:
    """Right with a wrong regression, and by hand: the regression's mean and own residuals, balanced to ages.

    The weights are those of a general optimiser of the dual of entropy balancing.
    """
    rows, truth = discrete(4000, 6)
    found = estimate_study(Study.from_dict(DISCRETE), rows, energy="normal", method="dr", population="ctrl")
    assert (np.abs(found.mean[:3, 0] - truth[:3]) < 4 * found.se[:3, 0]).all()
    fitted = smf.ols("y ~ A + B + age", rows).fit()
    over = rows[(rows.A == 0) & (rows.B == 0)]
    goal = np.array([over.age.mean(), (over.age**2).mean()])
    for row, (a, b) in enumerate(CELLS[:3]):
        own = rows[(a == rows.A) & (b == rows.B)]
        z = np.column_stack([own.age, own.age**2])
        dual = minimize(lambda t, z=z: np.log(np.exp((z - goal) @ t).sum()), np.zeros(2), tol=1e-12)
        weight = softmax(z @ dual.x)
        wanted = fitted.predict(over.assign(A=a, B=b)).mean() + weight @ (own.y - fitted.predict(own))
        assert found.mean[row, 0] == pytest.approx(wanted, abs=2e-3)  # a slight pull keeps weights finite


def test_whole_units_are_redrawn() -> None:
    """Every row four times, as one unit, tells what the row once tells; as four rows it seems to tell more."""
    rows = table(60, 7)
    four = pd.concat([rows.assign(mouse=np.arange(len(rows)))] * 4, ignore_index=True)
    study = Study.from_dict({**MAPPING, "data": {"file": "none.csv", "unit": "mouse"}})
    blind = Study.from_dict(MAPPING)
    for energy in ("normal", "linear"):
        once, whole, apart = (
            estimate_study(one, data, energy=energy).se[:, 0]
            for one, data in ((blind, rows), (study, four), (blind, four.drop(columns="mouse")))
        )
        np.testing.assert_allclose(whole, once, rtol=0.3)  # refits of 40 redraws
        assert (apart < 0.75 * whole).all()


def test_a_value_of_a_covariate_in_some_regimes_only_is_refused_by_tilts_too() -> None:
    rows = table(30, 9)
    rows["plate"] = np.where(rows.A == 1, "q", "p")
    study = Study.from_dict({**MAPPING, "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}]})
    found = estimate_study(study, rows, energy="linear")
    assert np.isnan(found.mean[:, 0]).all()
    assert "do not tell age and plate and the factors apart" in found.note[0]


def test_full_conditionals_alone_are_answered_by_tilts() -> None:
    """x2's factor holds A, x1's B; a regime without a joint formula has one for every variable."""
    rng, n = np.random.default_rng(10), 3000
    a = b = np.repeat([0, 1], n)
    age = rng.normal(size=2 * n)
    x1 = 0.7 * b + 0.5 * age + rng.normal(size=2 * n)
    x2 = 0.6 * a + 0.5 * age + rng.normal(size=2 * n)
    study = Study.from_dict({
        **MAPPING, "variables": ["x1", "x2"], "covariates": ["age"], "train": ["00", "11"], "test": ["10", "01"],
        "factors": [{"x": ["x1"], "sigma": ["B"]}, {"x": ["x2"], "sigma": ["A"]}],
    })  # fmt: skip
    rows = {"A": a, "B": b, "x1": x1, "x2": x2, "age": age}
    found = estimate_study(study, rows, energy="linear")
    np.testing.assert_allclose(found.mean, [[0.0, 0.6], [0.7, 0.0]], atol=4 * float(found.se.max()))
    assert found.se.max() < 0.1


def test_two_units_are_no_law_to_weight_rows_to(tmp_path: Path) -> None:
    """Nor are those of one age: the average is of regressions then, and a tilt alone has no mean."""
    rows = table(60, 14)
    (tmp_path / "two.csv").write_text("age,plate\n1.5,p\n-1.5,q\n")
    (tmp_path / "same.csv").write_text("age,plate\n" + "0.3,p\n" * 50)
    for name in ("two.csv", "same.csv"):
        found = estimate_study(Study.from_dict(MAPPING), rows, population=tmp_path / name)
        assert set(found.models[3][0]) == {"normal"}
        for energy, method in (("linear", "ifm1"), ("normal", "balance"), ("normal", "dr")):
            alone = estimate_study(
                Study.from_dict(MAPPING), rows, population=tmp_path / name, energy=energy, method=method
            )
            assert np.isnan(alone.mean[:, 0]).all()
            assert "a regression may answer" in alone.note[0]
    pd.concat([rows[["age", "plate"]]] * 2).to_csv(tmp_path / "many.csv", index=False)
    found = estimate_study(Study.from_dict(MAPPING), rows, population=tmp_path / "many.csv")
    assert "linear" in found.models[3][0]


def test_an_outcome_beside_covariates_takes_a_joint_formula() -> None:
    """Two regimes that full conditionals of x1 and of x2 identify, and no product of densities."""
    rng, codes = np.random.default_rng(13), ["000", "110", "011"]
    mapping = {
        **MAPPING, "interventions": {"A": [0, 1], "B": [0, 1], "C": [0, 1]}, "covariates": ["age"],
        "variables": ["x1", "x2"], "train": codes, "test": ["010", "111", "110"],
        "factors": [{"x": ["x1"], "sigma": ["A", "B"]}, {"x": ["x2"], "sigma": ["B", "C"]}],
        "data": {"file": "none.csv", "outcome": "y"},
    }  # fmt: skip
    place = np.repeat(np.arange(3), 80)
    rows: dict[str, Any] = {name: [int(codes[k][i]) for k in place] for i, name in enumerate("ABC")}
    rows |= {name: rng.normal(size=240) for name in ("x1", "x2", "y", "age")}
    for energy in ("auto", "normal", "linear"):
        found = estimate_study(Study.from_dict(mapping), rows, energy=energy)
        assert np.isfinite(found.mean[:, 0]).tolist() == [False, False, True]
        assert "takes a joint formula" in found.note[0]


def test_covariates_that_chance_moves_are_not_hinted_at() -> None:
    """Twenty covariates, all randomised, in five studies: at 1% for all together hardly one is named."""
    names = [f"z{j}" for j in range(20)]
    mapping = {**MAPPING, "covariates": names, "randomised": True, "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}]}
    told = 0
    for seed in range(5):
        rows = table(40, seed)
        rows[names] = np.random.default_rng([11, seed]).normal(size=(len(rows), 20))
        found = estimate_study(Study.from_dict(mapping), rows, energy="normal")
        told += sum("differs between regimes" in warning for warning in found.warnings)
    assert told == 0


def test_named_tilts_that_rows_cannot_have_are_refused() -> None:
    with pytest.raises(InputError, match="have 5 rows or fewer where re-weighting needs 8"):
        estimate_study(Study.from_dict(MAPPING), table(5, 12), energy="linear")
