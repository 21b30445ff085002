"""Tests of the implications on the page of `ifm report`: the result `ifm-falsification/1` read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from ifm_ident import InputError
from ifm_ident.answer import parse_exponent
from ifm_ident.design import format_regime, format_regimes, parse_map
from ifm_ident.report import Html, Part, finite, mathml, number_of, number_text, require_schema, results_of
from ifm_ident.results import StudyLike, shown
from ifm_ident.show import counted, listed
from ifm_learn.falsification.write import SCHEMA

_COLUMNS = ("claimed constant", "in", "test", "statistic", "p", "adjusted p", "result", "effect")
_NUMBERS = {"statistic": "statistic", "p_value": "p", "p_adjusted": "adjusted p"}


def part(study: StudyLike, result: Mapping[str, Any], place: str) -> Part:
    """The part that shows a result of `ifm falsify`; InputError, starting with `place`, for anything else."""
    require_schema(result, SCHEMA, "falsify", place)
    entries = results_of(result, place)
    rejected = sum(bool(entry.get("rejected")) for entry in entries)
    return Part(
        title="Tests of the implications",
        lead=f"{rejected} of {counted(len(entries), 'implication')} rejected at {result.get('alpha', '')}, "
        f"p-values adjusted by {result.get('correction', '')}.{_untested(study, result, place)}",
        caption="Implications tested on the data",
        columns=_COLUMNS,
        numeric=tuple(_COLUMNS.index(name) for name in _NUMBERS.values()),
        rows=list(_rows(study, entries, place)),
    )


def _untested(study: StudyLike, result: Mapping[str, Any], place: str) -> str:
    """A sentence on the regimes under `untested`, "" for none."""
    model, names = study.design.model, []
    for i, regime in enumerate(result.get("untested") or ()):
        if not isinstance(regime, dict):
            raise InputError(f"{place}: untested, entry {i}: the regime is a map, got {shown(regime)}")
        try:
            names.append(format_regime(model, parse_map(model, regime), study.notation))
        except InputError as error:
            raise InputError(f"{place}: untested, entry {i}: {error}; is the result about this study?") from None
    if not names:
        return ""
    them = "it" if len(names) == 1 else "them"
    return (
        f" No tested claim bears on {counted(len(names), 'unseen regime')}: {listed(names, 12)}. Nothing here "
        f"speaks for or against estimates of {them}."
    )


def _rows(study: StudyLike, entries: list[dict[str, Any]], place: str) -> Iterator[tuple[str, ...]]:
    """Each entry as texts under `_COLUMNS`."""
    design = study.design
    names = format_regimes(design.model, design.train, study.notation).to_pylist()
    for i, entry in enumerate(entries):
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
            words = ", ".join(f"{name} {number_text(finite(v, at))}" for name, v in effect.items())
        numbers = []
        for name in _NUMBERS:
            value = number_of(entry, name, at)
            if value is None:
                raise InputError(f"{at}: the number {name!r} is missing")
            numbers.append(number_text(value))
        variable = entry.get("variable")
        yield (
            mathml(sorted(terms, key=lambda term: term[1] < 0)),
            ("" if variable is None else str(variable)) or "all variables",
            str(entry.get("test", "")),
            *numbers,
            Html('<strong class="v3">rejected</strong>') if entry.get("rejected") else "not rejected",
            words,
        )
