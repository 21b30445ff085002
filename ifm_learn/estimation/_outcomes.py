"""Whether E[y | x] is the same in all training regimes, and what to do where not (docs/theory/ladder.md)."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.stats import chi2, norm
from scipy.stats import f as fisher
from scipy.stats import t as student

from ifm_ident import Design, Factor, Model
from ifm_ident.arrays import Floats, Ints
from ifm_learn.data.samples import Samples
from ifm_learn.outcome.regressors import CrossFit, SmoothRegressor, cross_fit, fit_regressor, settled
from ifm_learn.randomness import stream

SHIFT = 0.01
"""The p-value below which E[y | x] is taken to differ between training regimes."""

MOST_ROWS = 20_000
"""More rows than this add nothing to a regression by ridge: so many are drawn."""

FOLDS = 5

_FEWEST_FOR_SLOPES, _FLAT = 30, 1e-12  # units; of 15, slopes show where a regression misses a curve

_CHOSEN_ONCE = 1_000
"""Of more rows the kind of regression is chosen once, from all of them, and not for each fold."""


@dataclasses.dataclass(frozen=True, eq=False)
class Regressed:
    """m(x) = E[y | x] by ridge on smooth features, cross-fitted on `rows`, and what it leaves there.

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
    regressor = SmoothRegressor(units=(), seed=seed)
    if len(rows) > _CHOSEN_ONCE:
        regressor = settled(fit_regressor(regressor, x, y, groups=unit))
    fit = cross_fit(regressor, x, y, folds, seed, strata=regime, groups=unit)
    left = y - fit.out_of_fold
    units = rows if unit is None else unit
    p_value = 2 * min(_shift(left, regime, units), _turn(left, x, regime, units))
    return Regressed(rows, fit, left, min(p_value, 1.0))


def _shift(left: Floats, regime: Ints, unit: Ints) -> float:
    """Whether mean residuals differ between regimes: squares of their t-statistics as normal scores, added up."""
    _, place = np.unique(regime, return_inverse=True)
    scores = []
    for i in range(int(place.max()) + 1):
        own = place == i
        _, at = np.unique(unit[own], return_inverse=True)
        count = int(at.max()) + 1
        if count < 2:
            continue
        sums = np.bincount(at, left[own]) / own.sum()
        mean = float(sums.sum())
        error = float(np.sqrt(count * np.var(sums, ddof=1)))
        if error > 0:
            tail = student.sf(abs(mean) / error, count - 1)
            scores.append(float(norm.isf(max(tail, 1e-300))))
    if len(scores) < 2:
        return 1.0
    return float(chi2.sf(np.square(scores).sum(), len(scores)))


def _turn(left: Floats, x: Floats, regime: Ints, unit: Ints) -> float:
    """Whether slopes of the residuals along some variable differ between regimes, all variables allowed for.

    An outcome can turn with a regime where its mean stays. By Welch's test (1951). Errors of slopes
    are by units, of residuals that leverage is allowed for (MacKinnon and White 1985).
    """
    found = [1.0]
    for column in x.T:
        slopes, squares, free = [], [], []
        for one in np.unique(regime):
            own = regime == one
            away = column[own] - column[own].mean()
            total = float(away @ away)
            _, at = np.unique(unit[own], return_inverse=True)
            count = int(at.max()) + 1
            if count < _FEWEST_FOR_SLOPES or total <= _FLAT * float(column[own] @ column[own]):
                continue
            slope = float(away @ left[own]) / total
            rest = left[own] - left[own].mean() - slope * away
            leverage = 1 / len(away) + away**2 / total
            sums = np.bincount(at, away * rest / np.maximum(1 - leverage, 1 / len(away)))
            slopes.append(slope)
            squares.append(float(sums @ sums) / total**2)
            free.append(count - 2)
        found.append(_unequal(np.array(slopes), np.array(squares), np.array(free, dtype=float)))
    return float(min(1.0, x.shape[1] * min(found)))


def _unequal(values: Floats, squares: Floats, free: Floats) -> float:
    """The p-value of equal expectations of values with these squared errors and degrees of freedom."""
    k = len(values)
    if k < 2 or not squares.min() > 0:
        return 1.0
    weight = 1 / squares / (1 / squares).sum()
    between = float(((values - weight @ values) ** 2 / squares).sum()) / (k - 1)
    spread = float(((1 - weight) ** 2 / free).sum()) / (k**2 - 1)
    return float(fisher.sf(between / (1 + 2 * (k - 2) * spread), k - 1, 1 / (3 * spread)))


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
