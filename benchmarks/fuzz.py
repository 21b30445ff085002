"""Inputs that nobody wrote, for minutes or hours: how many of which kind and how they ended; exit 1 for a fault.

    python benchmarks/fuzz.py --minutes 60 -o benchmarks
    python benchmarks/fuzz.py --minutes 9 --seed 2 --add -o benchmarks      # more, added to the counts
    python benchmarks/fuzz.py --only claims --minutes 1
    python benchmarks/fuzz.py --only claims --again 00ff17      # one input again, with its traceback

Random bytes choose inputs of the harnesses in `tests/fuzz/harnesses.py`, in turns of half a CPU second each, in
one process. An answer and a refusal in words are right; a traceback, a warning, a false result said to hold and
more than 10 CPU s are faults, printed with the bytes that choose them. Writes fuzz.md, and the counts as
fuzz.json: `--add` goes on from those, with seeds that they do not have. Each run is kept there with a digest of
the code that it ran on, and the table says how many inputs were met by the code of the last run.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.fuzz.harnesses import HARNESSES, PATIENCE, outcome, random_bytes

ROOT = Path(__file__).parent.parent
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
            end = "fault"
            self._fault(name, "slow", f"{took:.1f} CPU s", data)
        self.ends[end] += 1
        self.seconds += took
        self.slowest = max(self.slowest, took)

    def plus(self, other: Tally) -> Tally:
        """Both together."""
        seconds, slowest = self.seconds + other.seconds, max(self.slowest, other.slowest)
        return Tally(self.ends + other.ends, seconds, slowest, self.faults)

    def _fault(self, name: str, kind: str, words: str, data: bytes) -> None:
        if kind not in self.faults:
            self.faults[kind] = data
            print(f"{name}: {words}\n  --only {name} --again {data.hex()}", file=sys.stderr, flush=True)


def run(names: list[str], minutes: float, seed: int) -> dict[str, Tally]:
    """Inputs in turns until the time is over."""
    signal.signal(signal.SIGALRM, _give_up)
    rng, tallies, folder = random.Random(seed), {name: Tally() for name in names}, Path(tempfile.mkdtemp())
    end = time.monotonic() + 60 * minutes
    while time.monotonic() < end:
        for name, tally in tallies.items():
            turn = tally.seconds + TURN
            while tally.seconds < turn:
                signal.setitimer(signal.ITIMER_REAL, 12 * PATIENCE)
                faulthandler.dump_traceback_later(60 * PATIENCE, exit=True)  # compiled code hangs: the end
                tally.add(name, random_bytes(rng), folder)
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()
    return tallies


class Hang(Exception):
    """An input that takes for ever."""


def _give_up(number: int, frame: object) -> None:
    raise Hang(f"no end after {12 * PATIENCE:g} s")


@dataclass(frozen=True)
class Run:
    """One run: its options, what it ran on, and what it came to."""

    seed: int
    minutes: float
    source: str
    inputs: int
    faults: int
    seconds: float
    peak: float


def source() -> str:
    """A digest of the code that is tried, and of what tries it."""
    found = sha256()
    for path in sorted(
        path for name in ("ifm_ident", "ifm_learn", "tests/fuzz") for path in (ROOT / name).rglob("*.py")
    ):
        found.update(path.read_bytes())
    return found.hexdigest()[:12]


def added(path: Path, seed: int) -> tuple[list[Run], dict[str, Tally]]:
    """The runs and counts of earlier runs; an error for a seed that they have."""
    if not path.exists():
        return [], {}
    data = json.loads(path.read_text(encoding="utf-8"))
    runs = [Run(**one) for one in data["runs"]]
    if any(one.seed == seed for one in runs):
        sys.exit(f"{path} has a run of seed {seed} already: its inputs would count twice; give another --seed")
    tallies = {name: Tally(Counter(one.pop("ends")), **one) for name, one in data["harnesses"].items()}
    return runs, tallies


def table(runs: list[Run], tallies: dict[str, Tally]) -> str:
    """The counts of all runs as Markdown."""
    total, faults = sum(one.inputs for one in runs), sum(one.faults for one in runs)
    seconds, peak = sum(one.seconds for one in runs), max(one.peak for one in runs)
    last = [one for one in runs if one.source == runs[-1].source]
    now, late = sum(one.inputs for one in last), sum(one.faults for one in last)
    seeds = [str(one.seed) for one in runs]
    words = f"{sum(one.minutes for one in runs):g} minutes in {len(runs)} runs, seeds {', '.join(seeds)}"
    changed = f" The code was changed between runs; as of the last: {now:,} inputs, {late} faults."
    lines = [
        "# Inputs that nobody wrote",
        "",
        f"`python benchmarks/fuzz.py --add`, {words}: {total:,} inputs in {seconds:,.0f} CPU s, "
        f"{faults:,} faults, peak memory {peak:.2f} GiB.{changed if now < total else ''}",
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
    parser.add_argument("--add", action="store_true", help="go on from the counts in the folder of -o")
    parser.add_argument("-o", "--output", type=Path, help="folder for fuzz.md and fuzz.json")
    args = parser.parse_args()
    names = args.only.split(",")
    if args.again is not None:
        print(outcome(names[0], bytes.fromhex(args.again), Path(tempfile.mkdtemp())))
        return
    counts = (args.output or Path()) / "fuzz.json"
    runs, before = added(counts, args.seed) if args.add else ([], {})
    digest, tallies = source(), run(names, args.minutes, args.seed)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    ends = sum((one.ends for one in tallies.values()), Counter[str]())
    inputs, faults = ends.total(), ends["fault"]
    seconds = sum(one.seconds for one in tallies.values())
    runs.append(Run(args.seed, args.minutes, digest, inputs, faults, round(seconds, 1), round(peak, 3)))
    whole = {name: one.plus(before.get(name, Tally())) for name, one in tallies.items()}
    whole = {**before, **whole}
    text = table(runs, whole)
    print(text)
    if args.output:
        (args.output / "fuzz.md").write_text(text, encoding="utf-8")
        harnesses = {
            name: {"ends": one.ends, "seconds": round(one.seconds, 3), "slowest": one.slowest}
            for name, one in whole.items()
        }
        data = {"runs": [asdict(one) for one in runs], "harnesses": harnesses}
        counts.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    sys.exit(any(tally.faults for tally in tallies.values()))


if __name__ == "__main__":
    main()
