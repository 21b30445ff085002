"""Which experiments to add, which to drop, and how many samples each (docs/theory/planning.md)."""

from ifm_ident.planning.candidates import Candidates
from ifm_ident.planning.contradiction import Refuting, refuting
from ifm_ident.planning.dosages import RandomUnits, random_units
from ifm_ident.planning.drop import Droppable, droppable
from ifm_ident.planning.optimal_runs import OptimalRuns, c_optimal
from ifm_ident.planning.planner import Plan, plan
from ifm_ident.planning.prices import AddedUp, Listed, OneEach
from ifm_ident.planning.samples import allocate
from ifm_ident.planning.single import Singles, single_regimes
from ifm_ident.planning.telling import dimensions_told, incidence_rows, mixed_with, regimes_that_tell, without

__all__ = [
    "AddedUp",
    "Candidates",
    "Droppable",
    "Listed",
    "OneEach",
    "OptimalRuns",
    "Plan",
    "RandomUnits",
    "Refuting",
    "Singles",
    "allocate",
    "c_optimal",
    "dimensions_told",
    "droppable",
    "incidence_rows",
    "mixed_with",
    "plan",
    "random_units",
    "refuting",
    "regimes_that_tell",
    "single_regimes",
    "without",
]
