"""A result in parts checked again: every part against its manifest, and every claim from the definitions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from ifm_ident.answer.identification import Status
from ifm_ident.design.design import Design
from ifm_ident.design.regimes import Regimes, recoded
from ifm_ident.design.spaces import AllRegimes, Listed, Space, UpToOrder, digest_of
from ifm_ident.errors import InputError
from ifm_ident.results.claims import Claims
from ifm_ident.results.folders import Folder, is_address, open_folder
from ifm_ident.results.header import StudyLike
from ifm_ident.results.manifest import (
    Manifest,
    Part,
    design_digest,
    file_sha256,
    merged,
    read_manifests,
)
from ifm_ident.results.read import read_result
from ifm_ident.study.study import Study
from ifm_ident.verification.checking import Verification, equal_rows, first_difference, verify

_NAMED = 5


def holds_parts(path: str | Path) -> bool:
    """Whether a result is a folder of parts."""
    return is_address(str(path)) or Path(path).is_dir()


def verify_parts(
    path: str | Path, study: StudyLike | None = None, study_path: str | Path | None = None
) -> Verification:
    """Checks a folder of parts, part by part: its files against the manifest, and every claim as `verify` does.

    Also that the parts are about the regimes asked for, in their order: where these are all, those up to an order
    or a list, and where `study` asks about them. Of a table that was too large to hold, the manifest has the
    SHA-256 of the file alone, so that `study` must name the file as its test regimes.

    Raises InputError for a folder without manifest, or with one that cannot be read.

    >>> import tempfile
    >>> verify_parts(tempfile.mkdtemp())
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: ...: there is no manifest; `ifm identify -o FOLDER/` writes it
    """
    folder = open_folder(path)
    manifests = read_manifests(folder)
    if not manifests:
        raise InputError(f"{folder}: there is no manifest; `ifm identify -o FOLDER/` writes it")
    manifest = merged(reversed(manifests))
    against = f"the study file {study_path}" if study_path else None
    whole = Verification(0, (), against, broken=tuple(_missing(folder, manifest)))
    asked, there = _Asked(manifest, study), set(folder.names())
    for part in manifest.parts:
        if part.name in there:
            whole = _with(whole, _checked(folder, manifest, part, asked, study, against))
    return replace(whole, broken=(*whole.broken, *asked.difference(whole.checked)))


class _Asked:
    """The regimes that a manifest says were asked about, to be held against those of the parts."""

    def __init__(self, manifest: Manifest, study: StudyLike | None) -> None:
        self._manifest = manifest
        self._study = study if isinstance(study, Study) and manifest.targets == digest_of(study.test) else None
        self._whole = None if self._study else _whole_space(manifest.targets)
        listed = self._study is None and self._whole is None and manifest.targets.startswith("list:")
        self._seen: list[Regimes] | None = [] if listed else None

    def between(self, design: Design, start: int, stop: int) -> Iterator[Regimes] | None:
        """The regimes asked about, in chunks and in the numbers of a design; None where they are not known."""
        if self._study is not None:
            study = self._study
            if first_difference(design, study.design) is not None:
                return None
            chunks = study.targets_between(start, stop)
            return (recoded(chunk, study.design.model, design.model) for chunk in chunks)
        if self._whole is None or design.model.has_bases:
            return None
        space = self._whole(design)
        return space.chunks(start=start, stop=stop) if space.count == self._manifest.regimes else iter(())

    def see(self, targets: Regimes) -> None:
        """Regimes of the parts, in their order: for a list that is known by its SHA-256."""
        if self._seen is not None:
            self._seen.append(targets)

    def difference(self, checked: int) -> Iterator[str]:
        """What is wrong with a list, all of whose regimes were seen."""
        if self._seen and checked == self._manifest.regimes:
            found = Listed(Regimes.concatenate(self._seen)).digest
            if found != self._manifest.targets:
                yield "the parts are not about the regimes that the manifest tells of, or in another order"


def _whole_space(targets: str) -> Callable[[Design], Space] | None:
    """The space of a design that a manifest names, if it names one alone."""
    if targets == "all":
        return lambda design: AllRegimes(design.model)
    word, _, order = targets.partition(":")
    if word == "order" and order.isascii() and order.isdigit() and len(order) < 9:
        return lambda design: UpToOrder(design.model, int(order))
    return None


def _missing(folder: Folder, manifest: Manifest) -> Iterator[str]:
    """What the folder lacks, and what it has too much of."""
    left = manifest.count - len(manifest.parts)
    if left:
        names = [manifest.name_of(number) for number in islice(manifest.unfinished(), _NAMED)]
        more = f" and {left - _NAMED:,} more" if left > _NAMED else ""
        yield (
            f"{left:,} of {manifest.count:,} parts are not finished ({', '.join(names)}{more}); go "
            "on with `ifm identify ... --resume`"
        )
    there, told = set(folder.names()), {part.name for part in manifest.parts}
    yield from (f"{name}: this part is not there" for name in sorted(told - there))
    for name in sorted(there - told):
        if name.startswith("part-"):
            yield f"{name}: no manifest tells of this part"


def _checked(
    folder: Folder, manifest: Manifest, part: Part, asked: _Asked, study: StudyLike | None, against: str | None
) -> Verification:
    broken = []
    if file_sha256(folder, part.name) != part.sha256:
        broken.append("its SHA-256 is not the one in the manifest")
    span = manifest.span(manifest.number_of(part.name))
    if part.rows != span[1] - span[0]:
        broken.append(f"the manifest tells {part.rows:,} results of it, and plans {span[1] - span[0]:,}")
    with folder.read(part.name) as path:
        try:
            result = read_result(path, study)
        except InputError as error:
            return Verification(0, (), broken=(f"{part.name}: {str(error).removeprefix(f'{path}: ')}",))
        if result.heading is not None and design_digest(result.heading) != manifest.design:
            broken.append("it is about another design than the manifest")
        seen = _Seen(asked, span)
        found = verify(replace(result, blocks=seen.watched(result.blocks)), study, against)
    if found.unreadable is None:
        if found.checked != part.rows:
            broken.append(f"it has {found.checked:,} results, in the manifest {part.rows:,}")
        if not found.complete:
            broken.append(f"it says that it has {found.targets:,} results, and has {found.checked:,}")
        if seen.verdicts != {word: count for word, count in part.verdicts.items() if count}:
            broken.append("its verdicts are not counted as in the manifest")
        if seen.elsewhere is not None:
            broken.append(f"result {seen.elsewhere} is about another regime than was asked for there")
    failures = tuple(replace(failure, part=part.name) for failure in found.failures)
    return replace(found, failures=failures, broken=tuple(f"{part.name}: {reason}" for reason in broken))


class _Seen:
    """What passes of a part while it is checked: verdicts, and the first result about a regime not asked for."""

    def __init__(self, asked: _Asked, span: tuple[int, int]) -> None:
        self._asked, self._at, self._stop = asked, span[0], span[1]
        self._start = span[0]
        self.verdicts: Counter[str] = Counter()
        self.elsewhere: int | None = None

    def watched(self, blocks: Iterable[Claims]) -> Iterator[Claims]:
        """The same blocks."""
        for claims in blocks:
            for status in Status:
                if count := int(np.count_nonzero(claims.status == status)):
                    self.verdicts[status.word] += count
            self._asked.see(claims.targets)
            self._compare(claims)
            yield claims

    def _compare(self, claims: Claims) -> None:
        stop = self._at + len(claims)
        chunks = self._asked.between(claims.design, self._at, min(stop, self._stop))
        if chunks is not None and self.elsewhere is None:
            wanted = Regimes.concatenate([Regimes.from_active([], claims.targets.width), *chunks])
            rows = min(len(wanted), len(claims))
            equal = equal_rows(claims.targets.take(slice(0, rows)), wanted.take(slice(0, rows)))
            other = np.flatnonzero(~equal)
            if len(other) or rows < len(claims):
                self.elsewhere = self._at - self._start + (int(other[0]) if len(other) else rows)
        self._at = stop


def _with(whole: Verification, more: Verification) -> Verification:
    """Both, one after the other."""
    return replace(
        whole,
        checked=whole.checked + more.checked,
        failures=whole.failures + more.failures,
        against=whole.against or more.against,
        difference=whole.difference or more.difference,
        unreadable=whole.unreadable or more.unreadable,
        broken=whole.broken + more.broken,
    )
