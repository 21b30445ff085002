"""Files that are not there, with the file that was perhaps meant."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

from ifm_ident.errors import InputError

_LOOKED_AT = 1000


def missing_file(path: Path, suffixes: Sequence[str]) -> InputError:
    """The complaint that a file does not exist, naming the nearest one in its folder with one of the suffixes.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> (folder / "study.yaml").touch()
    >>> str(missing_file(folder / "stduy.yaml", (".yaml",))).removeprefix(str(folder))
    '/stduy.yaml: there is no such file; did you mean study.yaml?'
    """
    names = []
    try:
        for _, entry in zip(range(_LOOKED_AT), path.parent.iterdir(), strict=False):
            if entry.suffix.lower() in suffixes:
                names.append(entry.name)
    except (OSError, ValueError):
        names = []
    close = difflib.get_close_matches(path.name, sorted(names), n=1, cutoff=0.75)
    remedy = f"; did you mean {close[0]}?" if close else ""
    return InputError(f"{path}: there is no such file{remedy}")
