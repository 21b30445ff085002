"""Identification by message passing on the junction tree of the sigma-graph (docs/theory/messages.md)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ifm_ident.answer.product import density_text
from ifm_ident.arrays import Ints
from ifm_ident.design.design import Design
from ifm_ident.design.regimes import Active, RegimeLists, Regimes
from ifm_ident.messages._join_terms import Exponents, SigmaGraph, join_terms, relative
from ifm_ident.messages.trees import JunctionTree, induced, junction_tree, sigma_graph

MAX_CONTEXTS = 1000
MAX_CONTEXT_ENTRIES = 20_000_000
"""Bounds of `candidate_contexts`: how many, and how many training entries are re-written for them in all."""
MAX_WORK = 200_000
"""Vertices and edges of induced sigma-graphs that one call triangulates one by one (some ten seconds)."""

DerivationStatus = Literal["identified", "undecided"]


@dataclass(frozen=True, eq=False)
class MessagePassing:
    """What message passing says of n targets, in columns; regimes have irrelevant interventions at baseline.

    identified: shape (n,); context: index into `contexts` of the context used (where undecided: the one that
    `missing` is about), -1 where the target itself was observed. terms, lacking: every target's exponents and
    missing regimes. `capped` marks undecided targets whose induced sigma-graph was
    not chordal and not triangulated because the work limit was reached: the missing regime is the target.
    """

    identified: NDArray[np.bool_]
    context: Ints
    contexts: Regimes
    terms: Exponents
    lacking: RegimeLists
    capped: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.identified)

    @property
    def status(self) -> NDArray[np.str_]:
        """'identified' or 'undecided' for every target, shape (n,)."""
        return np.where(self.identified, "identified", "undecided")

    def exponents(self, row: int) -> tuple[tuple[int, int], ...]:
        """(train index, exponent) pairs of one target, by train index; () where undecided."""
        span = self.terms.span(row)
        return tuple(zip(self.terms.train[span].tolist(), self.terms.exponent[span].tolist(), strict=True))

    def missing_regimes(self, row: int) -> tuple[Active, ...]:
        """The missing regimes of one target; () where identified."""
        return tuple(self.lacking.take([row]).regimes)


@dataclass(frozen=True)
class Step:
    """One clique joined: multiply by p(joined) / p(separator_regime); the first has no separator regime."""

    clique: tuple[int, ...]
    separator: tuple[int, ...]
    joined: Active
    separator_regime: Active | None


@dataclass(frozen=True)
class Derivation:
    """A derivation of one target by message passing, or what it lacks.

    context: the regime that every clique is completed with; tree: the junction tree over the interventions
    where target and context differ. exponents: (train index, exponent), by train index, () if undecided.
    missing: the regimes that training lacks, () if identified. capped: the induced sigma-graph was not
    chordal and too large to triangulate.
    """

    status: DerivationStatus
    target: Active
    context: Active
    tree: JunctionTree
    exponents: tuple[tuple[int, int], ...]
    missing: tuple[Active, ...]
    capped: bool

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The cliques in the order in which they are joined, with their regimes."""
        return tuple(
            Step(
                clique,
                separator,
                self._at(clique),
                None if parent == -1 else self._at(separator),
            )
            for clique, parent, separator in zip(
                self.tree.cliques, self.tree.parent, self.tree.separators, strict=True
            )
        )

    def cumulative(self, step: int) -> Active:
        """The regime derived once cliques 0, ..., step are joined; the last one is the target."""
        return self._at({v for clique in self.tree.cliques[: step + 1] for v in clique})

    @cached_property
    def _levels(self) -> tuple[dict[int, int], dict[int, int]]:
        return dict(self.target), dict(self.context)

    def _at(self, positions: Sequence[int] | set[int]) -> Active:
        target, context = self._levels
        mixed = {**context, **{v: target.get(v, 0) for v in positions}}
        return tuple(sorted((v, level) for v, level in mixed.items() if level))


