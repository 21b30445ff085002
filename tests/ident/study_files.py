"""Study files to read, to change and to break: those of the package, and a small one without regimes."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from ifm_ident.study.study import Study, load

_EXAMPLES = files("ifm_ident") / "examples"

POSTER = (_EXAMPLES / "poster.yaml").read_text("utf-8")
CYCLE = (_EXAMPLES / "three-cycle.yaml").read_text("utf-8")
CONDITIONAL = (_EXAMPLES / "conditional.yaml").read_text("utf-8")

SMALL = """\
interventions:
  A: [0, 1]
  B: [none, low, high]
factors:
  - {sigma: [A]}
  - {sigma: [B]}
"""


def study(folder: Path, text: str | bytes, name: str = "s.yaml") -> Study:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load(path)
