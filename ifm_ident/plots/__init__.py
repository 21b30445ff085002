"""Pictures of designs and answers; every function takes a matplotlib `ax` or makes one, and returns it.

They need the extra `plots`. Colours are safe for colour-blind readers, and a mark, hatch or line style always says
the same as the colour.
"""

from ifm_ident.plots import canvas
from ifm_ident.plots._costs import formula_costs
from ifm_ident.plots._formulas import formula_lengths, variance_factors
from ifm_ident.plots._graph import sigma_graph
from ifm_ident.plots._incidence import incidence
from ifm_ident.plots._intervals import Interval, intervals
from ifm_ident.plots._levels import has_numbers, level_line, level_surface
from ifm_ident.plots._regime_map import MOST, regime_map
from ifm_ident.plots._verdicts import LOOKS, verdict_codes

__all__ = [
    "LOOKS",
    "MOST",
    "Interval",
    "canvas",
    "formula_costs",
    "formula_lengths",
    "has_numbers",
    "incidence",
    "intervals",
    "level_line",
    "level_surface",
    "regime_map",
    "sigma_graph",
    "variance_factors",
    "verdict_codes",
]
