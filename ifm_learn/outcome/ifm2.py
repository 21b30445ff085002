"""IFM2: outcomes of each training regime, re-weighted to the target regime; regimes combined.

Theory: docs/theory/learning.md.
"""

from __future__ import annotations

from typing import ClassVar

from ifm_ident import Regimes
from ifm_learn.outcome.identified import Potentials, RowWeights
from ifm_learn.outcome.weighted import WeightedEstimator
from ifm_learn.ratios.combine import CombinedWeights


class Ifm2(WeightedEstimator):
    """Weighted means of y in every training regime i, weights p(x; sigma)/p(x; sigma^i), shared by effective size.

    The shares are in proportion to the regimes' effective sample sizes: inverse variance where y spreads alike.
    See `WeightedEstimator` for density, ratio and replicates. With few effective rows the estimate leans towards
    the training regimes that are nearest; see `diagnostics`.

    >>> import numpy as np
    >>> from ifm_ident import Study
    >>> from ifm_learn.data.samples import Samples
    >>> design = Study.from_dict({
    ...     "interventions": {"A": [0, 1], "B": [0, 1]}, "variables": ["x"],
    ...     "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}], "train": ["00", "10", "01"],
    ... }).design
    >>> rng = np.random.default_rng(0)
    >>> regime = np.repeat([0, 1, 2], 2000)
    >>> x = rng.binomial(1, np.array([0.2, 0.5, 0.5])[regime])[:, None].astype(float)
    >>> model = Ifm2().fit(Samples(design, regime, x, x[:, 0]))
    >>> model.predict(Regimes.from_codes(np.array([[1, 1]]))).round(1).tolist()  # odds 1 * 1 / (1/4), so 4/5
    [0.8]
    """

    method: ClassVar[str] = "ifm2"

    def _weights(self, potentials: Potentials, regimes: Regimes) -> RowWeights:
        train = self._train()
        both = potentials.log_potentials(self.samples_.x, Regimes.concatenate([train, regimes]))
        return CombinedWeights.of(self._place(), both[:, len(train) :], both[:, : len(train)])
