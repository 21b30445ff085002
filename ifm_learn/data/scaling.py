"""Affine scaling of the variables, stored with the model so that new tables are read alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ifm_ident import InputError
from ifm_ident.arrays import Floats, Ints

Scale = Literal["none", "paper", "standard"]


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

    @classmethod
    def of(
        cls, values: Floats, regime: Ints, scale: Scale, log: NDArray[np.bool_], names: Sequence[str]
    ) -> Scaling:
        """The scaling of rows, shape (n, p), whose logarithms have been taken already where `log` says so.

        standard: the mean and the standard deviation of all rows. paper: the mean over regimes of the regimes'
        means, and of their standard deviations, every regime counted alike (these divide by rows - 1).
        Raises InputError where these cannot be had: too few rows, or a variable, named, without spread.

        >>> rows, regime = np.array([[0.0], [2.0], [5.0], [5.0]]), np.array([0, 0, 1, 1])
        >>> Scaling.of(rows, regime, "paper", np.array([False]), ["x"]).shift.tolist()
        [3.0]
        >>> Scaling.of(rows[2:], regime[2:], "paper", np.array([False]), ["x"])
        Traceback (most recent call last):
        ...
        ifm_ident.errors.InputError: x does not vary: its standard deviation is 0; leave x out or use scale: none
        """
        p = values.shape[1]
        if scale == "none":
            return cls(np.zeros(p), np.ones(p), log)
        group = (
            np.zeros(len(regime), dtype=np.int64)
            if scale == "standard"
            else np.unique(regime, return_inverse=True)[1]
        )
        sizes = np.bincount(group)
        if sizes.min() < 2:
            whom = "two rows or more" if scale == "standard" else "two rows or more of every training regime"
            raise InputError(f"scale: {scale} needs {whom} for a standard deviation; add rows or use scale: none")
        shift, unit = np.empty(p), np.empty(p)
        for v, column in enumerate(values.T):
            means = np.bincount(group, column) / sizes
            squares = np.bincount(group, (column - means[group]) ** 2)
            shift[v], unit[v] = means.mean(), np.sqrt(squares / (sizes - 1)).mean()
            if not np.isfinite(unit[v]) or unit[v] <= 1e-12 * np.abs(column).max():
                raise InputError(
                    f"{names[v]} does not vary: its standard deviation is {unit[v]:.3g}; leave {names[v]} out or "
                    "use scale: none"
                )
        return cls(shift, unit, log)

    def units(self, names: Sequence[str]) -> tuple[str, ...]:
        """What the scaled values of every variable are, to six digits; "" for raw ones.

        >>> log = np.array([False, True, False])
        >>> Scaling(np.array([1.5, -3.0, 0.0]), np.array([2.0, 1.0, 1.0]), log).units("xyz")
        ('(x - 1.5) / 2', '(log y + 3) / 1', '')
        >>> Scaling(np.zeros(1), np.ones(1), np.array([True])).units("x")
        ('log x',)
        """
        found = []
        for name, log, shift, unit in zip(names, self.log, self.shift.tolist(), self.unit.tolist(), strict=True):
            value = f"log {name}" if log else name
            scaled = f"({value} {'+' if shift < 0 else '-'} {abs(shift):.6g}) / {unit:.6g}"
            found.append(scaled if (shift, unit) != (0, 1) else value if log else "")
        return tuple(found)

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
