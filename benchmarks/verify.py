"""What `ifm verify` costs where every regime has a proof of its own: does it grow with the file alone?

Run `python benchmarks/verify.py -o benchmarks` (a minute). Two interventions of 331 levels, each of which was
measured alone. Refusals: one factor over both, so that every pair of levels is refused by its own kernel.
Formulas: a factor for each, so that every pair has its own formula. CPU seconds of one process, reading included.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ifm_ident.design.regimes import Regimes
from ifm_ident.results.read import WRITERS
from ifm_ident.solve.identifier import Identifier
from ifm_ident.study.study import Study
from ifm_ident.verification.checking import verify_file

SIDE = 330
FACTORS = {"refusals": [["A", "B"], ["C"]], "formulas": [["A"], ["B"], ["C"]]}


def question(kind: str, count: int) -> tuple[Study, Regimes]:
    """So many pairs of levels, none of which was measured."""
    levels = list(range(SIDE + 1))
    study = Study.from_dict(
        {
            "interventions": {"A": levels, "B": levels, "C": [0, 1]},
            "factors": [{"sigma": sigma} for sigma in FACTORS[kind]],
            "train": ["ctrl", "C=1", *({name: i} for name in "AB" for i in levels[1:])],
        }
    )
    i = np.arange(count)
    return study, Regimes.from_codes(np.stack([i % SIDE + 1, i // SIDE + 1, i % 2], axis=1))


def lines(counts: list[int]) -> Iterator[str]:
    """The table."""
    yield "# What it costs to verify\n"
    asked = " ".join(map(str, counts))
    yield f"`python benchmarks/verify.py --counts {asked}`, Python {platform.python_version()}.\n"
    yield "| proofs, all distinct | format | regimes | CPU s | CPU µs a regime | against the first |"
    yield "| --- | --- | ---: | ---: | ---: | ---: |"
    for what in FACTORS:
        for kind in WRITERS:
            first = 0.0
            for count in counts:
                study, targets = question(what, count)
                found = Identifier(study.design, study.notation).identify(targets)
                assert len(found.kernels) == count * (what == "refusals")
                with tempfile.TemporaryDirectory() as folder:
                    path = Path(folder) / f"r.{kind}"
                    with path.open("wb") as stream:
                        WRITERS[kind](stream, study, [found])
                    start = time.process_time()
                    outcome = verify_file(path, study)
                    took = time.process_time() - start
                assert outcome.holds
                assert outcome.checked == count
                each = took / count * 1e6
                first = first or each
                yield f"| {what} | {kind} | {count:,} | {took:.2f} | {each:.1f} | {each / first:.2f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--counts", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("-o", "--output", type=Path, help="folder for verify.md")
    args = parser.parse_args()
    text = ""
    for line in lines(args.counts):
        print(line, flush=True)
        text += line + "\n"
    if args.output:
        (args.output / "verify.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
