"""Estimates over levels with values: response surfaces of statsmodels, logistic regression, coverage, refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ifm_ident import InputError, Regimes, Study
from ifm_ident.arrays import Floats, Ints
from ifm_learn.data.reading import read_samples
from ifm_learn.data.samples import Samples
from ifm_learn.density.fit import fit_density
from ifm_learn.estimation.comparison import compare_methods
from ifm_learn.estimation.of_study import estimate_study
from ifm_learn.falsification.testing import falsify
from ifm_learn.ladder._features import Ridge
from ifm_learn.ladder._selection import spare_regimes
from ifm_learn.ladder._tilt import Tilt
from ifm_learn.ladder.average import fit_ladder
from ifm_learn.ladder.families import FamilyRung
from ifm_learn.ladder.normal import Normal

sm = pytest.importorskip("statsmodels.api")

Columns = Callable[[Floats], Floats]
RUN = (0, 0.5, 1, 2, 4)


def _bernstein(s: Floats) -> Floats:
    """Quadratic B-splines between the knots 0, 2, 6 and without the first, by scipy."""
    from scipy.interpolate import BSpline

    t = np.array([0, 0, 0, 2, 6, 6, 6.0])
    return np.stack([BSpline(t, np.eye(4)[j], 2)(s) for j in range(1, 4)], axis=1)


BASES: dict[str, tuple[dict[str, Any], Columns]] = {
    "poly": ({"poly": 2}, lambda s: np.stack([s, s**2], axis=1)),
    "hat": (
        {"hat": [0, 1, 6]},
        lambda s: np.stack([np.interp(s, [0, 1, 6], [0, 1, 0]), np.interp(s, [0, 1, 6], [0, 0, 1])], axis=1),
    ),
    "spline": ({"spline": {"knots": [0, 2, 6], "degree": 2}}, _bernstein),
    "hill": ({"hill": {"ec50": "1.5", "n": 2}}, lambda s: (s**2 / (1.5**2 + s**2))[:, None]),
}


def surface(basis: dict[str, Any], together: bool, levels: tuple[float, ...] = RUN, **more: Any) -> Study:
    """A partner and a dose, at all levels each, in one factor or two."""
    return Study.from_dict({
        "interventions": {"partner": [0, 1], "dose": {"levels": list(levels), "basis": basis} | more},
        "variables": ["x"],
        "factors": [{"sigma": ["partner", "dose"]}] if together else [{"sigma": ["partner"]}, {"sigma": ["dose"]}],
        "train": [{"partner": p, "dose": s} for p in (0, 1) for s in levels],
        "test": [{"partner": p, "dose": s} for p in (0, 1) for s in (0.25, 3, 5)],
    })  # fmt: skip


def codes(study: Study, regimes: Regimes) -> Floats:
    """(partner, dose) of regimes as numbers, shape (r, 2)."""
    levels = [[float(level) for level in one.known_levels] for one in study.model.interventions]
    return np.array([[levels[i][j] for i, j in enumerate(row)] for row in regimes.codes().tolist()])


def design(at: Floats, columns: Columns, together: bool) -> Floats:
    """The response-surface model's columns."""
    partner, curve = at[:, :1], columns(at[:, 1])
    one = np.ones((len(at), 1))
    return np.hstack([one, partner, curve, partner * curve] if together else [one, partner, curve])


def targets(study: Study) -> Regimes:
    return Regimes.concatenate([*study.targets()])


def rows_of(study: Study, n: int) -> tuple[Ints, Floats]:
    """The regime of n rows of each, and (partner, dose) of every row."""
    regime = np.repeat(np.arange(len(study.design.train)), n)
    return regime, codes(study, study.design.train)[regime]


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("name", BASES)
def test_the_normal_rung_is_the_response_surface_of_statsmodels(name: str, together: bool) -> None:
    basis, columns = BASES[name]
    study = surface(basis, together)
    regime, at = rows_of(study, 6)
    x = np.random.default_rng(0).normal(1 + at[:, 0] + np.sqrt(at[:, 1]))
    law, asked = Normal().fit(Samples(study.design, regime, x[:, None])), targets(study)
    due = sm.OLS(x, design(at, columns, together)).fit()
    due = due.get_prediction(design(codes(study, asked), columns, together))
    exact = law.exact_errors(asked)
    assert exact is not None
    np.testing.assert_allclose(law.means(None, asked)[:, 0], due.predicted_mean, rtol=1e-6)
    np.testing.assert_allclose(exact[0][:, 0], due.se_mean, rtol=1e-6)
    assert exact[1] == due.df


