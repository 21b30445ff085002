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

from ifm_ident.certificate import KernelCertificate
from ifm_ident.design import Design
from ifm_ident.errors import IfmError, InputError, MissingExtraError, NotIdentifiableError
from ifm_ident.formula import Formula
from ifm_ident.identification import Answer, Criterion, Identification, Status, Terms
from ifm_ident.identify import Identifier, identify
from ifm_ident.model import Factor, Intervention, Model
from ifm_ident.regimes import Regimes
from ifm_ident.study import Study, load

__all__ = [
    "Answer",
    "Criterion",
    "Design",
    "Factor",
    "Formula",
    "Identification",
    "Identifier",
    "IfmError",
    "InputError",
    "Intervention",
    "KernelCertificate",
    "MissingExtraError",
    "Model",
    "NotIdentifiableError",
    "Regimes",
    "Status",
    "Study",
    "Terms",
    "identify",
    "load",
]
