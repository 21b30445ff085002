"""The documentation, without building it: names, links, and the code of the pages that people copy from.

The build itself runs every page (`python -m sphinx -W -b html docs OUT`).
"""

import contextlib
import doctest
import importlib
import io
import os
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import ifm_ident.planning
import ifm_ident.plots
import ifm_learn.plots
from tests.scripts import loaded

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)
HOW_TO = sorted({*(DOCS / "how-to").glob("*.md")} - {DOCS / "how-to" / "index.md"})
REFERENCE = [DOCS / "reference" / name for name in ("study-file.md", "results.md")]
RUN_HERE = [DOCS / "start.md", *HOW_TO, *REFERENCE]

_DIRECTIVE = re.compile(r"^\.\. auto(?:class|function|exception|data|module):: (\S+)$", re.MULTILINE)
_LINK = re.compile(r"\]\((?!https?://)([^)\s]*)\)")
_LABEL = re.compile(r"^\(([\w-]+)\)=$", re.MULTILINE)
_CELL = re.compile(r"^```\{code-cell\} ipython3\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TOCTREE = re.compile(r"^```\{toctree\}\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def name_of(page: Path) -> str:
    return page.relative_to(DOCS).as_posix()


def documented() -> set[str]:
    """Every dotted name that an API page shows."""
    return {name for page in (DOCS / "api").glob("*.md") for name in _DIRECTIVE.findall(page.read_text("utf-8"))}


def found(dotted: str) -> object:
    """The object of a dotted name; a package's own name goes before a module that is called the same."""
    first, *rest = dotted.split(".")
    value: object = importlib.import_module(first)
    for part in rest:
        if isinstance(value, ModuleType) and not hasattr(value, part):
            value = importlib.import_module(f"{value.__name__}.{part}")
        else:
            value = getattr(value, part)
    return value


def modules(package: ModuleType) -> Iterator[ModuleType]:
    yield package
    for info in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        with contextlib.suppress(ImportError):  # a part whose extra is not installed
            yield importlib.import_module(info.name)


FACES = (ifm_ident, ifm_learn, ifm_ident.planning, ifm_ident.plots, ifm_learn.plots)
"""What users import from. The `__init__` of other rooms says what `ifm_learn` may read, which is no promise."""

FOR_LEARNING = {"ifm_ident.plots": {"LOOKS", "MOST", "canvas", "verdict_codes"}}


@pytest.mark.parametrize("module", FACES, ids=lambda module: module.__name__)
def test_every_public_name_is_on_an_api_page(module: ModuleType) -> None:
    shown = [found(name) for name in documented()]
    asked = [name for name in module.__all__ if name not in FOR_LEARNING.get(module.__name__, ())]
    missing = [name for name in asked if not any(value is getattr(module, name) for value in shown)]
    assert not missing, f"put these on a page of docs/api: {missing}"


@pytest.mark.parametrize("name", sorted(documented()))
def test_what_an_api_page_shows_exists_and_says_what_it_is(name: str) -> None:
    assert getattr(found(name), "__doc__", None)


def test_the_identifiers_of_the_notation_exist() -> None:
    spaces = [vars(module) for package in (ifm_ident, ifm_learn) for module in modules(package)]
    rows = [line for line in (DOCS / "notation.md").read_text("utf-8").splitlines() if line.startswith("| ")]
    identifiers = [code for row in rows[2:] for code in re.findall(r"`([^`]+)`", row.rsplit("|", 2)[1])]
    assert len(identifiers) > 20
    for identifier in identifiers:
        first, *rest = re.sub(r"[\[(].*", "", identifier).split(".")
        owners = [space[first] for space in spaces if first in space]
        assert owners, f"{identifier}: there is no {first}"
        for attribute in rest:
            known = {*dir(owners[0]), *getattr(owners[0], "__dataclass_fields__", ())}
            known |= set(getattr(owners[0], "__annotations__", ()))
            source = importlib.import_module(owners[0].__module__).__file__ or ""
            assert attribute in known or f"self.{attribute}" in Path(source).read_text("utf-8"), identifier


def sources() -> Iterator[Path]:
    """The modules of both packages."""
    for package in (ifm_ident, ifm_learn):
        yield from sorted((ROOT / package.__name__).rglob("*.py"))


def test_every_schema_of_the_code_is_in_the_reference() -> None:
    page = (DOCS / "reference" / "results.md").read_text("utf-8")
    schema = re.compile(r"\bifm-[a-z-]+/\d+")
    written = {name for path in sources() for name in schema.findall(path.read_text("utf-8"))}
    assert len(written) > 8
    assert written == set(schema.findall(page))


def test_the_pages_that_the_code_names_exist() -> None:
    named = {page for path in sources() for page in re.findall(r"docs/[\w/-]+\.md", path.read_text("utf-8"))}
    assert len(named) > 8
    assert not {page for page in named if not (DOCS.parent / page).is_file()}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    labels = {label for other in PAGES for label in _LABEL.findall(other.read_text("utf-8"))}
    for target in _LINK.findall(page.read_text("utf-8")):
        path, _, anchor = target.partition("#")
        assert not path or (page.parent / path).is_file(), target
        assert not anchor or anchor in labels, target


def test_the_output_on_the_first_page_is_that_of_the_readme() -> None:
    """Which is compared with what the program prints."""
    first, readme = ((ROOT / name).read_text("utf-8") for name in ("docs/index.md", "README.md"))
    [_, block] = first.split("```console")
    assert block.partition("```")[0] in readme


def test_every_page_can_be_reached() -> None:
    linked = {DOCS / "index.md"}
    for page in PAGES:
        for block in _TOCTREE.findall(page.read_text("utf-8")):
            entries = [line for line in block.splitlines() if line and not line.startswith(":")]
            linked |= {(page.parent / f"{entry}.md").resolve() for entry in entries}
    assert {page.resolve() for page in PAGES} == {page.resolve() for page in linked}


@pytest.mark.slow  # as `.ci/run docs` runs every page
@pytest.mark.parametrize("page", RUN_HERE, ids=name_of)
def test_the_code_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("matplotlib", "polars", "jinja2"):
        pytest.importorskip(package)
    from matplotlib import pyplot

    pyplot.switch_backend("agg")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    cells = _CELL.findall(page.read_text("utf-8"))
    assert cells
    space: dict[str, object] = {}
    for cell in cells:
        if cell.startswith("%%writefile "):
            name, text = cell.removeprefix("%%writefile ").split("\n", 1)
            Path(name).write_text(text, encoding="utf-8")
        elif cell.startswith("%%bash\n"):
            script = cell.removeprefix("%%bash\n")
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", script], capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{script}\n{done.stderr}"
        else:
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(cell, name_of(page), "exec"), space)
    pyplot.close("all")


def test_the_picture_of_the_first_page_can_be_drawn_again(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    (drawn,) = loaded(DOCS / "images" / "make.py").draw(tmp_path)
    for path in (drawn, DOCS / "images" / drawn.name):
        assert path.read_bytes().startswith(b"\x89PNG")
        assert path.stat().st_size < 100_000


def test_the_check_of_a_built_site_finds_faults(tmp_path: Path) -> None:
    faults = loaded(DOCS / "check_site.py").faults
    (tmp_path / "other.html").write_text('<p id="here"></p>')
    (tmp_path / "page.html").write_text(
        '<a href="other.html#here"></a><a href="https://example.org"></a><img src="">'
    )
    assert list(faults(tmp_path)) == []
    (tmp_path / "page.html").write_text(
        '<a href="gone.html"></a><a href="other.html#gone"></a><script src="https://cdn.example.org/a.js"></script>'
    )
    assert list(faults(tmp_path)) == [
        "page.html: fetches https://cdn.example.org/a.js",
        "page.html: gone.html leads to no file",
        "page.html: other.html#gone leads to no anchor",
    ]
    (tmp_path / "page.html").write_text("")
    (tmp_path / "site.css").write_text('@import "basic.css"; a { background: url(a.png) }')
    assert list(faults(tmp_path)) == []
    (tmp_path / "site.css").write_text('@import "//fonts.example.org/a.css";')
    assert list(faults(tmp_path)) == ["site.css: fetches a style or a font from elsewhere"]
    (tmp_path / "empty").mkdir()
    assert len(list(faults(tmp_path / "empty"))) == 1


def test_docstrings_become_restructuredtext() -> None:
    pytest.importorskip("sphinx")
    assert doctest.testmod(loaded(DOCS / "_ext" / "plain_docstrings.py")).failed == 0


def test_help_texts_become_restructuredtext(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sphinx_click")
    monkeypatch.syspath_prepend(DOCS / "_ext")
    assert doctest.testmod(loaded(DOCS / "_ext" / "command_help.py")).failed == 0


def test_the_picture_of_the_rooms_shows_the_imports_as_they_are() -> None:
    pillow = pytest.importorskip("PIL.Image")
    pytest.importorskip("matplotlib")
    script = loaded(DOCS / "images" / "architecture.py")
    with pillow.open(DOCS / "images" / "architecture.png") as picture:
        shown = picture.text["Description"]
    assert shown == script.digest(), "the imports have changed: run python docs/images/architecture.py"
    for package in script.STYLE:
        arrows = script.half(package, script.rooms())
        height = script.floors(arrows)
        assert all(height[room] > height[other] for room, below in arrows.items() for other in below)