@pytest.mark.parametrize("name", BASES)
def test_families_are_generalized_linear_models_over_the_basis(name: str) -> None:
    basis, columns = BASES[name]
    study = surface(basis, together=False)
    regime, at = rows_of(study, 20)
    x = np.random.default_rng(1).poisson(np.exp(0.5 + 0.3 * at[:, 0] + 0.2 * at[:, 1])).astype(float)
    law = FamilyRung("poisson", prior=0.0).fit(Samples(study.design, regime, x[:, None]))
    due = sm.GLM(x, design(at, columns, False), family=sm.families.Poisson()).fit(tol=1e-12)
    asked = targets(study)
    found = due.predict(design(codes(study, asked), columns, False))
    np.testing.assert_allclose(law.means(None, asked)[:, 0], found, rtol=1e-6)


@pytest.mark.parametrize("kind", ["linear", "quadratic", "splines"])
def test_tilts_of_two_values_are_logistic_regression_over_the_basis(kind: Any) -> None:
    # all functions of a variable of two values are one line, and contrasts give odds ratios (Prentice, Pyke 1979)
    study = surface({"poly": 2}, together=False)
    regime, at = rows_of(study, 60)
    chance = 1 / (1 + np.exp(1 - 0.8 * at[:, 0] - 0.9 * at[:, 1] + 0.15 * at[:, 1] ** 2))
    x = np.random.default_rng(2).binomial(1, chance).astype(float)
    rung = Tilt(kind, Ridge(1e-9, 1e-9, 1e-9))
    law, asked = rung.fit(Samples(study.design, regime, x[:, None])), targets(study)
    columns = BASES["poly"][1]
    due = sm.GLM(x, design(at, columns, False), family=sm.families.Binomial()).fit(tol=1e-12)
    found = due.predict(design(codes(study, asked), columns, False))
    np.testing.assert_allclose(law.means(None, asked)[:, 0], found, atol=1e-4)


def test_doses_far_apart_and_near_together_keep_their_digits() -> None:
    levels = (0, 0.001, 0.002, 1000)
    study = surface({"poly": 2}, together=True, levels=levels)
    regime, at = rows_of(study, 5)
    x = np.random.default_rng(3).normal(size=len(at))
    asked = Regimes.concatenate([study.design.train, targets(study)])
    scaled = BASES["poly"][1]
    due = sm.OLS(x, design(at / [1, 1000], scaled, True)).fit()
    due = due.predict(design(codes(study, asked) / [1, 1000], scaled, True))
    samples = Samples(study.design, regime, x[:, None])
    np.testing.assert_allclose(Normal().fit(samples).means(None, asked)[:, 0], due, rtol=1e-6)


def test_rows_are_matched_to_levels_by_value(tmp_path: Path) -> None:
    study = surface({"poly": 2}, together=False, levels=(0, 0.3, 1))
    path = tmp_path / "rows.csv"
    doses = ["0.0", "0.30", "1", "0", "3e-1", "1.00"]
    path.write_text("partner,dose,x\n" + "".join(f"{i // 3},{s},{i}.5\n" for i, s in enumerate(doses)) + "0,7,1\n")
    samples = read_samples(study, path)
    assert samples.regime.tolist() == [0, 1, 2, 3, 4, 5]
    assert samples.ignored == 1


def test_estimates_beyond_the_levels_run_are_flagged_and_say_what_was_left_out() -> None:
    study = surface({"poly": 2}, together=False)
    _, at = rows_of(study, 30)
    x = np.random.default_rng(4).normal(1 + at[:, 0] + at[:, 1] - 0.1 * at[:, 1] ** 2)
    table = {"partner": at[:, 0].astype(int), "dose": at[:, 1], "x": x}
    found = estimate_study(study, table, calibration=0.0)
    true = (
        1 + codes(study, found.regimes)[:, 0] + np.array([0.25, 3, 5] * 2) * (1 - 0.1 * np.array([0.25, 3, 5] * 2))
    )
    assert np.abs(found.mean[:, 0] - true).max() < 1
    assert ["extrapolated" in flags[0] for flags in found.flags] == [False, False, True] * 2
    assert np.isnan(found.additive).all()
    left_out: Any = found.energy["left_out"]
    assert left_out["grid"].startswith("not for levels with values yet")


