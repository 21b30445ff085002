"""The text of a first study file, its guesses as comments above their keys."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from ifm_ident.errors import InputError
from ifm_ident.study._first_draft import Draft
from ifm_ident.study._yaml_text import block, comment, flow
from ifm_ident.study.reading._table import RowError
from ifm_ident.study.study import Study, study_of_text

_MOST_ALL, _MOST_TESTED = 512, 100_000


@dataclass(frozen=True)
class FirstStudy:
    """A study file as text, with the study that it reads as; `can_estimate` where it names columns of numbers.

    remarks: on columns that may be interventions and are none here, so that regimes are counted without them.
    """

    text: str
    study: Study
    can_estimate: bool
    counted: str
    remarks: tuple[str, ...] = ()


def written(draft: Draft, pairs: bool) -> FirstStudy:
    """The file: first without comments, to count its regimes, then with them."""
    plain: dict[str, Any] = {"name": draft.path.stem, "interventions": draft.interventions}
    if draft.variables or "x" in draft.interventions:
        plain["variables"] = draft.variables or ["density"]
    if draft.covariates:
        plain["covariates"] = draft.covariates
    plain["factors"] = [_factor(name, [name]) for name in draft.interventions]
    plain["train"] = "data"
    plain["test"] = {"order": 1}
    plain["data"] = draft.data
    study = _read(draft, "\n".join(_lines(plain, {})))
    sizes = study.sample_sizes()
    assert sizes is not None
    plain["test"] = _test(draft, study)
    found = _pairs(study)
    if pairs:
        plain["factors"] += [_factor(":".join(pair), list(pair)) for pair in found]
    few, most = int(sizes.min()), int(sizes.max())
    counted = (
        f"{len(sizes):,} regimes in {int(sizes.sum()):,} rows, "
        f"{f'{few:,}' if few == most else f'{few:,} to {most:,}'} "
        f"each"
    )
    draft.notes.setdefault("train", []).insert(0, counted)
    if few == 1 and most == 1 and len(sizes) > 1:
        draft.say("train", "no regime was run twice: only regimes that factors leave over tell the noise of a row")
    draft.say(
        "factors",
        "what acts together; one factor an intervention is the strongest assumption: each acts "
        "separately on the density",
    )
    draft.say(
        "factors",
        "no regime has two interventions"
        if not found
        else f"one more for each pair that was run: {len(found):,}"
        if pairs
        else "where two may interact, write sigma: [A, B]; init --pairs does so for every pair that was run: "
        f"{len(found):,}",
    )
    text = "\n".join([*_head(draft.path), *_lines(plain, draft.notes)]) + "\n"
    return FirstStudy(
        text, _read(draft, text), bool(draft.variables or "x" in draft.data), counted, tuple(draft.remarks)
    )


def _read(draft: Draft, text: str) -> Study:
    try:
        return study_of_text(text, draft.folder, str(draft.path))
    except RowError:
        raise
    except InputError as error:
        words = str(error)
        raise type(error)(words, error.path, error.argument) from None


def _test(draft: Draft, study: Study) -> object:
    """Every regime where these are few, else pairs, else what was run."""
    every = math.prod(study.model.level_counts.tolist())
    if every <= _MOST_ALL:
        draft.say("test", f"every combination: {every:,}")
        return "all"
    for order in (2, 1):
        count = sum(space.count for space in study.with_test(f"order:{order}").test)
        if count <= _MOST_TESTED:
            draft.say(
                "test",
                f"at most {order} off baseline, and what was run: {count:,}; all are {_readable(every)}",
            )
            return {"order": order}
    draft.say("test", f"one at a time; all are {_readable(every)}")
    return {"order": 1}


def _pairs(study: Study) -> list[tuple[str, str]]:
    """The pairs of interventions that some training regime has, in order."""
    names = [one.name for one in study.model.interventions]
    found = {pair for regime in study.design.train for pair in combinations([i for i, _ in regime], 2)}
    return [(names[i], names[j]) for i, j in sorted(found)]


def _factor(name: str, sigma: list[str]) -> dict[str, object]:
    return {"name": name, "sigma": sigma}


def _head(path: Path) -> list[str]:
    return comment(
        f"A first study of {path.name}, guessed from its columns: read every line, and change what is not so."
    )


def _lines(plain: dict[str, Any], notes: dict[str, list[str]]) -> Iterator[str]:
    """The file, line by line; notes stand above their keys."""
    for key, value in plain.items():
        if key in ("factors", "interventions"):
            for words in notes.get(key, ()):
                yield from comment(words)
            yield f"{key}:"
            if key == "factors":
                yield from (f"  - {flow(factor)}" for factor in value)
                continue
            for name, levels in value.items():
                for words in notes.get(f"interventions.{name}", ()):
                    yield from comment(words, "  ")
                yield from block(name, levels, "  ")
        else:
            for words in notes.get(key, ()) if key != "data" else (*notes.get("data", ()), *notes.get("unit", ())):
                yield from comment(words)
            if key == "factors":
                continue
            yield from block(key, value)
        if key == "interventions":
            for missing in ("variables", "covariates"):
                if missing not in plain:
                    for words in notes.get(missing, ()):
                        yield from comment(f"{missing}: {words}")


def _readable(count: int) -> str:
    return f"{count:,}" if count < 10**12 else f"about 10^{int(math.log10(count))}"
