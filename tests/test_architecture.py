"""The layers of the packages, read from their imports, and the public names."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import ifm_ident

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "ifm_ident"


def modules() -> dict[str, Path]:
    names = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


def imports(path: Path, *, only_at_import: bool = False) -> set[str]:
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
                found.add(child.module)
            visit(child)

    visit(tree)
    return found


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
    edges.pop("ifm_ident")
    left = {name: targets - {"ifm_ident"} for name, targets in edges.items()}
    while left:
        free = [name for name, targets in left.items() if not targets & left.keys()]
        assert free, f"import cycle among {sorted(left)}"
        for name in free:
            del left[name]


def test_flint_has_its_doors() -> None:
    users = {name for name, path in modules().items() if any(i.split(".")[0] == "flint" for i in imports(path))}
    assert users <= {"ifm_ident.exact.dense", "ifm_ident.exact.lattice"}
    assert "ifm_ident.exact.dense" in users


def test_verification_shares_nothing_with_the_solver() -> None:
    checkers = [name for name in modules() if name.startswith("ifm_ident.verification.")]
    assert checkers
    solver = re.compile(r"ifm_ident\.(exact|incidence|identify|messages|objectives)\b")
    for name in checkers:
        # a study file is only read to compare its contents with the result's header
        shared = {module for module in reached(name, besides="ifm_ident.study") if solver.match(module)}
        assert not shared, f"{name} reaches {sorted(shared)}"


def test_lower_layers_do_not_know_commands_or_learning() -> None:
    for name, path in modules().items():
        found = imports(path)
        assert not any(i.split(".")[0] == "ifm_learn" for i in found), name
        if "commands" not in name and name != "ifm_ident.cli":
            assert not any(i.startswith(("ifm_ident.commands", "ifm_ident.cli", "click")) for i in found), name


def test_public_names_are_there() -> None:
    assert sorted(ifm_ident.__all__) == ifm_ident.__all__
    for name in ifm_ident.__all__:
        assert getattr(ifm_ident, name).__doc__


def test_every_command_is_defined() -> None:
    from ifm_ident.cli import COMMANDS

    for name in COMMANDS:
        assert importlib.import_module(f"ifm_ident.commands.{name}").command.name == name


def test_nothing_names_a_machine_path() -> None:
    suspicious = re.compile(r"/(work|farm|root|home)/[a-z]")
    for path in sorted(ROOT.rglob("*.py")) + sorted(ROOT.rglob("*.md")) + sorted(ROOT.rglob("*.yaml")):
        if ".venv" not in path.parts and path != Path(__file__).resolve():
            assert not suspicious.search(path.read_text(encoding="utf-8")), path
