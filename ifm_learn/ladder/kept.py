"""Fitted ladders as plain arrays and a JSON header, and back, beside the rows that they were fitted to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ifm_ident.arrays import Floats
from ifm_ident.errors import require_whole
from ifm_learn.data.archives import Arrays, numbers
from ifm_learn.data.samples import Samples
from ifm_learn.ladder._law import FARTHEST, Law, ParametricLaw
from ifm_learn.ladder._redraw import Units
from ifm_learn.ladder._selection import Scores
from ifm_learn.ladder.average import REDRAWS, REPLICATES, Ladder, refits_of
from ifm_learn.ladder.rungs import PARAMETRIC
from ifm_learn.randomness import stream


@dataclass(frozen=True, eq=False)
class KeptLadder:
    """What fitting a ladder found; rows, units and how they were redrawn tell the rest.

    rungs: of every law, with parameters at the fit, each shape (m,); refits: of the chosen ones, shape
    (replicates, m). scores: held-out ones by unit, or None for one rung. Others as in `Ladder`.
    """

    rungs: tuple[str, ...]
    fits: tuple[Floats, ...]
    refused: dict[str, str]
    scores: Floats | None
    chosen: tuple[int, ...]
    weights: Floats
    refits: tuple[Floats, ...]

    @classmethod
    def of(cls, ladder: Ladder) -> KeptLadder:
        """Of a fitted ladder."""
        return cls(
            tuple(law.rung for law in ladder.laws),
            tuple(_parameters(law) for law in ladder.laws),
            ladder.refused,
            None if ladder.scores is None else ladder.scores.units,
            ladder.chosen,
            ladder.weights,
            tuple(np.stack([_parameters(law) for law in refits]) for refits in ladder.refits),
        )

    @property
    def rungs_chosen(self) -> tuple[str, ...]:
        """The names of those that are averaged."""
        return tuple(self.rungs[k] for k in self.chosen)

    def ladder(self, samples: Samples, seed: int) -> Ladder:
        """The ladder as it was fitted to these rows by this seed; ValueError where the two do not fit."""
        units, due = Units.of(samples, samples.unit), refits_of(len(samples))
        if len(self.refits[0]) != due:
            raise ValueError(f"{len(self.refits[0])} refits where {due} of {len(samples):,} rows are due")
        scores = self._scores(units)
        once, rng = np.ones((1, len(samples))), stream(seed, REDRAWS)
        redraws = np.stack([units.redraw(rng) for _ in range(due)])
        laws = tuple(
            PARAMETRIC[name].restored(samples, once, fit[None])[0]
            for name, fit in zip(self.rungs, self.fits, strict=True)
        )
        refits = tuple(
            PARAMETRIC[self.rungs[k]].restored(samples, redraws, found)
            for k, found in zip(self.chosen, self.refits, strict=True)
        )
        return Ladder(samples, units, laws, self.refused, scores, self.chosen, self.weights, redraws, refits)

    def _scores(self, units: Units) -> Scores | None:
        """The scores of these units; ValueError where they are of others, or weights do not follow from them."""
        if self.scores is None:
            return None
        found, count = Scores(self.rungs, self.scores), len(units.stratum)
        if self.scores.shape[1] != count:
            raise ValueError(f"scores of {self.scores.shape[1]:,} units where {count:,} are due")
        weights = found.weights()[list(self.chosen)]
        if not np.allclose(self.weights * weights.sum(), weights, rtol=0, atol=1e-9):
            raise ValueError("the weights of models do not follow from their scores")
        return found

    def to_arrays(self, place: int) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """A JSON header and plain arrays, named by the ladder's place in a file."""
        header = {"rungs": list(self.rungs), "refused": self.refused, "chosen": list(self.chosen)}
        arrays = {f"weights{place}": self.weights}
        if self.scores is not None:
            arrays[f"scores{place}"] = self.scores
        arrays |= {f"law{place}x{k}": fit for k, fit in enumerate(self.fits)}
        arrays |= {f"refits{place}x{k}": found for k, found in zip(self.chosen, self.refits, strict=True)}
        return header, arrays

    @classmethod
    def from_arrays(cls, header: Mapping[str, Any], arrays: Arrays, place: int) -> KeptLadder:
        """Of `to_arrays`; ValueError or LookupError where something is missing or does not fit."""
        rungs, chosen = tuple(header["rungs"]), tuple(header["chosen"])
        if not rungs or len(set(rungs)) < len(rungs) or not set(rungs) <= set(PARAMETRIC):
            raise ValueError(f"the models {rungs!r} are none, or not known")
        for k in chosen:
            require_whole(k, "the place of a model")
        if list(chosen) != sorted(set(chosen)) or not chosen or not all(k in range(len(rungs)) for k in chosen):
            raise ValueError(f"the models chosen, {chosen!r}, are not among {len(rungs)}")
        weights = numbers(arrays, f"weights{place}")
        if weights.shape != (len(chosen),) or not (weights > 0).all() or not abs(weights.sum() - 1) < 1e-9:
            raise ValueError("the weights of models do not add up to 1")
        scores = numbers(arrays, f"scores{place}") if f"scores{place}" in arrays else None
        if (len(rungs) > 1) != (scores is not None):
            raise ValueError("scores are of several models, and of all")
        if scores is not None and (
            scores.ndim != 2 or len(scores) != len(rungs) or not (np.abs(scores) <= FARTHEST).all()
        ):
            raise ValueError("the scores do not fit the models, or hold what is no number")
        refits = tuple(numbers(arrays, f"refits{place}x{k}") for k in chosen)
        counts = {len(found) for found in refits if found.ndim == 2}
        if len(counts) != 1 or not 2 <= min(counts) <= REPLICATES or any(found.ndim != 2 for found in refits):
            raise ValueError("the refits of models differ in number, or are none")
        refused = {str(name): str(why) for name, why in dict(header["refused"]).items()}
        fits = tuple(numbers(arrays, f"law{place}x{k}") for k in range(len(rungs)))
        return cls(rungs, fits, refused, scores, chosen, weights, refits)


def _parameters(law: Law) -> Floats:
    assert isinstance(law, ParametricLaw)  # an average has no others
    return law.parameters


def names_of(place: int, header: Mapping[str, Any]) -> Iterator[str]:
    """The arrays of a ladder with this header."""
    yield f"weights{place}"
    if len(header["rungs"]) > 1:
        yield f"scores{place}"
    yield from (f"law{place}x{k}" for k in range(len(header["rungs"])))
    yield from (f"refits{place}x{k}" for k in header["chosen"])
