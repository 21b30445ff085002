"""Affine scaling of the variables, stored with the model so that new tables are read alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scaling:
    """x = (raw - shift) / unit, after logarithms of the columns marked in `log`; all of shape (p,).

    >>> scaling = Scaling(np.array([1.0, 0.0]), np.array([2.0, 1.0]), np.array([False, True]))
    >>> scaling.apply(np.array([[5.0, 1.0]])).tolist()
    [[2.0, 0.0]]
    >>> scaling.undo(np.array([[2.0, 0.0]])).tolist()
    [[5.0, 1.0]]
    """

    shift: Floats
    unit: Floats
    log: NDArray[np.bool_]

    def apply(self, raw: Floats) -> Floats:
        """Scaled values of raw ones, shape (n, p)."""
        values = np.array(raw, dtype=np.float64)
        values[:, self.log] = np.log(values[:, self.log])
        return (values - self.shift) / self.unit

    def undo(self, scaled: Floats) -> Floats:
        """Raw values of scaled ones, shape (n, p)."""
        values: Floats = scaled * self.unit + self.shift
        values[:, self.log] = np.exp(values[:, self.log])
        return values