def candidate_contexts(
    design: Design, max_contexts: int = MAX_CONTEXTS, max_entries: int = MAX_CONTEXT_ENTRIES
) -> Regimes:
    """The contexts worth trying: the baseline, then the distinct training regimes as listed.

    Stops after max_contexts, or where re-writing training relative to them all would exceed max_entries.

    >>> from ifm_ident.design.model import Factor, Intervention, Model
    >>> model = Model((Intervention("A", (0, 1)),), ("x",), (Factor("f", ("x",), ("A",)),))
    >>> list(candidate_contexts(Design(model, Regimes.from_codes(np.array([[1], [1]])))))
    [(), ((0, 1),)]
    """
    train = design.train.restrict(design.model.relevant)
    distinct = train.take(np.unique(train.first_equal(train)))
    distinct = distinct.take(np.flatnonzero(distinct.active_counts))
    cost = np.cumsum(len(train) * (1 + distinct.active_counts) + len(train.position))
    kept = distinct.take(slice(0, min(max_contexts - 1, int(np.searchsorted(cost, max_entries, "right")))))
    return Regimes.concatenate([Regimes.from_active([()], train.width), kept])


def derive_many(
    design: Design, targets: Regimes, contexts: Regimes | None = None, *, max_work: int = MAX_WORK
) -> MessagePassing:
    """Decide every target by message passing, with each context in turn until one works (default: baseline).

    A target that has the incidence row of a training regime is that regime. `max_work` bounds the vertices
    and edges, in all, of the induced sigma-graphs that are triangulated one by one; targets beyond it are
    `capped`. Where no context works, the one with fewest missing regimes counts, the first of them. Sound,
    never complete: no target is ever said not to be identified. Source: docs/theory/messages.md.

    >>> from ifm_ident.design.model import Factor, Intervention, Model
    >>> binary = tuple(Intervention(name, (0, 1)) for name in ("s1", "s2", "s3"))
    >>> factors = (Factor("f1", ("x",), ("s1", "s2")), Factor("f2", ("x",), ("s2", "s3")))
    >>> train = np.array([[0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0], [0, 1, 1]])
    >>> design = Design(Model(binary, ("x",), factors), Regimes.from_codes(train))
    >>> answer = derive_many(design, Regimes.from_codes(np.array([[1, 1, 1], [1, 0, 1]])))
    >>> answer.status.tolist(), answer.exponents(0), answer.missing_regimes(1)
    (['identified', 'undecided'], ((1, -1), (3, 1), (4, 1)), (((2, 1),),))
    """
    relevant = design.model.relevant
    train, goals = design.train.restrict(relevant), targets.restrict(relevant)
    if contexts is None:
        contexts = Regimes.from_active([()], len(design.model))
    contexts = contexts.restrict(relevant)
    graph = SigmaGraph.of(design.model)
    seen = goals.first_equal(train)
    identified = seen >= 0
    context = np.full(len(goals), -1, dtype=np.int64)
    capped = np.zeros(len(goals), dtype=bool)
    least = np.full(len(goals), np.iinfo(np.int64).max)
    at = np.full(len(goals), -1, dtype=np.int64)
    observed = np.flatnonzero(identified)
    at[observed] = np.arange(len(observed))
    ones = np.ones(len(observed), dtype=np.int64)
    terms = [Exponents.of(ones, seen[observed], ones)]
    lacking = [RegimeLists.of(0 * ones, goals.take(slice(0, 0)))]
    pieces, work = len(observed), 0
    for index, regime in enumerate(contexts):
        pending = np.flatnonzero(~identified)
        if not len(pending):
            break
        there = relative(train, regime)
        for part in graph.slices(goals.active_counts[pending] + len(regime)):
            rows = pending[part]
            found = join_terms(graph, relative(goals.take(rows), regime), there, max_work - work)
            work += found.work
            better = np.flatnonzero(found.badness < least[rows])
            chosen = rows[better]
            least[chosen], context[chosen] = found.badness[better], index
            capped[chosen], identified[chosen] = found.capped[better], found.badness[better] == 0
            at[chosen] = pieces + np.arange(len(chosen))
            pieces += len(chosen)
            terms.append(found.exponents.take(better))
            absent = found.lacking.take(better)
            lacking.append(replace(absent, regimes=relative(absent.regimes, regime)))
    return MessagePassing(
        identified,
        context,
        contexts,
        Exponents.concatenate(terms).take(at),
        RegimeLists.concatenate(lacking).take(at),
        capped,
    )


