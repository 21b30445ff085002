"""What inputs are altered from: studies, tables, and the check that a study is answered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ifm_ident
from ifm_ident.study.study import Study
from ifm_ident.verification.checking import verify

EXAMPLES = {path.name: path.read_bytes() for path in (Path(ifm_ident.__file__).parent / "examples").iterdir()}

SMALL = 64
"""Studies that ask about more regimes are read only, not answered."""

WHOLE: dict[str, Any] = {
    "name": "two drugs and a dose",
    "interventions": {"A": [0, 1], "B": [0, 1], "dose": ["none", "low", "very high"]},
    "variables": ["x", "y"],
    "factors": [{"name": "f", "x": ["x", "y"], "sigma": ["A", "B"]}, {"x": ["y"], "sigma": ["dose"]}],
    "train": [{}, {"A": 1}, "B", "dose=low", 'A=1,dose="very high"'],
    "test": {"order": 2},
    "data": {"file": "t.csv", "outcome": "z", "scale": "standard", "log": ["x"], "unit": "u"},
    "samples": {"file": "t.csv"},
}
TABLES = (
    b"label,n,x,y,z,u,cost\nctrl,9,1,2,0.5,m1,1\nA,3,2,1,1,m1,2.5\nB,4,3,1,2,m2,3\nA+B,1,0.5,3,0,m2,1e2\n"
    b'dose=low,2,1,1,1,m3,1\n"A=1,dose=""very high""",2,2,1,1,m3,1\n',
    b"A\tB\tdose\tn\tx\n0\t0\tnone\t4\t1\n1\t0\t\t5\t2\n0\t1\tlow\t6\t3\n",
    b'A,B,dose,x,y,z\n0,0,none,1,1,1\n1,0,"very high",2,1,1\n,,,,,\n',
    b"intervention,cost\nA,1\nB,2.5\n",
    b"sep=;\nlabel;n\nctrl;1\nA;2,5\n",
)


def answered(study: Study) -> str:
    """Answers a small study, and checks the answers."""
    if study.target_count > SMALL or len(study.design.train) > SMALL:
        return "read"
    found = study.identify()
    for one in found:
        str(one)
    if not verify(found).holds:
        raise AssertionError("an answer that does not hold")
    return "answered"
