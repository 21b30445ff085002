"""Estimates as a table for people, at a prompt and in notebooks."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Sequence
from decimal import Decimal

import numpy as np

from ifm_ident import Status
from ifm_ident.show import (
    aligned,
    code,
    counted,
    four_digits,
    html_table,
    listed,
    shortened,
    text_table,
    warning_lines,
    warnings_html,
    wrapped,
)
from ifm_learn.estimation.flags import FLAGS, promise, promises
from ifm_learn.estimation.regime_sensitivity import RegimeSensitivity
from ifm_learn.estimation.result import Estimates
from ifm_learn.estimation.sensitivity import factor_words
from ifm_learn.ladder.effects import ALONE

_MARK = "*"
_UNITS_SHOWN = 6


_REFERENCES = {
    "bliss": ", the baseline times every single's fraction of it: for fractions that survive",
    "loewe": ", the singles read along straight lines between the doses run: far apart, they mislead",
}


def text_lines(found: Estimates) -> Iterator[str]:
    """Heading, one line a regime (and variable), what the words mean, and warnings."""
    yield from wrapped(_heading(found), "  ")
    yield ""
    yield from aligned([_columns(found), *_rows(found)], "  ")
    yield ""
    for line in _sensitivity(found):
        yield from wrapped(line, "  ")
    if found.sensitivity:
        yield ""
    for line in (*_halves(found), *_units(found)):
        yield from wrapped(line, "  ")
    for note in (*_gain(found), *_shrunk(found), *_notes(found), *_flag_notes(found)):
        yield from wrapped(note, "  ")
    for line in warning_lines(found.warnings):
        yield from wrapped(line, "  ")
    yield from wrapped(closing(found))


def short_text(found: Estimates) -> str:
    """The heading, the first rows and the warnings."""
    cells = ((shortened(name), *rest) for name, *rest in _rows(found))
    table = text_table(_columns(found), cells, len(found) * len(found.outcomes))
    return "\n".join(
        [_heading(found), table, *_halves(found), *_units(found), *_shrunk(found), *warning_lines(found.warnings)]
    )


def short_html(found: Estimates) -> str:
    """The same as an HTML table."""
    rows = ((code(name), *map(html.escape, rest)) for name, *rest in _rows(found))
    table = html_table(_heading(found), _columns(found), rows, len(found) * len(found.outcomes))
    units = "".join(f"<p>{html.escape(line)}</p>" for line in (*_halves(found), *_units(found), *_shrunk(found)))
    return table + units + warnings_html(found.warnings)


def _heading(found: Estimates) -> str:
    kind = "variable" if found.without_outcome else "outcome"
    what = counted(len(found.outcomes), kind) if found.named else found.outcomes[0]
    return (
        f"{' '.join(found.name.split())}: mean of {what} in {counted(len(found), 'regime')} by {found.method} "
        f"({found.words}), {counted(found.rows, 'row')}"
    )


def _percent(found: Estimates) -> str:
    return f"{(100 * (1 - Decimal(found.alpha))).normalize():f}%"


def _columns(found: Estimates) -> tuple[str, ...]:
    level = _percent(found)
    mean = f"mean, {level} confidence"
    ratio = ("ess",) if found.needs_identification and not found.covariates else ()
    units = (f"{level} of units", *(("guarantee",) if ratio else ())) if _calibrated(found) else ()
    beside = ("additive",) if _compared(found) else ()
    effects = ("effect", "synergy") if found.effects else ()
    flags = ("flags",) if _flagged(found) else ()
    of = ("of",) if found.named else ()
    by = (str(found.covariates["by"]),) if found.groups else ()
    return ("regime", *by, *of, "status", mean, *units, *ratio, *beside, *effects, *flags)


def _compared(found: Estimates) -> bool:
    """Whether the additive baseline stands beside: it knows named levels only."""
    return found.method != "additive" and not found.design.model.has_bases


def _flagged(found: Estimates) -> set[str]:
    """The flags that occur."""
    return {word for row in found.flags for words in row for word in words}


def _rows(found: Estimates) -> Iterator[tuple[str, ...]]:
    names = found.names()
    marked, flagged = not found.needs_identification, _flagged(found)
    for row, name in enumerate(names):
        status = found.words_of(row).replace("_", " ")
        if found.needs_identification and found.remainder and found.remainder[row]:
            status += f"; {found.remainder[row]}"
        if marked and found.status[row] == Status.NOT_IDENTIFIED:
            status += _MARK
        for k, outcome in enumerate(found.outcomes):
            yield (
                name,
                *((found.groups[row],) if found.groups else ()),
                *((outcome,) if found.named else ()),
                status,
                _mean(found, row, k),
                *_of_units(found, row, k),
                *((number(found.additive[row, k]),) if _compared(found) else ()),
                *(_effects(found, row, k) if found.effects else ()),
                *((" ".join(found.flags[row][k]),) if flagged else ()),
            )


def _calibrated(found: Estimates) -> bool:
    """Whether there are intervals of units."""
    return not found.covariates and not np.isnan(found.prediction_low).all()


def _of_units(found: Estimates, row: int, k: int) -> tuple[str, ...]:
    """The interval of units with its guarantee, where there are any, and the effective rows, where known."""
    if found.covariates:
        return ()
    interval = _pair(found.prediction_low[row, k], found.prediction_high[row, k])
    units = (interval,) if _calibrated(found) else ()
    if not found.needs_identification:
        return units
    return (*units, *((promise(str(found.guarantee[row, k])),) if units else ()), _count(found.ess[row]))


def _effects(found: Estimates, row: int, k: int) -> tuple[str, str]:
    effect = found.effects[row][k]
    shown = []
    for name in ("difference", "synergy"):
        value, ends = effect.get(name), effect.get(f"{name}_interval")
        shown.append(
            "" if value is None or ends is None else f"{number(value)} [{number(ends[0])}, {number(ends[1])}]"
        )
    return shown[0], shown[1]


def _count(value: float) -> str:
    return "" if math.isnan(value) else f"{value:,.0f}"


def number(value: float) -> str:
    """A number as `four_digits` writes it, "" for none.

    >>> number(0.123456), number(float("nan"))
    ('0.1235', '')
    """
    return "" if math.isnan(value) else four_digits(value)


def _mean(found: Estimates, row: int, k: int) -> str:
    if math.isnan(found.mean[row, k]):
        return ""
    between = _pair(found.confidence_low[row, k], found.confidence_high[row, k])
    return f"{number(found.mean[row, k])} {between}".rstrip()


def _pair(low: float, high: float) -> str:
    if math.isnan(low):
        return ""
    left, right = (
        ("(-inf" if math.isinf(low) else f"[{number(low)}"),
        ("inf)" if math.isinf(high) else f"{number(high)}]"),
    )
    return f"{left}, {right}"


def _sensitivity(found: Estimates) -> Iterator[str]:
    """A heading and one sentence for every unseen regime and target; nothing where none was asked for."""
    if not found.sensitivity:
        return
    gamma = float(found.sensitivity[0].curve.gammas[-1])
    yield (
        f"If an interaction that the factors leave out had log-magnitude up to {gamma:g} in an unseen regime "
        f"(densities up to {factor_words(gamma)} times as high or low), and which one would turn the sign of the "
        "effect against the baseline's mean:"
    )
    names = found.names()
    for one in found.sensitivity:
        about = f" {found.outcomes[one.column]}" if found.without_outcome else ""
        yield f"{names[one.row]}{about}: {_bounds(one)}."


def _bounds(one: RegimeSensitivity) -> str:
    curve = one.curve
    between = f"mean between {number(curve.lower[-1])} and {number(curve.upper[-1])}"
    if curve.confidence is not None:
        low, high = curve.confidence[-1].tolist()
        between += f", with sampling error {number(low)} to {number(high)}"
    return f"{between}; {one.tipping}"


def _halves(found: Estimates) -> Iterator[str]:
    """Where half of the largest effect is reached, a sentence for each regime and target; nothing if not asked."""
    for one in found.half_levels:
        rest = ", ".join(f"{name}={level}" for name, level in one["regime"].items())
        of = f" on {one['outcome']}" if found.named else ""
        where = f"half of the largest effect of {one['intervention']}{of}{f' ({rest})' if rest else ''}"
        if "why" in one:
            yield f"{where}: not told, for {one['why']}."
            continue
        last = ", the last level run: a larger effect beyond would move it" if one["at_last_level_run"] else ""
        level = f"at {number(one['level'])}, by the one function of the basis, not by the rows"
        if one["interval"]:
            low, high = one["interval"]
            level = f"at {number(one['level'])}, {_percent(found)} confidence [{number(low)}, {number(high)}]"
        yield f"{where}: {level}; the largest is {number(one['effect'])}, at {number(one['effect_at'])}{last}."


def _units(found: Estimates) -> Iterator[str]:
    """What scaled numbers are of; nothing where all are raw."""
    units = [unit for unit in found.units if unit]
    if units:
        yield (
            f"scale: the numbers are of {listed(units, _UNITS_SHOWN)}, by `scale` and `log` of the data, not of "
            "raw values."
        )


def _gain(found: Estimates) -> Iterator[str]:
    """How much adjusting for covariates gained, where it was an unadjusted mean's to lose."""
    names = (("variance_ratio", "means"), ("effect_variance_ratio", "effects"))
    ratios = [(found.covariates[key], of) for key, of in names if key in found.covariates]
    if ratios:
        parts = [
            f"of {of} {100 * abs(1 - ratio):.0f}% {'smaller' if ratio < 1 else 'larger'}" for ratio, of in ratios
        ]
        yield f"adjusting for covariates makes variances {', '.join(parts)} (medians over regimes)."


