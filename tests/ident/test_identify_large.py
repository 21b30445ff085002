"""Factors over many interventions, and pooled designs whose exponents have many digits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from ifm_ident.answer.identification import JOINT, Status
from ifm_ident.design.design import Design
from ifm_ident.design.model import Factor, Intervention, Model
from ifm_ident.design.regimes import Regimes
from ifm_ident.solve.identifier import Identifier


def wide_design(train: Sequence[Sequence[int]], width: int = 40) -> Design:
    """One factor over 40 binary interventions, and one factor for each of the first three."""
    names = tuple(f"g{i}" for i in range(width))
    model = Model(
        tuple(Intervention(n, (0, 1)) for n in names),
        ("x",),
        (Factor("all", ("x",), names), *(Factor(f"own{i}", ("x",), (names[i],)) for i in range(3))),
    )
    return Design(model, Regimes.from_active([tuple((i, 1) for i in active) for active in train], width))


def test_a_factor_over_forty_interventions() -> None:
    """2^40 cells are never built: what was seen is observed, everything else is refused by its unseen cell."""
    design = wide_design([[], [0], [5, 7], [39]])
    targets = Regimes.from_active([((0, 1),), ((0, 1), (1, 1)), ((7, 1), (5, 1)), ((39, 1), (38, 1))], 40)
    for criterion in ("joint", "conditional"):
        found = Identifier(design).identify(targets, criterion)
        assert [Status(s).word for s in found.status] == [
            "observed",
            "not_identified",
            "observed",
            "not_identified",
        ]
        for t in (1, 3):
            certificate = found.kernels[int(found.kernel[t])]
            assert [certificate.value(design, r) for r in design.train] == [0, 0, 0, 0]
            assert certificate.value(design, targets[t]) != 0
    assert Identifier(design).joint.rank == 4


def test_a_wide_factor_leaves_untouched_interventions_free() -> None:
    """The wide factor sees 39 of 40 interventions: the last one is a factor of its own and can be carried over."""
    names = tuple(f"g{i}" for i in range(40))
    model = Model(
        tuple(Intervention(n, (0, 1)) for n in names),
        ("x",),
        (Factor("wide", ("x",), names[:39]), Factor("last", ("x",), names[39:])),
    )
    design = Design(model, Regimes.from_active([(), ((3, 1), (8, 1)), ((39, 1),)], 40))
    found = Identifier(design).identify(Regimes.from_active([((3, 1), (8, 1), (39, 1)), ((3, 1), (39, 1))], 40))
    assert found[0].formula is not None
    assert found[0].formula.exponents == {1: 1, 2: 1, 0: -1}
    assert found[1].status == Status.NOT_IDENTIFIED


def pooled_design(rng: np.random.Generator, interventions: int, factors: int, pools: int) -> Design:
    """Random pair factors and a factor for each single, trained on pools that hold each intervention with 1/2."""
    names = tuple(f"g{i}" for i in range(interventions))
    pairs = rng.choice(interventions * (interventions - 1) // 2, factors, replace=False)
    first, second = np.triu_indices(interventions, 1)
    model = Model(
        tuple(Intervention(n, (0, 1)) for n in names),
        ("x",),
        (
            *(Factor(f"own{n}", ("x",), (n,)) for n in names),
            *(Factor(f"pair{p}", ("x",), (names[first[p]], names[second[p]])) for p in pairs),
        ),
    )
    return Design(model, Regimes.from_codes(rng.integers(0, 2, (pools, interventions))))


def check_pooled(design: Design, targets: Regimes, rank: int) -> None:
    """Decide all targets without lifting, lift the first and compare it with the sum of the pools in integers."""
    identifier = Identifier(design)
    assert identifier.joint.rank == rank
    assert identifier.joint.holds(targets).all()
    found = identifier.identify(targets.take(slice(0, 1)))
    q = found.terms.exponents(0)[JOINT]
    assert max(len(str(x.denominator)) for x in q.values()) > rank // 8
    train, target = design.train.codes(), targets.take(slice(0, 1)).codes()[0]
    assert sum(q.values()) == 1
    for scope in design.model.scopes:
        shows = (train[:, scope] == 1).all(axis=1)
        assert sum(x for i, x in q.items() if shows[i]) == int((target[scope] == 1).all())


def refuse_pooled(design: Design, targets: Regimes) -> None:
    identifier = Identifier(design)
    assert identifier.joint.rank == len(design.train)
    assert not identifier.joint.holds(targets).any()
    found = identifier.identify(targets.take(slice(0, 1)), "joint")
    certificate = found.kernels[0]
    assert max(abs(w) for _, w in certificate.cells) > 10**20
    assert not any(certificate.value(design, r) for r in design.train)
    assert certificate.value(design, targets[0]) != 0


def triples(rng: np.random.Generator, interventions: int, count: int) -> Regimes:
    return Regimes.from_active(
        [tuple((int(i), 1) for i in rng.choice(interventions, 3, replace=False)) for _ in range(count)],
        interventions,
    )


def test_pooled_designs_have_exponents_of_many_digits() -> None:
    rng = np.random.default_rng(5)
    design = pooled_design(rng, 40, 70, 150)
    check_pooled(design, triples(rng, 40, 30), rank=111)
    refuse_pooled(pooled_design(rng, 40, 70, 80), triples(rng, 40, 5))


@pytest.mark.slow
def test_the_large_pooled_design() -> None:
    """300 interventions, 800 pair factors: 1,431 pools (rank 1,101) identify everything, 800 pools refuse."""
    rng = np.random.default_rng(0)
    check_pooled(pooled_design(rng, 300, 800, 1431), triples(rng, 300, 30), rank=1101)
    refuse_pooled(pooled_design(rng, 300, 800, 800), triples(rng, 300, 5))
