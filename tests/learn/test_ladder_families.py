"""Exponential families against statsmodels' generalized linear models, scipy's fits and the product of factors."""

from __future__ import annotations

import itertools
from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.integrate import quad

from ifm_ident import Design, Factor, InputError, Intervention, Model, Regimes
from ifm_learn.data.samples import Samples
from ifm_learn.data.scaling import Scaling
from ifm_learn.ladder._law import Law, Rung
from ifm_learn.ladder._redraw import Units
from ifm_learn.ladder.average import fit_ladder
from ifm_learn.ladder.families import FamilyLaw, FamilyRung, Name

sm = pytest.importorskip("statsmodels.api")

CODES = np.array([[0, 0], [1, 0], [2, 0], [0, 1], [1, 1]])
UNSEEN = Regimes.from_codes(np.array([[2, 1]]))
NAMES: tuple[Name, ...] = get_args(Name)


def design(variables: tuple[str, ...] = ("x",), codes: NDArray[np.int64] = CODES) -> Design:
    a, b = Intervention("A", (0, 1, 2)), Intervention("B", (0, 1))
    factors = (Factor("f", variables[:1], ("A",)), Factor("g", variables[-1:], ("B",)))
    return Design(Model((a, b), variables, factors), Regimes.from_codes(codes))


def drawn(name: str, n: int = 40, seed: int = 0, codes: NDArray[np.int64] = CODES) -> Samples:
    g = np.random.default_rng(seed)
    regime = np.repeat(np.arange(len(codes)), n)
    a, b = codes[regime].T
    if name == "bernoulli":
        x = g.random(len(regime)) < 1 / (1 + np.exp(0.5 - 0.6 * a + 0.8 * b))
    elif name == "poisson":
        x = g.poisson(np.exp(1 + 0.3 * a - 0.5 * b))
    elif name == "negbin":
        x = g.negative_binomial(2.0, 1 - np.exp(-0.8 + 0.2 * a - 0.3 * b))
    else:
        x = g.gamma(
            3 + (0.5 * a if name == "gamma" else 0), 1 / (1 + 0.4 * b + (0 if name == "gamma" else 0.2 * a))
        )
    return Samples(design(codes=codes), regime, np.asarray(x, dtype=float)[:, None])


def glm_family(name: str, law: FamilyLaw) -> object:
    families = sm.families
    if name == "negbin":
        alpha = 1 / law.fitted[0].family.size  # type: ignore[attr-defined]
        return families.NegativeBinomial(alpha=alpha, link=families.links.NegativeBinomial(alpha=alpha))
    return families.Binomial() if name == "bernoulli" else families.Poisson()


@pytest.mark.filterwarnings("ignore:The .* link function does not respect the domain")
@pytest.mark.parametrize("name", ["bernoulli", "poisson", "negbin"])
def test_means_and_errors_are_those_of_the_generalized_linear_model(name: Name) -> None:
    samples = drawn(name)
    law = FamilyRung(name, prior=0.0).fit(samples)
    rows = law.designs[0].train.toarray()
    oracle = sm.GLM(samples.x[:, 0], rows[samples.regime], family=glm_family(name, law)).fit(
        tol=1e-13, maxiter=200, cov_type="HC0"
    )
    target = law.designs[0].rows(UNSEEN).toarray()
    expected = oracle.get_prediction(target)
    np.testing.assert_allclose(law.means(None, UNSEEN)[0, 0], expected.predicted_mean[0], rtol=1e-6)
    units, rng = Units.of(samples, None), np.random.default_rng(0)
    redrawn = [law.refit(units.redraw(rng)).means(None, UNSEEN)[0, 0] for _ in range(200)]
    # the error of a standard deviation of 200 is 5%; a regime of 40 rows has its variance over 39
    assert np.std(redrawn) == pytest.approx(expected.se_mean[0], rel=0.2)