def derive(
    design: Design, target: Active, contexts: Regimes | None = None, *, max_work: int = MAX_WORK
) -> Derivation:
    """Derive one target with the first context that works (default: `candidate_contexts`).

    Where none does, the answer is 'undecided', with the regimes that are missing. It is the answer of
    `derive_many` with the same contexts. Source: docs/theory/messages.md.

    >>> from ifm_ident.design.model import Factor, Intervention, Model
    >>> binary = tuple(Intervention(name, (0, 1)) for name in ("s1", "s2", "s3"))
    >>> factors = (Factor("f1", ("x",), ("s1", "s2")), Factor("f2", ("x",), ("s2", "s3")))
    >>> train = Regimes.from_codes(np.array([[0, 0, 0], [0, 1, 0], [1, 1, 0], [0, 1, 1]]))
    >>> design = Design(Model(binary, ("x",), factors), train)
    >>> derive(design, ((0, 1), (1, 1), (2, 1))).exponents
    ((1, -1), (2, 1), (3, 1))
    >>> answer = derive(design, ((0, 1),))
    >>> answer.status, answer.missing
    ('undecided', (((0, 1),),))
    """
    model = design.model
    goals = Regimes.from_active([target], len(model)).restrict(model.relevant)
    answer = derive_many(
        design, goals, candidate_contexts(design) if contexts is None else contexts, max_work=max_work
    )
    used = int(answer.context[0])
    context = goals[0] if used == -1 else answer.contexts[used]
    differs = [position for position, _ in relative(goals, context)[0]]
    tree = (
        JunctionTree((tuple(differs),), (-1,), ((),))
        if answer.capped[0]
        else junction_tree(induced(sigma_graph(model), differs))
    )
    return Derivation(
        "identified" if answer.identified[0] else "undecided",
        goals[0],
        context,
        tree,
        answer.exponents(0),
        answer.missing_regimes(0),
        bool(answer.capped[0]),
    )


def steps_text(
    derivation: Derivation, regime_text: Callable[[Active], str], names: Sequence[str], given: str = ""
) -> list[str]:
    """The derivation as lines of text; names: the intervention names by position; given: as `Model.given`.

    >>> tree = JunctionTree(((0, 1), (1, 2)), (-1, 0), ((), (1,)))
    >>> target = ((0, 1), (1, 1), (2, 1))
    >>> derivation = Derivation("identified", target, (), tree, ((0, 1), (1, 1), (2, -1)), (), False)
    >>> text = lambda regime: "".join("1" if i in dict(regime) else "0" for i in range(3))
    >>> for line in steps_text(derivation, text, ("1", "2", "3")):
    ...     print(line)
    outside the clique at hand every intervention is as in 000
    start from clique {1,2}: p(110)
    join clique {2,3} over separator {2}: multiply by p(011)/p(010)
    the product is proportional to p(111)
    """

    def density(regime: Active) -> str:
        return density_text(regime_text(regime), given)

    lines = [f"outside the clique at hand every intervention is as in {regime_text(derivation.context)}"]
    for step in derivation.steps:
        clique, separator = (
            "{" + ",".join(names[v] for v in part) + "}" for part in (step.clique, step.separator)
        )
        joined = density(step.joined)
        if step.separator_regime is None:
            lines.append(f"start from clique {clique}: {joined}")
        else:
            over = f"separator {separator}" if step.separator else "the empty separator"
            divisor = density(step.separator_regime)
            lines.append(f"join clique {clique} over {over}: multiply by {joined}/{divisor}")
    lines.append(f"the product is proportional to {density(derivation.target)}")
    if derivation.missing:
        lines.append("not in training: " + ", ".join(map(density, derivation.missing)))
    if derivation.capped:
        lines.append("the sigma-graph of this target is too large to triangulate, so it is taken as one clique")
    return lines
