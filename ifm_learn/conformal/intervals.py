"""Intervals with the guarantee that each has, and why one is infinite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ifm_ident.arrays import Floats

Guarantee = Literal["exact-ratio", "estimated-ratio", "asymptotic"]

GUARANTEES: dict[Guarantee, str] = {
    "exact-ratio": (
        "coverage at least 1 - alpha in finite samples if calibration rows are independent draws from the mixture "
        "of training regimes; with regime sizes fixed in advance it can fall short by O(1/n)"
    ),
    "estimated-ratio": (
        "as with a known ratio, less at most half the mean absolute error of the normalised weights, which no "
        "data show"
    ),
    "asymptotic": (
        "coverage 1 - alpha as the effective sample size grows; nothing is promised in finite samples, since the "
        "unit counts with a mean weight, not its own, and the ratio must be true or consistently estimated"
    ),
}
"""What each guarantee says (docs/theory/conformal.md)."""


@dataclass(frozen=True, eq=False)
class Intervals:
    """m prediction intervals [lower, upper], all at one alpha, in columns of shape (m,).

    Ends may be infinite; `reason` then says why and is empty elsewhere. guarantee: a key of `GUARANTEES`. ess:
    effective sample size of the calibration weights.

    >>> one = Intervals(np.array([-np.inf]), np.array([2.0]), Fraction(1, 10), np.array(["exact-ratio"]),
    ...                 np.array([12.5]), np.array(["few rows"]))
    >>> one.records()
    [{'prediction': [None, 2.0], 'ess': 12.5, 'guarantee': 'exact-ratio'}]
    >>> one.covers([3.0]).tolist()
    [False]
    """

    lower: Floats
    upper: Floats
    alpha: Fraction
    guarantee: NDArray[np.str_]
    ess: Floats
    reason: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.lower)

    def covers(self, y: ArrayLike) -> NDArray[np.bool_]:
        """Whether the values y lie inside: shape (m,), or any shape with one interval."""
        values = np.asarray(y, dtype=np.float64)
        inside: NDArray[np.bool_] = (values >= self.lower) & (values <= self.upper)
        return inside

    def records(self) -> list[dict[str, Any]]:
        """One map a row as results hold it; infinite ends are None."""
        columns = (self.lower, self.upper, self.ess, self.guarantee)
        return [
            {
                "prediction": [float(end) if np.isfinite(end) else None for end in (low, high)],
                "ess": float(ess),
                "guarantee": str(guarantee),
            }
            for low, high, ess, guarantee in zip(*columns, strict=True)
        ]

    @classmethod
    def concatenate(cls, parts: Sequence[Intervals]) -> Intervals:
        """The parts one after the other, all at one alpha; at least one."""
        return cls(
            np.concatenate([part.lower for part in parts]),
            np.concatenate([part.upper for part in parts]),
            parts[0].alpha,
            np.concatenate([part.guarantee for part in parts]),
            np.concatenate([part.ess for part in parts]),
            np.concatenate([part.reason for part in parts]),
        )
