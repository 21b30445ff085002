"""Beyond the joint criterion: what the other routes cost, beside a named peer in the same run.

Run `python benchmarks/beyond.py` (about two minutes); prints a Markdown table of CPU seconds and ratios.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import replace

import flint
import networkx
import numpy as np
from designs import combinations, screen

from ifm_ident.design.design import Design
from ifm_ident.design.model import Factor, Intervention, Model
from ifm_ident.design.regimes import Regimes
from ifm_ident.design.spaces import AllRegimes, UpToOrder
from ifm_ident.implications.testable import implications
from ifm_ident.messages.message_passing import derive, derive_many
from ifm_ident.messages.trees import junction_tree, sigma_graph
from ifm_ident.planning.candidates import Candidates
from ifm_ident.planning.planner import plan
from ifm_ident.planning.prices import OneEach
from ifm_ident.solve.identifier import CHUNK, Identifier
from ifm_ident.solve.incidence import OneHotSystem
from ifm_ident.solve.objectives.choose import choose


def cpu(work: Callable[[], object]) -> float:
    """CPU seconds of one call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def chain(length: int) -> Model:
    """Factors over neighbouring interventions of a row."""
    names = [f"s{i:05d}" for i in range(length)]
    factors = tuple(Factor(f"f{i}", ("x",), (names[i], names[i + 1])) for i in range(length - 1))
    return Model(tuple(Intervention(name, (0, 1)) for name in names), ("x",), factors)


def runs_of_pairs(model: Model) -> Regimes:
    """Baseline, singles and neighbouring pairs of a chain."""
    d = len(model)
    singles = [((i, 1),) for i in range(d)]
    return Regimes.from_active([(), *singles, *(((i, 1), (i + 1, 1)) for i in range(d - 1))], d)


def identify_all(design: Design, targets: Regimes, criterion: str) -> None:
    identifier = Identifier(design)
    for start in range(0, len(targets), CHUNK):
        identifier.identify(targets.take(slice(start, start + CHUNK)), criterion)  # type: ignore[arg-type]


def conditional() -> tuple[str, float, str, float]:
    """A million targets by the conditional criterion with three distinct K(v), beside the joint one."""
    design = screen(1000, 5000)
    third = len(design.model.factors) // 3
    scopes = [("x1", "x2"), ("x2", "x3"), ("x1", "x3")]
    factors = tuple(replace(f, x=scopes[min(k // third, 2)]) for k, f in enumerate(design.model.factors))
    design = Design(replace(design.model, variables=("x1", "x2", "x3"), factors=factors), design.train)
    targets = combinations(design, 1_000_000, 5)
    ours, joint = (cpu(lambda c=c: identify_all(design, targets, c)) for c in ("conditional", "joint"))
    kinds = len(design.model.covers)
    return (f"conditional criterion, 10^6 targets, {kinds} distinct K(v)", ours, "joint criterion", joint)


def trees() -> tuple[str, float, str, float]:
    model = chain(10_000)
    ours = cpu(lambda: junction_tree(sigma_graph(model)))
    graph = networkx.path_graph(10_000)
    peer = cpu(lambda: (networkx.is_chordal(graph), list(networkx.chordal_graph_cliques(graph))))
    return ("junction tree of a chain of 10,000", ours, "networkx: chordality and cliques", peer)


def derivation() -> tuple[str, float, str, float]:
    model = chain(10_000)
    design = Design(model, runs_of_pairs(model))
    target = tuple((i, 1) for i in range(10_000))
    one = Regimes.from_active([target], 10_000)
    ours = cpu(lambda: derive(design, target))
    peer = cpu(lambda: identify_all(design, one, "joint"))
    return ("message passing, all 10,000 of a chain active", ours, "algebraic route, factored anew", peer)


def many_derivations() -> tuple[str, float, str, float]:
    model = chain(1_000)
    design = Design(model, runs_of_pairs(model))
    targets = combinations(design, 100_000, 5)
    ours = cpu(lambda: derive_many(design, targets))
    peer = cpu(lambda: identify_all(design, targets, "joint"))
    return ("message passing, 100,000 five-way targets of a chain of 1,000", ours, "algebraic route", peer)


def relations() -> tuple[str, float, str, float]:
    model = chain(10)
    design = Design(model, next(iter(AllRegimes(model).chunks())))
    ours = cpu(lambda: implications(Identifier(design)))
    dense = flint.fmpz_mat(OneHotSystem(model).rows(design.train).toarray().T.tolist())
    peer = cpu(dense.nullspace)
    return (
        "implications (saturated, sparse) of all 1,024 runs of a chain",
        ours,
        "python-flint: a null space",
        peer,
    )


def sparse() -> tuple[str, float, str, float]:
    pairs = [(i, j) for i in range(5) for j in range(i)]
    factors = tuple(Factor(f"f{i}{j}", ("x",), (f"s{i}", f"s{j}")) for i, j in pairs)
    model = Model(tuple(Intervention(f"s{i}", (0, 1)) for i in range(5)), ("x",), factors)
    every = next(iter(AllRegimes(model).chunks()))
    design, target = Design(model, every.take(slice(31))), every.take(np.array([31]))
    identifier = Identifier(design)
    found = identifier.identify(target)
    ours = cpu(lambda: choose(identifier, found, "sparse"))
    peer = cpu(lambda: choose(identifier, found, "l1"))
    return (
        "sparsest formula, proven: all pairs of 2^5, 31 run",
        ours,
        "least sum of the exponents' sizes, proven",
        peer,
    )


def planning() -> tuple[str, float, str, float]:
    design = screen(300, 600)
    design = Design(design.model, Regimes.from_active([(), *(((i, 1),) for i in range(300))], 300))
    space = UpToOrder(design.model, 3)
    candidates = Candidates(design.model, OneEach(design.model), (), 2)
    ours = cpu(lambda: plan(design, space.chunks, candidates))
    peer = cpu(lambda: [Identifier(design).identify(chunk) for chunk in space.chunks()])
    return ("plan for all 4.5 million triples: 300 interventions, 600 pairs", ours, "identifying them once", peer)


def main() -> None:
    print(f"Python {platform.python_version()}, {platform.machine()}.\n")
    print("| what | CPU s | beside it | CPU s | ratio |\n| --- | ---: | --- | ---: | ---: |")
    for measure in (conditional, trees, derivation, many_derivations, relations, sparse, planning):
        what, ours, peer, theirs = measure()
        print(f"| {what} | {ours:.3g} | {peer} | {theirs:.3g} | {ours / theirs:.2g} |", flush=True)


if __name__ == "__main__":
    main()
