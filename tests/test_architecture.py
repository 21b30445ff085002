"""The floors of the packages, read from their imports, and the public names."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest

import ifm_ident
import ifm_learn
from ifm_ident.cli import commands, group

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("ifm_ident", "ifm_learn")

FLOORS = {
    "ifm_ident": """
        arrays errors inert lazy views
        deadline files limits parquet_sizes plugins tabular
        design
        answer
        solve
        implications messages shares
        planning
        study
        results
        parts
        show verification
        explore plots
        report
        commands
        _views cli
        """,
    "ifm_learn": """
        checks randomness
        data
        energies
        inference
        ratios
        fitting
        density
        ladder
        outcome
        conformal
        falsification
        factors
        estimation
        suggestion
        simulate
        experiments
        plots
        commands
        _views
        """,
}
"""The rooms of each package, lowest floor first: a module imports from its own room and from lower floors only."""

DECLARED = frozenset(
    f"ifm_ident.{name}" for name in ("arrays", "errors", "files", "lazy", "limits", "tabular", "views")
)
"""Modules of `ifm_ident` that `ifm_learn` may read whole; of the others it reads what an `__all__` declares."""

DOORS = frozenset({"ifm_ident.cli", "ifm_ident.lazy", "ifm_ident.plugins", "ifm_ident.tabular", "ifm_ident.views"})
"""Where a module is imported by a name that is not written beside the call."""

Sources = Mapping[str, str]
"""Module to source text."""


@cache
def modules() -> dict[str, Path]:
    names = {}
    for path in sorted(p for package in PACKAGES for p in (ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


@cache
def sources() -> Sources:
    return {name: path.read_text(encoding="utf-8") for name, path in modules().items()}


@cache
def parsed(text: str) -> ast.Module:
    return ast.parse(text)


def room(module: str) -> str:
    """The folder or module right below the package; the package itself for its face."""
    return ".".join(module.split(".")[:2])


def floors() -> dict[str, int]:
    found: dict[str, int] = {}
    for package, table in FLOORS.items():
        lines = [line.split() for line in table.strip().splitlines()]
        found |= {f"{package}.{name}": height for height, line in enumerate(lines) for name in line}
        found[package] = len(lines)
    return found


NAMED = re.compile(rf"(?:{'|'.join(PACKAGES)})(?:\.\w+)+(?::\w+)?(?=$| )")
"""A text that says where an object is."""


def edges(texts: Sources) -> dict[str, dict[str, set[str]]]:
    """For every module the modules that it imports, wherever the import is written, and the names it takes.

    At the top, in functions, under TYPE_CHECKING, and in texts such as "package.module.name"; `from package import
    module` counts as the module, not the package; "" stands for the module itself.
    """
    found = {}
    for module, text in texts.items():
        taken = defaultdict[str, set[str]](set)
        for place, names in _written(text):
            for whole in {f"{place}.{name}".rstrip(".") for name in names}:
                target = whole
                while target and target not in texts:
                    target = target.rpartition(".")[0]
                if target:
                    taken[target].add(whole[len(target) + 1 :])
        found[module] = dict(taken)
    return found


@cache
def _written(text: str) -> list[tuple[str, list[str]]]:
    """What a source imports: places as written, and the names taken of each, "" for the place itself."""
    tree = ast.parse(text)
    silent = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, [""]) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"write the whole name: {ast.unparse(node)}"
            found.append((str(node.module), [alias.name for alias in node.names]))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in silent:
            found += [(match[0].replace(":", "."), [""]) for match in [NAMED.match(node.value)] if match]
    return found


def upward(texts: Sources) -> Iterator[str]:
    height = floors()
    for module, targets in edges(texts).items():
        for target in targets:
            if module.split(".")[0] != target.split(".")[0]:
                if target.startswith("ifm_learn"):
                    yield f"{module} imports {target}, which is built on it"
            elif room(module) != room(target) and height[room(target)] >= height[room(module)]:
                yield f"{module} imports {target}, which is on no lower floor"


def in_a_cycle(texts: Sources) -> list[str]:
    left = {name: targets.keys() - {name} for name, targets in edges(texts).items()}
    while left:
        free = [name for name, targets in left.items() if not targets & left.keys()]
        if not free:
            return sorted(left)
        for name in free:
            del left[name]
    return []


def declared(texts: Sources, module: str) -> set[str]:
    """The names in the `__all__` of a module."""
    for node in parsed(texts[module]).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


def undeclared(texts: Sources, faces: frozenset[str]) -> Iterator[str]:
    """What `ifm_learn` takes from `ifm_ident` without leave; `faces` are the packages, with their `__all__`."""
    for module, targets in edges(texts).items():
        for target, names in targets.items():
            if module.startswith("ifm_learn") and target.startswith("ifm_ident") and target not in DECLARED:
                public = declared(texts, target) if target in faces else set()
                folder, _, last = target.rpartition(".")
                listed = folder != "" and last in declared(texts, folder)
                for name in sorted({name.split(".")[0] for name in names} - public if not listed else ()):
                    yield f"{module} takes {name or 'the module'} of {target}, which no `__all__` declares"


def intruded(texts: Sources) -> Iterator[str]:
    """Imports of a private module from another room; a package's table of views may name them."""
    for module, targets in edges(texts).items():
        for target in targets if not module.endswith("._views") else ():
            private = target.rpartition(".")[2].startswith("_") and target.count(".") > 1
            if private and room(target) != room(module):
                yield f"{module} imports {target}, which is private to {room(target)}"


