"""Weights of a fitted density model relative to the mixture of training regimes, and their supremum.

Theory: docs/theory/conformal.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from ifm_ident import InputError, Regimes
from ifm_ident.arrays import Floats
from ifm_learn.conformal.mixture import balance_log_weights
from ifm_learn.density.model import DensityModel
from ifm_learn.inference.largest_ratio import BOXES, GridRatio, RatioBound


@dataclass(frozen=True, eq=False)
class ModelWeights:
    """log w(x) = log p(x; regime) - log sum_i (n_i/n) p(x; sigma^i) by a fitted model, for one regime.

    sizes: calibration rows of each training regime as written, shape (m,). The density is constant within the bins
    of the model's grid and beyond its ends goes on as in the outermost ones, so the supremum over all x is the
    largest weight of a cell: a real bound, as long as the fitted ratio is taken for the true one. Raises
    InputError for other than one regime, wrong sizes, and a model whose normalising constants are not known since
    inference is not exact; NotIdentifiableError for a regime that is not identified.

    >>> from ifm_ident import Study
    >>> from ifm_learn.data.samples import Samples
    >>> from ifm_learn.density.fit import fit_density
    >>> design = Study.from_dict({
    ...     "interventions": {"A": [0, 1], "B": [0, 1]}, "variables": ["x"],
    ...     "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}], "train": ["00", "10", "01"],
    ... }).design
    >>> rows = np.repeat([0, 1, 2], 2000)
    >>> x = np.random.default_rng(0).binomial(1, np.array([0.2, 0.5, 0.5])[rows])[:, None].astype(float)
    >>> model = fit_density(Samples(design, rows, x))
    >>> weights = ModelWeights(model, Regimes.from_codes(np.array([[1, 1]])), [2000, 2000, 2000])
    >>> weights.log_weights(np.array([[0.0], [1.0]])).round().tolist(), round(weights.supremum().bound)
    ([-1.0, 1.0], 1)
    >>> ModelWeights(model, design.train, [2000, 2000, 2000])
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: weights are for one regime, got 3
    """

    model: DensityModel
    regime: Regimes
    sizes: ArrayLike

    def __post_init__(self) -> None:
        counts = np.asarray(self.sizes, dtype=np.float64)
        if len(self.regime) != 1:
            raise InputError(f"weights are for one regime, got {len(self.regime)}")
        if counts.shape != (len(self.model.design.train),):
            raise InputError(
                f"sizes have shape {counts.shape}; give one for each of {len(self.model.design.train)} training "
                "regimes as written"
            )
        if not (np.isfinite(counts).all() and (counts >= 0).all() and counts.sum() > 0):
            raise InputError(f"the sizes of the regimes are {counts.tolist()}; give counts, one at least above 0")
        if not self.model.exact:
            raise InputError(f"weights need the model's normalising constants: {self.model.cost}")
        self.model.require(self.regime)

    @cached_property
    def _constants(self) -> tuple[float, Floats]:
        found = self.model.log_normalisers(Regimes.concatenate([self.regime, self.model.design.train]))
        return float(found[0]), found[1:]

    def log_weights(self, x: Floats) -> Floats:
        """In nats, at rows x of shape (n, p), in the units of the model's scaling: shape (n,)."""
        own, theirs = self._constants
        target = self.model.log_potentials(x, self.regime)[:, 0] - own
        train = self.model.log_potentials(x, self.model.design.train) - theirs
        return balance_log_weights(target, train, self.sizes)

    def supremum(self, boxes: int = BOXES) -> RatioBound:
        """The supremum of log w over all x, between a weight that is attained and a bound of all.

        `bound` is what `fresh_unit_interval` takes: coverage holds with any bound, and the two are mostly equal.
        """
        model, counts = self.model, np.asarray(self.sizes, dtype=np.float64)
        used = np.flatnonzero(counts > 0)
        own, theirs = self._constants
        choice = model.cells.choice(Regimes.concatenate([self.regime, model.design.train.take(used)]))
        stacks, places = [], []
        for column in choice.T:
            cells, place = np.unique(column, return_inverse=True)
            stacks.append(np.stack([model.tables[cell] for cell in cells.tolist()]))
            places.append(place)
        ratio = GridRatio(
            model.tree,
            tuple(stacks),
            np.array([place[0] for place in places]),
            tuple(place[1:] for place in places),
            -own,
            -theirs[used],
            np.log(counts[used] / counts.sum()),
        )
        return ratio.largest(boxes)
