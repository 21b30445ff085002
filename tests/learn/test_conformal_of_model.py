"""Weights of fitted models, intervals and bands from them, against simulated regimes that were never run."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from ifm_ident import Design, Factor, InputError, Intervention, Model, NotIdentifiableError, Regimes
from ifm_learn.conformal.model_weights import ModelWeights
from ifm_learn.conformal.of_model import density_bands, model_interval
from ifm_learn.conformal.ranks import conformal_quantile
from ifm_learn.conformal.scores import RegimeResidual
from ifm_learn.conformal.split import Calibration, trimmed_unit_interval
from ifm_learn.data.samples import Samples
from ifm_learn.density.fit import fit_density
from ifm_learn.density.model import DensityModel

MODEL = Model(
    (Intervention("A", (0, 1)), Intervention("B", (0, 1)), Intervention("C", (0, 1))),
    ("u", "v"),
    (Factor("f", ("u",), ("A",)), Factor("g", ("v",), ("B",)), Factor("h", ("u", "v"), ("C",))),
)
TRAIN = Regimes.from_codes(np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]]))
TARGET = Regimes.from_codes(np.array([[1, 1, 0]]))
SHIFT = 0.8


def draw(rng: np.random.Generator, codes: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit Gaussians, correlation 0.3; A and B tilt u and v, so their log-densities add up; y = u + v + noise."""
    covariance = np.array([[1.0, 0.3], [0.3, 1.0]])
    x = rng.multivariate_normal(covariance @ (SHIFT * codes[:2]), covariance, size=n)
    return x, x.sum(axis=1) + rng.normal(size=n)


def samples_of(rng: np.random.Generator, n: int) -> Samples:
    parts = [draw(rng, code, n) for code in TRAIN.codes()]
    x, y = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Samples(Design(MODEL, TRAIN), np.repeat(np.arange(3), n), x, y, "y")


@pytest.fixture(scope="module")
def fitted() -> DensityModel:
    return fit_density(samples_of(np.random.default_rng(0), 800), energy="quadratic", bins=8, starts=1)


def grid_points(model: DensityModel) -> np.ndarray:
    return np.array(list(itertools.product(*model.grid.values)))


def test_weights_are_normalised_and_their_supremum_is_over_all_cells(fitted: DensityModel) -> None:
    sizes = np.array([100, 200, 300])
    weights = ModelWeights(fitted, TARGET, sizes)
    x = grid_points(fitted)
    logs = weights.log_weights(x)
    widths = np.add.outer(*fitted.grid.log_widths).ravel()
    train = fitted.log_potentials(x, TRAIN) - fitted.log_normalisers(TRAIN)
    mixture = np.exp(train + widths[:, None]) @ (sizes / 600)
    assert mixture.sum() == pytest.approx(1.0)
    assert mixture @ np.exp(logs) == pytest.approx(1.0)  # the target has mass 1
    found = weights.supremum()
    assert found.tight
    assert found.attained == pytest.approx(float(logs.max()))
    assert found.bound >= logs.max()


def test_a_regime_without_rows_is_no_part_of_the_mixture(fitted: DensityModel) -> None:
    weights = ModelWeights(fitted, TARGET, [10, 0, 20])
    assert weights.supremum().bound >= weights.log_weights(grid_points(fitted)).max()


def test_refusals(fitted: DensityModel) -> None:
    for sizes, message in (([1, 2], "sizes have shape"), ([0, 0, 0], "one at least above 0")):
        with pytest.raises(InputError, match=message):
            ModelWeights(fitted, TARGET, sizes)
    with pytest.raises(NotIdentifiableError, match="not identified"):
        ModelWeights(fitted, Regimes.from_codes(np.array([[0, 0, 1]])), [1, 1, 1])
    with pytest.raises(InputError, match="normalising constants: by Gibbs sampling"):
        ModelWeights(dataclasses.replace(fitted, max_cells=1), TARGET, [1, 1, 1])
    with pytest.raises(InputError, match="unknown variable 'w'; legal: u, v"):
        density_bands(fitted, TARGET, "w", "0.1", np.random.default_rng(0))


def test_fresh_units_of_a_regime_never_run_are_covered(fitted: DensityModel) -> None:
    rng = np.random.default_rng(2)
    score = RegimeResidual(2.0, np.arange(5000, 5010))
    covered, n = [], 150
    for _ in range(40):
        calibration = samples_of(rng, n)
        found = model_interval(
            fitted, TARGET, score, calibration, np.arange(3 * n), np.arange(5000, 5010), "0.1", rng
        )
        assert found.guarantee.tolist() == ["estimated-ratio"]
        assert np.isfinite(found.upper).all()
        covered.append(found.covers(draw(rng, np.array([1, 1, 0]), 2000)[1]).mean())
    # standard error of the mean about 0.004; the atom and the units given up make it conservative by up to 0.015
    assert 0.89 <= np.mean(covered) <= 0.935


