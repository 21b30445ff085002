"""A Gaussian process over levels by name: what answers where the factors err more at regimes left out."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from ifm_ident import MissingExtraError, Model, Regimes
from ifm_ident.arrays import Floats

try:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, DotProduct, WhiteKernel
except ImportError:
    raise MissingExtraError("scikit-learn", "learn") from None

MOST_REGIMES = 800
"""Of more regimes that were run no process is fitted: it takes the cube of their number."""

_JITTER, _ROUNDING = 1e-10, 1e-11


@dataclass(frozen=True, eq=False)
class Process:
    """Means ~ linear in levels + a smooth deviation (RBF over one-hot levels), by maximum likelihood.

    fitted: scikit-learn's regressor, in units of `scale` about `centre`. left_out: for every regime run, its mean
    less what the others predict, shape (m,).
    """

    fitted: Any
    inputs: Floats
    solved: Floats
    root: Floats
    centre: float
    scale: float
    columns: tuple[int, ...]
    left_out: Floats

    @classmethod
    def fit(cls, model: Model, train: Regimes, means: Floats, variance: Floats, seed: int) -> Process:
        """From means of the regimes run, shape (m,), and the sampling variance of each; repeatable by the seed."""
        columns = tuple(int(start) for start in np.cumsum(model.known_counts - 1))
        inputs = one_hot(columns, train)
        centre, scale = float(means.mean()), max(float(means.std()), 1e-12)
        kernel = (
            ConstantKernel(1.0, (1e-4, 1e4)) * DotProduct(1.0, (1e-3, 1e3))
            + ConstantKernel(0.3, (1e-6, 1e3)) * RBF(2.0, (0.3, 30.0))
            + WhiteKernel(0.05, (1e-6, 10.0))
        )
        fitted = GaussianProcessRegressor(kernel, alpha=variance / scale**2 + _JITTER, random_state=seed % 2**32)
        y = (means - centre) / scale
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a bound reached says that a part is not needed
            fitted.fit(inputs, y)
        whole = fitted.kernel_(inputs) + np.diag(variance / scale**2 + _JITTER)
        inverse = np.linalg.inv(whole)
        solved = inverse @ y
        left = scale * solved / np.diag(inverse)
        return cls(fitted, inputs, solved, inverse, centre, scale, columns, left)

    @property
    def _kernel(self) -> Any:
        """The kernel of the means, without what single measurements add."""
        return self.fitted.kernel_.k1

    @property
    def scatter(self) -> float:
        """The variance of single measurements that the process found."""
        return float(self.fitted.kernel_.k2.noise_level) * self.scale**2

    def moments(self, regimes: Regimes) -> tuple[Floats, Floats]:
        """Mean and standard deviation of the means of regimes, each (r,)."""
        rows = one_hot(self.columns, regimes)
        cross = self._kernel(rows, self.inputs)
        variance = self._kernel.diag(rows) - ((cross @ self.root) * cross).sum(axis=1)
        return self.centre + self.scale * (cross @ self.solved), self.scale * np.sqrt(np.maximum(variance, 0))

    def draws(self, regimes: Regimes, normal: Floats) -> Floats:
        """Joint draws, shape (draws, r), from standard normal numbers of that shape."""
        rows = one_hot(self.columns, regimes)
        cross = self._kernel(rows, self.inputs)
        covariance = self._kernel(rows) - cross @ self.root @ cross.T
        covariance[np.diag_indices(len(rows))] += _ROUNDING * max(float(np.trace(covariance)), 1.0)
        try:
            root = np.linalg.cholesky(covariance)
        except np.linalg.LinAlgError:
            values, vectors = np.linalg.eigh(covariance)
            root = vectors * np.sqrt(np.maximum(values, 0))
        mean = self.centre + self.scale * (cross @ self.solved)
        found: Floats = mean + self.scale * (normal @ root.T)
        return found


def one_hot(columns: tuple[int, ...], regimes: Regimes) -> Floats:
    """A column for each level off baseline, shape (r, columns).

    >>> one_hot((1, 3), Regimes.from_codes(np.array([[0, 0], [1, 2]]))).tolist()
    [[0.0, 0.0, 0.0], [1.0, 0.0, 1.0]]
    """
    starts = np.array((0, *columns))
    found = np.zeros((len(regimes), int(starts[-1])))
    found[regimes.rows, starts[regimes.position] + regimes.level - 1] = 1.0
    return found
