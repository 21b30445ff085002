"""An average over models, or one of them, with the rows that it was fitted to, and a file of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np

from ifm_ident import Design, InputError
from ifm_ident.errors import require_whole
from ifm_learn.data.archives import damaged, design_header, design_of, read_arrays, schema_of, write_arrays
from ifm_learn.data.held import Held, held_out
from ifm_learn.data.samples import Samples
from ifm_learn.density.fitted import FittedModel
from ifm_learn.estimation._ladder_work import LadderWork
from ifm_learn.ladder.kept import KeptLadder, names_of
from ifm_learn.ladder.rungs import AUTO, TABLES, check_energy
from ifm_learn.randomness import checked_seed, one_thread

SCHEMA = "ifm-ladder/1"

_OTHER = "the model was fitted to other rows than these; fit it again with `ifm fit`"


@dataclass(frozen=True, eq=False)
class FittedLadder:
    """What fits and refits of an energy found, and which rows of a table they were fitted to.

    digest: SHA-256 of the fitted rows, their scaling, outcomes and units. ladders: of x, and of x and the outcome
    where E[y | x] was found to differ between regimes. dropped: models that were not tried, and why.

    >>> from ifm_ident import Study
    >>> design = Study.from_dict({"interventions": {"A": [0, 1], "B": [0, 1]}, "factors": [{"sigma": ["A"]},
    ...     {"sigma": ["B"]}], "train": ["00", "10", "01"]}).design
    >>> x = np.random.default_rng(0).normal(size=(90, 1))
    >>> rows = Samples(design, np.repeat([0, 1, 2], 30), x)
    >>> model = FittedLadder.fit(rows, energy="linear", calibration=0.2)
    >>> len(model.held(rows).fitted), model.ladders[0].rungs
    (72, ('linear',))
    >>> model.held(rows.take(np.arange(1, 90)))
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: the model was fitted to other rows than these; fit it again with `ifm fit`
    """

    design: Design
    energy: str
    seed: int
    calibration: float
    digest: str
    ladders: tuple[KeptLadder, ...]
    dropped: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    @one_thread()
    def fit(
        cls,
        samples: Samples,
        *,
        energy: str = AUTO,
        seed: int = 0,
        calibration: float = 0.0,
        time_limit: float | None = None,
        say: Callable[[str], None] | None = None,
    ) -> FittedLadder:
        """Fit to all rows but the calibration share what `estimate_study` fits for this energy.

        say: told what is fitted, and what it takes by forecast.

        Raises InputError for an energy of tables (`FittedModel` keeps those), a share outside [0, 1), rows that
        no model describes.
        """
        if check_energy(energy) in TABLES:
            raise InputError(f"the energy {energy!r} is kept as tables; take FittedModel.fit", argument="energy")
        held, seed = held_out(samples, calibration, seed), checked_seed(seed)
        work = LadderWork.fit(held, "ifm1", energy, Fraction(1, 10), seed, time_limit, say=say)
        ladders = tuple(KeptLadder.of(one) for one in (work.ladder, work.wider) if one is not None)
        return cls(samples.design, energy, seed, calibration, _digest(held.fitted), ladders, work.dropped)

    def held(self, samples: Samples) -> Held:
        """The split of a table's rows that the model was fitted with.

        Raises InputError where the model is about another design or was fitted to other rows.
        """
        if not self.design.equals(samples.design):
            raise InputError("the model is about another design; fit it again with `ifm fit`")
        found = held_out(samples, self.calibration, self.seed)
        if _digest(found.fitted) != self.digest:
            raise InputError(_OTHER)
        return found

    def work(self, held: Held, method: str, level: Fraction) -> LadderWork:
        """The fits, asked by a method; nothing is fitted but the outcome's regression.

        Raises InputError where the file does not hold what these rows need.
        """
        try:
            return LadderWork.fit(
                held, method, self.energy, level, self.seed, kept=self.ladders, dropped=self.dropped
            )
        except (ValueError, LookupError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"the model is damaged ({error}); fit it again with `ifm fit`") from None

    def save(self, path: Path) -> None:
        """Write to a file, whole or not at all: parameters as npz, the rest as JSON; no rows, no pickle."""
        parts = [one.to_arrays(place) for place, one in enumerate(self.ladders)]
        header = {
            "design": design_header(self.design),
            "energy": self.energy,
            "seed": self.seed,
            "calibration": self.calibration,
            "digest": self.digest,
            "dropped": dict(self.dropped),
            "ladders": [one for one, _ in parts],
        }
        write_arrays(path, SCHEMA, header, {name: array for _, own in parts for name, array in own.items()})

    @classmethod
    def load(cls, path: Path) -> FittedLadder:
        """Read a file of `save`. InputError, in words, for one that is missing, damaged or something else."""
        header, arrays = read_arrays(path, SCHEMA)
        with damaged(path):
            seed, calibration, digest = (header[name] for name in ("seed", "calibration", "digest"))
            require_whole(seed, "the seed")
            if not (isinstance(digest, str) and 0 <= float(calibration) < 1 and 1 <= len(header["ladders"]) <= 2):
                raise ValueError("the account of the rows fitted to is none")
            due = {name for place, one in enumerate(header["ladders"]) for name in names_of(place, one)}
            if due != set(arrays):
                raise ValueError(f"the arrays {sorted(due ^ set(arrays))[:3]} are missing, or belong to nothing")
            energy = check_energy(str(header["energy"]))
            ladders = [KeptLadder.from_arrays(one, arrays, place) for place, one in enumerate(header["ladders"])]
            if energy in TABLES or (energy != AUTO and [one.rungs for one in ladders] != [(energy,)]):
                raise ValueError(f"the models are not what the energy {energy!r} fits")
            return cls(
                design_of(header["design"]),
                energy,
                seed,
                float(calibration),
                digest,
                tuple(ladders),
                {str(name): str(why) for name, why in dict(header["dropped"]).items()},
            )


def load_fitted(path: Path) -> FittedModel | FittedLadder:
    """A file of `ifm fit`, of either kind; InputError, in words, for anything else."""
    return FittedLadder.load(path) if schema_of(path) == SCHEMA else FittedModel.load(path)


def _digest(samples: Samples) -> str:
    found = hashlib.sha256()
    scaling = samples.scaling
    scaled = (None,) if scaling is None else (scaling.shift, scaling.unit, scaling.log)
    for values in (samples.regime, samples.x, samples.y, samples.unit, *scaled):
        found.update(b"none" if values is None else np.ascontiguousarray(values).tobytes())
    return found.hexdigest()
