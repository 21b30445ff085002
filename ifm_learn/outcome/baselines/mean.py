"""Mean of training: the same number for every regime."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ifm_ident import Regimes
from ifm_learn.outcome.baselines.regime_means import LinearInMeans


class MeanOfTraining(LinearInMeans):
    """The mean of the training regimes' means, every regime counted alike whatever its rows.

    >>> from ifm_ident import Study
    >>> from ifm_learn.data.samples import Samples
    >>> design = Study.from_dict({
    ...     "interventions": {"A": [0, 1]}, "factors": [{"sigma": ["A"]}], "train": ["0", "1"],
    ... }).design
    >>> samples = Samples(design, np.array([0, 0, 0, 1]), np.zeros((4, 1)), np.array([1.0, 2.0, 3.0, 6.0]))
    >>> MeanOfTraining().fit(samples).predict(design.train).tolist()
    [4.0, 4.0]
    """

    method: ClassVar[str] = "mean"

    def weights(self, regimes: Regimes) -> NDArray[np.float64]:
        """1/m for each of the m distinct training regimes, shape (r, m)."""
        return np.full((len(regimes), len(self.train_)), 1 / len(self.train_))
