"""Checks a built site without a network: `python docs/check_site.py docs/_build`.

Every local link and anchor exists, and no page fetches anything from elsewhere when it is read. Exit status 1 and
a line for each fault, 0 without one. Addresses on the web: `python -m sphinx -b linkcheck docs OUT`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_FETCHED = {"img": "src", "script": "src", "iframe": "src", "source": "src", "video": "src", "audio": "src"}
_STYLE_FROM_ELSEWHERE = re.compile(r"""(?:url\(|@import)\s*["']?(?:https?:)?//""")
_FETCHED_RELATIONS = {"stylesheet", "preload", "icon", "modulepreload", "preconnect", "dns-prefetch"}


class _Page(HTMLParser):
    """What a page links to, what it fetches, and the anchors it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors.update(given[name] for name in ("id", "name") if name in given)
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag in _FETCHED and _FETCHED[tag] in given:
            self.fetched.append(given[_FETCHED[tag]])
        if tag == "link" and _FETCHED_RELATIONS & set(given.get("rel", "").split()):
            self.fetched.append(given.get("href", ""))


def faults(site: Path) -> Iterator[str]:
    """A line for each link that leads nowhere and for each thing fetched from elsewhere."""
    pages = {
        path.resolve(): _Page(path.read_text("utf-8"))
        for path in sorted(site.rglob("*.html"))
        if "_static" not in path.parts
    }
    if not pages:
        yield f"{site}: there are no pages"
    for path, page in pages.items():
        name = path.relative_to(site.resolve())
        for address in page.fetched:
            if urlsplit(address).netloc:
                yield f"{name}: fetches {address}"
        for address in [*page.links, *page.fetched]:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists():
                yield f"{name}: {address} leads to no file"
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                yield f"{name}: {address} leads to no anchor"
    for path in sorted(site.rglob("*.css")):
        if _STYLE_FROM_ELSEWHERE.search(path.read_text("utf-8", errors="replace")):
            yield f"{path.relative_to(site)}: fetches a style or a font from elsewhere"


if __name__ == "__main__":
    found = list(faults(Path(sys.argv[1])))
    print("\n".join(found) or "every local link leads somewhere, nothing is fetched from elsewhere")
    sys.exit(bool(found))
