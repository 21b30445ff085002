"""Estimates on the page of `ifm report`: the result `ifm-estimate/1` read, or made of a study's own data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ifm_ident import InputError, Study
from ifm_ident.design import format_regime, parse_map
from ifm_ident.plots import Interval
from ifm_ident.report import Part, number_of, number_text, pair_of, pair_text, require_schema, results_of
from ifm_ident.results import StudyLike, shown
from ifm_learn.estimation.write import SCHEMA

_GUARANTEES = {
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


def part(study: StudyLike, result: Mapping[str, Any], place: str) -> Part:
    """The part that shows a result of `ifm estimate`; InputError, naming `place`, for anything else.

    >>> study = Study.from_dict({"interventions": {"A": [0, 1]}, "factors": [{"sigma": ["A"]}],
    ...     "train": ["0", "1"]})
    >>> row = {"regime": {"A": 1}, "status": "observed", "mean": 0.4, "prediction": [None, 1.5]}
    >>> result = {"schema": "ifm-estimate/1", "method": "ifm1", "alpha": "0.1", "results": [row]}
    >>> part(study, result, "e.json").intervals[0].prediction
    (-inf, 1.5)
    >>> part(study, {"schema": "other"}, "e.json")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: e.json: the schema is 'other'; give a result of `ifm estimate --format json`, 'ifm-estimate/1'
    """  # noqa: E501
    require_schema(result, SCHEMA, "estimate", place)
    rows, intervals = [], []
    for row, interval in _rows(study, result, place):
        rows.append(row)
        intervals += [] if interval is None else [interval]
    noted = any(row[-1] for row in rows)
    given = {row[_COLUMNS.index("guarantee")] for row in rows}
    seed = str(result.get("seed", ""))
    warnings = result.get("warnings") or ()
    return Part(
        title="Estimates",
        lead=f"Method {result.get('method', '')}, intervals at miscoverage {result.get('alpha', '')}"
        f"{f', seed {seed}' if seed else ''}. The confidence interval is for the mean, the prediction interval "
        "for a fresh unit of the regime.",
        caption="Estimates by regime",
        columns=(*_COLUMNS, *(("note",) if noted else ())),
        numeric=tuple(_COLUMNS.index(name) for name in ("mean", "standard error", "effective sample size")),
        rows=[row if noted else row[:-1] for row in rows],
        warnings=tuple(map(str, warnings)) if isinstance(warnings, (list, tuple)) else (str(warnings),),
        intervals=intervals,
        words={word: meaning for word, meaning in _GUARANTEES.items() if word in given},
    )


def too_many(study: Study) -> str:
    """Why a study is not estimated for a page; "" where it is."""
    from ifm_learn.estimation.of_study import MOST

    if study.target_count <= MOST:
        return ""
    return f"{study.target_count:,} regimes are more than {MOST:,}."


def estimated(study: Study, say: Callable[[str], None]) -> Part:
    """The part that shows what the study's data say, as `ifm estimate` without options finds it."""
    from ifm_learn.estimation.of_study import estimate_study

    return part(study, estimate_study(study, say=say).mapping(), "ifm estimate")


def _rows(
    study: StudyLike, result: Mapping[str, Any], place: str
) -> Iterator[tuple[tuple[str, ...], Interval | None]]:
    """Each entry as texts under `_COLUMNS` and a note, and what the picture draws of it; None without a mean."""
    units = result.get("units")
    for i, entry in enumerate(results_of(result, place)):
        at = f"{place}: results, entry {i}"
        regime = entry.get("regime")
        if not isinstance(regime, dict):
            raise InputError(f"{at}: the regime is a map, got {shown(regime)}")
        try:
            active = parse_map(study.design.model, regime)
        except InputError as error:
            raise InputError(f"{at}: {error}; is the result about this study?") from None
        name = format_regime(study.design.model, active, study.notation)
        outcome = _scaled(str(entry.get("outcome", "") or ""), units)
        mean, se, ess = (number_of(entry, key, at) for key in ("mean", "se", "ess"))
        confidence, prediction = (pair_of(entry, key, at) for key in ("confidence", "prediction"))
        row = (
            name,
            outcome or "outcome",
            str(entry.get("status", "")).replace("_", " "),
            "none" if mean is None else number_text(mean),
            "" if se is None else number_text(se),
            "" if confidence is None else _unbroken(confidence),
            "" if prediction is None else _unbroken(prediction),
            "" if ess is None else number_text(ess),
            str(entry.get("guarantee") or ""),
            str(entry.get("note") or ""),
        )
        drawn = f"{name}, {outcome}" if outcome else name
        yield row, None if mean is None else Interval(drawn, mean, confidence, prediction)


def _scaled(outcome: str, units: object) -> str:
    """What the numbers of an outcome are of: where these are not raw, its unit, which names it."""
    return str(units.get(outcome, outcome)) if isinstance(units, Mapping) else outcome


def _unbroken(pair: tuple[float, float]) -> str:
    return pair_text(pair).replace(" ", "\N{NO-BREAK SPACE}")
