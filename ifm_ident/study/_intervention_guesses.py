"""Which columns tell interventions: labels, or one column each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from ifm_ident.design.model import legal_name
from ifm_ident.design.texts import is_missing, look
from ifm_ident.errors import InputError
from ifm_ident.study._columns import (
    CELLS,
    COVARIATES,
    DOSES,
    LABELS,
    OUTCOMES,
    PERTURBATIONS,
    STATES,
    TOTALS,
    UNITS,
    Column,
    is_control,
)
from ifm_ident.study._first_draft import Draft, groups, it_could_be, listed
from ifm_ident.study._label_guesses import guess_labels
from ifm_ident.study.reading._table import RowError

_MOST_LEVELS = 12
_SEVERAL = 3
_MOST_DOSES = 30
_MOST_GUESSED = 8
_NUMBERED = re.compile(r"(?P<stem>.+?)_?([1-9][0-9]?|[a-f])")
_LABEL_ORDER = {
    name: k
    for k, name in enumerate(("label", "regime", "perturbation", "condition", "guide_identity", "guide_id"))
}


def find_interventions(
    draft: Draft,
    labels: tuple[str, ...],
    control: tuple[str, ...],
    separator: str | None,
    given: Sequence[str],
) -> None:
    """The interventions, from columns of labels or of one each, given or guessed."""
    columns = labels or (() if given else _label_columns(draft))
    if columns:
        _read_labels(draft, columns, separator, control)
        return
    for name, value in (("separator", separator), ("control", control)):
        if value:
            raise InputError(f"`{name}` is for labels; name their column", argument="label")
    _read_factors(draft, given)


def remark_on_states(draft: Draft) -> None:
    """Of columns that may be interventions and are none, without which regimes are counted, and of odd levels."""
    measured = {draft.outcome, draft.data.get("outcome"), *draft.variables}
    kept = {*draft.telling, *draft.covariates, draft.data.get("unit")}
    for one in draft.columns.values():
        unread = bool(one.reason) and one.name not in kept
        says = {look(text.strip()).casefold() for text in one.words}
        odd = [text for text in one.words if look(text.strip()).casefold() not in STATES]
        told = len(says & STATES) > 1 and len(odd) < 2  # a total below, say
        if one.name in draft.telling and told and odd and np.sum(one.codes == one.texts.index(odd[0])) == 1:
            draft.remarks.append(
                f"{odd[0]!r} stands in one row of the column {one.name!r} and is taken for a level; if it is a "
                "total or a note, remove the row"
            )
        states = told or (len(says) == 2 and any(map(is_control, one.words)))
        if one.name in kept or not (unread or states) or (one.name in measured and one.named(OUTCOMES)):
            continue
        why = f"cannot be read ({one.reason.removeprefix(f'{draft.path}: ')})" if unread else "says states"
        draft.remarks.append(
            f"the column {one.name!r} {why} and is no intervention here: regimes are counted without it; if it "
            "is one, write it in full and name every intervention"
        )


def _label_columns(draft: Draft) -> tuple[str, ...]:
    """The column of labels by its name, or several that are numbered; () for none."""
    filled = [one for one in draft.columns.values() if not one.reason and not one.numeric and one.words]
    texts = [one for one in filled if len(one.words) > 1]
    numbered: dict[str, list[str]] = {}
    for one in filled:
        found = _NUMBERED.fullmatch(one.key)
        if found is not None and found["stem"] in {*LABELS, "id", "drug", "compound", "treatment", "g", "gene"}:
            numbered.setdefault(found["stem"], []).append(one.name)
    for names in numbered.values():
        columns = [draft.columns[name] for name in names]
        varies = any(len(one.words) > 1 or one.missing for one in columns)
        if len(names) > 1 and varies and not _are_states(columns):
            draft.say("data", f"the columns {listed(names)} hold one intervention each: by their names")
            return tuple(names)
    named = [one for one in texts if one.key in LABELS and one.name]
    others = [one for one in _candidates(draft) if one.key not in LABELS]
    for one in sorted(named, key=lambda one: (_LABEL_ORDER.get(one.key, 9), draft.table.names.index(one.name))):
        sure = draft.is_anndata or one.key in PERTURBATIONS or not others
        if sure or len(one.words) > _MOST_LEVELS or _joined(one):
            rest = [other.name for other in named if other is not one]
            draft.say("data", f"{one.name!r} holds the labels: by its name" + it_could_be(rest))
            return (one.name,)
    joined = [one for one in texts if _joined(one)]
    if len(joined) == 1:
        draft.say("data", f"{joined[0].name!r} holds the labels: some are joined by + of others")
        return (joined[0].name,)
    return ()


def _are_states(columns: Sequence[Column]) -> bool:
    """Whether cells say how each column's own intervention is, such as wt and ko, and not what was done.

    They are words for states, or one word alone in every column, which several columns of names would not have.
    """
    done = [{look(text.strip()).casefold() for text in one.words if not is_control(text)} for one in columns]
    words = set[str]().union(*done)
    return words <= STATES or (len(words) == 1 and all(done))


def _read_labels(draft: Draft, columns: tuple[str, ...], separator: str | None, control: tuple[str, ...]) -> None:
    """Interventions from labels."""
    zero = draft.columns.get("nperts")
    found = guess_labels(draft.table, columns[0] if len(columns) == 1 else columns, separator, control, zero)
    draft.interventions = found.interventions
    draft.data |= found.written
    labels: Any = found.written["labels"]
    if labels.get("control"):
        draft.say("data", f"labels of the baseline: {listed(labels['control'])}{'' if control else ', by name'}")
    for name, words in found.notes.items():
        for one in words:
            draft.say(f"interventions.{name}" if name else "data", one)
    draft.used |= {*columns}
    draft.telling += columns
    other = [one for one in _candidates(draft) if one.name not in draft.used]
    other = [one for one in other if not one.numeric or one.named(DOSES)]
    if other:
        draft.say(
            "interventions",
            f"columns of few levels beside the labels, left out: {listed([o.name for o in other])}",
        )
    if any(one.numeric and one.named(DOSES) for one in other):
        draft.say("interventions", "a dose in a column of its own is not read: write labels such as A_10uM")
    draft.used |= {one.name for one in other}
    draft.say("interventions", "one for each that labels name; 0 is without, 1 with it")
    for name in columns:
        draft.remarks += _odd_labels(draft.columns[name])


def _odd_labels(one: Column) -> list[str]:
    """Remarks on labels that may be totals or notes: by their words, or one that stands in one row alone."""
    rows = np.bincount(one.codes[one.codes >= 0], minlength=len(one.texts))
    words = [text for text in one.words if look(text.strip()).casefold() in TOTALS]
    alone = [one.texts[k] for k in np.flatnonzero(rows == 1).tolist()]
    if len(alone) == 1 and alone[0] not in words and not is_missing(alone[0]) and np.median(rows) >= _SEVERAL:
        words += alone
    return [
        f"the label {text!r} of the column {one.name!r} is taken for something that was done; if it is a total or "
        "a note, remove its rows"
        for text in words
    ]


def _candidates(draft: Draft) -> list[Column]:
    """Columns that may be interventions: few levels, no other part by their name."""
    found = []
    for one in draft.columns.values():
        levels = 0 if one.reason else len(one.levels)
        if levels == 1 and one.missing and not one.numeric:
            levels = 2  # what was not done may be an empty cell
        if one.reason or levels < 2 or one.names_rows or one.is_dates or one.name == draft.outcome:
            continue
        other = COVARIATES | UNITS | OUTCOMES | CELLS
        if one.named(other - DOSES if one.named(DOSES) else other):
            continue
        rows = len(one.codes)
        most = _MOST_DOSES if one.numeric and one.named(DOSES) else 6 if one.numeric else _MOST_LEVELS
        many = 8 if one.numeric and not _is_whole(one) else 2
        if levels <= most and (_is_binary(one) or rows >= levels * many or one.named(DOSES)):
            found.append(one)
    return found


def _read_factors(draft: Draft, given: Sequence[str]) -> None:
    """Interventions from columns, one each."""
    found = [draft.columns[name] for name in given] or _chosen(draft)
    lost = {one.name: one for one in found if _is_lost(one)}
    for one in lost.values():
        if given or len(lost) == len(found):
            raise _lost(draft, one)
        empty = "empty, and no level says that nothing was done" if one.blank_only else "missing"
        draft.say(
            "interventions",
            f"{one.name!r} is left out: {one.missing:,} cells are {empty} (row {one.first_missing + 1}); where "
            "they mean untreated, write control there",
        )
        draft.used.add(one.name)
    for one in found:
        if one.name not in lost:
            _take(draft, one)
    _say_doses_of_drugs(draft, [one for one in found if one.name not in lost])
    if not given:
        draft.say(
            "interventions",
            "columns of few levels, one intervention each; one that was measured belongs under "
            "variables, one that was there before treatment under covariates",
        )
    alone = [one for one in draft.columns.values() if not one.reason and len(one.words) == 1]
    unread = [one for one in draft.columns.values() if one.reason]
    if not draft.interventions:
        raise InputError(
            f"{draft.path}: no column looks like an intervention: 0 and 1, a few levels, doses, or "
            f"labels such as A+B; the columns are {listed(draft.table.names)}; name those that are, or the column "
            "of labels"
            + "".join(f" ({one.reason.removeprefix(f'{draft.path}: ')})" for one in unread[:1])
            + "".join(f" ({one.name!r} says {one.words[0]!r} in every row)" for one in alone[:1]),
            argument="intervention",
        )


def _is_lost(one: Column) -> bool:
    """Whether cells have no reading: words for a missing value, or empty where no level says untreated."""
    return bool(one.missing) and not (one.blank_only and one.baseline_is_nothing)


def _lost(draft: Draft, one: Column) -> RowError:
    if one.blank_only:
        return RowError(
            draft.path,
            one.first_missing,
            f"{one.missing:,} cells of the column {one.name!r} are empty, and none of its levels "
            f"({listed(one.words)}) says that nothing was done; write what was done there, such as control",
        )
    text = next(text for text in one.texts if text.strip() and text not in one.words)
    return RowError(
        draft.path,
        int(np.argmax(one.codes == one.texts.index(text))),
        f"{text!r} in the column {one.name!r} reads as a missing value, which is no level; write "
        f"what was done, or remove the row",
    )


def _say_doses_of_drugs(draft: Draft, found: Sequence[Column]) -> None:
    """On doses that may be of what another column names: where it names no control, or 0 exactly where it does."""
    given = [one for one in found if not one.numeric and not one.baseline_by_name]
    amounts = [one for one in found if one.numeric and one.named(DOSES)]
    if given and amounts:
        draft.remarks.append(
            f"no level of {listed([one.name for one in given])} says that nothing was done, and "
            f"{listed([one.name for one in amounts])} may be doses of what is named there: then write both in one "
            "column of labels, such as A_10uM"
        )
    drugs = [one for one in found if not one.numeric and len(one.levels) > 2 and one.baseline_by_name]
    for dose in found:
        if dose.by_value and dose.named(DOSES) and dose.levels[0] == 0 and not dose.missing:
            zero = dose.codes == dose.texts.index(next(t for t in dose.texts if float(t) == 0))
            for drug in drugs:
                if np.array_equal(zero, drug.codes == drug.texts.index(str(drug.levels[0]))):
                    draft.say(
                        f"interventions.{legal_name(dose.name)}",
                        f"0 exactly where {drug.name!r} is {drug.levels[0]!r}, so it may be the dose of what "
                        f"{drug.name!r} names: then write both in one column of labels, such as A_10uM",
                    )


def _take(draft: Draft, one: Column) -> None:
    levels = one.levels
    if len(levels) < 2:
        raise InputError(
            f"{draft.path}: the column {one.name!r} has {len(levels)} level(s); an intervention has two or more"
            + (f" ({one.reason})" if one.reason else "")
        )
    name = legal_name(one.name)
    if name in ("ctrl", "all"):
        raise InputError(f"{draft.path}: an intervention cannot be called {name!r}; rename the column")
    twin = next((t for t in draft.telling if legal_name(t) == name), name if name != one.name else None)
    if twin in draft.columns:
        raise InputError(
            f"{draft.path}: the columns {twin!r} and {one.name!r} have one name as interventions, {name!r}; "
            "rename one"
        )
    draft.used.add(one.name)
    draft.telling.append(one.name)
    valued = one.by_value and len(levels) > 2 and one.named(DOSES)
    draft.interventions[name] = {"levels": levels, "basis": {"hat": levels}} if valued else levels
    key = f"interventions.{name}"
    if name != one.name:
        draft.say(key, f"the column {one.name!r}")
    if valued:
        draft.say(
            key,
            "levels with values, straight lines between those run; also {poly: 2}, {hill: {ec50: 1, n: 1}}",
        )
    if levels != [0, 1]:
        why = "the least" if one.numeric else "by its name" if one.baseline_by_name else "first in order"
        draft.say(key, f"baseline: {levels[0]!r}, {why}; if it is another, put that first")
    if one.missing:
        draft.say(
            key,
            f"{one.missing:,} cells are empty (row {one.first_missing + 1}): read as baseline, or, where a row is "
            "empty in every intervention, skipped",
        )


def _chosen(draft: Draft) -> list[Column]:
    """The candidates, less one that says again what the others say; InputError for too many."""
    found = _candidates(draft)
    for one in [one for one in found if not one.numeric and len(one.levels) > 2]:
        others = [other for other in found if other is not one]
        if len(others) > 1 and groups([one]) == groups(others) == groups(found):
            draft.say(
                "interventions",
                f"{one.name!r} is left out: it says again what {listed([o.name for o in others])} say",
            )
            found = others
    if len(found) <= _MOST_GUESSED or all(_is_binary(one) for one in found):
        return found
    order = draft.table.names
    outcomes = [one for one in draft.columns.values() if not one.reason and one.named(OUTCOMES)]
    before = [one for one in found if outcomes and order.index(one.name) < order.index(outcomes[0].name)]
    if 1 <= len(before) <= _MOST_GUESSED:
        rest = [one.name for one in found if one not in before]
        draft.say(
            "interventions",
            f"columns of few levels before {outcomes[0].name!r}; after it, and left out: {listed(rest)}",
        )
        return before
    raise InputError(
        f"{draft.path}: {len(found)} columns have few levels and could be interventions "
        f"({listed([one.name for one in found])}); name those that are",
        argument="intervention",
    )


def _is_binary(one: Column) -> bool:
    return one.levels == [0, 1]


def _is_whole(one: Column) -> bool:
    return all(isinstance(level, int) for level in one.levels)


def _joined(one: Column) -> bool:
    """Whether some label is others joined by +."""
    known = set(one.words)
    return any(
        "+" in text and all(piece.strip() in known for piece in text.split("+")) for text in one.words
    ) or any(text.endswith(("+ctrl", "+control")) or text.startswith(("ctrl+", "control+")) for text in one.words)
