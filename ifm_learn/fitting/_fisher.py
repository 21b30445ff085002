"""The Fisher information of one row's exact likelihood, from the rows themselves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ifm_ident.arrays import Floats, Ints
from ifm_learn.energies.layout import Layout

_ROWS = 5_000
"""At most this many rows of a regime are used, evenly spread over those there are."""

_CHUNK = 2_000


def fisher(layout: Layout, axes: Sequence[Floats], bins: Ints, regime: Ints, theta: Floats) -> Floats:
    """The sum over regimes of rows times the covariance of one row's score, nats squared, shape (size, size).

    axes: positions of every variable's bins; bins: shape (n, p); regime: first training indices, shape (n,).
    """
    cells = layout.cells
    total = np.zeros((layout.size, layout.size))
    choice = cells.choice(cells.design.train.take(cells.design.distinct))
    for r, train in enumerate(cells.design.distinct):
        rows = np.flatnonzero(regime == train)
        kept = rows[:: -(-len(rows) // _ROWS)] if len(rows) else rows
        if not len(kept):
            continue
        used = np.concatenate([np.arange(layout.starts[c], layout.starts[c + 1]) for c in choice[r]])
        moment, mean = np.zeros((len(used), len(used))), np.zeros(len(used))
        for begin in range(0, len(kept), _CHUNK):
            part = bins[kept[begin : begin + _CHUNK]]
            points = np.stack([axis[column] for axis, column in zip(axes, part.T, strict=True)], axis=1)
            scores = np.concatenate(
                [
                    layout.energies[k].jacobian(layout.block(theta, int(c)), points[:, layout.scopes[k]])
                    for k, c in enumerate(choice[r])
                ],
                axis=1,
            )
            moment += scores.T @ scores
            mean += scores.sum(axis=0)
        mean /= len(kept)
        total[np.ix_(used, used)] += (moment / len(kept) - np.outer(mean, mean)) * len(rows)
    return total
