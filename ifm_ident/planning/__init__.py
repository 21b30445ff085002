"""Which experiments to add, which to drop, and how many samples each (docs/theory/planning.md)."""

from ifm_ident.planning.candidates import Candidates
from ifm_ident.planning.dosages import RandomUnits, random_units
from ifm_ident.planning.drop import Droppable, droppable
from ifm_ident.planning.optimal_runs import OptimalRuns, c_optimal
from ifm_ident.planning.planner import Plan, plan
from ifm_ident.planning.prices import AddedUp, Listed, OneEach
from ifm_ident.planning.samples import allocate
from ifm_ident.planning.single import Singles, single_regimes

__all__ = [
    "AddedUp",
    "Candidates",
    "Droppable",
    "Listed",
    "OneEach",
    "OptimalRuns",
    "Plan",
    "RandomUnits",
    "Singles",
    "allocate",
    "c_optimal",
    "droppable",
    "plan",
    "random_units",
    "single_regimes",
]
