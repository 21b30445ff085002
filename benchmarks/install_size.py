"""What an installation takes: packages and megabytes of the core and of its extras, in fresh environments.

python benchmarks/install_size.py -o benchmarks
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parent.parent
KINDS = ("", "learn", "all")


def size(folder: Path) -> float:
    """Megabytes of the files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def measured(extra: str, folder: Path) -> tuple[int, float, str]:
    """Packages, megabytes, and the largest folders of an environment with one extra."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    asked = f"{ROOT}[{extra}]" if extra else str(ROOT)
    subprocess.run([python, "-m", "pip", "install", "-q", asked], check=True)
    listed = subprocess.run(
        [python, "-m", "pip", "list", "--format=freeze"], check=True, capture_output=True, text=True
    )
    packages = [line for line in listed.stdout.splitlines() if not line.startswith(("pip=", "setuptools="))]
    [site] = folder.glob("lib/python*/site-packages")
    parts = {part.name: size(part) for part in site.iterdir() if part.is_dir() and not part.name.startswith("pip")}
    largest = sorted(parts, key=lambda name: -parts[name])[:4]
    return len(packages), sum(parts.values()), ", ".join(f"{name} {parts[name]:.0f}" for name in largest)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path)
    output = parser.parse_args().output
    lines = [
        "# What an installation takes",
        "",
        f"`python benchmarks/install_size.py`, Python {sys.version.split()[0]}, {sys.platform}: packages in a",
        "fresh environment, ifm-ident among them, and megabytes on the disk.",
        "",
        "| installed | packages | MB | largest, MB |",
        "| --- | ---: | ---: | --- |",
    ]
    for extra in KINDS:
        with tempfile.TemporaryDirectory() as folder:
            count, megabytes, largest = measured(extra, Path(folder) / "env")
        name = f"`ifm-ident[{extra}]`" if extra else "`ifm-ident`"
        lines.append(f"| {name} | {count} | {megabytes:.0f} | {largest} |")
    text = "\n".join(lines) + "\n"
    if output is None:
        sys.stdout.write(text)
    else:
        (output / "install_size.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
