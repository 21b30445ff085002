"""Tilts of what all regimes share: the pooled rows, re-weighted by an exponential of features.

Theory: docs/theory/ladder.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ifm_ident import Regimes
from ifm_ident.arrays import Floats
from ifm_learn.data.samples import Samples
from ifm_learn.ladder._contrast import Contrast, Solution, logits
from ifm_learn.ladder._features import Features, Kind, Ridge
from ifm_learn.ladder._forecast import USUAL
from ifm_learn.ladder._law import Cost, Function, require_parameters
from ifm_learn.ladder._logs import log_sum_exp
from ifm_learn.ladder._weights import effective

MOST_PARAMETERS = 3_000
FEWEST_ROWS = 8
_FLOPS, _PASSES = 1.5e10, 20
_STEPS, _WARM_STEPS = 8, 3
_CALLS = 5e-3


@dataclass(frozen=True)
class Tilt:
    """A rung whose log-density ratios are linear, quadratic or splines in x, by the contrast of regimes.

    >>> from ifm_ident import Study
    >>> design = Study.from_dict({"interventions": {"A": [0, 1], "B": [0, 1]}, "factors": [{"sigma": ["A"]},
    ...     {"sigma": ["B"]}], "train": ["00", "10", "01"]}).design
    >>> rng, regime = np.random.default_rng(0), np.repeat([0, 1, 2], 200)
    >>> x = rng.normal(np.array([0.0, 1.0, -1.0])[regime])[:, None]
    >>> law = Tilt("linear").fit(Samples(design, regime, x))
    >>> both = Regimes.from_codes(np.array([[0, 0], [1, 0], [1, 1]]))
    >>> law.means(None, both).round(1).ravel().tolist()
    [0.0, 0.9, -0.1]
    """

    kind: Kind
    ridge: Ridge = field(default_factory=Ridge)

    @property
    def name(self) -> str:
        """linear, quadratic or splines."""
        return self.kind

    def unfit(self, samples: Samples) -> str | None:
        """Too few rows in most regimes, or too many coefficients."""
        typical = float(np.median(samples.sizes[samples.present]))
        if typical < FEWEST_ROWS:
            return f"half of the regimes have {typical:g} rows or fewer where re-weighting needs {FEWEST_ROWS}"
        count = Features.of(samples, self.kind, self.ridge).parameters
        if count > MOST_PARAMETERS:
            return f"it would have {count:,} coefficients (limit {MOST_PARAMETERS:,})"
        return None

    def forecast(self, samples: Samples) -> Cost:
        """Operations of Newton steps, and passes over rows by regime: as measured, within a factor of three."""
        features = Features.of(samples, self.kind, self.ridge)
        n, d, q = len(samples), len(samples.present), features.parameters
        m = sum(len(block.penalty) for block in features.blocks)
        step = (2.0 * n * d * m * m + 2.0 * n * (d + q) ** 2 + d * q * q + (d + q) ** 3 / 3) / _FLOPS
        step += _PASSES * n * d * USUAL.entry
        held = 8 * (n * (3 * d + m + 2 * q) + 3 * (d + q) ** 2)
        return Cost(_CALLS + step * _STEPS, held, _CALLS / 5 + step * _WARM_STEPS)

    def fit(self, samples: Samples, weight: Floats | None = None) -> TiltLaw:
        """The fitted law; rows are counted once by default."""
        features, problem = self._problem(samples)
        counted = np.ones(len(samples)) if weight is None else weight
        return TiltLaw(self.kind, samples, features, problem, counted, problem.solve(counted))

    def _problem(self, samples: Samples) -> tuple[Features, Contrast]:
        features = Features.of(samples, self.kind, self.ridge)
        group = np.searchsorted(samples.present, samples.regime).astype(np.int64)
        columns, train = features.columns(samples.x), _train(features, samples)
        return features, Contrast(columns, group, features.owner, features.penalty, train)

    def restored(self, samples: Samples, weights: Floats, parameters: Floats) -> tuple[TiltLaw, ...]:
        """Fits from their intercepts and coefficients."""
        features, problem = self._problem(samples)
        d = len(problem.train)
        require_parameters(parameters, d + len(problem.penalty))
        return tuple(
            TiltLaw(
                self.kind,
                samples,
                features,
                problem,
                weight,
                Solution(found[:d], found[d:], problem.counts(weight), None),
            )
            for weight, found in zip(weights, parameters, strict=True)
        )


def _train(features: Features, samples: Samples) -> Floats:
    return features.train() if features.blocks else np.zeros((len(samples.present), 0))


@dataclass(frozen=True, eq=False)
class TiltLaw:
    """p(x; sigma) on the pooled rows: base weights times exp(features), as fitted.

    weight: how often each row counts, shape (n,).
    """

    rung: str
    samples: Samples
    features: Features
    problem: Contrast
    weight: Floats
    solution: Solution

    @cached_property
    def _base(self) -> Floats:
        """Log-weights of the pooled rows under what all regimes share, shape (n,): 1 / sum_i n_i p_i."""
        live = self.solution.counts > 0
        spread = self.problem.train[live]
        found = np.log(self.solution.counts[live]) + self.solution.intercept[live]
        found = found + self.problem.logits(self.solution.beta, spread)
        with np.errstate(divide="ignore"):
            base: Floats = np.log(self.weight) - log_sum_exp(found, axis=1)
        return base

    def _log_weights(self, regimes: Regimes) -> tuple[Floats, Floats, Floats]:
        """Coordinates of regimes, the log-weights of rows (n, r) and the log-constants (r,)."""
        spread = self.features.of_regimes(regimes)
        found = self._base[:, None] + self.problem.logits(self.solution.beta, spread)
        return spread, found, log_sum_exp(found, axis=0)

    def log_densities(self, x: Floats, regimes: Regimes) -> Floats:
        """log p(x; regime) less log p_0(x), with the constant, shape (n, r)."""
        spread, _, constant = self._log_weights(regimes)
        return logits(self.features.columns(x), self.problem.owner, self.solution.beta, spread) - constant

    def weights(self, regimes: Regimes) -> Floats:
        """The pooled rows' weights in every regime, each row of the answer summing to 1, shape (r, n)."""
        _, found, constant = self._log_weights(regimes)
        weights: Floats = np.exp(found - constant).T
        return weights

    def means(self, function: Function | None, regimes: Regimes) -> Floats:
        """E[function(x); regime] over the weighted rows, shape (r, k)."""
        values = self.samples.x if function is None else function(self.samples.x)
        return self.weights(regimes) @ values

    def effective_rows(self, regimes: Regimes) -> Floats:
        """(sum w)^2 / sum w^2 of the pooled rows, one counted twice being two rows; shape (r,)."""
        return effective(self.weights(regimes), self.weight)

    @property
    def parameters(self) -> Floats:
        """Intercepts, shape (d,), and coefficients."""
        return np.concatenate([self.solution.intercept, self.solution.beta])

    def refit(self, weight: Floats) -> TiltLaw:
        """The same tilt with rows counted anew, from the present coefficients on."""
        return self._resolved(weight, None)

    def redrawn(self, weight: Floats, rng: np.random.Generator) -> TiltLaw:
        """A refit whose ridge pulls to coefficients drawn from what it takes for likely, not to 0.

        Refits alone show how rows vary, not what the ridge hides; with both, redraws spread like a posterior
        (Lyddon, Walker and Holmes 2018), and no less than the sampling error where rows are many.
        """
        penalty = self.problem.penalty
        return self._resolved(weight, rng.normal(size=len(penalty)) / np.sqrt(penalty))

    def _resolved(self, weight: Floats, centre: Floats | None) -> TiltLaw:
        solution = self.problem.solve(weight, self.solution, 1e-5, centre)
        return TiltLaw(self.rung, self.samples, self.features, self.problem, weight, solution)
