"""How many samples each added regime gets: exact optimum over whole numbers.

Theory: docs/theory/choosing.md and docs/theory/planning.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from ifm_ident.errors import InputError

_ROOT_DIGITS = 30


def allocate(weights: Sequence[Fraction], budget: int) -> tuple[int, ...]:
    """The whole numbers n_i of 1 or more with sum `budget` that minimise sum_i weights[i] / n_i.

    With weights[i] = sum over targets of q_ti^2 that is the mean variance factor of the targets (A-optimal); with
    one target, n_i is |q_i| up to rounding (c-optimal, Elfving). Raises InputError for a budget too small.

    >>> allocate([Fraction(1), Fraction(4)], 300)
    (100, 200)
    >>> allocate([Fraction(1), Fraction(1)], 1)
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: a budget of 1 is too small for 2 added regimes; give each at least one sample
    """
    count = len(weights)
    if budget < count:
        raise InputError(
            f"a budget of {budget} is too small for {count} added regimes; give each at least one sample"
        )
    if count == 0:
        return ()
    roots = [_root(weight) for weight in weights]
    total = sum(roots)
    ideal = [budget * root / total if total else Fraction(budget, count) for root in roots]
    sizes = [max(1, math.floor(share)) for share in ideal]
    scale = math.lcm(*(weight.denominator for weight in weights))
    whole = [int(weight * scale) for weight in weights]
    while sum(sizes) != budget:
        if sum(sizes) < budget:
            sizes[max(range(count), key=lambda i: (Fraction(whole[i], sizes[i] * (sizes[i] + 1)), -i))] += 1
        else:
            larger = [i for i in range(count) if sizes[i] > 1]
            sizes[min(larger, key=lambda i: (Fraction(whole[i], sizes[i] * (sizes[i] - 1)), i))] -= 1
    return tuple(_exchanged(whole, sizes))


def _exchanged(weights: list[int], sizes: list[int]) -> list[int]:
    """Single samples moved while that helps: for a sum of convex terms the end is the optimum."""
    while True:
        gains = [Fraction(w, n * (n + 1)) for w, n in zip(weights, sizes, strict=True)]
        losses = {i: Fraction(weights[i], n * (n - 1)) for i, n in enumerate(sizes) if n > 1}
        to = max(range(len(sizes)), key=lambda i: (gains[i], -i))
        giver = min(losses, key=lambda i: (losses[i], i), default=to)
        if giver == to or losses[giver] >= gains[to]:
            return sizes
        sizes[giver] -= 1
        sizes[to] += 1


def variance_factor(weights: Sequence[Fraction], sizes: Sequence[int]) -> Fraction:
    """sum_i weights[i] / sizes[i].

    >>> variance_factor([Fraction(1), Fraction(4)], [100, 200])
    Fraction(3, 100)
    """
    return sum((w / n for w, n in zip(weights, sizes, strict=True)), Fraction(0))


def _root(value: Fraction) -> Fraction:
    """The square root to 30 digits below the unit; it only starts the exact search."""
    shift = 10 ** (2 * _ROOT_DIGITS)
    return Fraction(math.isqrt(value.numerator * shift // value.denominator), 10**_ROOT_DIGITS)
