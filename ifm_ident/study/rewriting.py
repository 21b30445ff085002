"""A study file with other factors: the same text but for what stands under `factors`."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ifm_ident.design.model import Factor
from ifm_ident.errors import InputError
from ifm_ident.limits import read_bytes
from ifm_ident.study.reading._yaml_nodes import list_under, read_yaml
from ifm_ident.study.study import Study, load, read_text

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]*\Z")
_WORDS = frozenset(["true", "false", "null", "yes", "no", "on", "off", "y", "n"])


def with_factors(path: Path, factors: Sequence[Factor], *, anew: bool = False) -> str:
    """The text of a study file with these factors: what stands elsewhere is kept, with its comments.

    Factors that the file has already are kept as they are written there, with a comment on their line; `anew`: all
    are written anew.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "s.yaml"
    >>> _ = path.write_text('''# two drugs
    ... interventions: {A: [0, 1], B: [0, 1]}
    ... factors:
    ...   - {name: f1, sigma: [A]}   # as known
    ...   - sigma: [B]
    ... train: ["00", "10", "01", "11"]  # all
    ... ''')
    >>> old = load(path).model.factors
    >>> print(with_factors(path, [*old, Factor("A_B", ("x",), ("A", "B"))]), end="")
    # two drugs
    interventions: {A: [0, 1], B: [0, 1]}
    factors:
      - {name: f1, sigma: [A]}   # as known
      - sigma: [B]
      - {name: A_B, x: [x], sigma: [A, B]}
    train: ["00", "10", "01", "11"]  # all
    """
    old = load(path).model.factors
    data = read_bytes(path, "study").decode("utf-8")
    text = data.removeprefix("\ufeff")
    begin, end, column, flow, places = list_under(text, "factors", str(path))
    kept: dict[Factor, str] = {}
    for k, (factor, place) in enumerate(zip(old, places, strict=True)):
        own = text[slice(*place)].rstrip()
        named = re.search(r"\bname\b", own) is not None
        if not anew and (named or factors[k : k + 1] == [factor]):  # a name by position moves with the position
            kept[factor] = own if flow else own + _comment(text, place[0] + len(own))
    as_json = text.lstrip().startswith("{")
    lines = [kept[factor] if factor in kept else _factor_text(factor, as_json) for factor in factors]
    if flow:
        return data[: len(data) - len(text)] + text[:begin] + f"[{', '.join(lines)}]" + text[end:]
    last = places[-1][0] + len(text[slice(*places[-1])].rstrip())
    tail = text[last + len(_comment(text, last)) :]
    body = f"\n{' ' * column}".join(f"- {line}" for line in lines)
    return data[: len(data) - len(text)] + text[:begin] + body + tail


def written_with_factors(study: Study, factors: Sequence[Factor], target: Path) -> str:
    """The text to write to `target`, checked: read back, it is the study with these factors.

    Raises InputError for a study that is in no file, for `factors` that are no list written out, and for a target
    in another folder where the study names tables, which are looked for beside it.
    """
    if study.path is None:
        raise InputError("the study was read from no file, so there is none to write anew with other factors")
    beside = target.resolve().parent == study.path.resolve().parent
    for anew in (False, True):
        text = with_factors(study.path, list(factors), anew=anew)
        if not beside and re.search(r"\bfile[\"']?\s*:", text):
            raise InputError(
                f"cannot write the study to {target}: it names tables relative to its own folder; write it beside "
                f"{study.path}"
            )
        try:
            found = read_text(text, study.path)
        except InputError:
            continue
        if (
            found.model.factors == tuple(factors)
            and replace(found.model, factors=study.model.factors) == study.model
        ):
            return text
    raise InputError(
        f"{study.path}: cannot write `factors` into this text; write each factor out, without aliases"
    )


def listed_factors(path: Path) -> list[object]:
    """The maps under `candidates` (or `factors`) of a YAML or JSON file, unchecked.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "c.yaml"
    >>> _ = path.write_text("candidates:\\n  - {sigma: [A, B], x: [x1]}\\n")
    >>> listed_factors(path)
    [{'sigma': ['A', 'B'], 'x': ['x1']}]
    >>> _ = path.write_text("a: 1")
    >>> listed_factors(path)
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: ...c.yaml:1: there is no list `candidates`; write candidates: [{sigma: [A, B], x: [x1]}]
    """  # noqa: E501
    root = read_yaml(path)
    for key in ("candidates", "factors"):
        if key in root.entries and root.entries[key].kind == "seq":
            return [node.plain() for node in root.entries[key].items]
    raise InputError(f"{path}:1: there is no list `candidates`; write candidates: [{{sigma: [A, B], x: [x1]}}]")


def _comment(text: str, after: int) -> str:
    """The comment between a place and the end of its line, with the space before it; "" for none."""
    found = re.compile(r"[ \t]*#[^\n]*|[ \t]*(?=\n|\Z)").match(text, after)
    return found[0] if found is not None else ""


def _factor_text(factor: Factor, as_json: bool = False) -> str:
    if as_json:
        entries: dict[str, object] = {"name": factor.name, "x": list(factor.x), "sigma": list(factor.sigma)}
        return json.dumps(entries | ({"z": list(factor.z)} if factor.z else {}), ensure_ascii=False)
    parts = [f"name: {_scalar(factor.name)}"]
    for key, names in (("x", factor.x), ("z", factor.z), ("sigma", factor.sigma)):
        if key != "z" or names:
            parts.append(f"{key}: [{', '.join(map(_scalar, names))}]")
    return "{" + ", ".join(parts) + "}"


def _scalar(name: str) -> str:
    """A name as YAML, quoted where it would be read as something else."""
    if _PLAIN.match(name) and name.lower() not in _WORDS:
        return name
    return json.dumps(name, ensure_ascii=False)
