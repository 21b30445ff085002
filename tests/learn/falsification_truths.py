"""Small truths for the tests of falsification: two interventions, training regimes ctrl, A, B, A+B."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ifm_ident import Design, Factor, Intervention, Model, Regimes
from ifm_learn.data.samples import Samples

CODES = np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
SHIFTS = np.array([[0.6, -0.4], [-0.3, 0.5]])


def model(*factors: Factor, variables: Sequence[str] = ("x1", "x2")) -> Model:
    """A model of two two-level interventions A and B."""
    return Model((Intervention("A", (0, 1)), Intervention("B", (0, 1))), tuple(variables), factors)


def joint_model() -> Model:
    """A and B in separate factors over x1 and x2."""
    return model(Factor("fA", ("x1", "x2"), ("A",)), Factor("fB", ("x1", "x2"), ("B",)))


def samples_of(model: Model, rows: Sequence[NDArray[np.float64]], codes: NDArray[np.int64] = CODES) -> Samples:
    """Samples with rows[i] measured in regime codes[i]."""
    design = Design(model, Regimes.from_codes(codes))
    return Samples(design, np.repeat(np.arange(len(rows)), [len(r) for r in rows]), np.vstack(rows))


def shifted(rng: np.random.Generator, n: int, extra: Sequence[float] = (0.0, 0.0)) -> list[NDArray[np.float64]]:
    """Unit Gaussians, correlation 0.4, means adding up but for `extra` in A+B; at 0 the joint claim holds."""
    covariance = np.array([[1.0, 0.4], [0.4, 1.0]])
    rows = []
    for code in CODES:
        mean = code @ SHIFTS + code.prod() * np.asarray(extra)
        rows.append(rng.multivariate_normal(mean, covariance, size=n))
    return rows
