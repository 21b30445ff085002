"""The layers of the packages, read from their imports, and the public names."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from functools import cache
from pathlib import Path

import click
import pytest

import ifm_ident
import ifm_learn
from ifm_ident.cli import COMMANDS, group

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("ifm_ident", "ifm_learn")


@cache
def modules() -> dict[str, Path]:
    names = {}
    for path in sorted(p for package in PACKAGES for p in (ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


@cache
def imports(path: Path, *, only_at_import: bool = False) -> frozenset[str]:
    """The modules that a file imports; `from package import module` counts as the module, not the package."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
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

    visit(tree)
    return frozenset(found)


def reached(start: str, besides: str) -> set[str]:
    """Project modules that a module imports, directly or not, without going through `besides`."""
    known = modules()
    seen: set[str] = set()
    queue = [start]
    while queue:
        for name in imports(known[queue.pop()]):
            if name in known and name not in seen and name != besides:
                seen.add(name)
                queue.append(name)
    return seen


def test_imports_form_no_cycle() -> None:
    known = modules()
    edges = {name: {i for i in imports(path, only_at_import=True) if i in known} for name, path in known.items()}
    for package in PACKAGES:
        edges.pop(package)
    left = {name: targets - set(PACKAGES) for name, targets in edges.items()}
    while left:
        free = [name for name, targets in left.items() if not targets & left.keys()]
        assert free, f"import cycle among {sorted(left)}"
        for name in free:
            del left[name]


def test_flint_has_its_doors() -> None:
    users = {name for name, path in modules().items() if any(i.split(".")[0] == "flint" for i in imports(path))}
    assert users <= {"ifm_ident.solve.exact._dense", "ifm_ident.solve.exact.lattice"}
    assert "ifm_ident.solve.exact._dense" in users


def test_verification_shares_nothing_with_the_solver() -> None:
    checkers = [name for name in modules() if name.startswith("ifm_ident.verification.")]
    assert checkers
    solver = re.compile(r"ifm_ident\.(exact|incidence|identify|messages|objectives)\b")
    for name in checkers:
        # a study file is only read to compare its contents with the result's header
        shared = {module for module in reached(name, besides="ifm_ident.study.study") if solver.match(module)}
        assert not shared, f"{name} reaches {sorted(shared)}"


@pytest.mark.parametrize("package", PACKAGES)
def test_lower_layers_do_not_know_commands(package: str) -> None:
    doors = ("ifm_ident.commands", "ifm_learn.commands", "ifm_ident.cli", "click")
    for name, path in modules().items():
        if name.startswith(package) and ".commands" not in name and name != "ifm_ident.cli":
            assert not any(i.startswith(doors) for i in imports(path)), name


def test_identification_does_not_know_learning() -> None:
    for name, path in modules().items():
        if name.split(".")[0] == "ifm_ident":
            assert not any(i.split(".")[0] == "ifm_learn" for i in imports(path)), name


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
    users = {name for name, path in modules().items() if any(i.split(".")[0] == package for i in imports(path))}
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
    }
    for name, path in modules().items():
        found = {i.split(".")[0] for i in imports(path, only_at_import=True)}
        assert not found & optional, name


def test_public_names_are_there() -> None:
    assert sorted(ifm_ident.__all__) == ifm_ident.__all__
    for name, path in modules().items():
        if "__all__ = " in path.read_text(encoding="utf-8"):
            module = importlib.import_module(name)
            for public in module.__all__:
                one = getattr(module, public)
                assert one.__doc__ or (not inspect.isroutine(one) and not inspect.isclass(one)), f"{name}.{public}"


def test_the_three_tables_of_lazy_public_names_agree() -> None:
    """`__all__` is what a star imports, `_HOMES` what is found, the block under TYPE_CHECKING what mypy sees."""
    tree = ast.parse(modules()["ifm_learn"].read_text(encoding="utf-8"))
    [block] = [
        node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    homes = {
        alias.asname or alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert sorted(ifm_learn.__all__) == ifm_learn.__all__
    assert list(ifm_learn._HOMES) == ifm_learn.__all__
    assert homes == {name: f"ifm_learn.{home}" for name, home in ifm_learn._HOMES.items()}


def test_every_command_is_defined_with_an_example_that_names_it() -> None:
    context = click.Context(group, info_name="ifm")
    for name in COMMANDS:
        command = group.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert command.epilog is not None
        assert command.epilog.startswith(f"Example:  ifm {name}")


def test_nothing_names_a_machine_path() -> None:
    suspicious = re.compile(r"/(work|farm|root|home)/[a-z]")
    for path in sorted(ROOT.rglob("*.py")) + sorted(ROOT.rglob("*.md")) + sorted(ROOT.rglob("*.yaml")):
        if ".venv" not in path.parts and path != Path(__file__).resolve():
            assert not suspicious.search(path.read_text(encoding="utf-8")), path
