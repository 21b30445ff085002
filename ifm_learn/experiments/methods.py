"""Every method on one outcome problem, on models of x that all problems share."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ifm_ident import Design, Identification, Regimes
from ifm_ident.arrays import Floats
from ifm_learn.data.samples import Samples
from ifm_learn.density.model import DensityModel
from ifm_learn.estimation.extrapolation import extrapolation_warnings, extrapolation_words
from ifm_learn.experiments.problems import Problem
from ifm_learn.experiments.protocol import MethodName, Protocol
from ifm_learn.experiments.truths import Truth
from ifm_learn.outcome.balance import Balance
from ifm_learn.outcome.baselines.additive import Additive
from ifm_learn.outcome.baselines.blackbox import BlackBox
from ifm_learn.outcome.baselines.dag import DagBaseline
from ifm_learn.outcome.baselines.joint_additive import JointAdditive
from ifm_learn.outcome.doubly_robust import DoublyRobust
from ifm_learn.outcome.estimator import OutcomeEstimator
from ifm_learn.outcome.ifm1 import Ifm1
from ifm_learn.outcome.ifm2 import Ifm2
from ifm_learn.outcome.ifm3 import Ifm3
from ifm_learn.outcome.regressors import SmoothRegressor, fit_regressor, settled

Fit = Callable[[Samples], DensityModel]

_WITH_DENSITY = frozenset({"ifm1", "ifm2", "ifm3", "dr"})
_ORACLE = 4
"""Its random stream; see `problems`."""


@dataclass(frozen=True, eq=False)
class Remembering:
    """A density model that remembers draws and log-potentials: estimators that ask alike share the work.

    Draws asked for with generators in the same state are the same draws, as of the model itself.
    """

    model: DensityModel
    known: dict[bytes, Floats] = field(default_factory=dict)

    @property
    def design(self) -> Design:
        """The model's design."""
        return self.model.design

    def require(self, regimes: Regimes) -> Identification:
        """As of the model."""
        return self.model.require(regimes)

    def sample(self, regimes: Regimes, n: int, rng: np.random.Generator) -> Floats:
        """As of the model, shape (r, n, p); a generator whose draws are remembered does not move on."""
        key = b"sample %d %s" % (n, _key(regimes)) + repr(rng.bit_generator.state).encode()
        if key not in self.known:
            self.known[key] = self.model.sample(regimes, n, rng)
        return self.known[key]

    def log_potentials(self, x: Floats, regimes: Regimes) -> Floats:
        """As of the model, shape (n, r)."""
        key = b"potentials %s" % _key(regimes) + hashlib.blake2b(x.tobytes()).digest()
        if key not in self.known:
            self.known[key] = self.model.log_potentials(x, regimes)
        return self.known[key]

    def __getstate__(self) -> dict[str, Any]:
        """Without what the model has cached of exact identification, which does not travel to other processes."""
        return {"model": dataclasses.replace(self.model), "known": self.known}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("model", "known"):  # asked for while a copy is unpickled
            raise AttributeError(name)
        return getattr(self.model, name)


@dataclass(frozen=True, eq=False)
class Shared:
    """A training sample without outcomes, the regimes asked about, and what was fitted to x alone.

    density: the fitted factors, or None where no method needs them; draws: by method (dag, oracle), rows of its
    law of x in every regime, shape (r, draws, p).
    """

    samples: Samples
    regimes: Regimes
    protocol: Protocol
    density: Remembering | None
    draws: Mapping[str, Floats]
    notes: tuple[str, ...] = ()

    def solve(self, problem: Problem) -> dict[str, object]:
        """The record of one problem: truths, and the means by every method, NaN where it gives none."""
        y = problem.outcomes(self.samples.x, self.protocol.seed)
        samples = dataclasses.replace(self.samples, y=y, outcome="y")
        regression = fit_regressor(_regression(self.protocol), samples.x, y)
        estimates: dict[str, list[float]] = {}
        for method in self.protocol.methods:
            if method in self.draws:
                estimates[method] = [float(regression.predict(x).mean()) for x in self.draws[method]]
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
            "joint-additive": JointAdditive,
            "ifm1": lambda: Ifm1(self.density, regressor, draws=draws, seed=seed),
            "ifm2": lambda: Ifm2(self.density, seed=seed),
            "ifm3": lambda: Ifm3(self.density, regressor, draws=draws, seed=seed),
            "dr": lambda: DoublyRobust(self.density, regressor, draws=draws, seed=seed),
        }
        return made[method]()


def fit_shared(samples: Samples, regimes: Regimes, protocol: Protocol, truth: Truth, density: Fit) -> Shared:
    """Fit and sample what the protocol's methods need of x.

    truth: the law that the samples are from, for the oracle; density: fits the factors to the samples.
    """
    fitted: Remembering | None = None
    notes: list[str] = []
    draws: dict[str, Floats] = {}
    if set(protocol.methods) & _WITH_DENSITY:
        fitted = Remembering(density(samples))
        weights = Balance(fitted, seed=protocol.seed).fit(samples).diagnostics(regimes).ess
        notes += fitted.model.report.warnings
        notes.append(
            f"effective sample size of the pooled weights: {weights.min():.0f} to {weights.max():.0f} of "
            f"{len(samples):,} rows, median {np.median(weights):.0f}"
        )
        words = extrapolation_words(fitted.model, regimes)
        notes += extrapolation_warnings(samples.design.model, regimes, words, "assignment")
        for _ in Ifm1(fitted, draws=protocol.draws, seed=protocol.seed).fit(samples).draws_.each(regimes):
            pass  # drawn before work is shared out, remembered ever after
    if "dag" in protocol.methods:
        draws["dag"] = DagBaseline(draws=protocol.draws, seed=protocol.seed).fit(samples).sample(regimes)
    if "oracle" in protocol.methods:
        draws["oracle"] = truth.sample(regimes, protocol.draws, np.random.default_rng([protocol.seed, _ORACLE]))
    return Shared(samples, regimes, protocol, fitted, draws, tuple(notes))


def _regression(protocol: Protocol) -> Any:
    """An unfitted regression of y on x; the same for every method that uses one."""
    if protocol.outcome == "smooth":
        return SmoothRegressor(seed=protocol.seed)
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(early_stopping=False, random_state=protocol.seed)


def _key(regimes: Regimes) -> bytes:
    return b"|".join(part.tobytes() for part in (regimes.indptr, regimes.position, regimes.level))
