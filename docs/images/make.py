"""Draws the pictures that the README and the first page of the documentation show: `python docs/images/make.py`.

They are drawn on an opaque light card, so that they read on white and on dark pages.
"""

from pathlib import Path

import matplotlib as mpl

from ifm_ident.plots import incidence
from ifm_ident.show.demonstration import example

HERE = Path(__file__).parent


def draw(folder: Path = HERE) -> list[Path]:
    """Writes the pictures into a folder; the same bytes for the same version of matplotlib."""
    mpl.use("agg")
    study = example("poster")
    (target,) = next(study.with_test(["111"]).targets())
    ax = incidence(study.design, target, notation=study.notation)
    path = folder / "poster.png"
    ax.figure.savefig(path, dpi=160, facecolor="white", metadata={"Software": None})
    return [path]


if __name__ == "__main__":
    for drawn in draw():
        print(f"{drawn}: {drawn.stat().st_size:,} bytes")
