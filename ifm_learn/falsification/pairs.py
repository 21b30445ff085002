"""The Markov property within one regime: two variables that share no factor are independent given the rest.

Both tests regress functions of each variable on the rest and ask whether products of the residuals have mean zero
(the generalised covariance measure of Shah and Peters, Annals of Statistics 2020): errors of the regressions only
enter as products of two.
"""

from __future__ import annotations

import numpy as np

from ifm_ident.arrays import Floats
from ifm_learn.falsification._features import features
from ifm_learn.falsification.energy import distance_features, energy_form, product_features
from ifm_learn.falsification.question import Evidence, Question
from ifm_learn.falsification.score import two_forms

_RIDGE = 1.0
_ROWS_PER_FEATURE = 10


def score_pair(asked: Question) -> Evidence:
    """Products of residuals of linear and curved terms of both variables; deterministic."""
    rest, (u, v) = _rest(asked), sorted(asked.tested)
    own = [features(asked.x[:, [w]], len(asked.x)).values[:, 1:] for w in (u, v)]
    left, right = (_residuals(rest, columns) for columns in own)
    terms = (left[:, :, None] * right[:, None, :]).reshape(len(left), left.shape[1] * right.shape[1])
    leading = np.zeros(terms.shape[1], dtype=bool)
    leading[:1] = True
    return _evidence(asked, rest, two_forms(asked.by_unit(terms), leading, asked.signs))


def energy_pair(asked: Question, rng: np.random.Generator) -> Evidence:
    """Distance covariance of the residuals: products of residuals of the energy distance's features."""
    rest = _rest(asked)
    left, right = (_residuals(rest, distance_features(asked.x[:, [w]], rng)) for w in sorted(asked.tested))
    return _evidence(asked, rest, energy_form(asked.by_unit(product_features(left, right)), asked.signs))


def _rest(asked: Question) -> Floats:
    """Features of all other variables, the constant first."""
    others = [v for v in range(asked.x.shape[1]) if v not in asked.tested]
    return features(asked.x[:, others], asked.independent // _ROWS_PER_FEATURE).values


def _residuals(rest: Floats, columns: Floats) -> Floats:
    ridge = np.full(rest.shape[1], _RIDGE)
    ridge[0] = 0.0
    fitted = np.linalg.solve(rest.T @ rest + np.diag(ridge), rest.T @ columns)
    left: Floats = columns - rest @ fitted
    return left


def _evidence(asked: Question, rest: Floats, found: tuple[float, float]) -> Evidence:
    """The partial correlation is the effect for both variables."""
    u, v = sorted(asked.tested)
    left, right = _residuals(rest, asked.x[:, [u, v]]).T
    size = float(np.sqrt(np.sum(left**2) * np.sum(right**2)))
    partial = float(left @ right) / size if size > 0 else 0.0
    return Evidence(*found, {asked.names[u]: partial, asked.names[v]: partial}, float(asked.independent))
