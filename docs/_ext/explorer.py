"""The page of `ifm explore` about the poster's example, built with the other pages and shown on the first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_STUDY = "poster.yaml"
_PLACE = Path("_static") / "explore.html"


def _write(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.format != "html":
        return
    import ifm_ident
    from ifm_ident.explore.page import explore_page

    study = ifm_ident.load(Path(ifm_ident.__file__).parent / "examples" / _STUDY)
    place = Path(app.outdir) / _PLACE
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(explore_page(study), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Writes the page once the others are built."""
    app.connect("build-finished", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
