"""Estimates on the page of `ifm report`: the result `ifm-estimate/1` read, or made of a study's own data."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ifm_ident import InputError, Study
from ifm_ident.design import format_regime, parse_map
from ifm_ident.plots import Interval
from ifm_ident.report import Part, number_of, number_text, pair_of, pair_text, require_schema, results_of
from ifm_ident.results import StudyLike, shown
from ifm_ident.show import listed
from ifm_learn.estimation.flags import FLAGS, promise, promises
from ifm_learn.estimation.write import SCHEMA

_COLUMNS = (
    "regime",
    "of",
    "verdict",
    "mean, confidence",
    "effect",
    "singles add up to",
    "beyond that",
    "a fresh unit",
    "flags",
    "note",
)
_DETAILS = ("regime", "of", "standard error", "effective rows", "promise", "support")
_NUMBERS = ("singles add up to", "standard error", "effective rows", "support")
_NEEDED = (
    "regime",
    "verdict",
    "mean",
    "confidence",
    "a fresh unit",
    "standard error",
    "effective rows",
    "promise",
)
"""Columns that are shown always; others where some row fills them."""

_MEANINGS = {
    "effect": "the mean less that of the baseline",
    "singles add up to": "the baseline and the effects of the single interventions: the additive baseline, for a "
    "sober comparison",
    "beyond that": "the mean less what the single interventions lead to expect, with its interval where joint "
    "errors are known",
}


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
    about = result.get("study", study.name)
    if about != study.name:
        raise InputError(
            f"{place}: the estimates are of the study {shown(about)}, the page is of {study.name!r}; estimate "
            "this one anew"
        )
    entries = list(_rows(study, result, place))
    shown_flags = {word for one in entries for word in one.flags}
    words = {name: meaning for name, meaning in _MEANINGS.items() if any(one.cells[name] for one in entries)}
    words |= {_plain(word): meaning for word, meaning in FLAGS.items() if word in shown_flags}
    seed = str(result.get("seed", ""))
    warnings = result.get("warnings") or ()
    columns, rows = _table(entries, _COLUMNS)
    intervals = [one.interval for one in entries if one.interval is not None]
    return Part(
        title="Estimates",
        lead=f"Method {result.get('method', '')}, {_level(result)}{f', seed {seed}' if seed else ''}. The "
        "confidence interval is for the mean, that of a fresh unit for one more row of the regime."
        f"{_modelled(result)}{_shrunk(result)}",
        caption="Estimates by regime",
        columns=columns,
        numeric=tuple(columns.index(name) for name in _NUMBERS if name in columns),
        rows=rows,
        warnings=tuple(map(str, warnings)) if isinstance(warnings, (list, tuple)) else (str(warnings),),
        intervals=intervals,
        words=words,
        below=_below(intervals),
        more=_details(entries),
    )


def _below(drawn: Sequence[Interval]) -> str:
    """What the marks of the picture say, as far as they occur."""
    ends = [end for one in drawn for pair in (one.confidence, one.prediction) if pair for end in pair]
    said = {
        "blue circles are regimes that were run": any(one.seen for one in drawn),
        "orange diamonds were never run and are predicted": not all(one.seen for one in drawn),
        "a hollow mark has flags in the table": any(one.flagged for one in drawn),
        "an upright stroke is what the single interventions add up to": any(
            one.expected is not None for one in drawn
        ),
        "an arrow at the edge is an interval without an end": any(map(math.isinf, ends)),
    }
    text = "; ".join(words for words, occurs in said.items() if occurs)
    return f"{text[:1].upper()}{text[1:]}."


def _details(entries: Sequence[_Entry]) -> Part:
    """The table of standard errors and of what intervals promise."""
    columns, rows = _table(entries, _DETAILS)
    words = dict(promises(one.guarantee for one in entries))
    words["effective rows"] = "how many rows of the regime itself the re-weighted rows are worth"
    if "support" in columns:
        words["support"] = "from 0 to 1, how far rows stand behind the regime"
    return Part(
        title="Errors, and what the intervals of units promise",
        lead="What the interval of a fresh unit promises depends on where its held-out rows come from.",
        caption="Errors and promises by regime",
        columns=columns,
        numeric=tuple(columns.index(name) for name in _NUMBERS if name in columns),
        rows=rows,
        words=words,
    )


def _table(entries: Sequence[_Entry], names: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """The columns of these that are needed or filled, and their rows; details only of regimes with a mean."""
    kept = [name for name in names if name in _NEEDED or any(one.cells[name] for one in entries)]
    shown_entries = entries if names is _COLUMNS else [one for one in entries if one.interval is not None]
    return kept, [[one.cells[name] for name in kept] for one in shown_entries]


def _level(result: Mapping[str, Any]) -> str:
    """The level of the intervals as people say it: 90% intervals for an alpha of 0.1."""
    alpha = str(result.get("alpha", ""))
    try:
        return f"{(100 * (1 - Decimal(alpha))).normalize():f}% intervals"
    except (ArithmeticError, ValueError):
        return f"intervals at alpha {alpha}"


def _plain(word: str) -> str:
    return word.replace("_", " ")


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
    """The part that shows what the study's data say, as `ifm estimate --effects` finds it."""
    from ifm_learn.estimation.of_study import estimate_study

    return part(study, estimate_study(study, effects="additive", say=say).mapping(), "ifm estimate")


