"""What a regime costs: one each, a sum over its interventions, or a table of regimes; exact."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ifm_ident.arrays import Ints, row_bounds
from ifm_ident.design.model import Model
from ifm_ident.design.regimes import Regimes
from ifm_ident.errors import InputError

LARGEST = 2**53


class Prices(Protocol):
    """Costs of regimes in whole multiples of `unit`; a regime without a price is -1 and cannot be added.

    `listed` holds the regimes that have a price, or is None where prices follow a rule; a rule never charges more
    for a regime with some interventions put back to baseline. `usable` are the interventions that may leave the
    baseline, shape (d,).
    """

    @property
    def unit(self) -> Fraction:
        """The cost that all costs are whole multiples of."""

    @property
    def listed(self) -> Regimes | None:
        """The regimes that have a price, or None."""

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Which interventions may leave the baseline, shape (d,)."""

    def of(self, regimes: Regimes) -> Ints:
        """Costs in units, shape (n,)."""


@dataclass(frozen=True, eq=False)
class OneEach:
    """Every regime costs one."""

    model: Model
    unit: Fraction = Fraction(1)
    listed: None = None

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Every intervention."""
        return np.ones(len(self.model), dtype=bool)

    def of(self, regimes: Regimes) -> Ints:
        """One for each regime."""
        return np.ones(len(regimes), dtype=np.int64)


@dataclass(frozen=True, eq=False)
class AddedUp:
    """A regime costs the sum of the prices of its interventions off baseline; -1 in `price`, shape (d,), is none.

    >>> sums = AddedUp.of_prices([Fraction(1, 2), None, Fraction(2)])
    >>> batch = Regimes.from_codes(np.array([[0, 0, 0], [1, 0, 1], [1, 1, 0]]))
    >>> sums.unit, sums.of(batch).tolist()
    (Fraction(1, 2), [0, 5, -1])
    """

    price: Ints
    unit: Fraction
    listed: None = None

    @classmethod
    def of_prices(cls, prices: Sequence[Fraction | None]) -> AddedUp:
        """From one price for each intervention, None where it must stay at baseline."""
        price, unit = _whole(prices)
        return cls(price, unit)

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Interventions with a price."""
        has_price: NDArray[np.bool_] = self.price >= 0
        return has_price

    def of(self, regimes: Regimes) -> Ints:
        """The sum for each regime, -1 where an intervention off baseline has no price."""
        price = self.price[regimes.position]
        before = row_bounds(price)
        total: Ints = before[regimes.indptr[1:]] - before[regimes.indptr[:-1]]
        total[regimes.rows[price < 0]] = -1
        return total


@dataclass(frozen=True, eq=False)
class Listed:
    """Only the regimes listed may be added, each at its price (the first one where a regime is listed twice)."""

    listed: Regimes
    price: Ints
    unit: Fraction

    @classmethod
    def of_prices(cls, regimes: Regimes, prices: Sequence[Fraction]) -> Listed:
        """From one price for each regime listed."""
        price, unit = _whole(prices)
        return cls(regimes, price, unit)

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Interventions off baseline in some regime listed."""
        usable = np.zeros(self.listed.width, dtype=bool)
        usable[self.listed.position] = True
        return usable

    def of(self, regimes: Regimes) -> Ints:
        """The price of each regime, -1 where it is not listed."""
        at = regimes.first_equal(self.listed)
        return np.where(at >= 0, self.price[at], -1)


def _whole(prices: Sequence[Fraction | None]) -> tuple[Ints, Fraction]:
    """Prices as whole multiples of the largest unit that divides them all (None becomes -1), and that unit."""
    known = [p for p in prices if p is not None]
    denominator = math.lcm(1, *(p.denominator for p in known))
    whole = [-1 if p is None else int(p * denominator) for p in prices]
    divisor = math.gcd(*(w for w in whole if w > 0)) or 1
    whole = [w // divisor if w > 0 else w for w in whole]
    if sum(w for w in whole if w > 0) >= LARGEST:
        raise InputError(
            "the costs span too many digits: together they exceed 2^53 of their common unit "
            f"{Decimal(divisor) / Decimal(denominator):.3g}; round them to fewer digits"
        )
    return np.array(whole, dtype=np.int64), Fraction(divisor, denominator)
