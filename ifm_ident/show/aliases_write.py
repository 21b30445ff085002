"""Alias tables as text: the legend, lines such as A = BCD, and what they come to."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from ifm_ident.implications.aliases import Aliases, Effect
from ifm_ident.results.documents import csv_line
from ifm_ident.show.table import wrapped
from ifm_ident.show.words import counted

_WORDS_SHOWN = 15
_INDENT = "  "
_ROMAN = {3: "III", 4: "IV", 5: "V", 6: "VI", 7: "VII", 8: "VIII"}


def alias_lines(name: str, found: Aliases) -> Iterator[str]:
    """Legend, effects confounded within the model, with others outside it and in part, the defining relation."""
    yield from wrapped(
        f"{' '.join(name.split())}: {counted(found.regimes, 'distinct training regime')}, {_kind(found)}"
    )
    legend = [
        f"{found.letters((i,))} = {each}" for i, each in enumerate(found.names) if found.letters((i,)) != each
    ]
    if found.constant != "I":
        legend.append(f"{found.constant} = the constant")
    if legend:
        yield from wrapped(f"legend: {', '.join(legend)}", _INDENT)
    model, basis = set(found.model), set(found.basis)
    sections: dict[str, list[str]] = {
        "told apart by nothing, though all are in the model:": [],
        "confounded with effects outside the model:": [],
        "confounded among effects outside the model:": [],
    }
    within, outside, beyond = sections.values()
    for group in found.groups:
        if len(group) > 1:
            inside = sum(effect in model for effect, _ in group)
            into = within if inside > 1 else outside if inside else beyond
            into.append(" = ".join(_signed(found, effect, sign) for effect, sign in group))
    sections["exact combinations of other effects, though all are in the model:"] = [
        f"{found.letters(effect)} = {_sum(found, coefficients)}"
        for effect, coefficients in found.partial.items()
        if effect in model
    ]
    sections["estimates of effects of the model, with what they hold of others outside it:"] = list(
        _estimates(found)
    )
    for title, lines in sections.items():
        if lines:
            yield ""
            yield title
            for line in lines:
                yield from (_INDENT + part for part in wrapped(line, _INDENT))
    clean = [g[0][0] for g in found.groups if len(g) == 1 and g[0][0] in basis and g[0][0] not in _reached(found)]
    if clean:
        yield ""
        limit = f"effects of up to {counted(found.order, 'intervention')}"
        yield from wrapped(f"clear of all other {limit}: {' '.join(map(found.letters, clean))}", _INDENT)
    if found.words:
        shown = " = ".join(_signed(found, word, sign) for word, sign in found.words[:_WORDS_SHOWN])
        more = len(found.words) - _WORDS_SHOWN
        yield ""
        yield "products that are constant in all training regimes, from which all this follows:"
        line = f"{found.constant} = {shown}" + (f" and {more:,} more" if more > 0 else "")
        yield from (_INDENT + part for part in wrapped(line, _INDENT))
    yield ""
    yield from wrapped(_closing(found))


def alias_csv(found: Aliases) -> Iterator[str]:
    """The alias matrix: a row for each effect that is estimated, a column for each that it may hold, by names."""
    matrix = found.matrix()
    columns = sorted({effect for row in matrix.values() for effect in row}, key=lambda one: (len(one), one))
    yield csv_line(["effect", *map(found.named, columns)])
    for effect, row in matrix.items():
        yield csv_line([found.named(effect), *(str(row.get(column, 0)) for column in columns)])


def _kind(found: Aliases) -> str:
    if not found.regular:
        return "not a regular fraction"
    share = 2 ** len(found.names) // found.regimes
    if share == 1:
        return "a full factorial"
    resolution = _ROMAN.get(found.resolution or 0)
    return f"a regular 1/{share:,} fraction" + (f" of resolution {resolution}" if resolution else "")


def _signed(found: Aliases, effect: Effect, sign: int) -> str:
    return ("-" if sign < 0 else "") + found.letters(effect)


def _sum(found: Aliases, coefficients: dict[Effect, Fraction]) -> str:
    """A linear combination in words: 1/3 A - BC."""
    terms = []
    for effect, value in coefficients.items():
        size = "" if abs(value) == 1 else f"{abs(value)} "
        term = str(abs(value)) if found.letters(effect) == "1" else f"{size}{found.letters(effect)}"
        terms.append(f"{'-' if value < 0 else '+'} {term}")
    text = " ".join(terms)
    return text.removeprefix("+ ") if text.startswith("+") else "-" + text.removeprefix("- ")


def _estimates(found: Aliases) -> Iterator[str]:
    model = set(found.model)
    holds: dict[Effect, dict[Effect, Fraction]] = {effect: {effect: Fraction(1)} for effect in found.basis}
    for effect, coefficients in found.partial.items():
        if effect not in model:
            for target, value in coefficients.items():
                holds[target][effect] = value
    for effect, terms in holds.items():
        if len(terms) > 1:
            yield f"{found.letters(effect)}: {_sum(found, terms)}"


def _reached(found: Aliases) -> set[Effect]:
    """Effects with a share in some combination."""
    return {target for coefficients in found.partial.values() for target in coefficients}


def _closing(found: Aliases) -> str:
    total, apart, mixed, constant = len(found.model), len(found.basis), found.confounded, found.constant
    if apart < total:
        first = (
            f"The training regimes fix {apart:,} independent combinations of the {total:,} effects of the model "
            f"(the constant {constant} is one)"
        )
    else:
        first = (
            f"The training regimes tell all {total:,} effects of the model apart (the constant {constant} is one)"
        )
    if not mixed:
        return f"{first}; none is confounded with other effects of up to {counted(found.order, 'intervention')}."
    return (
        f"{first}; {mixed:,} of them {'is' if mixed == 1 else 'are'} confounded with effects of up to "
        f"{counted(found.order, 'intervention')} that the model sets to zero: if they are not zero, they bias "
        f"{'it' if mixed == 1 else 'these'}."
    )