def _shrunk(found: Estimates) -> Iterator[str]:
    """How far estimates are pulled, towards what and by which evidence."""
    if found.shrunk is not None:
        yield f"{found.shrunk.words()}."


def _notes(found: Estimates) -> Iterator[str]:
    if not found.needs_identification and (found.status == Status.NOT_IDENTIFIED).any():
        yield (
            f"{_MARK} {found.method} needs no identification: it gives a number where the factors and these "
            "training regimes do not determine one."
        )
    if found.needs_identification and any(found.remainder):
        yield (
            "not identified; u given w: the regime has no mean, but formulas give the density of u given w in "
            "it: `ifm explain --regime R` shows them."
        )
    if found.calibration:
        yield (
            f"of units: where a fresh unit of the regime falls, from {counted(found.calibration, 'row')} that "
            "nothing was fitted to."
        )
        if np.isinf(found.prediction_low).any() or np.isinf(found.prediction_high).any():
            yield (
                f"(-inf, inf): at {_percent(found)} the rows held out are too few, in number or in effect, to say "
                "where units fall; more rows or a larger --calibration may change that."
            )
        for plain, meaning in promises(found.guarantee.ravel().tolist()):
            yield f"{plain}: {meaning}."
        if not found.needs_identification:
            yield "Intervals of units carry the training regimes' spread over: no ratio, no promise."
    if not np.isnan(found.ess).all():
        yield "ess: effective sample size of the training rows, re-weighted to the regime."
    if found.effects:
        yield (
            f"effect: the mean less that of the baseline; synergy: the mean less what {found.reference} expects"
            f"{_REFERENCES.get(found.reference, '')}."
        )
        told = dict.fromkeys(one["why"] for row in found.effects for one in row if one.get("why"))
        yield from (f"no synergy: {why}." for why in told if why != ALONE)
        if _follows(found):
            yield (
                "Where no factor holds two of the interventions of a regime never run, its synergy follows from "
                "the factors: it is an assumption, and its interval tells no more."
            )
        if any("synergy_of" in one for row in found.effects for one in row):
            yield "Synergies of regimes that were run, as their singles were, are of their own rows, by no model."
    if _compared(found):
        yield "additive: baseline plus the effects of single interventions, for a sober comparison."


