"""Estimates on the page of `ifm report`: the result `ifm-estimate/1` read, or made of a study's own data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ifm_ident import InputError, Study
from ifm_ident.design import format_regime, parse_map
from ifm_ident.plots import Interval
from ifm_ident.report import Part, number_of, number_text, pair_of, pair_text, require_schema, results_of
from ifm_ident.results import StudyLike, shown
from ifm_ident.show import listed
from ifm_learn.estimation.flags import FLAGS
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
    "support",
    "flags",
    "note",
)
_NUMBERS = ("mean", "standard error", "effective sample size", "support")
_OPTIONAL = ("of", "support", "flags", "note")
"""Columns that are shown where some row fills them."""


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
    kept = [i for i, name in enumerate(_COLUMNS) if name not in _OPTIONAL or any(row[i] for row in rows)]
    columns = [_COLUMNS[i] for i in kept]
    given = {row[_COLUMNS.index("guarantee")] for row in rows}
    flagged = {word for row in rows for word in row[_COLUMNS.index("flags")].split()}
    words = {word: meaning for word, meaning in _GUARANTEES.items() if word in given}
    words |= {word: meaning for word, meaning in FLAGS.items() if word in flagged}
    if "support" in columns:
        words["support"] = "from 0 to 1, how far rows stand behind the regime"
    seed = str(result.get("seed", ""))
    warnings = result.get("warnings") or ()
    return Part(
        title="Estimates",
        lead=f"Method {result.get('method', '')}, intervals at miscoverage {result.get('alpha', '')}"
        f"{f', seed {seed}' if seed else ''}. The confidence interval is for the mean, the prediction interval "
        f"for a fresh unit of the regime.{_modelled(result)}{_shrunk(result)}",
        caption="Estimates by regime",
        columns=columns,
        numeric=tuple(columns.index(name) for name in _NUMBERS if name in columns),
        rows=[[row[i] for i in kept] for row in rows],
        warnings=tuple(map(str, warnings)) if isinstance(warnings, (list, tuple)) else (str(warnings),),
        intervals=intervals,
        words=words,
    )


def _modelled(result: Mapping[str, Any]) -> str:
    """Which models answered, as a sentence with a space before; "" where the result does not say."""
    energy = result.get("energy")
    chosen = energy.get("chosen") if isinstance(energy, Mapping) else None
    if not isinstance(chosen, (list, tuple)) or not chosen:
        return ""
    names = listed([str(one) for one in chosen], 8)
    return f" Modelled by {'an average over ' if len(chosen) > 1 else ''}{names}."


def _shrunk(result: Mapping[str, Any]) -> str:
    """How far means were pulled towards a simpler estimate, likewise."""
    shrunk = result.get("shrunk")
    if not isinstance(shrunk, Mapping):
        return ""
    towards = f" towards {shrunk['towards']}" if shrunk.get("towards") else ""
    return f" Means of unseen regimes are shrunk by {shrunk.get('strength')}{towards}, chosen at regimes left out."


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
        support, flags = number_of(entry, "support", at), entry.get("flags") or ()
        if not isinstance(flags, (list, tuple)):
            raise InputError(f"{at}: flags are a list of words, got {shown(flags)}")
        if "misses_training" in flags:
            confidence = prediction = None
        row = (
            name,
            outcome,
            str(entry.get("status", "")).replace("_", " "),
            "none" if mean is None else number_text(mean),
            "" if se is None else number_text(se),
            "" if confidence is None else _unbroken(confidence),
            "" if prediction is None else _unbroken(prediction),
            "" if ess is None else number_text(ess),
            str(entry.get("guarantee") or ""),
            "" if support is None else f"{support:.2f}",
            " ".join(map(str, flags)),
            str(entry.get("note") or ""),
        )
        drawn = f"{name}, {outcome}" if outcome else name
        yield row, None if mean is None else Interval(drawn, mean, confidence, prediction, flagged=bool(flags))


def _scaled(outcome: str, units: object) -> str:
    """What the numbers of an outcome are of: where these are not raw, its unit, which names it."""
    return str(units.get(outcome, outcome)) if isinstance(units, Mapping) else outcome


def _unbroken(pair: tuple[float, float]) -> str:
    return pair_text(pair).replace(" ", "\N{NO-BREAK SPACE}")
