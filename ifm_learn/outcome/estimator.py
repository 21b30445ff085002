"""What every estimator of means is: fit on samples, predict regimes, in scikit-learn's conventions."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, NoReturn, Self

import numpy as np

from ifm_ident import InputError, MissingExtraError, Regimes
from ifm_ident.arrays import Floats
from ifm_learn.data.samples import Samples

try:
    from sklearn.base import BaseEstimator, clone
    from sklearn.exceptions import NotFittedError
except ImportError:
    raise MissingExtraError("scikit-learn", "learn") from None


class OutcomeEstimator(BaseEstimator):  # type: ignore[misc]
    """Estimates mu(sigma) = E[target; sigma] for regimes; the target is the outcome y, or x where there is no y.

    method: the name that `ifm estimate --method` knows. needs_identification: whether the numbers are refused for
    regimes that the model does not identify. Constructors store their parameters untouched, `fit` returns the
    estimator, learned attributes end in an underscore; get_params, set_params and `sklearn.base.clone` work.
    """

    method: ClassVar[str]
    needs_identification: ClassVar[bool] = False

    @abstractmethod
    def fit(self, samples: Samples) -> Self:
        """Learn from rows of the training regimes."""

    @abstractmethod
    def predict(self, regimes: Regimes) -> Floats:
        """Means of the target: shape (r,) for an outcome, (r, p) for the x-variables.

        NaN where `reasons` says why the method gives none. Raises NotIdentifiableError, with its certificate,
        where the method needs identification and a regime is not identified.
        """

    def reasons(self, regimes: Regimes) -> list[str | None]:
        """Why the method has no number for a regime; None where it has one; shape (r,)."""
        return [None] * len(regimes)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            """Only asked for what is missing: a learned attribute before `fit`, in scikit-learn's words."""
            if name.endswith("_") and not name.startswith("_"):
                raise NotFittedError(f"this {type(self).__name__} is not fitted yet; call `fit(samples)` first")
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def settled(self) -> Self:
        """An unfitted clone that keeps what `fit` chose by cross-validation, for refits on rows drawn again."""
        found: Self = clone(self)
        return found


def targets_of(samples: Samples) -> Floats:
    """The values whose means are wanted, one column a target: y, shape (n, 1) or (n, k), or x, shape (n, p)."""
    if samples.y is None:
        return samples.x
    return samples.y if samples.y.ndim == 2 else samples.y[:, None]


def shaped(samples_have_outcome: bool, means: Floats) -> Floats:
    """Means of shape (r, targets) as `predict` returns them: (r,) for an outcome."""
    return means[:, 0] if samples_have_outcome else means


def bootstrap_errors(
    estimator: OutcomeEstimator,
    samples: Samples,
    regimes: Regimes,
    rng: np.random.Generator,
    replicates: int = 100,
) -> Floats:
    """Standard errors of `predict`, of its shape: refits on rows redrawn within every training regime.

    For estimators without a closed form. NaN where a refit gives no number, and where a training regime has one
    row, which cannot vary. Raises InputError for fewer than two replicates.

    >>> from ifm_ident import Study
    >>> from ifm_learn.outcome.baselines.mean import MeanOfTraining
    >>> design = Study.from_dict({
    ...     "interventions": {"A": [0, 1]}, "factors": [{"sigma": ["A"]}], "train": ["0", "1"],
    ... }).design
    >>> rng = np.random.default_rng(0)
    >>> samples = Samples(design, np.repeat([0, 1], 200), rng.normal(size=(400, 1)))
    >>> bootstrap_errors(MeanOfTraining(), samples, design.train, rng).round(2).tolist()  # sqrt(1 / 400)
    [[0.05], [0.05]]
    """
    if replicates < 2:
        raise InputError(f"a bootstrap needs two replicates or more, got {replicates}")
    if samples.one_row is not None:
        return np.full(clone(estimator).fit(samples).predict(regimes).shape, np.nan)
    drawn = [clone(estimator).fit(samples.bootstrap(rng)).predict(regimes) for _ in range(replicates)]
    return np.asarray(np.std(drawn, axis=0, ddof=1), dtype=np.float64)
