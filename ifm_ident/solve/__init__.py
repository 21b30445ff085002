"""From a design to answers: the incidence system, exact elimination, and which formula to take."""

from ifm_ident.solve.basis_incidence import float_rows, incidence_of
from ifm_ident.solve.identifier import CriterionName
from ifm_ident.solve.incidence import BaselineSystem

__all__ = [
    "BaselineSystem",
    "CriterionName",
    "float_rows",
    "incidence_of",
]