def test_what_knows_named_levels_only_refuses_in_words() -> None:
    study = surface({"poly": 2}, together=False)
    _, at = rows_of(study, 4)
    table = {"partner": at[:, 0].astype(int), "dose": at[:, 1], "x": np.arange(len(at)) / 7}
    samples = read_samples(study, table)
    ways: list[Callable[[], object]] = [
        lambda: estimate_study(study, table, energy="grid"),
        lambda: estimate_study(study, table, energy="mlp"),
        lambda: estimate_study(study, table, method="additive"),
        lambda: estimate_study(study, table, shrink=True),
        lambda: estimate_study(study, table, effects="loewe", energy="normal"),
        lambda: compare_methods(samples),
        lambda: fit_density(samples),
    ]
    for way in ways:
        with pytest.raises(InputError, match="not for levels with values yet"):
            way()


def test_regimes_that_others_tell_badly_are_not_left_out_to_score() -> None:
    study = Study.from_dict({
        "interventions": {"dose": {"levels": [0, 1, 2, 3, 9], "basis": {"poly": 2}}},
        "factors": [{"sigma": ["dose"]}],
        "train": [{"dose": s} for s in (0, 1, 2, 3, 9)],
    })  # fmt: skip
    # leverages h of a quadratic through five equally weighted points: above 0.8 for 9 alone
    z = np.vander(np.array([0, 1, 2, 3, 9.0]), 3)
    leverage = np.diag(z @ np.linalg.pinv(z))
    due = np.flatnonzero(leverage < 0.8).tolist()
    assert spare_regimes(Samples(study.design, np.arange(5), np.zeros((5, 1)))) == due == [0, 1, 2, 3]


def test_intervals_between_levels_cover_the_truth() -> None:
    study = surface({"poly": 2}, together=False, levels=(0, 1, 3))
    regime, at = rows_of(study, 25)
    asked = targets(study).take(np.array([0, 1]))
    true = 0.8 * np.array([0.25, 3]) - 0.1 * np.array([0.25, 3]) ** 2
    covered, sets = 0, 60
    for seed in range(sets):
        x = np.random.default_rng(seed).normal(at[:, 0] + 0.8 * at[:, 1] - 0.1 * at[:, 1] ** 2)
        ladder = fit_ladder(
            Samples(study.design, regime, x[:, None]), [Normal(), Tilt("linear")], seed=seed, repeats=1
        )
        found = ladder.estimate(asked)
        covered += int(found.low[0, 0] <= true[0] <= found.high[0, 0])
    # three standard errors of a share of 0.9 in 60 sets: 0.9 - 3 sqrt(0.09 / 60) = 0.78
    assert covered / sets > 0.78


def test_lack_of_fit_is_a_claim_that_rows_refute() -> None:
    study = Study.from_dict({
        "interventions": {"dose": {"levels": [0, 1, 2], "basis": {"poly": 1}}}, "variables": ["x"],
        "factors": [{"sigma": ["dose"]}], "train": [{}, {"dose": 1}, {"dose": 2}],
    })  # fmt: skip
    rng, regime = np.random.default_rng(5), np.repeat([0, 1, 2], 400)
    for means, refuted in (((0.0, 0.6, 1.2), False), ((0.0, 1.0, 0.9), True)):
        x = rng.normal(np.array(means)[regime])[:, None]
        found = falsify(Samples(study.design, regime, x), tests=["score"])
        assert [one.rejected for one in found.findings] == [refuted]
        assert sorted(map(int, found.findings[0].claim.formula.exponents.values())) in ([-2, 1, 1], [-1, -1, 2])


def test_the_curve_shows_the_means_of_the_estimates() -> None:
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    from ifm_learn.plots import response

    study = surface({"poly": 2}, together=False)
    _, at = rows_of(study, 12)
    x = np.random.default_rng(6).normal(at[:, 0] + at[:, 1])
    table = {"partner": at[:, 0].astype(int), "dose": at[:, 1], "x": x}
    ax = response(
        study, "dose", "partner=1", table, levels=[0, "1/4", 3, 5], energy="normal", ax=Figure().subplots()
    )
    found = estimate_study(study, table, energy="normal", calibration=0.0)
    every, sure, own = ax.lines
    np.testing.assert_allclose(every.get_ydata()[1:], found.mean[3:, 0])
    assert np.isnan(sure.get_ydata()).tolist() == [False, False, False, True]
    assert own.get_xdata().tolist() == [0]
    assert own.get_ydata()[0] == pytest.approx(x[(at == [1, 0]).all(axis=1)].mean())
    with pytest.raises(InputError, match="no numbers with a basis"):
        response(study, "partner", data=table)
    with pytest.raises(InputError, match="is no number"):
        response(study, "dose", data=table, levels=["high"])