def only_at_home(texts: Sources, faces: frozenset[str], read: str) -> Iterator[str]:
    """Modules without underscore that neither another room nor the text `read` names; each command is one file."""
    users = defaultdict(set)
    for module, targets in edges(texts).items():
        for target in targets:
            users[target].add(room(module))
    for module in texts:
        inside = module.count(".") > 1 and module not in faces and ".commands." not in module
        public = inside and not module.rpartition(".")[2].startswith("_")
        told = re.search(rf"\b{re.escape(module)}\b", read) is not None
        if public and not told and not users[module] - {room(module)}:
            yield f"{module} is used in its room only: begin its name with an underscore"


def hidden(texts: Sources, faces: frozenset[str]) -> Iterator[str]:
    """Modules that a name of their folder's `__init__` hides."""
    for face in faces:
        for node in ast.walk(parsed(texts[face])):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                names = {alias.asname or alias.name for alias in node.names}
            elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                names = {node.name}
            else:
                continue
            for name in sorted(names):
                if f"{face}.{name}" in texts and getattr(node, "module", None) != face:
                    yield f"{name} hides the module {face}.{name}"


@cache
def packages() -> frozenset[str]:
    return frozenset(name for name, path in modules().items() if path.name == "__init__.py")


@cache
def written_about() -> str:
    """The documentation, the entry points and the scripts that use the packages."""
    folders = [ROOT / name for name in ("docs", "benchmarks", "studies")]
    paths = sorted(path for folder in folders for path in folder.rglob("*") if path.suffix in {".md", ".py"})
    texts = [path.read_text(encoding="utf-8") for path in [*paths, ROOT / "pyproject.toml"]]
    return "\n".join(texts)


def test_every_room_has_a_floor() -> None:
    rooms = {room(name) for name in modules()}
    assert rooms == floors().keys()


def test_modules_import_from_lower_floors_only() -> None:
    assert not [*upward(sources())]


def test_imports_form_no_cycle() -> None:
    assert not in_a_cycle(sources())


def test_learning_reads_what_identification_declares() -> None:
    assert not [*undeclared(sources(), packages())]


def test_private_modules_stay_in_their_room() -> None:
    assert not [*intruded(sources())]


def test_modules_that_stay_in_their_room_are_private() -> None:
    assert not [*only_at_home(sources(), packages(), written_about())]


def test_no_name_hides_a_module() -> None:
    assert not [*hidden(sources(), packages())]


def test_modules_are_named_where_they_are_imported() -> None:
    """`importlib.import_module(name)` with a name from elsewhere would leave the floors unseen."""
    for module, text in sources().items():
        for node in ast.walk(parsed(text)):
            if isinstance(node, ast.Call) and re.search(r"\b(import_module|__import__)$", ast.unparse(node.func)):
                given = node.args[0]
                start = given.values[0] if isinstance(given, ast.JoinedStr) else given
                foreign = isinstance(start, ast.Constant) and not str(start.value).startswith("ifm_")
                assert foreign or isinstance(given, ast.Constant) or module in DOORS, (
                    f"{module}: {ast.unparse(node)}"
                )


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("ifm_ident.design.model", "from ifm_ident.solve.identifier import Identifier"),
        ("ifm_ident.design.model", "def f():\n    from ifm_ident.solve import identifier"),
        ("ifm_ident.design.model", "if TYPE_CHECKING:\n    import ifm_ident.study.study"),
        ("ifm_ident.design.model", "importlib.import_module('ifm_ident.show.words')"),
        ("ifm_ident.design.model", "PLACES = {'table': 'ifm_ident.show.table.text_table'}"),
        ("ifm_ident.design.model", "from ifm_ident import Study"),
        ("ifm_ident.errors", "import ifm_ident.files"),
        ("ifm_ident.commands.report", "importlib.import_module('ifm_learn.estimation.of_study')"),
        ("ifm_learn.data.samples", "HOMES = {'falsify': 'ifm_learn.falsification.testing'}"),
    ],
)
def test_an_upward_import_is_seen_wherever_it_is_written(module: str, line: str) -> None:
    assert [*upward({**sources(), module: f"{sources()[module]}\n{line}\n"})]


