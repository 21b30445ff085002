"""From data and identified formulas to densities and effects in regimes that nobody has run.

>>> import ifm_learn
>>> sorted(name for name in ifm_learn.__all__ if name.startswith("Ifm"))
['Ifm1', 'Ifm2', 'Ifm3']
>>> ifm_learn.nonsense
Traceback (most recent call last):
...
AttributeError: module 'ifm_learn' has no attribute 'nonsense'
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ifm_learn.compare import compare_methods
    from ifm_learn.data.public import load_dream, load_sachs
    from ifm_learn.data.reading import read_samples
    from ifm_learn.data.samples import Samples
    from ifm_learn.density import DensityModel
    from ifm_learn.density_fit import fit_density
    from ifm_learn.estimate import estimate_study
    from ifm_learn.falsification.falsify import falsify
    from ifm_learn.outcome.balance import Balance
    from ifm_learn.outcome.doubly_robust import DoublyRobust
    from ifm_learn.outcome.ifm1 import Ifm1
    from ifm_learn.outcome.ifm2 import Ifm2
    from ifm_learn.outcome.ifm3 import Ifm3
    from ifm_learn.simulate.cyclic import CyclicSystem
    from ifm_learn.simulate.discrete import DiscreteIFM
    from ifm_learn.simulate.gaussian import GaussianIFM

__all__ = [
    "Balance",
    "CyclicSystem",
    "DensityModel",
    "DiscreteIFM",
    "DoublyRobust",
    "GaussianIFM",
    "Ifm1",
    "Ifm2",
    "Ifm3",
    "Samples",
    "compare_methods",
    "estimate_study",
    "falsify",
    "fit_density",
    "load_dream",
    "load_sachs",
    "read_samples",
]

_HOMES = {
    "Balance": "outcome.balance",
    "CyclicSystem": "simulate.cyclic",
    "DensityModel": "density",
    "DiscreteIFM": "simulate.discrete",
    "DoublyRobust": "outcome.doubly_robust",
    "GaussianIFM": "simulate.gaussian",
    "Ifm1": "outcome.ifm1",
    "Ifm2": "outcome.ifm2",
    "Ifm3": "outcome.ifm3",
    "Samples": "data.samples",
    "compare_methods": "compare",
    "estimate_study": "estimate",
    "falsify": "falsification.falsify",
    "fit_density": "density_fit",
    "load_dream": "data.public",
    "load_sachs": "data.public",
    "read_samples": "data.reading",
}


def __getattr__(name: str) -> Any:
    """A public name, imported when it is asked for: estimators need the extra `learn`, the rest does not."""
    if name not in _HOMES:
        raise AttributeError(f"module 'ifm_learn' has no attribute {name!r}")
    return getattr(importlib.import_module(f"ifm_learn.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
