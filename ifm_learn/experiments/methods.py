"""Every method on one outcome problem, on models of x that all problems share."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ifm_ident import Regimes
from ifm_learn.data.samples import Samples
from ifm_learn.density import fit_density
from ifm_learn.experiments.problems import Problem
from ifm_learn.experiments.protocol import MethodName, Protocol
from ifm_learn.experiments.remembering import Remembering
from ifm_learn.outcome.baselines.additive import Additive
from ifm_learn.outcome.baselines.blackbox import BlackBox
from ifm_learn.outcome.baselines.dag import DagBaseline
from ifm_learn.outcome.doubly_robust import DoublyRobust
from ifm_learn.outcome.estimator import OutcomeEstimator
from ifm_learn.outcome.ifm1 import Ifm1
from ifm_learn.outcome.ifm2 import Ifm2
from ifm_learn.outcome.ifm3 import Ifm3
from ifm_learn.outcome.regressors import SmoothRegressor, fit_regressor, settled

Floats = NDArray[np.float64]

_WITH_DENSITY = ("ifm1", "ifm2", "ifm3", "dr")


@dataclass(frozen=True, eq=False)
class Shared:
    """A training sample without outcomes, the regimes asked about, and what was fitted to x alone.

    density: the fitted factors, or None where no method needs them; dag_draws: rows drawn from the fitted directed
    model in every regime, shape (r, draws, p), or None.
    """

    samples: Samples
    regimes: Regimes
    protocol: Protocol
    density: Remembering | None
    dag_draws: Floats | None
    notes: tuple[str, ...] = ()

    def solve(self, problem: Problem) -> dict[str, object]:
        """The record of one problem: truths, and the means by every method, NaN where it gives none."""
        y = problem.outcomes(self.samples.x, self.protocol.seed)
        samples = dataclasses.replace(self.samples, y=y, outcome="y")
        regression = fit_regressor(_regression(self.protocol), samples.x, y)
        estimates: dict[str, list[float]] = {}
        for method in self.protocol.methods:
            if method == "dag":
                assert self.dag_draws is not None
                estimates[method] = [float(regression.predict(x).mean()) for x in self.dag_draws]
            else:
                model = self._estimator(method, settled(regression)).fit(samples)
                estimates[method] = model.predict(self.regimes).tolist()
        return {
            "problem": problem.number,
            "coefficients": problem.coefficients.tolist(),
            "noise": problem.noise,
            "regression": getattr(regression, "choice_", self.protocol.outcome),
            "mean": problem.mean[1:].tolist(),
            "variance": problem.variance[1:].tolist(),
            "estimates": estimates,
        }

    def _estimator(self, method: MethodName, regressor: Any) -> OutcomeEstimator:
        draws, seed = self.protocol.draws, self.protocol.seed
        made: dict[str, Callable[[], OutcomeEstimator]] = {
            "blackbox": lambda: BlackBox(seed=seed),
            "additive": Additive,
            "ifm1": lambda: Ifm1(self.density, regressor, draws=draws, seed=seed),
            "ifm2": lambda: Ifm2(self.density, seed=seed),
            "ifm3": lambda: Ifm3(self.density, regressor, draws=draws, seed=seed),
            "dr": lambda: DoublyRobust(self.density, regressor, draws=draws, seed=seed),
        }
        return made[method]()


def fit_shared(samples: Samples, regimes: Regimes, protocol: Protocol, jobs: int = 1) -> Shared:
    """Fit and sample what the protocol's methods need of x."""
    density, dag_draws, notes = None, None, []
    if set(protocol.methods) & set(_WITH_DENSITY):
        fitted = fit_density(samples, bins=protocol.bins, starts=protocol.starts, seed=protocol.seed, jobs=jobs)
        density = Remembering(fitted)
        effective = Ifm1(density, seed=protocol.seed).fit(samples).diagnostics(regimes).ess
        notes.append(
            f"effective sample size of the pooled weights: {effective.min():.0f} to {effective.max():.0f} of "
            f"{len(samples):,} rows, median {np.median(effective):.0f}"
        )
        model = Ifm1(density, draws=protocol.draws, seed=protocol.seed).fit(samples)
        for _ in model.draws_.each(regimes):
            pass
    if "dag" in protocol.methods:
        dag_draws = DagBaseline(draws=protocol.draws, seed=protocol.seed).fit(samples).sample(regimes)
    return Shared(samples, regimes, protocol, density, dag_draws, tuple(notes))


def _regression(protocol: Protocol) -> Any:
    """An unfitted regression of y on x; the same for every method that uses one."""
    if protocol.outcome == "smooth":
        return SmoothRegressor(seed=protocol.seed)
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(early_stopping=False, random_state=protocol.seed)
