"""Small designs and samples that the tests of the ladder share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ifm_ident import Design, Regimes, Study
from ifm_learn.data.samples import Samples

CROSS = Regimes.from_codes(np.array([[0, 0], [1, 0], [0, 1], [1, 1]]))


def cross(
    variables: int = 1, train: tuple[str, ...] = ("00", "10", "01"), scopes: Sequence[Sequence[str]] | None = None
) -> Design:
    """A and B, each in a factor of its own over all variables, or over `scopes`, variable names for each."""
    names = [f"x{v}" for v in range(variables)]
    factors: list[dict[str, list[str]]] = [{"sigma": [name]} for name in "AB"]
    if scopes is not None:
        factors = [{"x": list(scope), "sigma": [name]} for scope, name in zip(scopes, "AB", strict=True)]
        factors.append({"x": names, "sigma": []})
    return Study.from_dict(
        {"interventions": {"A": [0, 1], "B": [0, 1]}, "variables": names, "factors": factors, "train": list(train)}
    ).design


def shifted(n: int, seed: int = 0, variables: int = 1) -> Samples:
    """x0 ~ N(A - B, 1), others standard normal, all independent; n rows each of ctrl, A and B."""
    rng, regime = np.random.default_rng(seed), np.repeat([0, 1, 2], n)
    x = rng.normal(size=(3 * n, variables))
    x[:, 0] += np.array([0.0, 1.0, -1.0])[regime]
    return Samples(cross(variables), regime, x)
