"""Which unseen combinations of interventions do our experiments identify, and by which exact formula?

>>> import ifm_ident
>>> study = ifm_ident.Study.from_dict({
...     "interventions": {"A": [0, 1], "B": [0, 1], "C": [0, 1]},
...     "factors": [{"sigma": ["A", "B"]}, {"sigma": ["B", "C"]}],
...     "train": ["000", "010", "100", "110", "001", "011"],
...     "test": ["111"],
... })
>>> print(study.identify()[0])
p(111) ∝ p(110) p(011) / p(010)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ifm_ident._views import VIEWS
from ifm_ident.lazy import lazy_names
from ifm_ident.views import register

if TYPE_CHECKING:
    from ifm_ident.answer.certificate import KernelCertificate, NotIdentifiableError
    from ifm_ident.answer.formula import Formula
    from ifm_ident.answer.identification import Answer, Criterion, Identification, Status, Terms
    from ifm_ident.design.bases import Basis
    from ifm_ident.design.design import Design
    from ifm_ident.design.model import Factor, Intervention, Model
    from ifm_ident.design.regimes import Regimes
    from ifm_ident.errors import IfmError, InputError, MissingExtraError
    from ifm_ident.limits import Limits
    from ifm_ident.solve.identifier import Identifier, identify
    from ifm_ident.solve.level_sets import LevelSet, identified_levels
    from ifm_ident.study.first_study import FirstStudy, first_study
    from ifm_ident.study.study import Study, load

__all__ = [
    "Answer",
    "Basis",
    "Criterion",
    "Design",
    "Factor",
    "FirstStudy",
    "Formula",
    "Identification",
    "Identifier",
    "IfmError",
    "InputError",
    "Intervention",
    "KernelCertificate",
    "LevelSet",
    "Limits",
    "MissingExtraError",
    "Model",
    "NotIdentifiableError",
    "Regimes",
    "Status",
    "Study",
    "Terms",
    "first_study",
    "identified_levels",
    "identify",
    "load",
]

_HOMES = {
    "Answer": "ifm_ident.answer.identification",
    "Basis": "ifm_ident.design.bases",
    "Criterion": "ifm_ident.answer.identification",
    "Design": "ifm_ident.design.design",
    "Factor": "ifm_ident.design.model",
    "FirstStudy": "ifm_ident.study.first_study",
    "Formula": "ifm_ident.answer.formula",
    "Identification": "ifm_ident.answer.identification",
    "Identifier": "ifm_ident.solve.identifier",
    "IfmError": "ifm_ident.errors",
    "InputError": "ifm_ident.errors",
    "Intervention": "ifm_ident.design.model",
    "KernelCertificate": "ifm_ident.answer.certificate",
    "LevelSet": "ifm_ident.solve.level_sets",
    "Limits": "ifm_ident.limits",
    "MissingExtraError": "ifm_ident.errors",
    "Model": "ifm_ident.design.model",
    "NotIdentifiableError": "ifm_ident.answer.certificate",
    "Regimes": "ifm_ident.design.regimes",
    "Status": "ifm_ident.answer.identification",
    "Study": "ifm_ident.study.study",
    "Terms": "ifm_ident.answer.identification",
    "first_study": "ifm_ident.study.first_study",
    "identified_levels": "ifm_ident.solve.level_sets",
    "identify": "ifm_ident.solve.identifier",
    "load": "ifm_ident.study.study",
}

register(VIEWS)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
