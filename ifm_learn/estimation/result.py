"""Estimates of regimes by one method: the numbers in columns, how they are shown, and as a data frame."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ifm_ident import Design, Regimes, Status
from ifm_ident.arrays import Floats
from ifm_ident.design import Notation, format_regimes
from ifm_ident.tabular import Tabular
from ifm_ident.views import view

if TYPE_CHECKING:
    import pyarrow as pa

    from ifm_learn.estimation.regime_sensitivity import RegimeSensitivity
    from ifm_learn.estimation.shrinkage import Shrinkage


@dataclass(repr=False, frozen=True, eq=False)
class Estimates(Tabular):
    """Estimates of r regimes for k targets: the outcome, or every x-variable where there is none.

    Arrays have the names of the columns of the files. status: `Status` codes, shape (r,). outcomes: names of the
    targets; without_outcome: whether they are the variables. mean, se, confidence_low, _high, prediction_low and
    _high (for a fresh unit, ends may be infinite), additive (the additive baseline's mean, beside): shape (r, k),
    nan where there is no number. ess: effective sample size of the training rows' weights, shape (r,);
    prediction_ess: of the calibration rows', shape (r, k). guarantee: of the prediction interval, shape (r, k), ""
    for none. note: why there is no number, or what makes it weak, shape (r,), "" for nothing. alpha: as it was
    written. rows, calibration: how many rows were fitted to, and how many calibrate the prediction intervals;
    ignored: how many were of regimes outside training. sensitivity: of unseen regimes, where it was asked for.
    flags: what weakens a number, in words of docs/reference/results.md, for every regime and target; models: what
    answered it, with weights. support: how far rows stand behind a regime, 0 to 1, shape (r,); tested: whether
    some claim with rows enough bears on it, () where that was not looked at. energy: how the densities
    were modelled, with the models compared; empty for methods without one. units: what the numbers of a target
    are of where these are not raw, such as "log x" or "(x - 20.5) / 1.2"; "" for raw ones, () where all are.
    shrunk: how far means of unseen regimes are pulled towards a simpler estimate, where that was asked for.
    remainder: what is still determined of a refused regime, in words such as "x2 given x1", shape (r,), "" for
    nothing; () where no regime has any. covariates: what means are adjusted for, over which population, with
    the overlap; groups: of every row the value of the covariate that it is about, () where means are over the
    whole population. half_levels: where half of an intervention's largest effect is reached, as in the JSON,
    where that was asked for.
    """

    name: str
    design: Design
    notation: Notation
    method: str
    words: str
    needs_identification: bool
    seed: int
    alpha: str
    regimes: Regimes
    status: NDArray[np.int8]
    outcomes: tuple[str, ...]
    without_outcome: bool
    mean: Floats
    se: Floats
    confidence_low: Floats
    confidence_high: Floats
    prediction_low: Floats
    prediction_high: Floats
    ess: Floats
    prediction_ess: Floats
    guarantee: NDArray[np.str_]
    additive: Floats
    note: tuple[str, ...]
    warnings: tuple[str, ...]
    rows: int
    calibration: int
    ignored: int = 0
    sensitivity: tuple[RegimeSensitivity, ...] = ()
    units: tuple[str, ...] = ()
    support: Floats | None = None
    flags: tuple[tuple[tuple[str, ...], ...], ...] = ()
    models: tuple[tuple[Mapping[str, float], ...], ...] = ()
    tested: tuple[bool, ...] = ()
    energy: Mapping[str, Any] = field(default_factory=dict)
    effects: tuple[tuple[Mapping[str, Any], ...], ...] = ()
    reference: str = ""
    shrunk: Shrinkage | None = None
    remainder: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    covariates: Mapping[str, Any] = field(default_factory=dict)
    half_levels: tuple[Mapping[str, Any], ...] = ()

    def __len__(self) -> int:
        return len(self.regimes)

    def take(self, rows: NDArray[np.integer]) -> Estimates:
        """Some regimes, in the order given."""
        columns = (
            "status", "mean", "se", "confidence_low", "confidence_high", "prediction_low", "prediction_high",
            "ess", "prediction_ess", "guarantee", "additive",
        )  # fmt: skip
        return dataclasses.replace(
            self,
            regimes=self.regimes.take(rows),
            note=tuple(self.note[i] for i in rows.tolist()),
            support=None if self.support is None else self.support[rows],
            flags=tuple(self.flags[i] for i in rows.tolist()) if self.flags else (),
            models=tuple(self.models[i] for i in rows.tolist()) if self.models else (),
            effects=tuple(self.effects[i] for i in rows.tolist()) if self.effects else (),
            tested=tuple(self.tested[i] for i in rows.tolist()) if self.tested else (),
            groups=tuple(self.groups[i] for i in rows.tolist()) if self.groups else (),
            remainder=tuple(self.remainder[i] for i in rows.tolist()) if self.remainder else (),
            sensitivity=tuple(
                dataclasses.replace(one, row=new)
                for new, old in enumerate(rows.tolist())
                for one in self.sensitivity
                if one.row == old
            ),
            **{name: getattr(self, name)[rows] for name in columns},
        )

    @property
    def named(self) -> bool:
        """Whether every number says what it is of: a variable, or one of several outcomes."""
        return self.without_outcome or len(self.outcomes) > 1

    def unit(self, column: int) -> str:
        """What the numbers of a target are of; "" where these are raw."""
        return self.units[column] if self.units else ""

    def names(self) -> list[str]:
        """The regimes as text, in the study's notation."""
        found: list[str] = format_regimes(self.design.model, self.regimes, self.notation).to_pylist()
        return found

    def words_of(self, row: int) -> str:
        """The verdict on a regime."""
        return Status(int(self.status[row])).word

    def mapping(self) -> Mapping[str, Any]:
        """The result as the JSON object `ifm-estimate/1` (docs/reference/results.md)."""
        found: Mapping[str, Any] = view(self, "json")
        return found

    def to_anndata(self) -> Any:
        """One row a regime, one column an outcome: means in X, and in `layers` lower, upper, se and others.

        `obs` has `perturbation` (the regime), `nperts` (interventions off baseline), `status`, `ess`, `support`,
        `note`, `flags` (of any outcome, with spaces between) and one column of booleans for each flag that is
        there. What is not known is nan. Raises MissingExtraError where anndata is not installed.

        >>> from ifm_ident import Study
        >>> from ifm_learn import estimate_study
        >>> study = Study.from_dict({
        ...     "interventions": {"A": [0, 1]}, "factors": [{"sigma": ["A"]}], "train": ["ctrl", "A"],
        ... })
        >>> table = {"A": [0, 1] * 30, "x": [0.01 * i * (1 + i % 2) for i in range(60)]}
        >>> found = estimate_study(study, table, method="mean", calibration=0).to_anndata()
        >>> list(found.obs_names), list(found.var_names), found.X.round(3).ravel().tolist()
        (['ctrl', 'A'], ['x'], [0.445, 0.445])
        """
        return view(self, "anndata")

    def to_arrow(self) -> pa.Table:
        """One row a regime and target; infinite ends as such, null where there is no number."""
        return view(self, "arrow")
