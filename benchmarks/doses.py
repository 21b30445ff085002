"""Targets per second where levels have values: 300 drugs at 8 doses with quadratic bases, 600 measured pairs.

    python benchmarks/doses.py [--drugs 300] [--pairs 600] [--targets 200000]

Training: the baseline, every drug at two doses and every pair at its four combinations of them. Targets: pairs at
doses never run together, half of them with a factor. The same counts with named levels (three levels a drug) are
the yardstick.
"""

from __future__ import annotations

import argparse
import time
from fractions import Fraction

import numpy as np

from ifm_ident.design.bases import Basis
from ifm_ident.design.design import Design
from ifm_ident.design.model import Factor, Intervention, Model
from ifm_ident.design.regimes import Regimes
from ifm_ident.solve.identifier import Identifier
from ifm_ident.verification.checking import verify

DOSES = (0, 0.1, 0.3, 1, 3, 10, 30, 100)
RUN = (3, 5)


def study(drugs: int, pairs: np.ndarray, basis: Basis | None) -> Design:
    """The design; without a basis the levels run are all there are."""
    levels = DOSES if basis is not None else (0, *(DOSES[i] for i in RUN))
    run = RUN if basis is not None else (1, 2)
    names = [f"d{i}" for i in range(drugs)]
    interventions = tuple(Intervention(name, levels, basis) for name in names)
    factors = [Factor(f"f{i}", ("x",), (name,)) for i, name in enumerate(names)]
    factors += [Factor(f"g{i}", ("x",), (names[a], names[b])) for i, (a, b) in enumerate(pairs.tolist())]
    train = [(), *(((i, level),) for i in range(drugs) for level in run)]
    train += [((a, s), (b, t)) for a, b in pairs.tolist() for s in run for t in run]
    return Design(Model(interventions, ("x",), tuple(factors)), Regimes.from_active(train, drugs))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--drugs", type=int, default=300)
    parser.add_argument("--pairs", type=int, default=600)
    parser.add_argument("--targets", type=int, default=200_000)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    every = np.array([(a, b) for a in range(given.drugs) for b in range(a + 1, given.drugs)])
    pairs = every[np.sort(rng.choice(len(every), given.pairs, replace=False))]
    half = given.targets // 2
    asked = np.concatenate(
        [pairs[rng.integers(len(pairs), size=half)], every[rng.integers(len(every), size=half)]]
    )
    for title, basis in (("quadratic bases, 8 doses", Basis("poly", degree=2)), ("three named levels", None)):
        design = study(given.drugs, pairs, basis)
        high = len(DOSES) if basis is not None else 3
        level = rng.integers(1, high, size=asked.shape)
        targets = Regimes(np.arange(len(asked) + 1) * 2, asked.ravel(), level.ravel(), given.drugs)
        started = time.perf_counter()
        identifier = Identifier(design)
        rank = identifier.joint.rank
        made = time.perf_counter() - started
        counts: dict[str, int] = {}
        started = time.perf_counter()
        for at in range(0, len(targets), 65_536):
            found = identifier.identify(targets.take(slice(at, at + 65_536)))
            for word, count in found.counts().items():
                counts[word] = counts.get(word, 0) + count
        took = time.perf_counter() - started
        started = time.perf_counter()
        sample = identifier.identify(targets.take(slice(0, 500)))
        holds = verify(sample).holds
        checked = time.perf_counter() - started
        largest = max(
            sum((abs(q) for q in sample.terms.exponents(t).get(-1, {}).values()), Fraction(0)) for t in range(9)
        )
        print(
            f"{title}: {len(design.train):,} training regimes, rank {rank:,}, factored in {made:.1f} s; "
            f"{len(targets):,} targets in {took:.1f} s, {len(targets) / took:,.0f} a second; {counts}; "
            f"500 answered and verified in {checked:.2f} s: {holds}; sum|q| up to {float(largest):.1f}"
        )


if __name__ == "__main__":
    main()
