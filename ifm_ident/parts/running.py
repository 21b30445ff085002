"""Parts written one by one, each whole or not at all, and a manifest that tells which are finished."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from hashlib import sha256
from importlib.metadata import version
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import BinaryIO

from ifm_ident.answer.identification import Identification
from ifm_ident.design.spaces import digest_of
from ifm_ident.errors import IfmError, InputError, require_whole
from ifm_ident.files import InUseError
from ifm_ident.limits import Limits, current
from ifm_ident.parts.asked import Asked
from ifm_ident.results.folders import Folder, open_folder
from ifm_ident.results.manifest import WHOLE, Manifest, Part, design_digest, file_sha256, merged, read_manifests
from ifm_ident.results.read import WRITERS

PART_ROWS = 2**20
"""How many regimes a part answers."""

MOST_PARTS = 1_000_000
"""How many parts there may be: each is a file, and an entry of the manifest, which is written after each."""

_PATIENCE = 10.0
_ONE_AT_A_TIME = threading.Lock()


class _Hashed:
    """A stream that takes the SHA-256 of what is written."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._found = stream, sha256()
        self.closed = False

    def write(self, data: bytes) -> int:
        self._found.update(data)
        return self._stream.write(data)

    def tell(self) -> int:
        return self._stream.tell()

    def flush(self) -> None:
        self._stream.flush()

    def hexdigest(self) -> str:
        return self._found.hexdigest()


@dataclass(frozen=True, eq=False)
class Job:
    """The question, the folder of its answer, and the plan of its parts: all that writing a part needs."""

    asked: Asked
    address: str | Path
    plan: Manifest
    limits: Limits = field(default_factory=current)

    def write(self, number: int) -> Part:
        """Answers a part, counted from 0, and puts it into the folder; what was there is replaced at once."""
        plan = self.plan
        start, stop = plan.span(number)
        verdicts: Counter[str] = Counter()

        def counted(chunks: Iterable[Identification]) -> Iterator[Identification]:
            for chunk in chunks:
                verdicts.update(chunk.counts())
                yield chunk

        # several threads of one process would factor the design at the same time
        with self.limits, _ONE_AT_A_TIME, open_folder(self.address).create(plan.name_of(number)) as stream:
            hashed = _Hashed(stream)
            chunks = counted(self.asked.answers(start, stop))
            WRITERS[plan.options["format"]](hashed, self.asked.study, chunks)  # type: ignore[arg-type]
        return Part(plan.name_of(number), stop - start, hashed.hexdigest(), dict(verdicts))


Runner = Callable[[Job, Sequence[int]], Iterable[Part]]
"""Writes parts of a job, by their numbers, and gives each back when it is finished, in any order."""


def in_this_process(job: Job, numbers: Sequence[int]) -> Iterator[Part]:
    """The runner that writes one part after the other."""
    return map(job.write, numbers)


def in_processes(workers: int) -> Runner:
    """A runner with so many processes on this machine, each of which factors the design once."""
    require_whole(workers, "workers", 1)

    def run(job: Job, numbers: Sequence[int]) -> Iterator[Part]:
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(min(workers, len(numbers)) or 1, context, _begin, (job,))
        try:
            for done in as_completed([pool.submit(_write, number) for number in numbers]):
                yield done.result()
        except BrokenProcessPool:
            raise IfmError(
                "a process was killed, as when memory runs out; finished parts are kept: go on with `ifm identify "
                "... --resume`, with fewer workers or smaller parts"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)

    return run


_AT_WORK: list[Job] = []


