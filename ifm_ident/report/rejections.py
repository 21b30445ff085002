"""What the tests of the implications say: rows of `ifm-falsification/1`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ifm_ident.errors import InputError
from ifm_ident.exact_text import parse_exponent
from ifm_ident.notation import format_regime, format_regimes, parse_map
from ifm_ident.report.result_files import finite, number_of, number_text, require_schema, results_of
from ifm_ident.results.header import StudyLike, shown
from ifm_ident.show.mathml import Html, mathml

FALSIFICATION = "ifm-falsification/1"


@dataclass(frozen=True, slots=True)
class Tested:
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
    """The tests of a study's implications on data; `untested` names regimes that no tested claim bears on."""

    alpha: str
    correction: str
    rows: tuple[Tested, ...]
    untested: tuple[str, ...] = ()

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


def falsification_of(study: StudyLike, data: Mapping[str, Any], place: str) -> Falsification:
    """The tests of a result of `ifm falsify`; InputError, starting with `place`, for anything else."""
    require_schema(data, FALSIFICATION, "falsify", place)
    design = study.design
    names = format_regimes(design.model, design.train, study.notation).to_pylist()
    rows = []
    for i, entry in enumerate(results_of(data, place)):
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
        numbers = {}
        for name in ("statistic", "p_value", "p_adjusted"):
            value = number_of(entry, name, at)
            if value is None:
                raise InputError(f"{at}: the number {name!r} is missing")
            numbers[name] = value
        variable = entry.get("variable")
        rows.append(
            Tested(
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
    return Falsification(
        str(data.get("alpha", "")), str(data.get("correction", "")), tuple(rows), _untested(study, data, place)
    )


def _untested(study: StudyLike, data: Mapping[str, Any], place: str) -> tuple[str, ...]:
    """The names of the regimes under `untested`, none where the key is absent."""
    model, found = study.design.model, []
    for i, regime in enumerate(data.get("untested") or ()):
        if not isinstance(regime, dict):
            raise InputError(f"{place}: untested, entry {i}: the regime is a map, got {shown(regime)}")
        try:
            found.append(format_regime(model, parse_map(model, regime), study.notation))
        except InputError as error:
            raise InputError(f"{place}: untested, entry {i}: {error}; is the result about this study?") from None
    return tuple(found)