def test_the_dispersion_of_a_negative_binomial_is_the_most_likely_one() -> None:
    codes = CODES[:3]  # each regime by itself, so that the link does not matter
    samples = drawn("negbin", 300, codes=codes)
    law = FamilyRung("negbin", prior=0.0).fit(samples)
    rows = law.designs[0].train.toarray()[samples.regime]
    oracle = sm.NegativeBinomial(samples.x[:, 0], rows).fit(disp=0, maxiter=200, gtol=1e-9)
    np.testing.assert_allclose(1 / law.fitted[0].family.size, oracle.params[-1], rtol=1e-3)  # type: ignore[attr-defined]
    train = samples.design.train
    log_likelihood = law.log_densities(samples.x, train)[np.arange(len(samples)), samples.regime].sum()
    np.testing.assert_allclose(log_likelihood, oracle.llf, rtol=1e-8)


def test_gamma_laws_of_single_regimes_are_scipys() -> None:
    codes = CODES[:3]
    samples = drawn("gamma", 200, codes=codes)
    law = FamilyRung("gamma", prior=0.0).fit(samples)
    x = np.array([[0.5], [2.0], [6.0]])
    found = law.log_densities(x, samples.design.train)
    for i in range(3):
        shape, _, scale = stats.gamma.fit(samples.of(i)[:, 0], floc=0)
        np.testing.assert_allclose(found[:, i], stats.gamma.logpdf(x[:, 0], shape, scale=scale), rtol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_an_unseen_regime_is_the_product_that_the_factors_say(name: Name) -> None:
    law = FamilyRung(name).fit(drawn(name))
    x = np.array([[0.0], [1.0]]) if name == "bernoulli" else np.arange(1.0, 9.0)[:, None]
    square = Regimes.from_codes(np.array([[0, 0], [2, 0], [0, 1], [2, 1]]))
    logs = law.log_densities(x, square) @ [1, -1, -1, 1]
    np.testing.assert_allclose(logs, logs[0], atol=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_densities_are_normalised_and_have_the_stated_means(name: Name) -> None:
    law = FamilyRung(name).fit(drawn(name))
    mean = law.means(None, UNSEEN)[0, 0]
    if name == "gamma":
        mass = quad(lambda v: np.exp(law.log_densities(np.array([[v]]), UNSEEN)[0, 0]), 0, np.inf)[0]
        moment = quad(lambda v: v * np.exp(law.log_densities(np.array([[v]]), UNSEEN)[0, 0]), 0, np.inf)[0]
    else:
        values = np.arange(2.0 if name == "bernoulli" else 2000.0)[:, None]
        p = np.exp(law.log_densities(values, UNSEEN)[:, 0])
        mass, moment = p.sum(), p @ values[:, 0]
    np.testing.assert_allclose([mass, moment], [1, mean], rtol=1e-6)
    both = law.means(lambda rows: np.concatenate([rows, rows**2], axis=1), UNSEEN)
    np.testing.assert_allclose(both[0, 0], mean, rtol=2e-3)
    assert both.shape == (1, 2)


@pytest.mark.parametrize("name", NAMES)
def test_a_refit_by_weights_is_a_fit_of_repeated_rows(name: Name) -> None:
    samples = drawn(name, 20)
    times = np.random.default_rng(1).integers(0, 3, len(samples))
    times[::20] += 1
    repeated = samples.take(np.repeat(np.arange(len(samples)), times))
    one = FamilyRung(name).fit(samples).refit(times.astype(float))
    other = FamilyRung(name).fit(repeated)
    np.testing.assert_allclose(one.means(None, UNSEEN), other.means(None, UNSEEN), rtol=1e-5)
    expected = times.sum() ** 2 / (times**2).sum()
    np.testing.assert_allclose(one.effective_rows(UNSEEN), expected)


@pytest.mark.parametrize("name", NAMES)
def test_scaling_of_the_columns_changes_nothing_but_units(name: Name) -> None:
    plain = drawn(name)
    scaling = Scaling(np.array([1.5]), np.array([2.5]), np.array([False]))
    scaled = Samples(plain.design, plain.regime, scaling.apply(plain.x), scaling=scaling)
    assert FamilyRung(name).unfit(scaled) is None
    one, other = FamilyRung(name).fit(plain), FamilyRung(name).fit(scaled)
    np.testing.assert_allclose(scaling.undo(other.means(None, UNSEEN)), one.means(None, UNSEEN), rtol=1e-9)
    x = np.array([[1.0]])
    moved = other.log_densities(scaling.apply(x), UNSEEN) - (np.log(2.5) if name == "gamma" else 0)
    np.testing.assert_allclose(moved, one.log_densities(x, UNSEEN), rtol=1e-8)


def test_counts_without_excess_variance_are_as_good_as_poisson() -> None:
    samples = drawn("poisson", 200)
    samples.x[:] = np.minimum(samples.x, 4)
    one, other = FamilyRung("negbin", prior=0.0).fit(samples), FamilyRung("poisson", prior=0.0).fit(samples)
    train = samples.design.train
    np.testing.assert_allclose(one.means(None, train), other.means(None, train), rtol=1e-3)
    assert one.fitted[0].family.size > 1e4  # type: ignore[attr-defined]


def test_variables_have_the_factors_that_hold_them() -> None:
    g = np.random.default_rng(4)
    regime = np.repeat(np.arange(5), 60)
    a, b = CODES[regime].T
    x = np.stack([g.poisson(np.exp(1 + 0.3 * a)), g.poisson(np.exp(1 - 0.5 * b))], axis=1).astype(float)
    samples = Samples(design(("u", "v")), regime, x)
    law = FamilyRung("poisson", prior=0.0).fit(samples)
    assert FamilyRung("poisson").unfit(samples) is None
    means = law.means(None, UNSEEN)[0]
    expected = [x[a == 2, 0].mean(), x[b == 1, 1].mean()]
    np.testing.assert_allclose(means, expected, rtol=1e-9)
    cells = np.array(list(itertools.product(range(40), repeat=2)), dtype=float)
    total = np.exp(law.log_densities(cells, UNSEEN)).sum()
    assert abs(total - 1) < 1e-6
    shared = np.where(g.random(300) < 0.5, x[:, 0], x[:, 1])
    tangled = Samples(design(("u", "v")), regime, np.stack([x[:, 0], shared], axis=1))
    assert "independent within a regime; u and v are not" in str(FamilyRung("poisson").unfit(tangled))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("bernoulli", 2.0, "needs x to be 0 or 1; it holds 2"),
        ("poisson", 0.5, "whole numbers of 0 or more; it holds 0.5"),
        ("negbin", -1.0, "whole numbers of 0 or more; it holds -1"),
        ("gamma", 0.0, "positive; it holds 0"),
    ],
)
def test_values_outside_the_range_are_refused_in_words(name: Name, value: float, words: str) -> None:
    samples = drawn(name)
    samples.x[7, 0] = value
    assert words in str(FamilyRung(name).unfit(samples))
    with pytest.raises(InputError, match="take another energy"):
        FamilyRung(name).fit(samples)


