"""Rows held out from everything that is fitted, to calibrate prediction intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ifm_ident import InputError
from ifm_ident.arrays import Ints
from ifm_learn.data.samples import Samples
from ifm_learn.randomness import stream

CALIBRATION = 0.2
"""Share of every training regime's rows that is held out by default."""

MOST = 20_000
"""More calibration rows, about, say nothing new of where units fall: those beyond are fitted to."""


@dataclass(frozen=True, eq=False)
class Held:
    """Rows split in two: `fitted`, which everything is fitted to, and `calibration`, None for no such rows.

    fitted_rows, calibration_rows: their numbers among all rows, disjoint. Of rows that belong together whole
    units are held out, and one row of each calibrates: units are what is exchangeable. note: why no row is
    held out though a share was asked for, "" otherwise.
    """

    fitted: Samples
    fitted_rows: Ints
    calibration: Samples | None
    calibration_rows: Ints
    note: str = ""

    def __len__(self) -> int:
        """The number of calibration rows."""
        return len(self.calibration_rows)


def held_out(samples: Samples, share: float, seed: int) -> Held:
    """About `share` of every training regime's rows held out at random, `MOST` rows in all; none for a share of 0.

    None either where a regime has one row (unit): the fit needs it. Raises InputError for a share outside [0, 1).

    >>> from ifm_ident import Study
    >>> design = Study.from_dict({
    ...     "interventions": {"A": [0, 1]}, "factors": [{"sigma": ["A"]}], "train": ["0", "1"],
    ... }).design
    >>> found = held_out(Samples(design, np.repeat([0, 1], 10), np.zeros((20, 1))), 0.2, seed=0)
    >>> found.fitted.sizes.tolist(), len(np.intersect1d(found.fitted_rows, found.calibration_rows))
    ([8, 8], 0)
    >>> held_out(found.fitted, 1.5, seed=0)
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: the share of calibration rows is at least 0 and below 1, got 1.5
    """
    if not 0 <= share < 1:
        raise InputError(f"the share of calibration rows is at least 0 and below 1, got {share}")
    every = np.arange(len(samples), dtype=np.int64)
    if share == 0:
        return Held(samples, every, None, every[:0])
    if samples.one_row is not None:
        note = f"no intervals of units: {samples.one_row_words}, and none is held out for them; measure more"
        return Held(samples, every, None, every[:0], note)
    rng = stream(seed, "calibration")
    held = samples.split_mask(min(share, MOST / len(samples)), rng)
    kept = every[held]
    if samples.units is not None:
        units = samples.take(held).units
        assert units is not None
        kept = kept[units.one_row_each(rng)]
    return Held(samples.take(~held), every[~held], samples.take(kept), kept)
