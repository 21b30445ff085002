"""A result in parts checked again: every part against its manifest, and every claim from the definitions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ifm_ident.errors import InputError
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
from ifm_ident.verification.checking import Verification, verify

_NAMED = 5


def holds_parts(path: str | Path) -> bool:
    """Whether a result is a folder of parts."""
    return is_address(str(path)) or Path(path).is_dir()


def verify_parts(
    path: str | Path, study: StudyLike | None = None, study_path: str | Path | None = None
) -> Verification:
    """Checks a folder of parts, part by part: its files against the manifest, and every claim as `verify` does.

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
    for part in manifest.parts:
        if part.name in folder.names():
            whole = _with(whole, _checked(folder, manifest, part, study, against))
    return whole


def _missing(folder: Folder, manifest: Manifest) -> Iterator[str]:
    """What the folder lacks, and what it has too much of."""
    left = [manifest.name_of(number) for number in manifest.unfinished()]
    if left:
        more = f" and {len(left) - _NAMED:,} more" if len(left) > _NAMED else ""
        yield (
            f"{len(left):,} of {manifest.count:,} parts are not finished ({', '.join(left[:_NAMED])}{more}); go "
            "on with `ifm identify ... --resume`"
        )
    there, told = set(folder.names()), {part.name for part in manifest.parts}
    yield from (f"{name}: this part is not there" for name in sorted(told - there))
    for name in sorted(there - told):
        if name.startswith("part-"):
            yield f"{name}: no manifest tells of this part"


def _checked(
    folder: Folder, manifest: Manifest, part: Part, study: StudyLike | None, against: str | None
) -> Verification:
    broken = []
    if file_sha256(folder, part.name) != part.sha256:
        broken.append("its SHA-256 is not the one in the manifest")
    with folder.read(part.name) as path:
        try:
            result = read_result(path, study)
        except InputError as error:
            return Verification(0, (), broken=(f"{part.name}: {str(error).removeprefix(f'{path}: ')}",))
        if result.heading is not None and design_digest(result.heading) != manifest.design:
            broken.append("it is about another design than the manifest")
        found = verify(result, study, against)
    if found.checked != part.rows and found.unreadable is None:
        broken.append(f"it has {found.checked:,} results, in the manifest {part.rows:,}")
    if not found.complete and found.unreadable is None:
        broken.append(f"it says that it has {found.targets:,} results, and has {found.checked:,}")
    failures = tuple(replace(failure, part=part.name) for failure in found.failures)
    return replace(found, failures=failures, broken=tuple(f"{part.name}: {reason}" for reason in broken))


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
