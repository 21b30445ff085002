"""Variance components against the conditional law of a Gaussian written out set by set."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingRegressor

from ifm_ident import Factor, InputError, Intervention, Model, Regimes, Study
from ifm_ident.arrays import Floats, Ints
from ifm_ident.design.design import Design
from ifm_learn.data.samples import Samples
from ifm_learn.estimation.of_study import estimate_study
from ifm_learn.outcome.baselines import components
from ifm_learn.outcome.baselines.components import Average, Components

COUNTS = (3, 2, 4)


def model() -> Model:
    levels = (tuple(range(count)) for count in COUNTS)
    interventions = tuple(Intervention(name, one) for name, one in zip("ABC", levels, strict=True))
    return Model(interventions, ("y",), (Factor("f", ("y",), ("A", "B", "C")),))


def cells() -> Ints:
    return np.array(list(itertools.product(*map(range, COUNTS))))


def effects(rng: np.random.Generator, codes: Ints, sizes: tuple[float, ...]) -> Floats:
    """Random effects of every set of interventions, of the sizes of their order, that add up to 0 over levels."""
    found = np.zeros(len(codes))
    for order, size in enumerate(sizes, start=1):
        for scope in itertools.combinations(range(3), order):
            table = rng.normal(size=[COUNTS[j] for j in scope])
            for axis in range(order):
                table = table - table.mean(axis=axis, keepdims=True)
            found += size * table[tuple(codes[:, j] for j in scope)]
    return found


def fitted(
    seed: int, sizes: tuple[float, ...], run: Ints, noise: float = 0.3
) -> tuple[Components, Floats, Samples]:
    rng = np.random.default_rng(seed)
    codes = cells()
    truth = 5 + effects(rng, codes, sizes)
    label = np.repeat(np.arange(len(run)), 4)
    y = truth[run][label] + noise * rng.normal(size=len(label))
    samples = Samples(Design(model(), Regimes.from_codes(codes[run])), label, np.zeros((len(label), 1)), y)
    return Components().fit(samples), truth, samples


def covariance(left: Ints, right: Ints, log_sizes: Floats) -> Floats:
    """A flat constant, and of every set of up to three interventions the product of their likeness."""
    orders, own = np.exp(log_sizes[:3]), np.exp(log_sizes[3:] - log_sizes[3:].mean())
    found = np.full((len(left), len(right)), 4.0)
    for order in (1, 2, 3):
        for scope in itertools.combinations(range(3), order):
            part = np.full_like(found, orders[order - 1])
            for j in scope:
                part = part * own[j] * np.where(left[:, [j]] == right[:, j], 1.0, -1.0 / (COUNTS[j] - 1))
            found += part
    return found


def test_predictions_and_errors_are_those_of_the_conditional_law() -> None:
    run = np.random.default_rng(0).permutation(24)[:15]
    found, _, samples = fitted(1, (1.0, 0.5, 0.2), run)
    codes, y = cells(), samples.y
    assert y is not None
    means = np.array([y[samples.regime == i].mean() for i in range(len(run))])
    within = np.mean([y[samples.regime == i].var(ddof=1) for i in range(len(run))])
    unit = means.std()
    inner = covariance(codes[run], codes[run], found.log_sizes_) + np.eye(len(run)) * (within / unit**2 / 4 + 1e-6)
    across = covariance(codes, codes[run], found.log_sizes_)
    wanted = means.mean() + across @ np.linalg.solve(inner, means - means.mean())
    every = Regimes.from_codes(codes)
    np.testing.assert_allclose(found.predict(every), wanted, rtol=1e-8)
    pooled = np.array([y[samples.regime == i].var(ddof=1) / 4 for i in range(len(run))])
    np.testing.assert_allclose(
        found.standard_errors(every), np.sqrt(found.weights(every) ** 2 @ pooled), rtol=1e-9
    )
    np.testing.assert_allclose(found.weights(every).sum(axis=1), 1.0, rtol=1e-12)


def test_interactions_are_pulled_to_nothing_where_there_are_none() -> None:
    additive, mixed = [], []
    for seed in range(6):
        run = np.random.default_rng(seed).permutation(24)[:18]
        additive.append(fitted(seed, (1.0, 0.0, 0.0), run)[0].log_sizes_)
        mixed.append(fitted(seed, (0.3, 1.0, 0.0), run)[0].log_sizes_)
    ratio = [np.mean([one[1] - one[0] for one in several]) for several in (additive, mixed)]
    assert ratio[0] < -1 < 0 < ratio[1]


def test_the_average_is_that_of_both() -> None:
    """Trees of scikit-learn on all rows: of squared error, the same as on weighted means."""
    run = np.random.default_rng(3).permutation(24)[:15]
    alone, _, samples = fitted(3, (1.0, 0.5, 0.2), run)
    every = cells()
    hot = np.concatenate([np.eye(count)[every[:, j]] for j, count in enumerate(COUNTS)], axis=1)
    trees = GradientBoostingRegressor(random_state=4).fit(hot[run][samples.regime], samples.y).predict(hot)
    both = (alone.predict(Regimes.from_codes(every)) + trees) / 2
    found = Average(seed=4).fit(samples).predict(Regimes.from_codes(every))
    assert np.sqrt(np.mean((found - both) ** 2)) < 0.1 * np.std(both)  # but for ties between splits


def test_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    study = Study.from_dict({
        "interventions": {"dose": {"levels": [0, 1, 2], "basis": {"poly": 1}}}, "variables": ["x"],
        "factors": [{"sigma": ["dose"]}], "train": [{}, {"dose": 1}], "test": [{"dose": 2}],
    })  # fmt: skip
    with pytest.raises(InputError, match="not for levels with values yet: the method 'components'"):
        estimate_study(study, {"dose": [0, 0, 1, 1], "x": [0.0, 1, 2, 3]}, method="components")
    monkeypatch.setattr(components, "MOST_REGIMES", 10)
    with pytest.raises(InputError, match="15 training regimes are more than 10; take the method 'blackbox'"):
        fitted(1, (1.0,), np.arange(15))
