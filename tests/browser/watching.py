"""A page in a browser that may ask for nothing and say nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def watched(browser: Any, path: Path, width: int = 1280, height: int = 800, **context: Any) -> Iterator[Any]:
    """The page, with no request but its own; fails where the console says anything or a dialog opens."""
    told: list[str] = []
    asked: list[str] = []
    with browser.new_context(viewport={"width": width, "height": height}, **context) as session:
        page = session.new_page()
        page.on("console", lambda message: told.append(message.text))
        page.on("pageerror", lambda error: told.append(str(error)))
        page.on("dialog", lambda dialog: told.append(f"dialog {dialog.message}"))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        yield page
    assert told == []
    assert [url for url in asked if not url.startswith(("data:", "blob:"))] == [path.as_uri()]
