"""DAG: every variable regressed on its parents, cell by cell, sampled in topological order, then m(x)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self, get_args

import numpy as np

from ifm_ident import Design, InputError, Regimes
from ifm_ident.arrays import Floats, Ints
from ifm_ident.design import format_regime, level_text
from ifm_ident.errors import require_known
from ifm_learn.checks import check_regimes
from ifm_learn.data.samples import Samples
from ifm_learn.energies.cells import FactorCells
from ifm_learn.outcome.baselines._conditionals import Conditional, Noise
from ifm_learn.outcome.baselines._dag_structure import Dag
from ifm_learn.outcome.estimator import OutcomeEstimator, shaped
from ifm_learn.outcome.regressors import fit_regressor, outcome_regressor, settled
from ifm_learn.randomness import stream

_CELLS = 20_000_000
"""Entries of the array of draws that are held at once."""


class DagBaseline(OutcomeEstimator):
    """Means under a directed acyclic graph with Gaussian noise whose mean and spread depend on parents and regime.

    parents: child to its parents; None reads the graph off the factors (`Dag.of`). regressor: for y given x, by
    default `SmoothRegressor`, on all rows. conditional: regressor of every variable on its parents, by default
    ridge on linear terms, splines or splines and products. Every level cell of a variable's interventions has its
    own mean and spread, from the rows of all regimes that show the cell; roots have their own too. draws: Monte
    Carlo rows of each regime, the same random numbers for all. noise: `gaussian`, or `residuals` to draw from the
    cell's own standardised residuals. A regime with a cell that training never shows gets NaN and a reason.

    Learned by `fit`: dag_; cells_; conditionals_, one for each cell; outcome_, the regressor of y, or None. Raises
    InputError where the factors give no DAG.

    >>> from ifm_ident import Study
    >>> design = Study.from_dict({
    ...     "interventions": {"A": [0, 1], "B": [0, 1, 2]}, "variables": ["u", "v"],
    ...     "factors": [{"x": ["u"], "sigma": ["A"]}, {"x": ["v", "u"], "sigma": ["B"]}],
    ...     "train": ["00", "10", "01"],
    ... }).design
    >>> rng = np.random.default_rng(0)
    >>> regime = np.repeat([0, 1, 2], 2000)
    >>> u = rng.normal(size=6000) + (regime == 1)
    >>> v = 2 * u + rng.normal(size=6000) + 3 * (regime == 2)
    >>> model = DagBaseline().fit(Samples(design, regime, np.column_stack([u, v])))
    >>> targets = Regimes.from_codes(np.array([[1, 1], [1, 2]]))
    >>> model.predict(targets).round(0).tolist(), model.reasons(targets)
    ([[1.0, 5.0], [nan, nan]], [None, 'A=1,B=2: training never shows v with B=2'])
    """

    method: ClassVar[str] = "dag"

    def __init__(
        self,
        parents: Mapping[str, Sequence[str]] | None = None,
        regressor: Any = None,
        conditional: Any = None,
        draws: int = 10_000,
        noise: Noise = "gaussian",
        seed: int = 0,
    ) -> None:
        self.parents = parents
        self.regressor = regressor
        self.conditional = conditional
        self.draws = draws
        self.noise = noise
        self.seed = seed

    def fit(self, samples: Samples) -> Self:
        """Fit every conditional and, where there is an outcome, m(x)."""
        require_known(self.noise, get_args(Noise), "noise")
        if self.draws < 1:
            raise InputError(f"a mean needs one draw or more, got {self.draws}")
        self.model_ = model = samples.design.model
        self.dag_ = Dag.of(model, self.parents)
        self.cells_ = FactorCells.of(Design(self.dag_.model(model), samples.design.train))
        self.place_ = {variable: i for i, variable in enumerate(model.variables)}
        shown = self.cells_.choice(samples.design.train)[samples.regime]
        self.conditionals_ = []
        for cell, k in enumerate(self.cells_.factor.tolist()):
            rows = shown[:, k] == cell
            values = samples.x[rows]
            parents = values[:, self._parents_of(k)]
            unit = None if samples.unit is None else samples.unit[rows]
            self.conditionals_.append(Conditional.fit(parents, values[:, k], self.conditional, self.seed, unit))
        self.outcome_ = None
        if samples.y is not None:
            chosen = outcome_regressor(self.regressor, self.seed)
            self.outcome_ = fit_regressor(chosen, samples.x, samples.y, groups=samples.unit)
        return self

    def _parents_of(self, variable: int) -> list[int]:
        return [self.place_[u] for u in self.dag_.parents[self.model_.variables[variable]]]

    def sample(self, regimes: Regimes) -> Floats:
        """Draws of x in regimes whose cells training shows, shape (r, draws, p); the same for equal regimes."""
        return self._draw(self._choice(regimes))[0]

    def _choice(self, regimes: Regimes) -> Ints:
        check_regimes(self.model_, regimes)
        return self.cells_.choice(regimes)

    def _draw(self, choice: Ints) -> tuple[Floats, Floats]:
        """Draws, and their means given their parents, each of shape (r, draws, p)."""
        rng = stream(self.seed, "draws")
        p = len(self.model_.variables)
        standard, uniform = rng.standard_normal((p, self.draws)), rng.random((p, self.draws))
        x = np.empty((len(choice), self.draws, p))
        centres = np.empty_like(x)
        for variable in self.dag_.order:
            v = self.place_[variable]
            for cell in np.unique(choice[:, v]).tolist():
                rows = np.flatnonzero(choice[:, v] == cell)
                one = self.conditionals_[cell]
                parents = x[rows][:, :, self._parents_of(v)].reshape(len(rows) * self.draws, -1)
                centre = one.centre(parents).reshape(len(rows), self.draws)
                spread = one.spread(parents).reshape(len(rows), self.draws)
                centres[rows, :, v] = centre
                x[rows, :, v] = centre + spread * one.noise(standard[v], uniform[v], self.noise)
        return x, centres

    def predict(self, regimes: Regimes) -> Floats:
        """Means of the target: shape (r,) for an outcome, (r, p) for the x-variables; NaN as `reasons` says."""
        choice = self._choice(regimes)
        known, place = np.unique(choice, axis=0, return_inverse=True)
        means = np.full((len(known), 1 if self.outcome_ is not None else len(self.model_.variables)), np.nan)
        shown = np.flatnonzero((known >= 0).all(axis=1))
        step = max(1, _CELLS // (self.draws * len(self.model_.variables)))
        for start in range(0, len(shown), step):
            rows = shown[start : start + step]
            x, centres = self._draw(known[rows])
            if self.outcome_ is None:
                means[rows] = centres.mean(axis=1)
            else:
                predicted = self.outcome_.predict(x.reshape(-1, x.shape[2]))
                means[rows, 0] = np.asarray(predicted).reshape(len(rows), self.draws).mean(axis=1)
        return shaped(self.outcome_ is not None, means[place.ravel()])

    def settled(self) -> Self:
        """An unfitted clone with the regressor of y that was chosen."""
        found = super().settled()
        return found if self.outcome_ is None else found.set_params(regressor=settled(self.outcome_))

    def reasons(self, regimes: Regimes) -> list[str | None]:
        """Which cell of a regime training never shows; None where it shows all."""
        choice, codes = self._choice(regimes), regimes.codes()
        found: list[str | None] = [None] * len(regimes)
        for row in np.flatnonzero((choice < 0).any(axis=1)).tolist():
            variable = self.model_.variables[int(np.argmax(choice[row] < 0))]
            levels = ",".join(
                f"{name}={level_text(self.model_.interventions[i].levels[codes[row, i]])}"
                for name in self.dag_.sigma[variable]
                for i in [self.model_.position[name]]
            )
            regime = format_regime(self.model_, regimes[row], "assignment")
            found[row] = f"{regime}: training never shows {variable} with {levels}"
        return found
