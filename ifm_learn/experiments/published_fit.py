"""The fit that the paper's ground truths come from: stochastic pseudo-likelihood, stopped after 200 steps."""

from __future__ import annotations

import time
from collections import deque

import numpy as np
from numpy.typing import NDArray

from ifm_ident.arrays import Floats
from ifm_learn.data.samples import Samples
from ifm_learn.density.model import DensityModel
from ifm_learn.energies.cells import FactorCells
from ifm_learn.energies.grid import Grid
from ifm_learn.energies.layout import Layout
from ifm_learn.energies.mlp import Mlp
from ifm_learn.fitting.pseudo import PseudoLikelihood
from ifm_learn.fitting.report import FitReport, StartReport
from ifm_learn.randomness import stream

UNITS = 15
STEPS, RATE = 200, 0.1
_LAST = 50
"""The best of this many last steps is taken, by the pseudo-likelihood of all rows."""

_SHARE = 0.01
"""Of every regime's rows, drawn anew for each step; at least one."""

_DECAY = (0.9, 0.999)
"""Of Adam's averages of slopes and of their squares."""


def fit_published(samples: Samples, bins: int, seed: int) -> DensityModel:
    """Energies of 15 logistic units for every cell, by the schedule of the paper's published code.

    Pseudo-likelihood on `bins` bins of equal width, Adam at a fixed rate from almost flat energies, one hundredth
    of each regime's rows a step, no penalty. The energies see x in the units of the samples. It ends far from the
    maximum of the likelihood, so that regimes never run are ruled by smooth energies.
    """
    began = time.perf_counter()
    grid = Grid.of(samples.x, bins, "uniform")
    cells = FactorCells.of(samples.design)
    layout = Layout(cells, tuple(Mlp(len(scope), UNITS, spread=1.0) for scope in cells.scopes))
    codes, rng = grid.encode(samples.x), stream(seed, "published fit")
    groups = [np.flatnonzero(samples.regime == train) for train in samples.present]
    flat = tuple(np.zeros(size) for size in grid.sizes)

    def minus_log(rows: NDArray[np.int64], weight: Floats | None = None) -> PseudoLikelihood:
        return PseudoLikelihood.of(layout, grid.values, flat, codes[rows], samples.regime[rows], weight)

    theta = rng.standard_normal(layout.size) / np.sqrt(layout.size)
    slope, square = np.zeros((2, layout.size))
    last: deque[Floats] = deque(maxlen=_LAST)
    for step in range(1, STEPS + 1):
        last.append(theta)
        drawn = [rng.choice(group, max(round(_SHARE * len(group)), 1), replace=False) for group in groups]
        weight = np.concatenate(
            [np.full(len(some), len(group) / len(some)) for some, group in zip(drawn, groups, strict=True)]
        )
        gradient = minus_log(np.concatenate(drawn), weight).value_and_gradient(theta)[1]
        slope = _DECAY[0] * slope + (1 - _DECAY[0]) * gradient
        square = _DECAY[1] * square + (1 - _DECAY[1]) * gradient**2
        unbiased = slope / (1 - _DECAY[0] ** step), np.sqrt(square / (1 - _DECAY[1] ** step))
        theta = theta - RATE * unbiased[0] / (unbiased[1] + 1e-8)
    every = minus_log(np.arange(len(codes)))
    values = [every.value(one) for one in last]
    best = int(np.argmin(values))
    value, gradient = every.value_and_gradient(last[best])
    rows = len(codes)
    start = StartReport(value / rows, float(np.abs(gradient).max()) / rows, STEPS, STEPS + _LAST, converged=False)
    report = FitReport(
        objective="pseudo",
        energy="mlp",
        base=0.0,
        shift=0.0,
        tied=False,
        tried=(),
        starts=(start,),
        disagreement=None,
        rows=tuple(len(group) for group in groups),
        seconds=time.perf_counter() - began,
    )
    tables = tuple(layout.tables(last[best], grid.values))
    return DensityModel(samples.design, cells, grid, tables, samples.scaling, report)