def interval(name: Name, samples: Samples, target: Regimes) -> tuple[float, float]:
    """The 90% interval of the ladder whose one rung is this family."""
    found = fit_ladder(samples, [FamilyRung(name)], seed=0).estimate(target)
    return float(found.low[0, 0]), float(found.high[0, 0])


@pytest.mark.parametrize("b_shape", [1.5, 6.0])
def test_gamma_intervals_hold_the_mean_whether_shapes_move_or_not(b_shape: float) -> None:
    codes, target = np.array([[0, 0], [1, 0], [0, 1]]), Regimes.from_codes(np.array([[1, 1]]))
    held = 0
    for seed in range(20):
        g = np.random.default_rng(seed)
        x = np.concatenate([g.gamma(3, 1, 20), g.gamma(3, 1 / 1.5, 20), g.gamma(b_shape, 1, 20)])[:, None]
        low, high = interval("gamma", Samples(design(codes=codes), np.repeat(np.arange(3), 20), x), target)
        held += low <= b_shape / 1.5 <= high
    assert held >= 15  # 18 expected


@pytest.mark.parametrize("name", ["bernoulli", "poisson", "negbin"])
def test_a_regime_of_zeros_is_finite_with_the_prior_only(name: Name) -> None:
    samples = drawn(name, 10)
    samples.x[samples.regime == 2] = 0.0
    law = FamilyRung(name).fit(samples)
    low, high = interval(name, samples, UNSEEN)
    assert 0 <= low < law.means(None, UNSEEN)[0, 0] < high < np.inf
    with pytest.raises(InputError, match="no finite estimate"):
        FamilyRung(name, prior=0.0).fit(samples)


