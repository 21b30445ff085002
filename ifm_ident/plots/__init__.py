"""Pictures of designs and answers; every function takes a matplotlib `ax` or makes one, and returns it.

They need the extra `plots`. Colours are safe for colour-blind readers, and a mark, hatch or line style always says
the same as the colour.
"""

from ifm_ident.plots.formulas import formula_lengths, variance_factors
from ifm_ident.plots.graph import sigma_graph
from ifm_ident.plots.incidence import incidence
from ifm_ident.plots.intervals import Interval, intervals
from ifm_ident.plots.regime_map import regime_map

__all__ = [
    "Interval",
    "formula_lengths",
    "incidence",
    "intervals",
    "regime_map",
    "sigma_graph",
    "variance_factors",
]
