"""Which regimes lie beyond what rows tell: of a factor, or of the range of a variable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ifm_ident import Model, Regimes, Status
from ifm_ident.design import Notation, format_regimes
from ifm_ident.show import counted, listed
from ifm_learn.density.model import DensityModel

AT_AN_END = 1 / 3
"""With more of a regime in an outermost bin of a continuous variable the grid may end before the regime does."""

MORE = 2.0
"""If it is also this many times what any training regime has there,"""

SPIKE = 0.75
"""and the rows of the bin are not within a quarter of its width from its outer end, as zeros are."""

_NAMED = 3


def extrapolation_words(density: DensityModel, regimes: Regimes) -> list[str]:
    """For every regime how much of it lies beyond a factor's rows or the range of a variable, "" for little.

    Nothing is said of regimes that were run, which have rows of their own, and where inference is not exact.
    """
    words = [""] * len(regimes)
    if not density.exact or not len(regimes):
        return words
    unseen = np.flatnonzero(density.require(regimes).status != Status.OBSERVED)
    if len(unseen):
        for r, said in zip(unseen.tolist(), _of_unseen(density, regimes.take(unseen)), strict=True):
            words[r] = said
    return words


def _of_unseen(density: DensityModel, regimes: Regimes) -> list[str]:
    model, found, support = density.design.model, _beyond(density, regimes), density.support(regimes)
    for r in np.flatnonzero(support.weak).tolist():
        k = int(support.worst[r])
        rare = (
            f"{support.unsupported[r, k]:.0%} of it lies where factor {model.factors[k].name} saw hardly any row"
        )
        found[r] = " and ".join(filter(None, (found[r], rare)))
    return found


def _beyond(density: DensityModel, regimes: Regimes) -> list[str]:
    """For every regime the variable that it has in an outermost bin far more often than any training regime."""
    train = density.marginals(density.design.train.take(density.design.distinct))
    words, most = [""] * len(regimes), np.full(len(regimes), AT_AN_END)
    for v, marginal in enumerate(density.marginals(regimes)):
        if not density.grid.continuous(v):
            continue
        name, edges = density.design.model.variables[v], density.grid.edges[v]
        values, widths = density.grid.values[v], density.grid.widths[v]
        for end, inner, where in ((0, edges[1], "below"), (-1, edges[-2], "above")):
            mass, usual = marginal[:, end], train[v][:, end].max()
            if abs(values[end] - inner) > SPIKE * widths[end]:
                continue
            for r in np.flatnonzero((mass > most) & (mass > MORE * usual)).tolist():
                most[r] = mass[r]
                words[r] = f"{mass[r]:.0%} of it has {name} {where} {inner:.3g}, the last bin of the grid"
    return words


def extrapolation_warnings(
    model: Model, regimes: Regimes, words: Sequence[str], notation: Notation
) -> Iterator[str]:
    """Which regimes rest on the form of an energy, words being those of `extrapolation_words`."""
    weak = np.array([bool(word) for word in words])
    if weak.any():
        names = format_regimes(model, regimes.take(np.flatnonzero(weak)), notation).to_pylist()
        said = [f"{name} ({word})" for name, word in zip(names, filter(None, words), strict=True)]
        yield (
            f"extrapolation in {len(said):,} of {counted(len(words), 'regime')}: {listed(said, _NAMED)}; there "
            "the form of the energies and the ends of the grid decide, and no row checks it"
        )