def _follows(found: Estimates) -> bool:
    """Whether some regime shown has several interventions, no two in one factor, and no rows to compare."""
    scopes = [{*factor.sigma} for factor in found.design.model.factors]
    names = [one.name for one in found.design.model.interventions]
    for regime, told in zip(found.regimes, found.effects, strict=True):
        active = {names[position] for position, _ in regime}
        if "synergy_of" not in told[0] and len(active) > 1 and all(len(active & scope) < 2 for scope in scopes):
            return True
    return False


def _flag_notes(found: Estimates) -> Iterator[str]:
    """What the flags that occur mean, once each."""
    seen = _flagged(found)
    for word, meaning in FLAGS.items():
        if word in seen:
            yield f"{word}: {meaning}."


def closing(found: Estimates) -> str:
    """How many regimes have an estimate."""
    given = int((~np.isnan(found.mean[:, 0])).sum())
    refused = len(found) - given
    text = f"{given:,} of {counted(len(found), 'regime')} estimated"
    if not refused:
        return f"{text}."
    if found.needs_identification:
        return f"{text}; {refused:,} not identified: `ifm explain --regime R` shows why, `ifm plan` what to run."
    return f"{text}; {refused:,} without a number: {_first(found.note)}."


def _first(reasons: Sequence[str]) -> str:
    return next((reason for reason in reasons if reason), "the method gives none")
