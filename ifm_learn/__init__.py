"""From data and identified formulas to densities and effects in regimes that nobody has run.

>>> import ifm_learn
>>> sorted(name for name in ifm_learn.__all__ if name.startswith("Ifm"))
['Ifm1', 'Ifm2', 'Ifm3', 'IfmRegressor']
>>> ifm_learn.nonsense
Traceback (most recent call last):
...
AttributeError: module 'ifm_learn' has no attribute 'nonsense'
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ifm_ident.lazy import lazy_names
from ifm_ident.views import register
from ifm_learn._views import VIEWS

if TYPE_CHECKING:
    from ifm_learn.data.factorials import load_factorial, load_screen
    from ifm_learn.data.public import load_dream, load_sachs
    from ifm_learn.data.reading import read_samples
    from ifm_learn.data.samples import Samples
    from ifm_learn.density.fit import fit_density
    from ifm_learn.density.model import DensityModel
    from ifm_learn.estimation.comparison import compare_methods
    from ifm_learn.estimation.of_study import estimate_study
    from ifm_learn.estimation.regressor import IfmRegressor
    from ifm_learn.factors.choosing import choose_factors
    from ifm_learn.falsification.testing import falsify
    from ifm_learn.outcome.balance import Balance
    from ifm_learn.outcome.doubly_robust import DoublyRobust
    from ifm_learn.outcome.ifm1 import Ifm1
    from ifm_learn.outcome.ifm2 import Ifm2
    from ifm_learn.outcome.ifm3 import Ifm3
    from ifm_learn.simulate.cyclic import CyclicSystem
    from ifm_learn.simulate.discrete import DiscreteIFM
    from ifm_learn.simulate.gaussian import GaussianIFM
    from ifm_learn.suggestion.suggester import Suggester

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
    "IfmRegressor",
    "Samples",
    "Suggester",
    "choose_factors",
    "compare_methods",
    "estimate_study",
    "falsify",
    "fit_density",
    "load_dream",
    "load_factorial",
    "load_sachs",
    "load_screen",
    "read_samples",
]

_HOMES = {
    "Balance": "ifm_learn.outcome.balance",
    "CyclicSystem": "ifm_learn.simulate.cyclic",
    "DensityModel": "ifm_learn.density.model",
    "DiscreteIFM": "ifm_learn.simulate.discrete",
    "DoublyRobust": "ifm_learn.outcome.doubly_robust",
    "GaussianIFM": "ifm_learn.simulate.gaussian",
    "Ifm1": "ifm_learn.outcome.ifm1",
    "Ifm2": "ifm_learn.outcome.ifm2",
    "Ifm3": "ifm_learn.outcome.ifm3",
    "IfmRegressor": "ifm_learn.estimation.regressor",
    "Samples": "ifm_learn.data.samples",
    "Suggester": "ifm_learn.suggestion.suggester",
    "choose_factors": "ifm_learn.factors.choosing",
    "compare_methods": "ifm_learn.estimation.comparison",
    "estimate_study": "ifm_learn.estimation.of_study",
    "falsify": "ifm_learn.falsification.testing",
    "fit_density": "ifm_learn.density.fit",
    "load_dream": "ifm_learn.data.public",
    "load_factorial": "ifm_learn.data.factorials",
    "load_sachs": "ifm_learn.data.public",
    "load_screen": "ifm_learn.data.factorials",
    "read_samples": "ifm_learn.data.reading",
}

register(VIEWS)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
