"""A density model with the rows that it was fitted to, so that a file of it is only used beside the same table."""

from __future__ import annotations

import hashlib
import json
import warnings
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ifm_ident import InputError
from ifm_ident.errors import require_whole
from ifm_learn.data.archives import ROWS, write_arrays
from ifm_learn.data.held import Held, held_out
from ifm_learn.data.samples import Samples
from ifm_learn.density._saved import SCHEMA, to_arrays
from ifm_learn.density.fit import fit_density
from ifm_learn.density.model import DensityModel
from ifm_learn.energies.grid import BINS
from ifm_learn.randomness import one_thread


@dataclass(frozen=True, eq=False)
class FittedModel:
    """A density model, and which rows of a table it was fitted to: all but a share held out by a seed.

    digest: SHA-256 of the fitted rows. notes: what the fit warned of.

    >>> from ifm_ident import Study
    >>> design = Study.from_dict({
    ...     "interventions": {"A": [0, 1]}, "factors": [{"sigma": ["A"]}], "train": ["0", "1"],
    ... }).design
    >>> rng = np.random.default_rng(0)
    >>> rows = Samples(design, np.repeat([0, 1], 50), rng.binomial(1, 0.5, size=(100, 1)).astype(float))
    >>> model = FittedModel.fit(rows, calibration=0.2)
    >>> len(model.held(rows).fitted)
    80
    >>> model.held(rows.take(np.arange(1, 100)))
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: the model was fitted to other rows than these; fit it again with `ifm fit`
    """

    density: DensityModel
    seed: int
    calibration: float
    digest: str
    notes: tuple[str, ...] = ()

    @classmethod
    @one_thread()
    def fit(
        cls,
        samples: Samples,
        *,
        seed: int = 0,
        calibration: float = 0.0,
        jobs: int = 1,
        energy: str = "mlp",
        starts: int | None = None,
        bins: int = BINS,
    ) -> FittedModel:
        """Fit to all rows but the calibration share, as `fit_density` does.

        Raises InputError for a share outside [0, 1), or a regime with too few rows to hold one out.
        """
        held = held_out(samples, calibration, seed)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            density = fit_density(held.fitted, seed=seed, jobs=jobs, energy=energy, starts=starts, bins=bins)
        notes = tuple(dict.fromkeys(str(one.message) for one in caught))
        return cls(density, seed, calibration, _digest(held.fitted), notes)

    def held(self, samples: Samples) -> Held:
        """The split of a table's rows that the model was fitted with, on the model's design: one factorisation.

        Raises InputError where the model is about another design or was fitted to other rows.
        """
        if not self.density.design.equals(samples.design):
            raise InputError("the model is about another design; fit it again with `ifm fit`")
        found = held_out(replace(samples, design=self.density.design), self.calibration, self.seed)
        if _digest(found.fitted) != self.digest:
            raise InputError("the model was fitted to other rows than these; fit it again with `ifm fit`")
        return found

    def save(self, path: Path) -> None:
        """Write to a file, whole or not at all: the arrays of the density as npz, the rest as JSON; no pickle."""
        about = {"seed": self.seed, "calibration": self.calibration, "digest": self.digest, "notes": self.notes}
        write_arrays(path, SCHEMA, *to_arrays(self.density), {ROWS: json.dumps(about)})

    @classmethod
    def load(cls, path: Path) -> FittedModel:
        """Read a file of `save`; InputError for anything else."""
        density = DensityModel.load(path)
        try:
            with zipfile.ZipFile(path) as file:
                about = json.loads(file.read(ROWS))
            seed, calibration, digest, notes = (about[name] for name in ("seed", "calibration", "digest", "notes"))
            require_whole(seed, "the seed")
            if not (isinstance(notes, list) and isinstance(digest, str) and 0 <= float(calibration) < 1):
                raise ValueError
        except (KeyError, TypeError, ValueError, RecursionError, zipfile.BadZipFile):
            raise InputError(
                f"{path}: it holds no account of the rows fitted to; write it with `ifm fit`"
            ) from None
        return cls(density, seed, float(calibration), digest, tuple(map(str, notes)))


def _digest(samples: Samples) -> str:
    found = hashlib.sha256()
    for values in (samples.regime, samples.x):
        found.update(np.ascontiguousarray(values).tobytes())
    return found.hexdigest()