def test_rows_that_the_model_saw_are_refused(fitted: DensityModel) -> None:
    rng = np.random.default_rng(3)
    calibration, score = samples_of(rng, 20), RegimeResidual(0.0, np.arange(0))
    with pytest.raises(InputError, match="the ratio was fitted on 1 of 60 calibration rows"):
        model_interval(fitted, TARGET, score, calibration, np.arange(60), np.array([59]), "0.1", rng)
    with pytest.raises(InputError, match="no outcome; name a variable"):
        model_interval(
            fitted,
            TARGET,
            score,
            dataclasses.replace(calibration, y=None),
            np.arange(60),
            np.arange(0),
            "0.1",
            rng,
        )
    wide = model_interval(
        fitted, TARGET, score, calibration, np.arange(60), np.arange(0), "0.1", rng, variable="u", asymptotic=True
    )
    assert wide.guarantee.tolist() == ["asymptotic"]


def test_giving_up_rare_units_keeps_the_coverage_where_the_supremum_is_infinite() -> None:
    """x ~ N(0, 1), target N(0.7, 1), oracle weights exp(0.7 x - 0.245) without a bound; y = x + noise."""
    rng = np.random.default_rng(4)
    shift, n, covered = 0.7, 200, []
    score = RegimeResidual(shift, np.arange(0))
    for _ in range(400):
        x = rng.normal(size=n)
        rows = Calibration(np.arange(n), x + rng.normal(size=n), shift * x - shift**2 / 2, "exact")
        draws = shift * rng.normal(shift, 1.0, size=2000) - shift**2 / 2
        found = trimmed_unit_interval(rows, score, draws, "0.1")
        assert np.isfinite(found.upper).all()
        new = rng.normal(shift, 1.0, size=100)
        covered.append(found.covers(new + rng.normal(size=100)).mean())
    # standard error 0.0025: rows' quantile 0.02 over 400 repetitions, fresh units 0.03
    assert 0.893 <= np.mean(covered) <= 0.94
    most = conformal_quantile(draws, "0.01")
    assert (draws > most).mean() <= 0.01


def test_bands_are_of_the_marginal_density_on_the_grid(fitted: DensityModel) -> None:
    both = Regimes.concatenate([TARGET, TRAIN.take(np.array([0]))])
    bands = density_bands(fitted, both, "v", "0.1", np.random.default_rng(5), replicates=49)
    again = density_bands(fitted, both, "v", "0.1", np.random.default_rng(5), replicates=49)
    assert [band.lower.tolist() for band in bands] == [band.lower.tolist() for band in again]
    for band in bands:
        assert band.estimate @ np.diff(band.at) == pytest.approx(1.0)
        assert (band.lower <= band.estimate).all()
        assert (band.estimate <= band.upper).all()
        assert band.method == "sup-t over 49 draws of the fit"
    assert bands[0].estimate @ np.diff(bands[0].at) == pytest.approx(1.0)
    middle = (bands[0].at[1:] + bands[0].at[:-1]) / 2
    means = [float(band.estimate * np.diff(band.at) @ middle) for band in bands]
    # v has means 0.3 * 0.8 + 0.8 = 1.04 and 0; standard errors about 0.05, half a bin of coarseness
    assert means == pytest.approx([1.04, 0.0], abs=0.25)
    refits = density_bands(fitted, TARGET, "v", "0.5", np.random.default_rng(5), [fitted] * 3)
    assert not refits[0].resolved.any()
    assert refits[0].method == "sup-t over 3 refits"


@pytest.mark.slow
def test_bands_cover_the_probabilities_of_a_discrete_variable_at_once() -> None:
    """p(u; 11) is proportional to p(10) p(01) / p(00) over four values; 60 studies of 400 rows a regime."""
    model = Model(
        (Intervention("A", (0, 1)), Intervention("B", (0, 1))),
        ("u",),
        (Factor("f", ("u",), ("A",)), Factor("g", ("u",), ("B",))),
    )
    train = Regimes.from_codes(np.array([[0, 0], [1, 0], [0, 1]]))
    base, a, b = np.array([0.3, 0.3, 0.2, 0.2]), np.exp([0, 0.5, 0.2, -0.4]), np.exp([0, -0.3, 0.6, 0.3])
    truth = base * a * b / (base * a * b).sum()
    covered, studies = 0, 60
    for s in range(studies):
        rng = np.random.default_rng([6, s])
        rows = [rng.choice(4, 400, p=p / p.sum()) for p in (base, base * a, base * b)]
        x = np.concatenate(rows)[:, None].astype(float)
        samples = Samples(Design(model, train), np.repeat(np.arange(3), 400), x)
        fit = fit_density(samples, energy="saturated", starts=1)
        (band,) = density_bands(fit, Regimes.from_codes(np.array([[1, 1]])), "u", "0.1", rng, 99)
        assert band.at.tolist() == [0.0, 1.0, 2.0, 3.0]
        covered += band.covers(truth)
    # 0.9 less three binomial standard errors of 0.039
    assert covered / studies >= 0.78
