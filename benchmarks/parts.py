"""Answers in parts: many regimes of a large screen, streamed from a file, and the design of a very large one.

Run `python benchmarks/parts.py -o benchmarks`, with `--regimes 100000000` for a hundred million. The targets are
regimes of three to six of 1,000 perturbations, drawn at random and kept as labels in a Parquet file; the answers
are a folder of parts. Times are CPU seconds of all processes; memory is the peak of the largest process.
"""

from __future__ import annotations

import argparse
import platform
import resource
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from designs import SEED, combinations, screen, write_study

from ifm_ident.design.design import Design
from ifm_ident.design.notation import format_regimes
from ifm_ident.design.regimes import Regimes
from ifm_ident.parts.asked import Asked
from ifm_ident.parts.running import PART_ROWS, identify_in_parts, in_processes, in_this_process
from ifm_ident.results.manifest import Part
from ifm_ident.solve.identifier import Identifier
from ifm_ident.study.study import load

BATCH = 2**18


def cpu() -> float:
    """CPU seconds of this process and of its children that have ended."""
    return sum(
        used.ru_utime + used.ru_stime
        for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def peak() -> float:
    """GiB of the largest process so far."""
    return (
        max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 2**20
    )


def write_targets(path: Path, design: Design, count: int) -> None:
    """Labels of regimes of three to six perturbations, as many of each."""
    rng = np.random.default_rng(SEED)
    schema = pa.schema([("perturbation", pa.large_string())])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, count, BATCH):
            size = min(BATCH, count - start)
            drawn = [combinations(design, size // 4 + (k < size % 4), k + 3, start + k) for k in range(4)]
            batch = Regimes.concatenate(drawn).take(rng.permutation(size))
            labels = format_regimes(design.model, batch, "label").cast(pa.large_string())
            writer.write_table(pa.table([labels], schema))


def in_parts(folder: Path, count: int, workers: int) -> Iterator[str]:
    """The lines of a table: what each tenth of the parts cost."""
    begun, wall = cpu(), time.perf_counter()
    asked = Asked(load(folder / "study.yaml"))
    marks = [cpu()]

    def watch(parts: Iterable[Part], total: int) -> Iterator[Part]:
        for part in parts:
            marks.append(cpu())
            yield part

    found = identify_in_parts(
        asked,
        folder / f"answers{workers}",
        run=in_this_process if workers == 1 else in_processes(workers),
        watch=watch,
    )
    took, waited = cpu() - begun, time.perf_counter() - wall
    size = sum(path.stat().st_size for path in (folder / f"answers{workers}").iterdir())
    yield (
        f"| {count:,} | {workers} | {len(found.parts)} | {took:.1f} | {took / count * 1e6:.2f} | {waited:.1f} "
        f"| {size / count:.1f} | {peak():.2f} |"
    )
    if workers == 1:
        steps = np.diff(marks)
        rows = np.array([part.rows for part in found.parts])
        each = steps / rows * 1e6
        full = each[rows == PART_ROWS] if (rows == PART_ROWS).any() else each
        yield ""
        yield (
            f"CPU µs a regime, part by part: first {each[0]:.2f}, least {full.min():.2f}, median "
            f"{np.median(full):.2f}, most {full.max():.2f}, last whole part {full[-1]:.2f}."
        )


def very_large() -> Iterator[str]:
    """A screen of 20,000 perturbations and 200,000 interacting pairs, factored and asked."""
    begun = cpu()
    design = screen(20_000, 200_000)
    yield f"20,000 perturbations, 200,000 pairs: made in {cpu() - begun:.1f} CPU s,"
    begun = cpu()
    identifier = Identifier(design)
    rank = identifier.joint.rank
    yield f"factored in {cpu() - begun:.1f} CPU s (rank {rank:,} of {len(design.train):,} training regimes),"
    targets = combinations(design, 100_000, 5)
    begun = cpu()
    found = identifier.identify(targets)
    counts = ", ".join(f"{n:,} {word}" for word, n in found.counts().items() if n)
    each = (cpu() - begun) / len(targets) * 1e6
    yield f"then {each:.1f} CPU µs a regime of five ({counts}); peak {peak():.2f} GiB."


def report(regimes: int, workers: list[int]) -> Iterator[str]:
    """All lines of the Markdown."""
    yield "# Answers in parts\n"
    yield f"`python benchmarks/parts.py --regimes {regimes}`, Python {platform.python_version()}.\n"
    yield "| regimes | processes | parts | CPU s | CPU µs a regime | s | bytes a regime | peak GiB of a process |"
    yield "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    design = screen(1000, 5000)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_study(folder, design, combinations(design, 1, 3))
        write_targets(folder / "test.parquet", design, regimes)
        after: list[str] = []
        for number in sorted(workers, reverse=True):
            line, *more = in_parts(folder, regimes, number)
            yield line
            after += more
        one, other = (sorted((folder / f"answers{n}").iterdir()) for n in (workers[0], workers[-1]))
        same = [a.read_bytes() == b.read_bytes() for a, b in zip(one, other, strict=True)]
        if len(workers) > 1:
            after.append(
                f"The {len(same)} files of both are {'equal' if all(same) else 'NOT EQUAL'} byte for byte."
            )
    yield from after
    yield ""
    yield from very_large()


def main() -> None:
    """Measure and print Markdown, or write it to `parts.md` in a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--regimes", type=int, default=10_000_000)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    lines = []
    for line in report(options.regimes, options.workers):
        print(line, flush=True)
        lines.append(line)
    if options.output is not None:
        page = options.output / "parts.md"
        _, heading, more = page.read_text(encoding="utf-8").partition("\n## ") if page.exists() else ("", "", "")
        page.write_text("\n".join(lines) + "\n" + heading + more, encoding="utf-8")  # what tests counted stays


if __name__ == "__main__":
    main()
