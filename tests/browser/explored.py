"""A page of `ifm explore` in a browser, and studies as both sides see them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ifm_ident.study.study import Study, load
from tests.browser.watching import watched

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "ifm_ident" / "examples"


@contextmanager
def opened(browser: Any, text: str, folder: Path, width: int = 1280, **context: Any) -> Iterator[Any]:
    """The page, with no request but its own; fails where the console says anything or a dialog opens."""
    path = folder / "page.html"
    path.write_text(text, encoding="utf-8")
    with watched(browser, path, width, 900, **context) as page:
        yield page


def loaded(text: str, folder: Path) -> Study:
    path = folder / "study.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path)


def design_here(study: Study) -> dict[str, object]:
    model = study.model
    place = {name: v for v, name in enumerate(model.variables)}
    return {
        "levels": model.level_counts.tolist(),
        "variables": len(model.variables),
        "factors": [
            {"x": [place[v] for v in one.x], "sigma": [model.position[name] for name in one.sigma]}
            for one in model.factors
        ],
        "train": study.design.train.codes().tolist(),
    }
