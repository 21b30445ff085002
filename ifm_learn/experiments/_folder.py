"""A folder that an interrupted experiment continues from: settings, one file a finished problem."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ifm_ident import InputError
from ifm_ident.files import UNFINISHED, open_output
from ifm_learn.data.samples import Samples
from ifm_learn.density.model import DensityModel


@dataclass(frozen=True, slots=True)
class Folder:
    """Finished problems of one experiment; files appear whole or not at all.

    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp()) / "run"
    >>> folder = Folder.open(place, {"seed": 0})
    >>> folder.write(3, {"mean": [0.5]})
    >>> Folder.open(place, {"seed": 0}).finished()
    [3]
    >>> Folder.open(place, {"seed": 1})
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: ...run holds an experiment with seed 0, this one has 1; name another folder, or remove that one
    """  # noqa: E501

    path: Path

    @classmethod
    def open(cls, path: Path, settings: Mapping[str, object]) -> Folder:
        """The folder for these settings, made where there is none.

        Raises InputError for a folder of other settings, which it names, and for one that holds something else.
        """
        text = json.dumps(settings, indent=1) + "\n"
        file = path / "settings.json"
        if file.exists():
            try:
                known = json.loads(file.read_bytes())
            except ValueError:
                known = None
            if not isinstance(known, dict):
                raise InputError(f"{file} is no settings file of an experiment; name another folder")
            for name in {**known, **json.loads(text)}:
                there, here = known.get(name), json.loads(text).get(name)
                if there != here:
                    raise InputError(
                        f"{path} holds an experiment with {name} {_shown(there)}, this one has {_shown(here)}; "
                        "name another folder, or remove that one"
                    )
        elif path.exists() and (not path.is_dir() or not _untouched(path)):
            raise InputError(f"{path} exists and holds no experiment; name another folder")
        try:
            (path / "problems").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot write into {path}: {error.strerror}; name another folder") from None
        if not file.exists():
            with open_output(file) as stream:
                stream.write(text.encode())
        return cls(path)

    def _file(self, number: int) -> Path:
        return self.path / "problems" / f"{number:04d}.json"

    def finished(self) -> list[int]:
        """The numbers of the problems that are done, ascending."""
        return sorted(int(file.stem) for file in (self.path / "problems").glob("[0-9]*.json"))

    def write(self, number: int, found: Mapping[str, object]) -> None:
        """Keep a finished problem."""
        with open_output(self._file(number), force=True) as stream:
            stream.write((json.dumps(found) + "\n").encode())

    def read(self, number: int) -> dict[str, Any]:
        """A finished problem; InputError for a file that is none."""
        try:
            found: dict[str, Any] = json.loads(self._file(number).read_bytes())
        except ValueError:
            raise InputError(f"{self._file(number)} is damaged; remove it, and it is computed anew") from None
        return found

    def density(self, name: str, fit: Callable[[], DensityModel]) -> DensityModel:
        """The model kept under a name, fitted and kept where there is none; always as read from its file."""
        file = self.path / f"{name}.npz"
        if not file.exists():
            fit().save(file)
        return DensityModel.load(file)

    def keep_training(self, samples: Samples) -> None:
        """Keep the truth's training rows, x and regime, in training.npz."""
        stream = io.BytesIO()
        np.savez(stream, x=samples.x, regime=samples.regime)
        with open_output(self.path / "training.npz", force=True) as out:
            out.write(stream.getvalue())

    def note(self, texts: Sequence[str]) -> None:
        """Keep what the fits had to say."""
        with open_output(self.path / "notes.json", force=True) as stream:
            stream.write((json.dumps(list(texts), indent=1) + "\n").encode())

    def notes(self) -> tuple[str, ...]:
        """What the fits had to say, nothing where none was kept."""
        file = self.path / "notes.json"
        return tuple(json.loads(file.read_bytes())) if file.exists() else ()


def _untouched(path: Path) -> bool:
    """Whether a folder is empty, but for what a run has left that was killed before it knew its settings."""
    return all(
        one.name.endswith(UNFINISHED) or (one.name == "problems" and _untouched(one)) for one in path.iterdir()
    )


def _shown(value: object) -> str:
    return "none" if value is None else json.dumps(value)
