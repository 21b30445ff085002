"""Exact conformal ranks: alpha is a decimal read as text, every rank an integer (docs/theory/conformal.md)."""

from __future__ import annotations

import math
from decimal import Decimal, InvalidOperation
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from ifm_ident import InputError
from ifm_ident.arrays import Floats

Alpha = str | Fraction | Decimal | float

_MOST_PLACES = 100


def read_alpha(alpha: Alpha) -> Fraction:
    """The miscoverage alpha as an exact fraction between 0 and 1, both excluded.

    Text and `Decimal` are decimals; a float counts as the shortest decimal that prints it, so 0.1 is a tenth.

    >>> read_alpha("0.1"), read_alpha(0.1), read_alpha(Fraction(1, 3))
    (Fraction(1, 10), Fraction(1, 10), Fraction(1, 3))
    >>> read_alpha("10%")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: alpha '10%' is not a decimal between 0 and 1, such as 0.1
    """
    found: Fraction | None = None
    if isinstance(alpha, Fraction):
        found = alpha
    elif isinstance(alpha, (str, Decimal, int, float)) and not isinstance(alpha, bool):
        text = float.__repr__(alpha) if isinstance(alpha, float) else str(alpha)
        try:
            decimal = Decimal(text)
        except InvalidOperation:
            decimal = Decimal("nan")
        if decimal.is_finite() and abs(decimal.adjusted()) <= _MOST_PLACES and len(text) <= _MOST_PLACES:
            found = Fraction(decimal)
    if found is None or not 0 < found < 1:
        raise InputError(f"alpha {alpha!r} is not a decimal between 0 and 1, such as 0.1")
    return found


def conformal_rank(n: int, alpha: Alpha) -> int | None:
    """The rank ceil((1 - alpha)(n + 1)) among n scores, 1 the smallest; None where it is n + 1: n is too small.

    >>> conformal_rank(9, "0.1"), conformal_rank(9, "0.7"), conformal_rank(8, "0.1")
    (9, 3, None)
    """
    rank = math.ceil((1 - read_alpha(alpha)) * (n + 1))
    return rank if rank <= n else None


def fewest_scores(alpha: Alpha) -> int:
    """The fewest exchangeable scores that give a finite interval: the least n with n + 1 >= 1/alpha.

    >>> fewest_scores("0.1"), fewest_scores("0.3")
    (9, 3)
    """
    return math.ceil(1 / read_alpha(alpha)) - 1


def conformal_quantile(scores: ArrayLike, alpha: Alpha) -> Floats:
    """The score of rank ceil((1 - alpha)(n + 1)) along the first axis, inf where n is too small.

    scores: shape (n, ...), no nan; the result has shape (...). Tied scores keep their ranks, so the guarantee
    stays at least 1 - alpha.

    >>> float(conformal_quantile([3.0, 1.0, 2.0], "0.5")), float(conformal_quantile([3.0, 1.0, 2.0], "0.1"))
    (2.0, inf)
    """
    values = np.asarray(scores, dtype=np.float64)
    if np.isnan(values).any():
        raise InputError("a score is nan; give a number, or inf for one that no interval may cover")
    rank = conformal_rank(len(values), alpha)
    if rank is None:
        return np.full(values.shape[1:], np.inf)
    found: Floats = np.partition(values, rank - 1, axis=0)[rank - 1]
    return found
