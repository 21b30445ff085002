"""A density model that all problems of an experiment share: fitted once, sampled once."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ifm_ident import Design, Identification, Regimes
from ifm_ident.arrays import Floats
from ifm_learn.density.model import DensityModel


@dataclass(frozen=True, eq=False)
class Remembering:
    """A density model that remembers draws and log-potentials: estimators that ask alike share the work.

    Draws asked for with generators in the same state are the same draws, as of the model itself.
    """

    model: DensityModel
    known: dict[bytes, Floats] = field(default_factory=dict)

    @property
    def design(self) -> Design:
        """The model's design."""
        return self.model.design

    def require(self, regimes: Regimes) -> Identification:
        """As of the model."""
        return self.model.require(regimes)

    def sample(self, regimes: Regimes, n: int, rng: np.random.Generator) -> Floats:
        """As of the model, shape (r, n, p); a generator whose draws are remembered does not move on."""
        key = b"sample %d %s" % (n, _key(regimes)) + repr(rng.bit_generator.state).encode()
        if key not in self.known:
            self.known[key] = self.model.sample(regimes, n, rng)
        return self.known[key]

    def log_potentials(self, x: Floats, regimes: Regimes) -> Floats:
        """As of the model, shape (n, r)."""
        key = b"potentials %s" % _key(regimes) + hashlib.blake2b(x.tobytes()).digest()
        if key not in self.known:
            self.known[key] = self.model.log_potentials(x, regimes)
        return self.known[key]

    def __getstate__(self) -> dict[str, Any]:
        """Without what the model has cached of exact identification, which does not travel to other processes."""
        return {"model": dataclasses.replace(self.model), "known": self.known}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("model", "known"):  # asked for while a copy is unpickled
            raise AttributeError(name)
        return getattr(self.model, name)


def _key(regimes: Regimes) -> bytes:
    return b"|".join(part.tobytes() for part in (regimes.indptr, regimes.position, regimes.level))