@dataclass(frozen=True, slots=True)
class _Entry:
    """An entry of a result: texts by column, its words, and what the picture draws; None without a mean."""

    cells: dict[str, str]
    flags: tuple[str, ...]
    guarantee: str
    interval: Interval | None


def _rows(study: StudyLike, result: Mapping[str, Any], place: str) -> Iterator[_Entry]:
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
        mean, se, ess, support, additive = (
            number_of(entry, key, at) for key in ("mean", "se", "ess", "support", "additive")
        )
        confidence, prediction = (pair_of(entry, key, at) for key in ("confidence", "prediction"))
        flags = entry.get("flags") or ()
        if not isinstance(flags, (list, tuple)):
            raise InputError(f"{at}: flags are a list of words, got {shown(flags)}")
        if "misses_training" in flags:
            confidence = prediction = None
        effect = entry.get("effect") or {}
        if not isinstance(effect, dict):
            raise InputError(f"{at}: an effect is a map, got {shown(effect)}")
        guarantee, status = str(entry.get("guarantee") or ""), str(entry.get("status", ""))
        cells = {
            "regime": name,
            "of": outcome,
            "verdict": _plain(status),
            "mean, confidence": "none"
            if mean is None
            else f"{number_text(mean)} {_unbroken(confidence)}".rstrip(),
            "effect": _with_interval(effect, "difference", at) if active else "",
            "singles add up to": "" if additive is None else number_text(additive),
            "beyond that": _with_interval(effect, "synergy", at) or _beyond(mean, additive, len(active)),
            "a fresh unit": _unbroken(prediction),
            "flags": ", ".join(_plain(str(word)) for word in flags),
            "note": str(entry.get("note") or ""),
            "standard error": "" if se is None else number_text(se),
            "effective rows": "" if ess is None else number_text(ess),
            "promise": promise(guarantee),
            "support": "" if support is None else f"{support:.2f}",
        }
        drawn = None
        if mean is not None:
            title = f"{name}, {outcome}" if outcome else name
            drawn = Interval(
                title, mean, confidence, prediction, None, bool(flags), status == "observed", additive
            )
        yield _Entry(cells, tuple(map(str, flags)), guarantee, drawn)


def _with_interval(effect: Mapping[str, Any], name: str, at: str) -> str:
    """A difference with its interval; "" where there is none."""
    value, ends = number_of(effect, name, at), pair_of(effect, f"{name}_interval", at)
    return "" if value is None else _beside(value, ends)


def _beside(value: float, ends: tuple[float, float] | None) -> str:
    return f"{number_text(value)} {_unbroken(ends)}".rstrip()


def _beyond(mean: float | None, additive: float | None, active: int) -> str:
    """The difference from the additive baseline without an interval, for combinations."""
    return "" if mean is None or additive is None or active < 2 else number_text(mean - additive)


def _scaled(outcome: str, units: object) -> str:
    """What the numbers of an outcome are of: where these are not raw, its unit, which names it."""
    return str(units.get(outcome, outcome)) if isinstance(units, Mapping) else outcome


def _unbroken(pair: tuple[float, float] | None) -> str:
    return "" if pair is None else pair_text(pair).replace(" ", "\N{NO-BREAK SPACE}")