def test_the_other_rules_see_what_breaks_them() -> None:
    """Each rule on the real sources with one line more, or a module more."""

    def more(module: str, line: str) -> Sources:
        return {**sources(), module: f"{sources().get(module, '')}\n{line}\n"}

    looped = more("ifm_ident.design.model", "def f():\n    from ifm_ident.design import design")
    assert {"ifm_ident.design.model", "ifm_ident.design.design"} <= {*in_a_cycle(looped)}
    for line in (
        "from ifm_ident.design.model import Model",
        "from ifm_ident.design import model",
        "from ifm_ident import _HOMES",
        "PLACE = 'ifm_ident.solve.identifier.Identifier'",
    ):
        assert [*undeclared(more("ifm_learn.checks", line), packages())], line
    assert not [*undeclared(more("ifm_learn.checks", "from ifm_ident.arrays import Ints"), packages())]
    assert [*intruded(more("ifm_ident.cli", "import ifm_ident.solve.exact._dense"))]
    assert [*only_at_home(more("ifm_ident.design.lonely", "import ifm_ident.design.model"), packages(), "")]
    hiding = more("ifm_ident.design", "from ifm_ident.design.regimes import take as model")
    assert [*hidden(hiding, packages())] == ["model hides the module ifm_ident.design.model"]


