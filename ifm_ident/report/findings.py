"""What data say: rows of `ifm-estimate/1` and `ifm-falsification/1`, read and checked."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from ifm_ident.errors import InputError
from ifm_ident.exact_text import parse_exponent
from ifm_ident.notation import format_regime, format_regimes, parse_map
from ifm_ident.plots.intervals import Interval
from ifm_ident.results.header import StudyLike, shown
from ifm_ident.show.mathml import Html, mathml

ESTIMATES, FALSIFICATION = "ifm-estimate/1", "ifm-falsification/1"

GUARANTEES = {
    "exact-ratio": "true density ratios: the prediction interval covers at its level or above in finite samples",
    "estimated-ratio": "estimated density ratios: the coverage can fall short by half the mean absolute error "
    "of the normalised weights",
    "asymptotic": "the coverage holds in the limit of many rows",
}
"""What each word of `guarantee` means (THEORY 9)."""


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
    def table(self) -> list[tuple[str, ...]]:
        """Rows: regime, of, verdict, mean, error, confidence, prediction, sample size, guarantee, note."""
        return [
            (
                row.name,
                row.outcome or "outcome",
                row.status,
                "none" if row.mean is None else number_text(row.mean),
                "" if row.se is None else number_text(row.se),
                "" if row.confidence is None else pair_text(row.confidence),
                "" if row.prediction is None else pair_text(row.prediction),
                "" if row.ess is None else number_text(row.ess),
                row.guarantee or "",
                row.note,
            )
            for row in self.rows
        ]


@dataclass(frozen=True, slots=True)
class Test:
    """The test of one implication."""

    variable: str | None
    formula: Html
    test: str
    statistic: float
    p_value: float
    p_adjusted: float
    rejected: bool
    effect: str


@dataclass(frozen=True, slots=True)
class Falsification:
    """The tests of a study's implications on data."""

    alpha: str
    correction: str
    rows: tuple[Test, ...]

    @property
    def table(self) -> list[tuple[str, ...]]:
        """Rows: product, in, test, statistic, p, adjusted p, result, effect."""
        return [
            (
                row.formula,
                row.variable or "all variables",
                row.test,
                *map(number_text, (row.statistic, row.p_value, row.p_adjusted)),
                Html('<strong class="v3">rejected</strong>') if row.rejected else "not rejected",
                row.effect,
            )
            for row in self.rows
        ]


def load_result(path: str | Path) -> Mapping[str, Any]:
    """A JSON object from a file; InputError when there is none.

    >>> load_result("no-such.json")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: no-such.json: there is no such file
    """
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except (OSError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: it is no JSON file: {error}") from None
    if not isinstance(data, dict):
        raise InputError(f"{path}: a result is a JSON object, got {shown(data)}")
    return data


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
    _require(data, ESTIMATES, "estimate", place)
    rows = []
    for i, entry in enumerate(_results(data, place)):
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
                str(entry.get("outcome", "") or ""),
                str(entry.get("status", "")).replace("_", " "),
                _number(entry, "mean", at),
                _number(entry, "se", at),
                _pair(entry, "confidence", at),
                _pair(entry, "prediction", at),
                _number(entry, "ess", at),
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


def falsification_of(study: StudyLike, data: Mapping[str, Any], place: str) -> Falsification:
    """The tests of a result of `ifm falsify`; InputError, starting with `place`, for anything else."""
    _require(data, FALSIFICATION, "falsify", place)
    design = study.design
    names = format_regimes(design.model, design.train, study.notation).to_pylist()
    rows = []
    for i, entry in enumerate(_results(data, place)):
        at = f"{place}: results, entry {i}"
        terms = []
        for term in entry.get("exponents") or ():
            train = term.get("train") if isinstance(term, dict) else None
            if not isinstance(train, int) or not 0 <= train < len(names):
                raise InputError(f"{at}: {shown(train)} is no training regime of this study")
            terms.append((names[train], Fraction(*parse_exponent(str(term.get("exponent"))))))
        effect = entry.get("effect")
        words = ""
        if isinstance(effect, dict):
            words = ", ".join(f"{name} {number_text(_finite(v, at))}" for name, v in effect.items())
        numbers = {}
        for name in ("statistic", "p_value", "p_adjusted"):
            value = _number(entry, name, at)
            if value is None:
                raise InputError(f"{at}: the number {name!r} is missing")
            numbers[name] = value
        variable = entry.get("variable")
        rows.append(
            Test(
                None if variable is None else str(variable),
                mathml(sorted(terms, key=lambda term: term[1] < 0)),
                str(entry.get("test", "")),
                numbers["statistic"],
                numbers["p_value"],
                numbers["p_adjusted"],
                bool(entry.get("rejected")),
                words,
            )
        )
    return Falsification(str(data.get("alpha", "")), str(data.get("correction", "")), tuple(rows))


def number_text(value: float) -> str:
    """A number to four significant digits, with a true minus and infinity.

    >>> number_text(-0.123456), number_text(float("inf")), number_text(1234567.0)
    ('−0.1235', '∞', '1.235e+06')
    """
    text = "∞" if math.isinf(value) else f"{abs(value):.4g}"
    return f"−{text}" if value < 0 else text


def pair_text(pair: tuple[float, float]) -> str:
    """An interval as text.

    >>> pair_text((-math.inf, 1.5))
    '(−∞, 1.5]'
    """
    left, right = ("(" if math.isinf(pair[0]) else "["), (")" if math.isinf(pair[1]) else "]")
    return f"{left}{number_text(pair[0])}, {number_text(pair[1])}{right}"


def _require(data: Mapping[str, Any], schema: str, command: str, place: str) -> None:
    if data.get("schema") != schema:
        raise InputError(
            f"{place}: the schema is {shown(data.get('schema'))}; give a result of `ifm {command} --format json`, "
            f"{schema!r}"
        )


def _results(data: Mapping[str, Any], place: str) -> list[dict[str, Any]]:
    results = data.get("results")
    if not isinstance(results, list) or not all(isinstance(entry, dict) for entry in results):
        raise InputError(f"{place}: `results` is a list of objects, got {shown(results)}")
    return results


def _finite(value: object, at: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InputError(f"{at}: a number is needed, got {shown(value)}")
    return float(value)


def _number(entry: Mapping[str, Any], key: str, at: str) -> float | None:
    return None if entry.get(key) is None else _finite(entry[key], at)


def _pair(entry: Mapping[str, Any], key: str, at: str) -> tuple[float, float] | None:
    ends = entry.get(key)
    if ends is None:
        return None
    if not isinstance(ends, list) or len(ends) != 2:
        raise InputError(f"{at}: {key} is a pair of numbers or null, got {shown(ends)}")
    low, high = ends
    return (-math.inf if low is None else _finite(low, at), math.inf if high is None else _finite(high, at))
