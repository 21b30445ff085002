"""Two regimes of one variable, normal with variance 1."""

from __future__ import annotations

import numpy as np

from ifm_ident import Study
from ifm_learn.data.samples import Samples

PAIR = Study.from_dict(
    {"interventions": {"A": [0, 1]}, "variables": ["x"], "factors": [{"sigma": ["A"]}], "train": ["0", "1"]}
).design


def pair_samples(seed: int) -> Samples:
    """500 rows of N(0, 1) and 5,000 of N(1, 1): the log-ratio is x - 1/2."""
    rng = np.random.default_rng(seed)
    regime = np.repeat([0, 1], [500, 5_000])
    return Samples(PAIR, regime, rng.normal(size=(5_500, 1)) + regime[:, None])
