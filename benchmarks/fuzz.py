"""Inputs that nobody wrote, for minutes or hours: how many of which kind and how they ended; exit 1 for a fault.

    python benchmarks/fuzz.py --minutes 60 -o benchmarks
    python benchmarks/fuzz.py --only claims --minutes 1
    python benchmarks/fuzz.py --only claims --again 00ff17      # one input again, with its traceback

Random bytes choose inputs of the harnesses in `tests/fuzz/harnesses.py`, in turns of half a CPU second each, in
one process. An answer and a refusal in words are right; a traceback, a warning, a false result said to hold and
more than 10 CPU s are faults, printed with the bytes that choose them. Writes fuzz.md.
"""

from __future__ import annotations

import argparse
import faulthandler
import random
import resource
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.fuzz.harnesses import HARNESSES, PATIENCE, outcome, random_bytes

TURN = 0.5


@dataclass
class Tally:
    """What the inputs of one harness came to."""

    ends: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    slowest: float = 0.0
    faults: dict[str, bytes] = field(default_factory=dict)

    def add(self, name: str, data: bytes, folder: Path) -> None:
        """One input."""
        start = time.process_time()
        try:
            end = outcome(name, data, folder)
        except Exception as error:
            end = "fault"
            place = traceback.extract_tb(error.__traceback__)[-1]
            key = f"{type(error).__name__}: {str(error)[:150]!r} ({Path(place.filename).name}:{place.lineno})"
            self._fault(name, key.partition("'")[0] + f"{place.filename}:{place.lineno}", key, data)
        took = time.process_time() - start
        if took > PATIENCE:
            self._fault(name, "slow", f"{took:.1f} CPU s", data)
        self.ends[end] += 1
        self.seconds += took
        self.slowest = max(self.slowest, took)

    def _fault(self, name: str, kind: str, words: str, data: bytes) -> None:
        if kind not in self.faults:
            self.faults[kind] = data
            print(f"{name}: {words}\n  --only {name} --again {data.hex()}", file=sys.stderr, flush=True)


def run(names: list[str], minutes: float, seed: int) -> dict[str, Tally]:
    """Inputs in turns until the time is over."""
    rng, tallies, folder = random.Random(seed), {name: Tally() for name in names}, Path(tempfile.mkdtemp())
    end = time.monotonic() + 60 * minutes
    while time.monotonic() < end:
        for name, tally in tallies.items():
            turn = tally.seconds + TURN
            while tally.seconds < turn:
                faulthandler.dump_traceback_later(60 * PATIENCE, exit=True)  # a hang ends the run, with its place
                tally.add(name, random_bytes(rng), folder)
        faulthandler.cancel_dump_traceback_later()
    return tallies


def table(tallies: dict[str, Tally], seed: int, minutes: float) -> str:
    """The counts as Markdown."""
    total = sum(tally.ends.total() for tally in tallies.values())
    faults = sum(tally.ends["fault"] for tally in tallies.values())
    seconds = sum(tally.seconds for tally in tallies.values())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    lines = [
        "# Inputs that nobody wrote",
        "",
        f"`python benchmarks/fuzz.py --minutes {minutes:g} --seed {seed}`: {total:,} inputs "
        f"in {seconds:,.0f} CPU s of one process, {faults:,} faults, peak memory {peak:.2f} GiB.",
        "",
        "| harness | inputs | faults | a CPU s | slowest, CPU s | how they ended |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for name, tally in tallies.items():
        ends = ", ".join(f"{word} {n:,}" for word, n in tally.ends.most_common() if word != "fault")
        count, rate = tally.ends.total(), tally.ends.total() / max(tally.seconds, 1e-9)
        cells = (
            name.replace("_", " "),
            f"{count:,}",
            f"{tally.ends['fault']:,}",
            f"{rate:,.0f}",
            f"{tally.slowest:.2g}",
        )
        lines.append(f"| {' | '.join(cells)} | {ends} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default=",".join(HARNESSES), help="harnesses, joined by commas")
    parser.add_argument("--again", metavar="HEX", help="the bytes of one input")
    parser.add_argument("-o", "--output", type=Path, help="folder for fuzz.md")
    args = parser.parse_args()
    names = args.only.split(",")
    if args.again is not None:
        print(outcome(names[0], bytes.fromhex(args.again), Path(tempfile.mkdtemp())))
        return
    tallies = run(names, args.minutes, args.seed)
    text = table(tallies, args.seed, args.minutes)
    print(text)
    if args.output:
        (args.output / "fuzz.md").write_text(text, encoding="utf-8")
    sys.exit(any(tally.faults for tally in tallies.values()))


if __name__ == "__main__":
    main()
