"""Whether E[y | x] is the same in all training regimes, and what to do where not (docs/theory/ladder.md)."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.stats import t as student

from ifm_ident import Design, Factor, Model
from ifm_ident.arrays import Floats, Ints
from ifm_learn.data.samples import Samples
from ifm_learn.ladder.regime_statistics import RegimeStatistics
from ifm_learn.outcome.regressors import CrossFit, SmoothRegressor, cross_fit, fit_regressor, settled
from ifm_learn.randomness import stream

SHIFT = 0.01
"""The p-value below which E[y | x] is taken to differ between training regimes."""

MOST_ROWS = 20_000
"""More rows than this add nothing to such a regression: so many are drawn."""

FOLDS = 5

UNITS, DECAYS = (1, 2), (0.1, 1.0, 10.0)
"""Small networks tried beside ridge regressions: far better where y follows one combination of many variables."""

_FEWEST_FOR_SLOPES, _FLAT = 30, 1e-12  # units; of 15, slopes show where a regression misses a curve

_MOST_TERMS, _ROWS_PER_TERM, _RIDGE = 400, 20, 1e-10

_CHOSEN_ONCE = 200
"""Of more rows the kind of regression is chosen once, from all of them, and not for each fold."""


@dataclasses.dataclass(frozen=True, eq=False)
class Regressed:
    """m(x) = E[y | x] by ridge on smooth features or a small network, cross-fitted on `rows`, and what it leaves.

    p_value: of no difference between the training regimes' residuals, in mean or in slope along a variable.
    """

    rows: Ints
    fit: CrossFit
    residuals: Floats
    p_value: float

    def left_everywhere(self, samples: Samples) -> Floats:
        """What m leaves at all rows, those that it was not fitted to among them, shape (n,)."""
        assert samples.y is not None
        found = samples.y.copy()
        model = self.fit.models[0]
        for start in range(0, len(samples), MOST_ROWS):
            at = slice(start, start + MOST_ROWS)
            found[at] -= model.predict(samples.x[at])
        found[self.rows] = self.residuals
        return found

    @property
    def shifts(self) -> bool:
        """Whether y depends on the regime beyond x."""
        return self.p_value < SHIFT

    def predict(self, x: Floats) -> Floats:
        """m at rows, shape (n, 1)."""
        return self.fit.predict(x)[:, None]


def regressed(samples: Samples, seed: int) -> Regressed:
    """The regression of the outcome, and the test of what it assumes, on whole units.

    >>> from ifm_ident import Study
    >>> design = Study.from_dict({
    ...     "interventions": {"A": [0, 1]}, "factors": [{"sigma": ["A"]}], "train": ["0", "1"]}).design
    >>> rng, regime = np.random.default_rng(0), np.repeat([0, 1], 200)
    >>> x = rng.normal(size=(400, 1)) + regime[:, None]
    >>> same = Samples(design, regime, x, x[:, 0] + rng.normal(size=400))
    >>> moved = Samples(design, regime, x, x[:, 0] + regime + rng.normal(size=400))
    >>> regressed(same, 0).shifts, regressed(moved, 0).shifts
    (False, True)
    >>> turned = Samples(design, regime, x, (1 - 2 * regime) * (x[:, 0] - regime) + rng.normal(size=400))
    >>> regressed(turned, 0).shifts
    True
    """
    assert samples.y is not None
    rows = np.arange(len(samples), dtype=np.int64)
    if len(rows) > MOST_ROWS and samples.unit is None:
        rows = np.sort(stream(seed, "outcome rows").choice(rows, MOST_ROWS, replace=False))
    x, y, regime = samples.x[rows], samples.y[rows], samples.regime[rows]
    unit = None if samples.unit is None else samples.unit[rows]
    folds = min(FOLDS, len(rows) if unit is None else max(len(np.unique(unit)), 2))
    regressor = SmoothRegressor(UNITS, DECAYS, seed=seed)
    if len(rows) > _CHOSEN_ONCE:
        regressor = settled(fit_regressor(regressor, x, y, groups=unit))
    fit = cross_fit(regressor, x, y, folds, seed, strata=regime, groups=unit)
    left = y - fit.out_of_fold
    terms = terms_of(x)
    shifted = float(mean_shifts(left[:, None], terms, regime, unit)[0])
    p_value = 2 * min(shifted, _turn(left, x, terms, regime, rows if unit is None else unit))
    return Regressed(rows, fit, left, min(p_value, 1.0))


def terms_of(x: Floats) -> Floats:
    """Orthonormal columns that span 1, x and, where rows are many enough, squares, then products; (n, terms)."""
    x = (x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-300)
    n, p = x.shape
    parts = [np.ones((n, 1)), x]
    most = min(_MOST_TERMS, n // _ROWS_PER_TERM)
    if 1 + 2 * p <= most:
        parts.append(x**2)
    first, second = np.triu_indices(p, 1)
    if 1 + 2 * p + len(first) <= most:
        parts.append(x[:, first] * x[:, second])
    terms = np.concatenate(parts, axis=1)
    values, vectors = np.linalg.eigh(terms.T @ terms)
    held = values > _RIDGE * values[-1]
    found: Floats = terms @ (vectors[:, held] / np.sqrt(values[held]))
    return found


def mean_shifts(left: Floats, terms: Floats, regime: Ints, unit: Ints | None) -> Floats:
    """p-values of no difference between regimes in the mean of residuals, shape (n, k), given the terms; (k,).

    terms: orthonormal, shape (n, q): what the residuals' regression on x may err by is taken off each regime's
    indicator, so that the noise of one regime is not held against another. Errors are by regime and whole units,
    whatever the variances are; t tests of every regime, with the degrees of freedom of Welch and Satterthwaite,
    by Bonferroni.
    """
    _, place = np.unique(regime, return_inverse=True)
    groups, k = int(place.max()) + 1, left.shape[1]
    sizes = np.bincount(place, minlength=groups).astype(float)
    m, variance = _variances(left, place, unit, sizes)
    usable = m > 1
    if usable.sum() < 2:
        return np.ones(k)
    sums = np.stack([np.bincount(place, column, minlength=groups) for column in terms.T], axis=1) / sizes[:, None]
    # row j's share in regime i's mean less its projection: (1 / n_i if j in i) - terms_j . sums_i, squared
    spread = np.empty((groups, groups))
    for r in range(groups):
        own = terms[place == r]
        spread[:, r] = ((sums @ (own.T @ own)) * sums).sum(axis=1)
    spread[np.diag_indices(groups)] += 1 / sizes - 2 * np.square(sums).sum(axis=1)
    parts = (np.maximum(spread, 0.0) * sizes)[:, :, None] * variance
    value = np.stack([np.bincount(place, column, minlength=groups) for column in left.T], axis=1) / sizes[:, None]
    value = value - sums @ (terms.T @ left)
    total = parts.sum(axis=1)
    told = usable[:, None] & (total > 0)
    freedom = total**2 / np.maximum((parts**2 / np.maximum(m - 1, 1)[:, None]).sum(axis=1), 1e-300)
    statistic = np.abs(value) / np.sqrt(np.where(told, total, 1.0))
    p_values = np.where(told, 2 * student.sf(statistic, np.maximum(freedom, 1.0)), 1.0)
    tests = np.where(usable.sum() == 2, 1, told.sum(axis=0))
    found: Floats = np.minimum(p_values.min(axis=0) * np.maximum(tests, 1), 1.0)
    return found


def _variances(left: Floats, place: Ints, unit: Ints | None, sizes: Floats) -> tuple[Floats, Floats]:
    """Units of every regime, shape (groups,), and the variances of its mean residual, shape (groups, k)."""
    groups = len(sizes)
    if unit is None:
        rows = RegimeStatistics.of(place, left, groups)
        return sizes, rows.within / (np.maximum(sizes - 1, 1) * sizes)[:, None]
    cells = RegimeStatistics.of(place, left, groups, unit=unit).cells
    assert cells is not None
    share = (cells.count / sizes[cells.regime])[:, None]
    parts = RegimeStatistics.of(cells.regime, cells.mean * share, groups)
    m = parts.count
    return m, parts.within * (m / np.maximum(m - 1, 1))[:, None]


def _turn(left: Floats, x: Floats, terms: Floats, regime: Ints, unit: Ints) -> float:
    """Whether slopes of the residuals along some variable differ between regimes, all variables allowed for.

    An outcome can turn with a regime where its mean stays. Every regime's slope less what the terms make of it,
    with errors by units of residuals that leverage is allowed for (MacKinnon and White 1985), by Bonferroni.
    """
    _, at = np.unique(unit, return_inverse=True)
    _, place = np.unique(regime, return_inverse=True)
    groups, smallest, tests = int(place.max()) + 1, 1.0, 0
    for column in x.T:
        slopes, rest, counts = np.zeros((len(x), groups)), np.zeros(len(x)), np.zeros(groups)
        for r in range(groups):
            own = place == r
            away = column[own] - column[own].mean()
            total = float(away @ away)
            flat = total <= _FLAT * float(column[own] @ column[own])
            rest[own] = left[own] - left[own].mean()
            if flat:
                continue
            slopes[own, r] = away / total
            rest[own] -= float(slopes[own, r] @ left[own]) * away
            leverage = 1 / len(away) + away**2 / total
            rest[own] /= np.maximum(1 - leverage, 1 / len(away))
            counts[r] = len(np.unique(at[own]))
        able = np.flatnonzero(counts >= _FEWEST_FOR_SLOPES)
        if len(able) < 2:
            continue
        weight = slopes[:, able] - terms @ (terms.T @ slopes[:, able])
        for c in range(len(able)):
            sums = np.bincount(at, weight[:, c] * rest)
            parts = np.bincount(place, weight[:, c] ** 2 * rest**2, minlength=groups)
            error, shares = float(sums @ sums), parts / max(float(parts.sum()), 1e-300)
            if error > 0:
                freedom = 1 / max(float((shares**2 / np.maximum(counts - 2, 1)).sum()), 1e-12)
                statistic = abs(float(weight[:, c] @ left)) / np.sqrt(error)
                smallest = min(smallest, 2 * float(student.sf(statistic, max(freedom, 1.0))))
                tests += 1
    return float(min(1.0, max(tests, 1) * smallest))


def among_variables(samples: Samples) -> Samples:
    """The same rows with the outcome as a variable that every factor holds, and no outcome."""
    assert samples.y is not None
    model, name = samples.design.model, samples.outcome or "y"
    while name in model.variables:
        name += "_"
    factors = tuple(Factor(one.name, (*one.x, name), one.sigma) for one in model.factors)
    wider = Model(model.interventions, (*model.variables, name), factors)
    return dataclasses.replace(
        samples,
        design=Design(wider, samples.design.train),
        x=np.column_stack([samples.x, samples.y]),
        y=None,
        outcome=None,
        scaling=None,
    )
