"""Samples: rows of x (and y) with the training regime of each."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ifm_ident import Design, InputError
from ifm_ident.arrays import Floats, Ints
from ifm_ident.design import format_regime
from ifm_learn.checks import refuse_covariates
from ifm_learn.data.columns import LARGEST
from ifm_learn.data.scaling import Scaling
from ifm_learn.data.units import Units


@dataclass(frozen=True, eq=False)
class Samples:
    """n rows measured in the training regimes of a design, in the units of `scaling`.

    regime: shape (n,), indices into `design.train` as written; where a training regime is repeated, its first
    index. x: shape (n, p), columns in the order of `design.model.variables`. y: shape (n,), never scaled, or
    None; of several outcomes, named `outcomes`, shape (n, k). ignored: how many rows of the table were of regimes
    outside training. unit: shape (n,), an id for what each row is of (an animal, a plate), None where rows are
    independent; rows of one unit stay together in
    `split` and `bootstrap`. notes: what the table gave reason to warn of.

    Raises InputError for wrong shapes, values that are not finite or beyond 1e100, and a training regime without
    a row.

    >>> from ifm_ident import Factor, Intervention, Model, Regimes
    >>> model = Model((Intervention("A", (0, 1)),), ("x",), (Factor("f", ("x",), ("A",)),))
    >>> design = Design(model, Regimes.from_codes(np.array([[0], [1]])))
    >>> samples = Samples(design, np.array([0, 1, 1]), np.array([[0.1], [0.9], [1.1]]))
    >>> samples.sizes.tolist(), samples.of(1).ravel().tolist()
    ([1, 2], [0.9, 1.1])
    >>> Samples(design, np.array([0, 0]), np.array([[0.1], [0.9]]))
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: training regime 1 (of 0 to 1) has no rows; measure it or leave it out of `train`
    """

    design: Design
    regime: Ints
    x: Floats
    y: Floats | None = None
    outcome: str | None = None
    scaling: Scaling | None = None
    ignored: int = 0
    unit: Ints | None = None
    notes: tuple[str, ...] = ()
    outcomes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        refuse_covariates(self.design.model, "what is fitted to samples")
        n, p = len(self.regime), len(self.design.model.variables)
        if self.x.shape != (n, p):
            raise InputError(f"x has shape {self.x.shape} where {n} rows of {p} variables are due")
        due = (n, len(self.outcomes)) if self.outcomes else (n,)
        if self.y is not None and self.y.shape != due:
            wanted = f"{n} rows of {len(self.outcomes)} outcomes" if self.outcomes else f"{n} values"
            raise InputError(f"y has shape {self.y.shape} where {wanted} are due")
        if self.unit is not None and (self.unit.shape != (n,) or self.unit.dtype.kind not in "iu"):
            raise InputError(
                f"unit has shape {self.unit.shape} and type {self.unit.dtype} where {n} integers are due"
            )
        for name, values in (("x", self.x), ("y", self.y)):
            if values is not None and not np.isfinite(values).all():
                row = int(np.argwhere(~np.isfinite(values))[0][0])
                raise InputError(f"{name} holds {values[row]} at row {row + 1}; give finite numbers")
            if values is not None and values.size and max(values.max(), -values.min()) > LARGEST:
                row = int(np.argwhere(np.abs(values) > LARGEST)[0][0])
                raise InputError(
                    f"{name} holds {values[row]} at row {row + 1}, beyond {LARGEST:g}; use larger units"
                )
        if not np.isin(self.regime, self.design.distinct).all():
            wrong = int(self.regime[~np.isin(self.regime, self.design.distinct)][0])
            raise InputError(f"{wrong} is not the first index of a training regime")
        empty = np.flatnonzero(self.sizes[self.design.distinct] == 0)
        if len(empty):
            raise InputError(
                f"training regime {int(self.design.distinct[empty[0]])} (of 0 to {len(self.design.train) - 1}) "
                "has no rows; measure it or leave it out of `train`"
            )

    @property
    def one_outcome(self) -> bool:
        """Whether y is one column, shape (n,): estimators then predict arrays of shape (r,)."""
        return self.y is not None and self.y.ndim == 1

    def __repr__(self) -> str:
        rows, variables = len(self), self.x.shape[1]
        return f"Samples({rows:,} rows of {variables} variables in {len(self.present)} training regimes)"

    def __len__(self) -> int:
        return len(self.regime)

    @cached_property
    def sizes(self) -> Ints:
        """Rows of every training regime as written, shape (m,); 0 where a regime repeats an earlier one."""
        counts: Ints = np.bincount(self.regime, minlength=len(self.design.train)).astype(np.int64)
        return counts

    @property
    def present(self) -> Ints:
        """The training indices that rows can have, ascending: `design.distinct`."""
        return self.design.distinct

    def of(self, train: int) -> Floats:
        """The x of one training regime, shape (its rows, p)."""
        rows: Floats = self.x[self.regime == train]
        return rows

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> Samples:
        """The chosen rows; every training regime must keep at least one."""
        y = None if self.y is None else self.y[rows]
        unit = None if self.unit is None else self.unit[rows]
        return dataclasses.replace(self, regime=self.regime[rows], x=self.x[rows], y=y, unit=unit)

    @property
    def one_row(self) -> int | None:
        """The index of the first training regime with one row (unit), None without one."""
        counts = self.sizes[self.present] if self.units is None else self.units.counts()
        found = self.present[counts < 2]
        return int(found[0]) if len(found) else None

    @property
    def one_row_words(self) -> str:
        """That regime and what it has, in words: "A=1 (train[1]) has one row"."""
        if self.one_row is None:
            return ""
        name = format_regime(self.design.model, self.design.train[self.one_row], "assignment")
        return f"{name} (train[{self.one_row}]) has one {'row' if self.unit is None else 'unit'}"

    @cached_property
    def units(self) -> Units | None:
        """The rows by unit; None where rows are independent."""
        return None if self.unit is None else Units.of(self.regime, self.unit)

    def split(self, share: float, rng: np.random.Generator) -> tuple[Samples, Samples]:
        """Two disjoint parts, about `share` of every training regime in the first; rows keep their order.

        Units are kept whole. Every regime needs two rows (units), so that each part holds one at least;
        InputError where one has fewer.
        """
        first = self.split_mask(share, rng)
        return self.take(first), self.take(~first)

    def split_mask(self, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Which rows are in the first part of `split`, shape (n,)."""
        if not 0 < share < 1:
            raise InputError(f"the share of a split is between 0 and 1, got {share}")
        if self.units is not None:
            return self.units.part(share, rng)
        first = np.zeros(len(self), dtype=bool)
        for train in self.present.tolist():
            rows = np.flatnonzero(self.regime == train)
            if len(rows) < 2:
                raise InputError(
                    f"training regime {train} (of 0 to {len(self.design.train) - 1}) has one row; a split needs "
                    "two or more in each regime: add rows, or hold none out, by a `calibration` share of 0",
                    argument="calibration",
                )
            count = min(max(round(share * len(rows)), 1), len(rows) - 1)
            first[rng.permutation(rows)[:count]] = True
        return first

    def bootstrap(self, rng: np.random.Generator) -> Samples:
        """Rows (whole units) drawn with replacement within every training regime, as many as it has."""
        return self.take(self.redrawn(rng))

    def redrawn(self, rng: np.random.Generator) -> Ints:
        """Indices of rows drawn with replacement within every training regime, as many as it has, shape (n,).

        Of units as many as it has are drawn, each with all its rows: their number may then be another.
        """
        if self.units is not None:
            return np.repeat(np.arange(len(self), dtype=np.int64), self.units.redrawn(rng))
        rows = [np.flatnonzero(self.regime == train) for train in self.present.tolist()]
        return np.concatenate([rng.choice(part, len(part)) for part in rows]).astype(np.int64)
