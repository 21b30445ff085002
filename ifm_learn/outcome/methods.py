"""The methods that `ifm estimate --method` knows, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ifm_ident.errors import require_known
from ifm_learn.outcome.balance import Balance
from ifm_learn.outcome.baselines.additive import Additive
from ifm_learn.outcome.baselines.blackbox import BlackBox
from ifm_learn.outcome.baselines.components import Average, Components
from ifm_learn.outcome.baselines.control import Control
from ifm_learn.outcome.baselines.dag import DagBaseline
from ifm_learn.outcome.baselines.mean import MeanOfTraining
from ifm_learn.outcome.baselines.pooled import Pooled
from ifm_learn.outcome.baselines.singles import Nearest, SinglesMax, SinglesMean
from ifm_learn.outcome.doubly_robust import DoublyRobust
from ifm_learn.outcome.estimator import OutcomeEstimator
from ifm_learn.outcome.ifm1 import Ifm1
from ifm_learn.outcome.ifm2 import Ifm2
from ifm_learn.outcome.ifm3 import Ifm3


@dataclass(frozen=True)
class Method:
    """A method: what it does in words, and how its estimator is made.

    build: from a density model (or settings of one, or None), a regressor for the outcome (or None for the
    default) and a seed; methods ignore what they do not use. needs_identification: whether it refuses regimes that
    are not identified; it then uses the density model.
    """

    words: str
    build: Callable[[Any, Any, int], OutcomeEstimator]
    needs_identification: bool


METHODS: dict[str, Method] = {
    "ifm1": Method(
        "a regression of the outcome on x, averaged over the fitted density of each regime",
        lambda density, regressor, seed: Ifm1(density, regressor, seed=seed),
        True,
    ),
    "ifm2": Method(
        "training rows re-weighted regime by regime",
        lambda density, regressor, seed: Ifm2(density, seed=seed),
        True,
    ),
    "ifm3": Method(
        "the regression refitted under covariate shift for each regime, then averaged",
        lambda density, regressor, seed: Ifm3(density, regressor, seed=seed),
        True,
    ),
    "dr": Method(
        "doubly robust: ifm1 plus re-weighted residuals",
        lambda density, regressor, seed: DoublyRobust(density, regressor, seed=seed),
        True,
    ),
    "balance": Method(
        "all training rows together, re-weighted from their mixture",
        lambda density, regressor, seed: Balance(density, seed=seed),
        True,
    ),
    "dag": Method(
        "every variable regressed on its parents, sampled in order",
        lambda density, regressor, seed: DagBaseline(regressor=regressor, seed=seed),
        False,
    ),
    "blackbox": Method(
        "boosted trees from the regime", lambda density, regressor, seed: BlackBox(seed=seed), False
    ),
    "components": Method(
        "main effects and interactions at random, as large as the regimes run show",
        lambda density, regressor, seed: Components(),
        False,
    ),
    "average": Method(
        "the mean of components and boosted trees",
        lambda density, regressor, seed: Average(seed=seed),
        False,
    ),
    "additive": Method(
        "the sum of single-intervention effects", lambda density, regressor, seed: Additive(), False
    ),
    "singles-mean": Method(
        "the mean of the single interventions' means", lambda density, regressor, seed: SinglesMean(), False
    ),
    "singles-max": Method(
        "the single intervention farthest from the baseline", lambda density, regressor, seed: SinglesMax(), False
    ),
    "nearest": Method(
        "the largest part of the regime that was run", lambda density, regressor, seed: Nearest(), False
    ),
    "pooled": Method(
        "ridge regression on the regime's levels", lambda density, regressor, seed: Pooled(seed=seed), False
    ),
    "mean": Method(
        "the mean of the training regimes' means", lambda density, regressor, seed: MeanOfTraining(), False
    ),
    "control": Method("the mean of the baseline regime", lambda density, regressor, seed: Control(), False),
}
"""Every method by name, those of this package first."""


def method_of(name: str) -> Method:
    """The method of a name.

    >>> method_of("dr").needs_identification
    True
    >>> method_of("ifm4")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: unknown method 'ifm4'; did you mean ifm3?
    """
    require_known(name, METHODS, "method")
    return METHODS[name]
