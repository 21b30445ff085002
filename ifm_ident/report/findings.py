"""What the estimates say: rows of `ifm-estimate/1`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ifm_ident.design.notation import format_regime, parse_map
from ifm_ident.errors import InputError
from ifm_ident.plots import Interval
from ifm_ident.report.result_files import number_of, number_text, pair_of, pair_text, require_schema, results_of
from ifm_ident.results.header import StudyLike, shown

ESTIMATES = "ifm-estimate/1"

GUARANTEES = {
    "exact-ratio": "true density ratios: the prediction interval covers at its level or above in finite samples",
    "estimated-ratio": "estimated density ratios: the coverage can fall short by half the mean absolute error "
    "of the normalised weights",
    "asymptotic": "too few calibration rows, or too little overlap: the coverage holds in the limit of many rows",
}
"""What each word of `guarantee` means (docs/theory/conformal.md)."""

_COLUMNS = (
    "regime",
    "of",
    "verdict",
    "mean",
    "standard error",
    "confidence",
    "prediction",
    "effective sample size",
    "guarantee",
)


@dataclass(frozen=True, slots=True)
class Estimate:
    """An estimate of a regime; numbers are None where there are none."""

    name: str
    outcome: str
    status: str
    mean: float | None
    se: float | None
    confidence: tuple[float, float] | None
    prediction: tuple[float, float] | None
    ess: float | None
    guarantee: str | None
    note: str

    @property
    def interval(self) -> Interval | None:
        """What the picture draws; None without a mean."""
        if self.mean is None:
            return None
        name = f"{self.name}, {self.outcome}" if self.outcome else self.name
        return Interval(name, self.mean, self.confidence, self.prediction)


@dataclass(frozen=True, slots=True)
class Estimates:
    """The estimates of a study by one method."""

    method: str
    alpha: str
    seed: str
    rows: tuple[Estimate, ...]
    warnings: tuple[str, ...] = ()

    @property
    def intervals(self) -> list[Interval]:
        """What the picture draws."""
        return [interval for row in self.rows if (interval := row.interval) is not None]

    @property
    def titles(self) -> tuple[str, ...]:
        """Of the columns of `table`."""
        note = ("note",) if any(row.note for row in self.rows) else ()
        return (*_COLUMNS, *note)

    @property
    def table(self) -> list[tuple[str, ...]]:
        """A row of texts for each estimate, under `titles`."""
        return [
            (
                row.name,
                row.outcome or "outcome",
                row.status,
                "none" if row.mean is None else number_text(row.mean),
                "" if row.se is None else number_text(row.se),
                "" if row.confidence is None else _unbroken(row.confidence),
                "" if row.prediction is None else _unbroken(row.prediction),
                "" if row.ess is None else number_text(row.ess),
                row.guarantee or "",
                row.note,
            )[: len(self.titles)]
            for row in self.rows
        ]


def estimates_of(study: StudyLike, data: Mapping[str, Any], place: str) -> Estimates:
    """The estimates of a result of `ifm estimate`; InputError, starting with `place`, for anything else.

    >>> import ifm_ident
    >>> study = ifm_ident.Study.from_dict({"interventions": {"A": [0, 1]}, "factors": [{"sigma": ["A"]}],
    ...     "train": ["0", "1"]})
    >>> row = {"regime": {"A": 1}, "status": "observed", "mean": 0.4, "prediction": [None, 1.5]}
    >>> result = {"schema": "ifm-estimate/1", "method": "ifm1", "alpha": "0.1", "results": [row]}
    >>> estimates_of(study, result, "e.json").rows[0].prediction
    (-inf, 1.5)
    >>> estimates_of(study, {"schema": "other"}, "e.json")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: e.json: the schema is 'other'; give a result of `ifm estimate --format json`, 'ifm-estimate/1'
    """  # noqa: E501
    require_schema(data, ESTIMATES, "estimate", place)
    rows, units = [], data.get("units")
    for i, entry in enumerate(results_of(data, place)):
        at = f"{place}: results, entry {i}"
        regime = entry.get("regime")
        if not isinstance(regime, dict):
            raise InputError(f"{at}: the regime is a map, got {shown(regime)}")
        try:
            active = parse_map(study.design.model, regime)
        except InputError as error:
            raise InputError(f"{at}: {error}; is the result about this study?") from None
        guarantee = entry.get("guarantee")
        rows.append(
            Estimate(
                format_regime(study.design.model, active, study.notation),
                _scaled(str(entry.get("outcome", "") or ""), units),
                str(entry.get("status", "")).replace("_", " "),
                number_of(entry, "mean", at),
                number_of(entry, "se", at),
                pair_of(entry, "confidence", at),
                pair_of(entry, "prediction", at),
                number_of(entry, "ess", at),
                None if guarantee is None else str(guarantee),
                str(entry.get("note", "") or ""),
            )
        )
    warnings = data.get("warnings") or ()
    return Estimates(
        str(data.get("method", "")),
        str(data.get("alpha", "")),
        str(data.get("seed", "")),
        tuple(rows),
        tuple(map(str, warnings)) if isinstance(warnings, (list, tuple)) else (str(warnings),),
    )


def _scaled(outcome: str, units: object) -> str:
    """What the numbers of an outcome are of: where these are not raw, its unit, which names it."""
    return str(units.get(outcome, outcome)) if isinstance(units, Mapping) else outcome


def _unbroken(pair: tuple[float, float]) -> str:
    return pair_text(pair).replace(" ", "\N{NO-BREAK SPACE}")
