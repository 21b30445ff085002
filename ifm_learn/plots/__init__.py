"""Pictures of estimates, their errors and their tests; every function takes a matplotlib `ax` or makes one.

They need the extra `plots` and follow `ifm_ident.plots`: colours are safe for colour-blind readers, and a mark or
line style always says the same as the colour.
"""

from ifm_ident.plots import Interval, intervals
from ifm_learn.plots._coverage import coverage_by_regime
from ifm_learn.plots._estimates import estimates
from ifm_learn.plots._factors import factors
from ifm_learn.plots._falsification import effects, p_values
from ifm_learn.plots._regimes import regime_errors
from ifm_learn.plots._response import response
from ifm_learn.plots._sensitivity import sensitivity
from ifm_learn.plots._support import support

__all__ = [
    "Interval",
    "coverage_by_regime",
    "effects",
    "estimates",
    "factors",
    "intervals",
    "p_values",
    "regime_errors",
    "response",
    "sensitivity",
    "support",
]
