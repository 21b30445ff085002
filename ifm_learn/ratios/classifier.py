"""Log-densities of the training regimes from one probabilistic classifier of regimes (THEORY 8)."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from ifm_ident import InputError
from ifm_learn.data.samples import Samples
from ifm_learn.ratios.formula import undo_class_sizes
from ifm_learn.ratios.regime_classifiers import default_classifiers, fitted, log_probabilities, sklearn

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class ClassifierRatio:
    """log p(x; sigma^i) up to a shared function of x, from P(regime | x) with class sizes and weights undone.

    classifier: any scikit-learn classifier with `predict_proba`, its labels the training indices; by default the
    best by held-out log loss of logistic regressions (linear, quadratic, splines) and boosted trees. calibrate:
    the log-densities l_i become beta l_i + c_i, with beta and c fitted by the likelihood of held-out rows at their
    true class sizes; this also mends class weights that a classifier applies without telling. folds: how many
    parts the held-out values come from.

    Learned by `fit`: classifier_ (on all rows); out_of_fold_, calibrated log-densities of the rows of fit, each
    by a classifier that has not seen it, shape (N, m); candidates_, the held-out log loss of each classifier
    tried before calibration (one that needs a temperature far from 1 is overconfident, and tempering it biases
    re-weighted means), and log_loss_, the chosen one's after it, in nats a row; temperature_ and constants_, beta
    and c, shape (m,); floor_ and floored_, see `log_densities`.

    >>> from ifm_ident import Study
    >>> design = Study.from_dict({
    ...     "interventions": {"A": [0, 1]}, "factors": [{"sigma": ["A"]}], "train": ["0", "1"],
    ... }).design
    >>> rng = np.random.default_rng(0)
    >>> regime = np.repeat([0, 1], [3000, 1000])
    >>> x = rng.normal(size=(4000, 1)) + regime[:, None]
    >>> ratio = ClassifierRatio().fit(Samples(design, regime, x))
    >>> l = ratio.log_densities(np.array([[-1.5], [2.5]]))
    >>> (l[:, 1] - l[:, 0]).round(0).tolist()  # x - 1/2
    [-2.0, 2.0]
    """

    def __init__(self, classifier: Any = None, calibrate: bool = True, seed: int = 0, folds: int = 5) -> None:
        self.classifier = classifier
        self.calibrate = calibrate
        self.seed = seed
        self.folds = folds

    def fit(self, samples: Samples, sample_weight: ArrayLike | None = None) -> Self:
        """Fit on all rows, and once for each fold. sample_weight: positive, shape (N,), passed to the classifier.

        Raises InputError for a regime with one row, wrong weights and a classifier without `predict_proba`;
        MissingExtraError without scikit-learn.
        """
        weight = None if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        if weight is not None and (weight.shape != (len(samples),) or not (weight > 0).all()):
            raise InputError(f"sample weights have shape {weight.shape}; give {len(samples)} positive numbers")
        labels = np.searchsorted(samples.present, samples.regime)
        columns = np.searchsorted(samples.present, samples.design.first)
        share = np.log(np.bincount(labels, weights=weight))
        if len(samples.present) == 1:
            raise InputError("one training regime has no ratio to another; a classifier needs two or more")
        width = samples.x.shape[1]
        tried = default_classifiers(width, self.seed) if self.classifier is None else {"given": self.classifier}
        split = self._split(samples, labels)
        held_out = {name: _held_out(model, samples, weight, split) for name, model in tried.items()}
        self.candidates_ = {
            name: _log_loss(values + share, labels, weight) for name, (values, _, _) in held_out.items()
        }
        chosen = min(self.candidates_, key=lambda name: self.candidates_[name])
        values, self.floor_, self.floored_ = held_out[chosen]
        self.temperature_, constants = 1.0, np.zeros(len(share))
        if self.calibrate:
            self.temperature_, constants = _calibration(values, labels, share, weight)
        self.log_loss_ = _log_loss(self.temperature_ * values + constants + share, labels, weight)
        self.columns_, self.constants_ = columns, constants[columns]
        self.out_of_fold_ = self._calibrated(values)
        self.classifier_, self.masses_ = fitted(tried[chosen], samples.x, samples.regime, weight)
        return self

    def log_densities(self, x: Floats) -> Floats:
        """log p(x; sigma^i) in nats up to a shared function of x, shape (n, m), columns as in `design.train`.

        A probability of exactly 0 claims more than a classifier can know. It is raised to `floor_`: 1/(N + m), or
        the smallest positive held-out probability if that is less. A RuntimeWarning says how many were raised;
        `floored_` counts those among the held-out rows of `fit`.
        """
        logs = log_probabilities(self.classifier_, np.asarray(x, dtype=np.float64))
        zeros = np.isneginf(logs)
        if zeros.any():
            warnings.warn(_floor_words(int(zeros.sum()), zeros.size, self.floor_), RuntimeWarning, stacklevel=2)
        return self._calibrated(undo_class_sizes(np.where(zeros, np.log(self.floor_), logs), self.masses_))

    def _calibrated(self, values: Floats) -> Floats:
        found: Floats = self.temperature_ * values[:, self.columns_] + self.constants_
        return found

    def _split(self, samples: Samples, labels: Ints) -> list[tuple[Ints, Ints]]:
        """Rows to fit to and rows held out, for each fold; units are kept whole."""
        fewest = int(np.bincount(labels).min())
        if fewest < 2 or self.folds < 2:
            raise InputError(
                f"the smallest training regime has {fewest} row(s), folds is {self.folds}; held-out values "
                "need two or more of each"
            )
        if samples.units is not None:
            count = max(2, min(self.folds, int(samples.units.counts().min())))
            fold = samples.units.folds(count, np.random.default_rng(self.seed))
            return [(np.flatnonzero(fold != f), np.flatnonzero(fold == f)) for f in range(count)]
        folds = sklearn("model_selection").StratifiedKFold(
            min(self.folds, fewest), shuffle=True, random_state=self.seed
        )
        return list(folds.split(samples.x, labels))


def _held_out(
    model: Any, samples: Samples, weight: Floats | None, split: list[tuple[Ints, Ints]]
) -> tuple[Floats, float, int]:
    """Log-densities of every row by a classifier that has not seen it, the floor, and how many zeros it raised."""
    logs = np.empty((len(samples), len(samples.present)))
    masses = np.empty_like(logs)
    for seen, unseen in split:
        part = None if weight is None else weight[seen]
        fold, mass = fitted(model, samples.x[seen], samples.regime[seen], part)
        logs[unseen], masses[unseen] = log_probabilities(fold, samples.x[unseen]), mass
    zeros = np.isneginf(logs)
    floor = min(1 / (logs.shape[0] + logs.shape[1]), float(np.exp(logs[~zeros].min())))
    floor = max(floor, float(np.finfo(np.float64).tiny))
    return np.where(zeros, np.log(floor), logs) - np.log(masses), floor, int(zeros.sum())


def _log_loss(logits: Floats, labels: Ints, weight: Floats | None) -> float:
    """Mean negative log-probability of the true class, in nats a row."""
    rows = -log_softmax(logits, axis=1)[np.arange(len(labels)), labels]
    return float(np.average(rows, weights=weight))


def _calibration(values: Floats, labels: Ints, share: Floats, weight: Floats | None) -> tuple[float, Floats]:
    """beta > 0 and constants c, shape (classes,) with sum 0, of greatest likelihood for logits beta l + c + share.

    A faint Gaussian prior on log beta and c keeps both finite where held-out rows are separated perfectly.
    """
    rows = np.ones(len(labels)) if weight is None else weight / weight.mean()
    hit = np.zeros_like(values)
    hit[np.arange(len(labels)), labels] = 1.0
    centred = values - values.mean(axis=1, keepdims=True)

    def loss(theta: Floats) -> tuple[float, Floats]:
        beta, c = np.exp(theta[0]), theta[1:]
        logs = log_softmax(beta * centred + c + share, axis=1)
        residual = rows[:, None] * (np.exp(logs) - hit)
        gradient = np.concatenate([[beta * (residual * centred).sum()], residual.sum(axis=0)])
        total = -(rows @ logs[np.arange(len(labels)), labels]) + 0.5 * theta[0] ** 2 + 0.5e-3 * (c @ c)
        gradient += np.concatenate([theta[:1], 1e-3 * c])
        return total / len(rows), gradient / len(rows)

    start = np.zeros(values.shape[1] + 1)
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", options={"ftol": 1e-14, "gtol": 1e-9, "maxiter": 500}
    )
    return float(np.exp(found.x[0])), found.x[1:] - found.x[1:].mean()


def _floor_words(zeros: int, size: int, floor: float) -> str:
    return (
        f"{zeros:,} of {size:,} probabilities are 0 and were raised to {floor:.3g}; ratios there are only bounds: "
        "use a smoother classifier, or leave those rows out"
    )