def _begin(job: Job) -> None:
    """Starts a process of the pool: it ends with its parent, and an interrupt is the parent's to answer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent,), daemon=True).start()
    _AT_WORK[:] = [job]


def _end_after(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


def _write(number: int) -> Part:
    return _AT_WORK[0].write(number)


def identify_in_parts(
    asked: Asked,
    address: str | Path,
    *,
    output_format: str = "parquet",
    part_rows: int = PART_ROWS,
    shard: tuple[int, int] | None = None,
    resume: bool = False,
    force: bool = False,
    run: Runner = in_this_process,
    watch: Callable[[Iterable[Part], int], Iterable[Part]] = lambda parts, total: parts,
) -> Manifest:
    """Writes the answers for all test regimes, or those of shard (i, n), into a folder, and gives its manifest.

    The folder, a path or an address of fsspec, gets a file for every `part_rows` regimes, in the format `parquet`,
    `csv` or `json`, and `manifest.json`; a shard writes a manifest of its own, and the last one to finish that of
    all. The bytes of a part depend on the question alone, not on shards, runners, or how often a run was killed.

    resume: finished parts, by any manifest of the folder, are kept where their SHA-256 is right. force: what
    earlier runs wrote is removed. run: who writes the parts. watch: is given the parts as they come, and how many.

    Raises InputError where the folder holds a manifest without `resume` or `force`; where `resume` finds another
    design, version, targets or options; and for an objective or format that has no parts.

    >>> import tempfile
    >>> from ifm_ident.study.study import Study
    >>> asked = Asked(Study.from_labels(["ctrl", "A", "B", "C"]))
    >>> folder = tempfile.mkdtemp()
    >>> found = identify_in_parts(asked, folder, part_rows=4)
    >>> found.complete, [part.rows for part in found.parts], found.verdicts["identified"]
    (True, [4, 3], 3)
    >>> identify_in_parts(asked, folder, part_rows=5, resume=True)
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: ...: manifest.json is about something else: `part_rows` was 4 and is 5 now; ask as then, or write to another folder
    """  # noqa: E501
    require_whole(part_rows, "part_rows", 1)
    if output_format not in WRITERS:
        raise InputError(f"parts are {', '.join(WRITERS)}, not {output_format}", argument="format")
    if shard is not None and not 1 <= shard[0] <= shard[1]:
        raise InputError(f"shard {shard[0]}/{shard[1]}: the first number goes from 1 to the second")
    folder, job = open_folder(address), Job(asked, address, _plan(asked, output_format, part_rows))
    own = replace(job.plan, shard=shard)
    if job.plan.count > MOST_PARTS:
        raise InputError(
            f"{job.plan.regimes:,} regimes are {job.plan.count:,} parts, and a manifest tells of {MOST_PARTS:,} "
            "at most; ask about fewer regimes, or have more in a part",
            argument="part_rows",
        )
    mine = own.numbers(shard)
    if len(mine):  # what is wrong with the question shows here, before anything is written
        next(iter(asked.study.targets_between(mine[0] * part_rows, mine[0] * part_rows + 1)))
    for name in (own.file, *map(own.name_of, mine)):
        folder.require_unread(name)
    with folder.hold(own.file):
        kept = _kept(folder, own, resume, force)
        own = own.with_parts(part for part in kept if own.number_of(part.name) in mine)
        own.write(folder)
        left = [*own.unfinished(shard)]
        for part in watch(run(job, left), len(left)) if left else ():
            own = own.with_parts([*own.parts, part])
            own.write(folder)
    if shard is not None:
        _put_together(folder, own)
    return own


def _put_together(folder: Folder, own: Manifest) -> None:
    """Writes the manifest of all shards, by whichever finishes last; several may at once."""
    whole = merged([own, *(one for one in read_manifests(folder) if one.file != own.file)])
    end = time.monotonic() + _PATIENCE
    while whole.complete:
        try:
            whole.write(folder)
        except InUseError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return


def _plan(asked: Asked, output_format: str, part_rows: int) -> Manifest:
    study = asked.study
    return Manifest(
        version("ifm-ident"),
        study.name,
        design_digest(study),
        digest_of(study.test),
        study.target_count,
        part_rows,
        {
            "format": output_format,
            "notation": study.notation,
            "method": asked.method,
            "criterion": asked.criterion,
            "objective": asked.objective,
            **({} if asked.samples is None else {"samples": asked.samples.tolist()}),
        },
    )


def _kept(folder: Folder, own: Manifest, resume: bool, force: bool) -> list[Part]:
    """The finished parts that earlier runs left, as far as they are whole; InputError where there may be none."""
    found = read_manifests(folder)
    if force and not resume:
        for one in found:
            if own.shard is None or one.file in (own.file, WHOLE):
                for name in (one.file, *(part.name for part in one.parts if own.shard is None)):
                    folder.remove(name)
        found = read_manifests(folder)
    in_the_way = [one.file for one in found if own.shard is None or one.file in (own.file, WHOLE)]
    if in_the_way and not resume and own.numbers(own.shard):
        raise InputError(
            f"{folder} holds {in_the_way[-1]} already: go on by `resume`, begin anew by `force`, or name another "
            "folder",
            argument="resume",
        )
    parts: dict[str, Part] = {}
    for one in found:
        difference = own.difference(one)
        if difference is not None:
            raise InputError(
                f"{folder}: {one.file} is about something else: {difference}; ask as then, or write "
                "to another folder"
            )
        parts |= {part.name: part for part in one.parts}
    mine = set(map(own.name_of, own.numbers(own.shard)))
    there = mine.intersection(folder.names()) if resume else set()
    sound = (part for part in parts.values() if part.name in there and _is_planned(own, part))
    return [part for part in sound if file_sha256(folder, part.name) == part.sha256]


def _is_planned(plan: Manifest, part: Part) -> bool:
    """Whether a part is told to have as many results, with as many verdicts, as it must have."""
    start, stop = plan.span(plan.number_of(part.name))
    return part.rows == sum(part.verdicts.values()) == stop - start
