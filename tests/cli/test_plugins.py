"""What other packages add to `ifm`: their commands, and what is said of a plug-in that does not load."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from ifm_ident.commands import group
from ifm_ident.errors import MissingExtraError
from ifm_ident.plugins import PluginError, loaded, plugin
from tests.cli.running import run

HEAVY = {"numpy", "scipy", "sympy", "pyarrow", "flint", "sklearn", "matplotlib", "yaml", "tqdm"}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of packages of its own, on the path."""
    monkeypatch.syspath_prepend(tmp_path)
    group._added.cache_clear()
    yield tmp_path
    group._added.cache_clear()


def install(site: Path, group: str, name: str, place: str, source: str) -> None:
    """A distribution of one module that names one entry point."""
    (site / f"{place.split(':')[0]}.py").write_text(source)
    about = site / f"{name}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[{group}]\n{name} = {place}\n")


def test_a_plug_in_adds_a_command_and_replaces_none(site: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    source = """
import click
COMMANDS = {"weather": ("What it is like.", "sunny:command"), "plan": ("Mine.", "sunny:command")}

@click.command("weather")
def command():
    click.echo("fine")
"""
    install(site, "ifm.commands", "sunny", "sunny:COMMANDS", source)
    status, out, err = run(capfdbinary, "--help")
    assert (status, err) == (0, "")
    assert "weather       What it is like." in out
    assert "Mine." not in out
    assert run(capfdbinary, "weather") == (0, "fine\n", "")
    assert run(capfdbinary, "wether")[2].endswith("did you mean weather?\n")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import no_such_package", "does not load: No module named 'no_such_package'; install"),
        ("1 / 0", "does not load: division by zero; install"),
        ("", "does not load: module 'rainy' has no attribute 'COMMANDS'; install"),
        ("COMMANDS = 3", "is no table of commands"),
        ("COMMANDS = {'weather': 'What it is like.'}", "is no table of commands"),
    ],
)
def test_a_broken_plug_in_is_told_and_the_rest_works(
    site: Path, capfdbinary: pytest.CaptureFixture[bytes], source: str, said: str
) -> None:
    install(site, "ifm.commands", "rain", "rainy:COMMANDS", source)
    sys.modules.pop("rainy", None)
    status, out, err = run(capfdbinary, "--help")
    assert status == 0
    assert "identify" in out
    assert "estimate" in out
    assert err.startswith("ifm: the plug-in rain = rainy:COMMANDS of ifm.commands ")
    assert said in err
    assert run(capfdbinary, "estimate", "--help")[0] == 0
    status, out, err = run(capfdbinary, "wether")
    assert (status, out) == (2, "")
    assert run(capfdbinary, "identify", "--help")[2] == ""


def test_a_plug_in_that_is_not_there_is_named() -> None:
    with pytest.raises(PluginError, match=r"no installed package has the plug-in weather of ifm\.report; install"):
        plugin("ifm.report", "weather")


def test_what_the_own_plug_in_lacks_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    [one] = entry_points(group="ifm.commands", name="learn")
    monkeypatch.delitem(sys.modules, "ifm_learn.commands.fit", raising=False)
    monkeypatch.setitem(sys.modules, "ifm_learn.density.fitted", None)
    with pytest.raises(PluginError, match=r"ifm_learn\.commands\.fit:command of ifm\.commands does not load"):
        loaded(one, "ifm_learn.commands.fit:command")
    with pytest.raises(MissingExtraError, match=r"needs the package no_such: pip install 'ifm-ident\[learn\]'"):
        loaded(one, "no_such:command")


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_import_nothing_heavy_and_are_fast(option: str) -> None:
    """0.2 s of processor time on an idle machine; three times that are allowed here."""
    script = f"""
import sys, time
sys.argv = ["ifm", "{option}"]
from ifm_ident.cli import main
try:
    main()
except SystemExit:
    print(time.process_time(), *{{name.split(".")[0] for name in sys.modules}}, sep=" ", file=sys.stderr)
"""
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    seconds, *modules = found.stderr.split()
    assert "ifm" in found.stdout
    assert not set(modules) & HEAVY
    assert float(seconds) < 0.6


def test_identify_imports_what_it_needs() -> None:
    """A third of its start-up, once: the solvers of other objectives, and data frames."""
    script = (
        "import sys\nfrom ifm_ident.commands.group import group\n"
        "group.get_command(None, 'identify')\nprint(*sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert "scipy.sparse" in found.stdout.split()
    assert not {"scipy.optimize", "pandas", "sympy", "networkx"} & set(found.stdout.split())


def test_the_packages_import_nothing_heavy() -> None:
    script = "import sys, ifm_ident, ifm_learn; print(*{name.split('.')[0] for name in sys.modules})"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert not set(found.stdout.split()) & HEAVY
