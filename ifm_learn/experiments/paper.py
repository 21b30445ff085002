"""The paper's two experiments: their real rows, and the regimes asked about."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ifm_ident import Regimes
from ifm_ident.design import UpToOrder
from ifm_learn.data.public import load_dream, load_sachs
from ifm_learn.data.samples import Samples

DataName = Literal["sachs", "dream"]

_ORDER = {"sachs": 4, "dream": 2}
"""Interventions off baseline, at most: the paper asks about all 16 regimes of Sachs and all pairs of DREAM."""


def load_experiment(
    data: DataName, data_home: Path | None = None, download: bool = False
) -> tuple[Samples, Regimes]:
    """Real training rows, scaled as in the paper, and all regimes that it asks about.

    sachs: 11 proteins, baseline and four inhibitors. dream: 10 genes, baseline and ten knock-downs. Errors and
    warnings are those of `load_sachs` and `load_dream`.
    """
    samples = (load_sachs if data == "sachs" else load_dream)(data_home=data_home, download=download)
    return samples, Regimes.concatenate(list(UpToOrder(samples.design.model, _ORDER[data]).chunks()))
