"""Which unseen regimes rest on interactions that nothing tests, against brute force and by hand."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from ifm_ident import Status, Study
from ifm_ident.implications import untested
from ifm_ident.implications.testable import Implication, implications, variable_sets
from ifm_ident.solve.identifier import Identifier
from ifm_learn.data.samples import Samples
from ifm_learn.falsification.testing import falsify
from ifm_learn.falsification.write import untested_words


def study(factors: Sequence[str], train: Sequence[str], **more: Any) -> Study:
    names = sorted({name for factor in factors for name in factor})
    return Study.from_dict(
        {
            "interventions": {name: [0, 1] for name in names},
            "factors": [{"sigma": list(factor)} for factor in factors],
            "train": list(train),
            **more,
        }
    )


def claims_of(one: Study) -> list[Implication]:
    return list(implications(Identifier(one.design, one.notation)))


def named(one: Study, claims: Sequence[Implication]) -> set[str]:
    found = one.identify()
    mask = untested(one.design, claims, found)
    return {found[int(row)].name for row in np.flatnonzero(mask)}


def test_singles_leave_every_combination_untested_whatever_is_said_of_one_regime() -> None:
    one = Study.from_dict(
        {
            "interventions": {"A": [0, 1], "B": [0, 1]},
            "variables": ["x1", "x2"],
            "factors": [{"x": ["x1"], "sigma": ["A"]}, {"x": ["x2"], "sigma": ["B"]}],
            "train": ["ctrl", "A", "B"],
        }
    )
    claims = list(implications(Identifier(one.design, one.notation), "auto", variable_sets(one.model, 2)))
    assert len(claims) > 2  # that A leaves x2 alone, that B leaves x1 alone, that x1 and x2 are independent
    assert named(one, claims) == {"A+B"}


def test_a_claim_about_one_pair_bears_on_what_holds_that_pair() -> None:
    one = study("ABC", ["ctrl", "A", "B", "C", "A+B"])
    assert named(one, claims_of(one)) == {"A+C", "B+C"}
    assert named(one, []) == {"A+C", "B+C", "A+B+C"}
    assert not named(study("ABC", ["ctrl", "A", "B", "C", "A+B", "A+C", "B+C"]), claims_of(one))


def test_a_formula_relies_on_the_combinations_of_its_training_regimes() -> None:
    """A+B in one factor, seen with C only: it is A+B+C over C, and relies on C acting alone."""
    one = study(["AB", "C"], ["ctrl", "C", "A+B+C"], test=["A+B"])
    assert named(one, claims_of(one)) == {"A+B"}
    more = study(["AB", "C"], ["ctrl", "C", "A", "A+C", "A+B+C"], test=["A+B"])
    assert named(more, claims_of(more)) == set()


def test_what_was_run_or_is_not_identified_is_not_called_untested() -> None:
    one = study("ABC", ["ctrl", "A", "B"])
    found = one.identify()
    assert untested(one.design, [], found).tolist() == [status == Status.IDENTIFIED for status in found.status]


@pytest.mark.parametrize("seed", range(12))
def test_brute_force_over_all_combinations_agrees(seed: int) -> None:
    """A claim tests S where the c of the regimes that hold S do not add up to 0, S of two levels or more."""
    rng = np.random.default_rng(seed)
    every = list(itertools.product([0, 1], [0, 1, 2], [0, 1]))
    some = [every[i] for i in sorted(rng.choice(len(every), int(rng.integers(6, 10)), replace=False))]
    one = Study.from_dict(
        {
            "interventions": {"A": [0, 1], "B": [0, 1, 2], "C": [0, 1]},
            "factors": [{"sigma": ["A"]}, {"sigma": ["B", "C"]}] if seed % 2 else [{"sigma": [s]} for s in "ABC"],
            "train": ["".join(map(str, codes)) for codes in some],
        }
    )
    claims, found = claims_of(one), one.identify()
    mask = untested(one.design, claims, found)
    train = one.design.train.codes()
    for row in range(len(found)):
        if found.status[row] != Status.IDENTIFIED:
            assert not mask[row]
            continue
        used = {i for terms in found.terms.exponents(row).values() for i in terms}
        regimes = [found.targets.codes()[row], *(train[i] for i in used)]
        tested = False
        for codes, claim in itertools.product(regimes, claims):
            active = np.flatnonzero(codes)
            for size in range(2, len(active) + 1):
                for held in map(list, itertools.combinations(active, size)):
                    total = sum(c for i, c in claim.formula if (train[i][held] == codes[held]).all())
                    tested |= total != 0
        assert mask[row] == (not tested)


def test_falsify_names_what_nothing_tests() -> None:
    one = study("ABC", ["ctrl", "A", "B", "C", "A+B"])
    rng = np.random.default_rng(0)
    regime = np.repeat(np.arange(5), 300)
    x = rng.normal(size=(1500, 1)) + np.array([0.0, 0.5, 0.4, 0.3, 0.9])[regime][:, None]
    targets = next(one.targets())
    found = falsify(Samples(one.design, regime, x), tests=["score"], notation=one.notation, targets=targets)
    assert found.targets is not None
    assert found.untested is not None
    assert (len(found.targets), len(found.untested)) == (3, 2)
    assert untested_words(found) == (
        " No tested claim bears on 2 of the 3 unseen regimes asked about: B+C and A+C (untested)."
    )
    assert untested_words(falsify(Samples(one.design, regime, x), tests=["score"])) == ""
    far = x + 1000.0 * regime[:, None]
    apart = falsify(Samples(one.design, regime, far), tests=["score"], notation=one.notation, targets=targets)
    assert "bears on any unseen regime asked about" in untested_words(apart)  # no test could be made
