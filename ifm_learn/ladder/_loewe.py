"""Loewe additivity from dose-response curves of singles, by monotone interpolation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import isotonic_regression

from ifm_ident.arrays import Floats

_HALVINGS = 60


def loewe(doses: Sequence[Floats], curves: Sequence[Floats], amounts: Sequence[float]) -> Floats:
    """The mean y at which sum_i amount_i / D_i(y) = 1, D_i(y) being the dose of single i that gives y by itself.

    doses: for each single its doses, ascending from 0, shape (c_i,). curves: its means there, shape (..., c_i),
    the first of them the baseline that all share. amounts: its dose in the combination. Curves are made monotone
    by isotonic regression and read off linearly; a single that never reaches y counts as nothing. nan where no
    single reaches y, or where singles pull to different sides.

    >>> line = np.array([0.0, 1.0, 2.0, 4.0])
    >>> float(loewe([line, line], [1 - line / 8, 1 - line / 8], [1.0, 2.0]).round(6))  # a drug and itself: dose 3
    0.625
    >>> float(loewe([line, line], [1 - line / 8, 1 - line / 8], [4.0, 4.0]))  # dose 8 was never given
    nan
    """
    rising = [_rising(curve) for curve in curves]
    sides = np.stack([side for _, side in rising])
    agree = (sides >= 0).all(axis=0) | (sides <= 0).all(axis=0)
    effects = [effect for effect, _ in rising]
    top = np.max([effect[..., -1] for effect in effects], axis=0)
    low, high = np.zeros_like(top), top
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        index = sum(a / _dose(d, e, middle) for d, e, a in zip(doses, effects, amounts, strict=True))
        more = index > 1
        low, high = np.where(more, middle, low), np.where(more, high, middle)
    reached = sum(a / _dose(d, e, top) for d, e, a in zip(doses, effects, amounts, strict=True)) <= 1 + 1e-9
    side = np.where((sides < 0).any(axis=0), -1.0, 1.0)
    return np.where(agree & reached & (top > 0), curves[0][..., 0] + side * high, np.nan)


def _rising(curve: Floats) -> tuple[Floats, Floats]:
    """The size of the effect at each dose, made to rise from 0, (..., c), and its side: -1, 0 or 1."""
    effect = curve - curve[..., :1]
    side = np.sign(effect[..., 1:].sum(axis=-1))
    flat = (effect * side[..., None]).reshape(-1, effect.shape[-1])
    weight = np.ones(flat.shape[1])
    weight[0] = 1e6  # the baseline stays where it is
    known = np.isfinite(flat).all(axis=1)
    smooth = np.full_like(flat, np.nan)
    for i in np.flatnonzero(known):
        smooth[i] = isotonic_regression(flat[i], weights=weight).x
    smooth -= smooth[:, :1]
    return smooth.reshape(effect.shape), side


def _dose(doses: Floats, effect: Floats, wanted: Floats) -> Floats:
    """The least dose whose effect is `wanted`, shape (...); infinite where no dose reaches it."""
    above = effect >= wanted[..., None] * (1 - 1e-12)
    at = np.maximum(above.argmax(axis=-1), 1)
    right = np.take_along_axis(effect, at[..., None], axis=-1)[..., 0]
    left = np.take_along_axis(effect, at[..., None] - 1, axis=-1)[..., 0]
    rise = np.where(right > left, right - left, 1.0)
    share = np.clip((wanted - left) / rise, 0, 1)
    dose = doses[at - 1] + share * (doses[at] - doses[at - 1])
    return np.where(above.any(axis=-1), np.maximum(dose, 1e-300), np.inf)
