"""Classifiers of regimes: sensible ones by default, their logits, and what each class weighed in training."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from scipy.special import log_softmax

from ifm_ident import InputError, MissingExtraError
from ifm_ident.arrays import Floats, Ints

_MOST_QUADRATIC = 40
"""With more variables the p(p + 3)/2 quadratic terms cost more than they give."""


def sklearn(module: str) -> Any:
    """A module of scikit-learn; MissingExtraError without it."""
    try:
        return importlib.import_module(f"sklearn.{module}")
    except ImportError:
        raise MissingExtraError("scikit-learn", "learn") from None


def default_classifiers(width: int, seed: int) -> dict[str, Any]:
    """Candidates for x with `width` variables, by name, unfitted.

    Logistic regression on quadratic terms is exact where every regime is Gaussian, on linear terms where they also
    share a covariance; splines bend each variable; shallow, slow boosted trees take thresholds and discrete
    variables (fast deep ones are overconfident, and tempering them afterwards biases what they re-weight).
    """
    pre, pipeline = sklearn("preprocessing"), sklearn("pipeline")
    logistic, trees = (
        sklearn("linear_model").LogisticRegression,
        sklearn("ensemble").HistGradientBoostingClassifier,
    )

    def regression(*terms: Any, strength: float) -> Any:
        return pipeline.make_pipeline(pre.StandardScaler(), *terms, logistic(C=strength, max_iter=5000))

    splines = pre.SplineTransformer(n_knots=5, extrapolation="linear", include_bias=False)
    quadratic = pre.PolynomialFeatures(2, include_bias=False)
    found = {
        "linear": regression(strength=1.0),
        "splines": regression(splines, pre.StandardScaler(), strength=0.01),
        "boosted trees": trees(
            learning_rate=0.03, max_leaf_nodes=8, max_iter=500, early_stopping=True, random_state=seed
        ),
    }
    if width <= _MOST_QUADRATIC:
        found["quadratic"] = regression(quadratic, pre.StandardScaler(), strength=1.0)
    return found


def fitted(model: Any, x: Floats, regime: Ints, weight: Floats | None) -> tuple[Any, Floats]:
    """A clone fitted to regimes, and what each class weighed in training, ascending, shape (classes,)."""
    clone = sklearn("base").clone(model)
    if not hasattr(clone, "predict_proba"):
        raise InputError(
            f"{type(model).__name__} has no predict_proba; give a classifier that has (an SVM: wrap it in "
            "CalibratedClassifierCV)"
        )
    last = clone.steps[-1][0] + "__" if hasattr(clone, "steps") else ""
    clone.fit(x, regime, **({} if weight is None else {f"{last}sample_weight": weight}))
    return clone, _masses(clone, regime, weight)


def log_probabilities(model: Any, x: Floats) -> Floats:
    """log P(regime | x), shape (n, classes), -inf where the classifier says 0.

    Logistic regression is asked for its logits, which do not underflow.
    """
    final = model.steps[-1][1] if hasattr(model, "steps") else model
    if isinstance(final, sklearn("linear_model").LogisticRegression):
        logits = np.asarray(model.decision_function(x), dtype=np.float64)
        if logits.ndim == 1:
            logits = np.stack([np.zeros(len(logits)), logits], axis=1)
        return np.asarray(log_softmax(logits, axis=1))
    with np.errstate(divide="ignore"):
        if hasattr(model, "predict_log_proba"):
            return np.asarray(model.predict_log_proba(x), dtype=np.float64)
        return np.log(np.asarray(model.predict_proba(x), dtype=np.float64))


def _masses(model: Any, regime: Ints, weight: Floats | None) -> Floats:
    """Rows of each class, or the sum of their weights, times the class weights that the classifier was given."""
    classes, labels = np.unique(regime, return_inverse=True)
    masses = np.bincount(labels, weights=weight).astype(np.float64)
    given = {key: value for key, value in model.get_params().items() if key.split("__")[-1] == "class_weight"}
    set_ones = [given[key] for key in sorted(given, key=len) if given[key] is not None]
    if not set_ones:
        return masses
    kind = "balanced" if set_ones[0] == "balanced_subsample" else set_ones[0]
    extra = {} if weight is None else {"sample_weight": weight}
    found = sklearn("utils.class_weight").compute_class_weight(kind, classes=classes, y=regime, **extra)
    return masses * np.asarray(found, dtype=np.float64)
