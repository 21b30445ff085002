"""Verdicts against another library: random designs of eight kinds, dense one-hot null spaces by python-flint.

    python benchmarks/oracle.py --targets 1000000 -o benchmarks

The joint and the conditional verdict of every target beside `tests/oracles.py`, which uses nothing of the engine.
The first disagreement is printed and ends the run with status 1. Writes oracle.md.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
from ifm_ident.answer.identification import Status
from ifm_ident.solve.identifier import Identifier
from tests.oracles import Codes, Oracle, PlainDesign, conditional_verdicts, regimes_of

MOST = 2_000
"""Targets of one design: all its regimes, or so many drawn ones."""

KINDS = {
    "pairs": ((2,) * 8, 2, 8, 30),
    "triples": ((2,) * 7, 3, 5, 40),
    "singles": ((2,) * 10, 1, 10, 5),
    "three levels": ((3,) * 6, 2, 6, 40),
    "mixed levels": ((2, 3, 4, 2, 5, 3), 2, 5, 40),
    "one large scope": ((2,) * 9, 5, 3, 40),
    "many small factors": ((2,) * 9, 2, 20, 45),
    "few runs": ((2, 3) * 4, 2, 6, 8),
}
"""By name: levels of the interventions, the largest sigma-scope, how many factors, how many training regimes."""


def drawn(kind: str, rng: np.random.Generator) -> tuple[PlainDesign, list[Codes]]:
    """A design of a kind and targets of it; half of the training regimes lie near one of the others."""
    levels, largest, factors, runs = KINDS[kind]
    variables = ("x", "y", "z")[: int(rng.integers(1, 4))]
    scopes = [
        tuple(rng.choice(len(levels), int(rng.integers(0 if k else 1, largest + 1)), replace=False).tolist())
        for k in range(factors)
    ]
    parts = [tuple(v for v in variables if rng.random() < 0.6) or variables[:1] for _ in range(factors - 1)]
    train = [tuple(int(rng.integers(a)) for a in levels)]
    for _ in range(runs - 1):
        code = list(train[int(rng.integers(len(train)))])
        for i in rng.choice(len(levels), int(rng.integers(1, 3 if rng.random() < 0.5 else len(levels)))):
            code[i] = int(rng.integers(levels[i]))
        train.append(tuple(code))
    plain = PlainDesign(levels, variables, tuple(zip([variables, *parts], scopes, strict=True)), tuple(train))
    if np.prod(levels) <= MOST:
        return plain, list(itertools.product(*map(range, levels)))
    return plain, list(map(tuple, rng.integers(0, levels, (MOST, len(levels))).tolist()))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--targets", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path, help="folder for oracle.md")
    args = parser.parse_args()
    rng, count, yes = np.random.default_rng(args.seed), Counter[str](), Counter[str]()
    designs, start = Counter[str](), time.process_time()
    for kind in itertools.cycle(KINDS):
        if count.total() >= args.targets:
            break
        plain, targets = drawn(kind, rng)
        identifier, asked = Identifier(plain.build()), regimes_of(targets, len(plain.levels))
        joint = np.array(Oracle(plain, plain.every_factor).holds(targets))
        conditional = np.array(conditional_verdicts(plain, targets))
        for criterion, truth in (("joint", joint), ("conditional", conditional), ("auto", joint | conditional)):
            found = identifier.identify(asked, criterion).status != Status.NOT_IDENTIFIED
            for i in np.flatnonzero(found != truth)[:1].tolist():
                sys.exit(f"{criterion}: {targets[i]} is {found[i]}, by flint {truth[i]}: {plain}")
        designs[kind] += 1
        count[kind] += len(targets)
        yes[kind] += int(np.count_nonzero(joint | conditional))
    lines = [
        "# Verdicts against another library",
        "",
        f"`python benchmarks/oracle.py --targets {args.targets} --seed {args.seed}`: {count.total():,} targets "
        f"of {designs.total():,} random designs, each by three criteria, all as python-flint's null spaces of the "
        f"dense one-hot systems have it; {time.process_time() - start:,.0f} CPU s.",
        "",
        "| kind | designs | targets | observed or identified |",
        "| --- | ---: | ---: | ---: |",
        *(f"| {k} | {designs[k]:,} | {count[k]:,} | {yes[k] / max(count[k], 1):.0%} |" for k in KINDS),
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    if args.output:
        (args.output / "oracle.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
