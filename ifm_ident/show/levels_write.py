"""The set of identified levels of an intervention as text and as JSON (`ifm-levels/1`)."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from ifm_ident.answer.exact_text import exponent_text, size_text
from ifm_ident.answer.identification import Status
from ifm_ident.design.bases import Key, exact, plain_number
from ifm_ident.design.model import Model
from ifm_ident.design.notation import format_regime
from ifm_ident.design.regimes import Regimes, recoded, regime_map
from ifm_ident.results.documents import document
from ifm_ident.results.header import StudyLike
from ifm_ident.show._aligned import aligned
from ifm_ident.show.size_words import Sizes
from ifm_ident.show.table import heading, wrapped
from ifm_ident.show.words import listed
from ifm_ident.solve.identifier import Identifier
from ifm_ident.solve.level_sets import LevelSet, Root, at_levels, response

SCHEMA = "ifm-levels/1"
_MOST_LEVELS = 40
_MOST_POINTS = 60


def set_words(found: LevelSet, model: Model) -> str:
    """The set in words.

    >>> from ifm_ident.study.study import Study
    >>> from ifm_ident.solve.level_sets import identified_levels
    >>> study = Study.from_dict({"interventions": {"dose": {"levels": [0, 2], "basis": {"poly": 2}}},
    ...     "factors": [{"sigma": ["dose"]}], "train": [{"dose": 0}, {"dose": 2}]})
    >>> set_words(identified_levels(Identifier(study.design), "dose", ()), study.model)
    'identified at 0 and 2, and nowhere else'
    """
    one = model.interventions[model.position[found.intervention]]
    assert one.basis is not None
    if one.basis.kind == "table":
        names = [_key_text(key) for key in found.names or ()]
        if found.whole:
            return "identified at all levels of the table"
        return f"identified at {listed(names, _MOST_POINTS)}, and nowhere else" if names else "identified nowhere"
    where = ""
    if found.names is not None:
        names = [_key_text(key) for key in found.names]
        where = f"; of the levels with a coordinate: {listed(names, _MOST_POINTS) or 'none'}"
    if found.whole:
        domain = _domain(found)
        return f"identified at all levels{domain}{where}"
    parts = [_interval_text(low, high) for low, high in found.intervals] + [_root_text(r) for r in found.points]
    kind = " (coordinates)" if found.names is not None else ""
    if not parts:
        return f"identified nowhere{where}"
    return f"identified at {listed(parts, _MOST_POINTS)}, and nowhere else{kind}{where}"


def _domain(found: LevelSet) -> str:
    if not found.intervals:
        return ""
    low, high = found.intervals[0][0], found.intervals[-1][1]
    if low is None:
        return ""
    return f" from {_text(low)} on" if high is None else f" from {_text(low)} to {_text(high)}"


def _interval_text(low: Fraction | None, high: Fraction | None) -> str:
    if low is None or high is None:
        return "every level" if low is None else f"every level from {_text(low)} on"
    return f"every level from {_text(low)} to {_text(high)}"


def _root_text(root: Root) -> str:
    if root.exact is not None:
        return _text(root.exact)
    return (
        f"{root.text} = {root.near:.10g}..."
        if "root" not in root.text[:6]
        else f"{root.near:.10g}... ({root.text})"
    )


def _text(value: Fraction) -> str:
    return str(plain_number(value))


def _key_text(key: Key) -> str:
    return key if isinstance(key, str) else _text(key)


def text_lines(study: StudyLike, found: LevelSet, own: Identifier) -> Iterator[str]:
    """The set, and verdict and sum|q| at the levels listed and run; `own` is of interventions of its own."""
    model = study.design.model
    regime = format_regime(model, found.regime, study.notation)
    yield from heading(study)
    yield ""
    rule = "joint" if found.criterion == "joint" else "conditional"
    yield from wrapped(
        f"Levels of {found.intervention}, with all else as in {regime} ({rule} criterion): "
        f"{set_words(found, model)}.",
        "  ",
    )
    yield ""
    one = own.design.model.interventions[model.position[found.intervention]]
    rest = recoded(Regimes.from_active([found.regime], len(model)), model, own.design.model)[0]
    if found.names is not None:
        pairs = one.coordinate or (one.basis.rows if one.basis else ())
        indices = [one.index(_key_text(key)) for key, _ in pairs[:_MOST_LEVELS]]
        batch = Regimes.from_active([(*rest, (model.position[one.name], i)) for i in indices], len(model))
    else:
        listed_levels = [_number(level) for level in one.known_levels]
        rational = [root.exact for root in found.points if root.exact is not None]
        values = sorted({*listed_levels, *rational})[:_MOST_LEVELS]
        batch = at_levels(own, one.name, rest, values)
        indices = [one.index(plain_number(value)) for value in values]
    answers = response(own, batch, found.criterion)
    rows = [(found.intervention, "verdict", "sum|q|")]
    for index, status, size in zip(indices, answers.status, answers.sizes, strict=True):
        word = "run" if status == Status.OBSERVED else Status(status).word.replace("_", " ")
        rows.append((str(one.level(index)), word, "" if size is None else size_text(size)))
    yield from aligned(rows, "  ")
    yield ""
    sizes = [size for size in answers.sizes if size is not None]
    if sizes:
        yield from wrapped(Sizes().meaning, "  ")
        yield "Shown is the least." if answers.least else "Shown is that of one formula, not the least."


def _number(level: object) -> Fraction:
    value = exact(level)
    assert value is not None
    return value


def json_lines(study: StudyLike, found: LevelSet) -> Iterator[str]:
    """The set as JSON: `all`, `intervals` with ends as texts or null, `points`, and `names` of levels with any.

    In `points` a rational level is its exact text in `level`; an algebraic one in words; `near` is a float.
    """
    others = regime_map(study.design.model, found.regime)
    others.pop(found.intervention)
    fields: dict[str, object] = {
        "all": found.whole,
        "intervals": [[None if end is None else exponent_text(end) for end in pair] for pair in found.intervals],
        "points": [{"level": root.text, "near": root.near} for root in found.points],
    }
    if found.names is not None:
        fields["names"] = [_key_text(key) for key in found.names]
    return document(
        {"schema": SCHEMA},
        {"study": study.name},
        {"intervention": found.intervention, "regime": others, "criterion": found.criterion},
        fields,
    )
