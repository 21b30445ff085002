"""The balance heuristic: all training rows together, re-weighted from their mixture to the target.

Theory: docs/theory/learning.md.
"""

from __future__ import annotations

from typing import ClassVar

from ifm_learn.outcome.weighted import WeightedEstimator


class Balance(WeightedEstimator):
    """Weighted means of y over all training rows, weights p(x; sigma) / sum_i (n_i/n) p(x; sigma^i).

    The normalising constants are estimated together from all rows (MBAR). No weight exceeds n/n_i times that of
    the ratio to a single regime i, so the weights have lighter tails than regime by regime. See
    `WeightedEstimator` for density, ratio and replicates.

    >>> import numpy as np
    >>> from ifm_ident import Regimes, Study
    >>> from ifm_learn.data.samples import Samples
    >>> design = Study.from_dict({
    ...     "interventions": {"A": [0, 1], "B": [0, 1]}, "variables": ["x"],
    ...     "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}], "train": ["00", "10", "01"],
    ... }).design
    >>> rng = np.random.default_rng(0)
    >>> regime = np.repeat([0, 1, 2], 2000)
    >>> x = rng.binomial(1, np.array([0.2, 0.5, 0.5])[regime])[:, None].astype(float)
    >>> model = Balance().fit(Samples(design, regime, x, x[:, 0]))
    >>> target = Regimes.from_codes(np.array([[1, 1]]))
    >>> model.predict(target).round(1).tolist(), str(model.diagnostics(target)[0])[:8]
    ([0.8], 'reliable')
    """

    method: ClassVar[str] = "balance"
