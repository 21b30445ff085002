"""The harnesses guided by coverage, with atheris: `python -m tests.fuzz.guided NAME -max_total_time=3600`.

Options after the name are libFuzzer's; `-runs=1000` ends after so many, a folder keeps what found new branches.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path


def main() -> None:
    """Run the harness of the first argument until it fails or libFuzzer's options end it."""
    try:
        import atheris
    except ImportError:
        sys.exit("this needs the package atheris: pip install atheris")
    with atheris.instrument_imports(include=["ifm_ident", "ifm_learn"]):
        from tests.fuzz.harnesses import HARNESSES, outcome
    if len(sys.argv) < 2 or sys.argv[1] not in HARNESSES:
        sys.exit(f"name a harness: {', '.join(HARNESSES)}")
    name, folder = sys.argv.pop(1), Path(tempfile.mkdtemp())

    def once(data: bytes) -> None:
        outcome(name, data, folder)

    atheris.Setup(sys.argv, once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
