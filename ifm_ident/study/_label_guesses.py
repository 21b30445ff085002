"""Guesses from columns of labels: the control, names that are no names, and doses such as `A_10uM`."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import pyarrow as pa

from ifm_ident.design.bases import plain_number
from ifm_ident.design.model import legal_name
from ifm_ident.design.texts import names_nothing
from ifm_ident.errors import InputError
from ifm_ident.study._columns import Column, is_control
from ifm_ident.study._screens import Screen, read_screen
from ifm_ident.study.reading._label_columns import blank_rows
from ifm_ident.study.reading._screen_labels import InLabel, names_in_labels
from ifm_ident.study.reading._table import RowError, Table
from ifm_ident.study.reading.label_conventions import LabelConvention, is_known_control

_SHOWN = 6
_MOST_NAMED = 2000
_MOST_CONTROLS = 20
_MOST_COMPARED = 500
_MOLAR = {"fm": -15, "pm": -12, "nm": -9, "um": -6, "mm": -3}
_MASS = {"pg/ml": -12, "ng/ml": -9, "ug/ml": -6, "mg/ml": -3}
_OTHER = (
    "mg/kg",
    "ug/kg",
    "U/ml",
    "IU/ml",
    "pg",
    "ng",
    "ug",
    "mg",
    "Gy",
    "hrs",
    "hr",
    "h",
    "min",
    "days",
    "d",
    "%",
)
_UNITS = "|".join(
    re.escape(unit) for unit in ("fM", "pM", "nM", "uM", "mM", "M", "pg/ml", "ng/ml", "ug/ml", "mg/ml", *_OTHER)
)
_DOSE = re.compile(
    rf"(?P<drug>.*[^\s_:@(-])[\s_:@(-]+(?P<number>[0-9]+(\.[0-9]+)?(e[-+]?[0-9]{{1,3}})?)\s?(?P<unit>{_UNITS})\)?",
    re.IGNORECASE,
)
_MICRO = str.maketrans("\u00b5\u03bc", "uu")
_BETWEEN = re.compile(r"\s*[+|;&]\s*")


@dataclass(frozen=True)
class LabelGuess:
    """What labels tell: levels of each intervention as a study file has them, and how labels are written.

    written: the keys `label` and `labels` of `data`. notes: of interventions, by name; of labels, under "".
    """

    interventions: dict[str, object]
    written: dict[str, object]
    notes: dict[str, list[str]]


def guess_labels(
    table: Table,
    columns: str | tuple[str, ...],
    separator: str | None,
    control: tuple[str, ...],
    zero: Column | None = None,
) -> LabelGuess:
    """The interventions of a column of labels, or of several that hold one intervention each.

    separator, control: as the user gave them, None and () to find them. zero: a column that counts the
    perturbations of a row, such as scPerturb's nperts. Raises InputError and RowError as `read_screen` does.
    """
    notes: dict[str, list[str]] = defaultdict(list)
    parts = _cells(table, columns)
    controls = control or _controls(parts, isinstance(columns, str))
    if not controls and zero is not None and isinstance(columns, str):
        controls = _labels_of_zero(table, columns, zero)
        notes[""] += [f"control: the label of the rows where {zero.name} is 0"] * bool(controls)
    if not controls:
        apart = _never_joined(parts)
        raise InputError(
            f"{table.path}: no label of {_quoted(columns)} means baseline: ctrl, control, non-targeting, NT, "
            f"DMSO, vehicle, wt, untreated and their like were looked for among {_some(parts)}; name the one that "
            "does"
            + ("" if isinstance(columns, str) else ", or write ctrl where all these columns are empty")
            + (f" (perhaps {apart!r}, the only one that no other label holds)" if apart else ""),
            argument="control",
        )
    doses, zeros, dosed = _doses(parts, notes)
    controls = tuple(dict.fromkeys((*controls, *zeros)))
    names = {text: text_to for text, (text_to, _, _) in doses.items()}
    names |= _whole_names(table, columns, separator, controls, names, notes)
    try:
        screen = read_screen(
            table, columns, separator=separator, control=controls, names=names, interventions=None
        )
    except InputError as error:
        raise _asked(error) from None
    interventions: dict[str, object] = {}
    written_names = {text: name for text, name in screen.convention.names if text not in doses}
    for name in screen.names:
        drug = next((drug for drug, texts in dosed.items() if name in texts.values()), None)
        if drug is None:
            interventions[name] = [0, 1]
            continue
        own = {text: doses[text] for text in dosed[drug]}
        values = sorted({value for _, value, _ in own.values()})
        levels = [0, *map(plain_number, values)]
        interventions[drug] = _with_values(levels)
        written_names |= {text: f"{drug}={plain_number(value)}" for text, (_, value, _) in own.items()}
        unit = next(iter(own.values()))[2]
        notes[drug] = [f"doses in {unit}, read from labels such as {next(iter(own))!r}"]
    return LabelGuess(interventions, _written(screen, columns, controls, written_names), dict(notes))


def _never_joined(parts: Iterable[str]) -> str:
    """The one label that is part of no other, among labels of which some are joined of others; "" for none.

    >>> _never_joined(["buffer7", "A", "B", "A + B"]), _never_joined(["x", "A", "B"])
    ('buffer7', '')
    """
    texts = list(dict.fromkeys(parts))
    if len(texts) > _MOST_COMPARED:
        return ""
    joined = {text for text in texts for other in texts if other != text and other in text}
    apart = [text for text in texts if text not in joined and not any(text in other for other in joined)]
    return apart[0] if joined and len(apart) == 1 else ""


def _with_values(levels: list[int | float | str]) -> object:
    """Levels that are numbers: with a basis where there are three or more."""
    return {"levels": levels, "basis": {"hat": levels}} if len(levels) > 2 else levels


def _cells(table: Table, columns: str | tuple[str, ...]) -> list[str]:
    """The distinct cells and, of one column, their pieces between + | ; &, as they come."""
    found: dict[str, None] = {}
    for name in (columns,) if isinstance(columns, str) else columns:
        for text in table.texts(name).unique().to_pylist():
            whole = (text or "").strip()
            found |= dict.fromkeys((whole, *(_BETWEEN.split(whole) if isinstance(columns, str) else ())))
    return [text for text in found if text]


def _controls(parts: Sequence[str], joined: bool) -> tuple[str, ...]:
    """The usual names of the control among cells and, where these may be joined by _, their pieces."""
    pieces = (piece for part in parts if joined for piece in part.split("_"))
    found = {part for part in parts if is_control(part)} | {piece for piece in pieces if is_known_control(piece)}
    return tuple(sorted(found))


def _labels_of_zero(table: Table, column: str, zero: Column) -> tuple[str, ...]:
    texts = table.texts(column).to_pylist()
    if zero.values is None or len(texts) != len(zero.codes):
        return ()
    found = {
        text for text, code in zip(texts, zero.codes.tolist(), strict=True) if code >= 0 and zero.values[code] == 0
    }
    return tuple(sorted(text for text in found if text and text.strip())) if len(found) <= _MOST_CONTROLS else ()


def _doses(
    parts: Sequence[str], notes: dict[str, list[str]]
) -> tuple[dict[str, tuple[str, Fraction, str]], list[str], dict[str, dict[str, str]]]:
    """For texts that are a drug at a dose a name, the number and its unit; those of dose 0; drugs with texts."""
    of: dict[str, list[tuple[str, Fraction, str]]] = defaultdict(list)
    single = [text for text in parts if len(_BETWEEN.split(text)) == 1]
    bare = []
    for text in single:
        read = _DOSE.fullmatch(text.translate(_MICRO))
        if read is None or read["unit"] == "m":
            bare.append(text)
        else:
            drug = legal_name(text[: read.end("drug")])
            of[drug].append((text, Fraction(read["number"]), read["unit"]))
    found: dict[str, tuple[str, Fraction, str]] = {}
    zeros: list[str] = []
    dosed: dict[str, dict[str, str]] = {}
    taken = set(map(legal_name, bare))
    for drug, doses in sorted(of.items()):
        families = {_family(unit) for _, _, unit in doses}
        if len(families) > 1 or drug in taken:
            why = "also stands without a dose" if drug in taken else "has doses in units that cannot be compared"
            notes[""].append(f"{drug} {why}, so each of its labels is an intervention of its own")
            continue
        common = Counter(unit for _, _, unit in doses).most_common()
        unit = max((_power(name), name) for name, count in common if count == common[0][1])[1]
        dosed[drug] = {}
        for k, (text, number, written) in enumerate(sorted(doses)):
            value = number * Fraction(10) ** (_power(written) - _power(unit))
            if value == 0:
                zeros.append(text)
                continue
            name = f"{drug}_dose_{k}"
            while name in taken:
                name += "_"
            found[text] = (name, value, unit)
            dosed[drug][text] = name
    return found, zeros, {drug: texts for drug, texts in dosed.items() if texts}


def _family(unit: str) -> str:
    """What units that can be compared have in common."""
    return "M" if unit.lower() in _MOLAR or unit == "M" else "g/ml" if unit.lower() in _MASS else unit


def _power(unit: str) -> int:
    return (_MOLAR | _MASS).get(unit.lower(), 0) if unit != "M" else 0


def _whole_names(
    table: Table,
    columns: str | tuple[str, ...],
    separator: str | None,
    controls: tuple[str, ...],
    names: dict[str, str],
    notes: dict[str, list[str]],
) -> dict[str, str]:
    """Names for labels that hold what names cannot and fall into no others: each is read whole."""
    if not isinstance(columns, str):
        return {}
    column = table.texts(columns).filter(pa.array(~blank_rows(table)))
    texts = [text.strip() for text in column.unique().to_pylist() if text is not None and text.strip()]
    added: dict[str, str] = {}
    while True:
        try:
            convention = LabelConvention(separator, controls, tuple({**names, **added}.items()))
            names_in_labels(texts, convention)
            break
        except InLabel as error:
            if error.shared:
                break
            whole = texts[error.index]
            name = legal_name(whole)
            known = {*texts, *names.values(), *added.values()}
            if (
                ("+" in whole and separator is None)
                or names_nothing(whole)
                or name == whole
                or whole in added
                or len(added) >= _MOST_NAMED
                or (separator is not None and separator in whole)
            ):
                break
            while name in known:
                name += "_"
            added[whole] = name
        except InputError:
            break
    if added:
        shown = ", ".join(f"{text!r} as {name}" for text, name in list(added.items())[:_SHOWN])
        more = f" and {len(added) - _SHOWN:,} more" if len(added) > _SHOWN else ""
        why = "" if separator else ", since no other label holds their pieces"
        notes[""].append(f"read whole{why}: {shown}{more}{'' if separator else '; else give a separator'}")
    return added


def _asked(error: InputError) -> InputError:
    """The refusal with the arguments that this reader has."""
    words = re.sub(
        r"or, if it is a name, give names=\{.*?\}(?=$|,? or)", "or write another name for it", str(error)
    )
    other = "'|'" if "separator='+'" in words else "'+'"
    words = re.sub(r"names=\{.*?\} if it does not", f"{other} if it does not", words)
    words = re.sub(r"give names=\{.*?\}$", "give separator='|', say, that no label holds", words)
    words = re.sub(
        r",? or (give )?interventions=\[\.\.\.\]| or, for the baseline, control=.*|, or say with control=.*",
        "",
        words,
    )
    argument = "separator" if "separator=" in words else "control" if "control" in words else ""
    found = RowError.__new__(RowError) if isinstance(error, RowError) else InputError.__new__(InputError)
    InputError.__init__(found, words, error.path, argument)
    return found


def _written(
    screen: Screen,
    columns: str | tuple[str, ...],
    controls: tuple[str, ...],
    names: dict[str, str],
) -> dict[str, object]:
    """The keys `label` and `labels` of `data`."""
    labels: dict[str, object] = {}
    if isinstance(columns, str):
        labels["separator"] = screen.convention.separator
    if len(controls) <= _MOST_CONTROLS or not all(map(is_known_control, controls)):
        labels["control"] = list(controls)
    if names:
        labels["names"] = names
    return {"label": columns if isinstance(columns, str) else list(columns), "labels": labels}


def _quoted(columns: str | tuple[str, ...]) -> str:
    return ", ".join(map(repr, (columns,) if isinstance(columns, str) else columns))


def _some(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - _SHOWN:,} more" if len(texts) > _SHOWN else ""
    return ", ".join(map(repr, texts[:_SHOWN])) + more