def test_where_the_extrapolated_rate_is_no_rate_nothing_narrow_is_said() -> None:
    codes = np.array([[0, 0], [2, 0], [0, 1]])
    g = np.random.default_rng(2)
    x = np.concatenate([g.gamma(5, 0.2, 30), g.gamma(5, 2, 30), g.gamma(5, 2, 30)])[:, None]
    samples = Samples(design(codes=codes), np.repeat(np.arange(3), 30), x)
    law = FamilyRung("gamma").fit(samples)  # rates 5, .5, .5: at both -4
    assert np.isnan(law.means(None, UNSEEN)).all()
    assert np.isnan(interval("gamma", samples, UNSEEN)).all()
    assert np.isnan(law.log_densities(np.array([[1.0]]), UNSEEN)).all()


def test_a_regime_that_is_not_identified_is_refused() -> None:
    law = FamilyRung("poisson").fit(drawn("poisson", codes=CODES[:3]))
    with pytest.raises(InputError, match="not identified"):
        law.means(None, UNSEEN)


def test_protocol() -> None:
    rung: Rung = FamilyRung("poisson")
    samples = drawn("poisson")
    law: Law = rung.fit(samples)
    cost = rung.forecast(samples)
    assert law.rung == rung.name == "poisson"
    assert cost.seconds > 0
    assert cost.bytes > 0


@pytest.mark.parametrize(("name", "n"), [("bernoulli", 20), ("poisson", 10), ("negbin", 30)])
def test_intervals_hold_the_mean(name: Name, n: int) -> None:
    codes = np.array([[0, 0], [1, 0], [0, 1]])
    target = Regimes.from_codes(np.array([[1, 1]]))
    truths: dict[Name, float] = {
        "bernoulli": 1 / (1 + np.exp(0.5 - 0.6 + 0.8)),
        "poisson": np.exp(1 + 0.3 - 0.5),
        "negbin": 2 / np.expm1(0.8 - 0.2 + 0.3),
    }
    held = 0
    for seed in range(20):
        low, high = interval(name, drawn(name, n, seed, codes), target)
        held += low <= truths[name] <= high
    assert held >= 15  # 18 expected


def test_a_regime_that_only_the_conditional_criterion_identifies_is_answered() -> None:
    names, variables = ("A", "B", "C"), ("u", "v", "w")
    scopes = [(("u", "v"), ("A", "B")), (("v", "w"), ("B", "C")), (("w", "u"), ("C", "A"))]
    factors = tuple(Factor("".join(x), x, sigma) for x, sigma in scopes)
    model = Model(tuple(Intervention(n, (0, 1)) for n in names), variables, factors)
    train = Regimes.from_codes(np.array([[1, 1, 0], [1, 0, 1], [0, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]]))
    regime = np.repeat(np.arange(6), 50)
    x = np.random.default_rng(0).poisson(3, (300, 3)).astype(float)
    samples = Samples(Design(model, train), regime, x)
    law = FamilyRung("poisson", prior=0.0).fit(samples)
    means = np.stack([samples.of(i).mean(axis=0) for i in range(6)])
    found = law.means(None, Regimes.from_codes(np.array([[1, 1, 1]])))[0]
    # u: p(110) p(101) / p(100), v: p(110) p(011) / p(010), w: p(101) p(011) / p(001)
    for v, (one, other, base) in enumerate([(0, 1, 3), (0, 2, 4), (1, 2, 5)]):
        np.testing.assert_allclose(found[v], means[one, v] * means[other, v] / means[base, v], rtol=1e-9)