def imported(module: str, *, only_at_import: bool = False) -> set[str]:
    """All modules, of other packages too, that a module imports by statement."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            if only_at_import and isinstance(child, (ast.FunctionDef, ast.Lambda)):
                continue
            if isinstance(child, ast.Import):
                found.update(alias.name for alias in child.names)
            elif isinstance(child, ast.ImportFrom) and child.module:
                names = {f"{child.module}.{alias.name}" for alias in child.names}
                found.update(names & modules().keys())
                if not names <= modules().keys():
                    found.add(child.module)
            visit(child)

    visit(parsed(sources()[module]))
    return found


def reached(start: str, besides: frozenset[str] = frozenset()) -> set[str]:
    """Project modules that a module imports, directly or not, without going through `besides`."""
    known = edges(sources())
    seen: set[str] = set()
    queue = [start]
    while queue:
        for name in known[queue.pop()]:
            if name not in seen and name not in besides:
                seen.add(name)
                queue.append(name)
    return seen


def test_flint_has_its_doors() -> None:
    users = {name for name in modules() if any(i.split(".")[0] == "flint" for i in imported(name))}
    assert users <= {f"ifm_ident.solve.exact.{name}" for name in ("_dense", "_rationals", "lattice")}
    assert "ifm_ident.solve.exact._dense" in users


def test_verification_shares_nothing_with_the_solver() -> None:
    checkers = [name for name in modules() if name.startswith("ifm_ident.verification.")]
    assert checkers
    solver = re.compile(r"ifm_ident\.(solve|messages|implications|planning|shares)\b")
    # a study file is only read to compare its contents with the result's header
    study = frozenset({"ifm_ident.study.study"})
    for name in checkers:
        shared = {module for module in reached(name, besides=study) if solver.match(module)}
        assert not shared, f"{name} reaches {sorted(shared)}"


@pytest.mark.parametrize("package", PACKAGES)
def test_lower_layers_do_not_know_commands(package: str) -> None:
    for name in modules():
        if name.startswith(package) and ".commands" not in name and name != "ifm_ident.cli":
            assert not any(i.split(".")[0] == "click" for i in imported(name)), name


@pytest.mark.parametrize(
    ("package", "doors"),
    [
        (
            "matplotlib",
            ("ifm_ident.plots.canvas", "ifm_ident.report._pictures", "ifm_learn.plots", "ifm_learn.experiments"),
        ),
        ("narwhals", ("ifm_ident.study.reading._frames",)),
        ("anndata", ("ifm_ident.study.reading._anndata_files",)),
        ("jinja2", ("ifm_ident.report._templating",)),
        ("yaml", ("ifm_ident.study.reading._yaml_nodes",)),
    ],
)
def test_backends_have_their_doors(package: str, doors: tuple[str, ...]) -> None:
    users = {name for name in modules() if any(i.split(".")[0] == package for i in imported(name))}
    assert users
    assert all(name.startswith(doors) for name in users), users


def test_optional_packages_are_not_imported_with_a_module() -> None:
    optional = {
        "matplotlib",
        "jinja2",
        "markupsafe",
        "anndata",
        "h5py",
        "pandas",
        "polars",
        "jax",
        "pooch",
        "networkx",
        "fsspec",
        "distributed",
    }
    for name in modules():
        found = {i.split(".")[0] for i in imported(name, only_at_import=True)}
        assert not found & optional, name


def test_public_names_are_there() -> None:
    for name, path in modules().items():
        if "__all__ = " in path.read_text(encoding="utf-8"):
            module = importlib.import_module(name)
            for public in module.__all__:
                one = getattr(module, public)
                ours = (inspect.isroutine(one) or inspect.isclass(one)) and one.__module__.startswith(PACKAGES)
                assert one.__doc__ or not ours, f"{name}.{public}"


@pytest.mark.parametrize("package", [ifm_ident, ifm_learn], ids=PACKAGES)
def test_the_three_tables_of_lazy_public_names_agree(package: Any) -> None:
    """`__all__` is what a star imports, `_HOMES` what is found, the block under TYPE_CHECKING what mypy sees."""
    tree = parsed(sources()[package.__name__])
    [block] = [
        node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    homes = {
        alias.asname or alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert sorted(package.__all__) == package.__all__
    assert list(package._HOMES) == package.__all__
    assert homes == package._HOMES


def test_every_command_is_defined_with_an_example_that_names_it() -> None:
    context = click.Context(group, info_name="ifm")
    for name in commands():
        command = group.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert command.epilog is not None
        assert command.epilog.startswith(f"Example:  ifm {name}")


def test_library_errors_speak_of_arguments() -> None:
    """Options are the command line's; a whole command in backticks may have some."""
    for name, text in sources().items():
        if ".commands" in name or name == "ifm_ident.cli":
            continue
        for node in ast.walk(parsed(text)):
            if isinstance(node, ast.Raise):
                words = "".join(
                    str(one.value) for one in ast.walk(node) if isinstance(one, ast.Constant) and one.value
                )
                assert "--" not in re.sub(r"`ifm [^`]*`", "", words), f"{name}: {words}"


def test_public_functions_name_their_options() -> None:
    """`**options: Any` tells neither a reader nor mypy anything; the canvas hands some on to matplotlib."""
    for name, text in sources().items():
        if name == "ifm_ident.plots.canvas":
            continue
        functions = [
            one
            for node in parsed(text).body
            for one in (node.body if isinstance(node, ast.ClassDef) else [node])
            if isinstance(one, ast.FunctionDef) and not one.name.startswith("_")
        ]
        for function in functions:
            rest = function.args.kwarg
            assert rest is None or ast.unparse(rest.annotation or rest) != "Any", f"{name}.{function.name}"


def test_coverage_is_of_intervals() -> None:
    """The share of the space that a design answers is called share; only learning has intervals."""
    for path in sorted((ROOT / "ifm_ident").rglob("*")):
        if path.suffix in {".py", ".html"}:
            words = re.findall(r".*(?<!mis)coverage.*", path.read_text(encoding="utf-8"), re.IGNORECASE)
            assert not [line for line in words if "interval" not in line], path


def test_nothing_names_a_machine_path() -> None:
    suspicious = re.compile(r"/(work|farm|root|home)/[a-z]")
    environments = {path.parent for path in ROOT.glob("*/pyvenv.cfg")}
    for path in sorted(ROOT.rglob("*.py")) + sorted(ROOT.rglob("*.md")) + sorted(ROOT.rglob("*.yaml")):
        if environments.isdisjoint(path.parents) and path != Path(__file__).resolve():
            assert not suspicious.search(path.read_text(encoding="utf-8")), path
