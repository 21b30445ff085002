"""Control: the mean of the baseline regime, for every regime."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ifm_ident import InputError, Regimes
from ifm_learn.data.samples import Samples
from ifm_learn.outcome.baselines.regime_means import LinearInMeans


class Control(LinearInMeans):
    """The mean of the regime with every intervention at baseline: what is said when no intervention does anything.

    `fit` raises InputError where that regime was not observed.

    >>> from ifm_ident import Study
    >>> design = Study.from_dict({
    ...     "interventions": {"A": [0, 1]}, "factors": [{"sigma": ["A"]}], "train": ["1"],
    ... }).design
    >>> Control().fit(Samples(design, np.array([0]), np.zeros((1, 1))))
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: the baseline regime is not among the training regimes; the control needs its rows
    """

    method: ClassVar[str] = "control"

    def _prepare(self, samples: Samples) -> None:
        baseline = np.flatnonzero(self.train_.active_counts == 0)
        if not len(baseline):
            raise InputError("the baseline regime is not among the training regimes; the control needs its rows")
        self.baseline_ = int(baseline[0])

    def weights(self, regimes: Regimes) -> NDArray[np.float64]:
        """1 for the baseline regime, shape (r, m)."""
        found = np.zeros((len(regimes), len(self.train_)))
        found[:, self.baseline_] = 1.0
        return found
