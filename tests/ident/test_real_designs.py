"""The study files under studies/: for each, what is identified and why, counted a second way."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path

import flint
import numpy as np
import pyarrow.parquet as pq
import pytest

from ifm_ident.answer.identification import Criterion, Identification, Status
from ifm_ident.solve.identifier import CriterionName, Identifier
from ifm_ident.study.study import Study, load
from ifm_ident.verification.checking import verify
from tests.oracles import codes_of
from tests.scripts import loaded

STUDIES = Path(__file__).parents[2] / "studies"
FILES = sorted(path.stem for path in STUDIES.glob("*.yaml"))


def ask(name: str, criterion: CriterionName = "auto") -> tuple[Study, Identification]:
    study = load(STUDIES / f"{name}.yaml")
    identifier = Identifier(study.design, study.notation)
    return study, Identification.concatenate([identifier.identify(t, criterion) for t in study.targets()])


def tally(found: Identification) -> tuple[int, int, int]:
    """Observed, identified, not identified."""
    counts = found.counts()
    assert counts["undecided"] == 0
    return counts["observed"], counts["identified"], counts["not_identified"]


@pytest.mark.parametrize("name", FILES)
def test_every_answer_of_every_study_is_verified(name: str) -> None:
    _, found = ask(name)
    outcome = verify(found)
    assert outcome.holds, str(outcome)
    assert outcome.checked == len(found)


def test_every_study_is_described() -> None:
    told = (STUDIES / "README.md").read_text(encoding="utf-8")
    files = sorted(path.name for path in STUDIES.iterdir() if path.is_file() and path.name != "README.md")
    assert [name for name in files if f"`{name}`" not in told] == []


def test_poster() -> None:
    """s1 and s3 share no factor, so 101 and 111 follow by changing one at a time."""
    _, found = ask("poster")
    assert tally(found) == (6, 2, 0)
    assert [str(a) for a in found if a.formula] == [
        "p(101) ∝ p(100) p(001) / p(000)",
        "p(111) ∝ p(110) p(011) / p(010)",
    ]


def test_three_cycle() -> None:
    """Without a three-way factor the last cell of the cube is the alternating product of the seven others."""
    _, found = ask("three-cycle")
    assert tally(found) == (0, 1, 0)
    assert str(found[0]) == "p(111) ∝ p(000) p(110) p(011) p(101) / (p(010) p(100) p(001))"


def test_conditional() -> None:
    """No single product exists (rank 6 against 7), but each variable sees only two of the three factors."""
    _, found = ask("conditional")
    assert tally(found) == (0, 2, 0)
    assert set(found.criterion.tolist()) == {Criterion.CONDITIONAL}
    assert {v: str(f) for v, f in found[0].conditionals.items()} == {
        "x1": "p(110) p(101) / p(100)",
        "x2": "p(110) p(011) / p(010)",
        "x3": "p(101) p(011) / p(001)",
    }
    assert tally(ask("conditional", "joint")[1]) == (0, 0, 2)


@pytest.mark.parametrize(
    ("name", "singles", "regimes"), [("sachs", 4, 16), ("dream", 10, 56), ("dream-all", 10, 1024)]
)
def test_one_intervention_a_factor_adds_up(name: str, singles: int, regimes: int) -> None:
    """Every intervention acts in a factor of its own, so singles and the baseline give every combination.

    p(S) is the product of its singles over the baseline to the power |S| - 1.
    """
    study, found = ask(name)
    assert tally(found) == (singles + 1, regimes - singles - 1, 0)
    assert set(found.criterion[found.train < 0].tolist()) == {Criterion.JOINT}
    train = list(study.design.train)
    baseline = train.index(())
    for answer, active in zip(found, found.targets, strict=True):
        if answer.status == Status.IDENTIFIED:
            expected = {train.index((pair,)): Fraction(1) for pair in active}
            expected[baseline] = Fraction(1 - len(active))
            assert answer.formula is not None
            assert answer.formula.exponents == expected


def test_the_structure_of_the_two_networks() -> None:
    """11 and 10 factors over a variable and its parents; an intervention acts on the factor of its own target."""
    sachs, dream = load(STUDIES / "sachs.yaml").model, load(STUDIES / "dream.yaml").model
    for model, count in ((sachs, 11), (dream, 10)):
        assert [f.x[0] for f in model.factors] == [f.name for f in model.factors] == list(model.variables)
        assert len(model.factors) == count
        assert model.relevant.all()
        assert all(len(f.sigma) <= 1 for f in model.factors)
    assert {f.sigma[0]: f.name for f in sachs.factors if f.sigma} == {
        "aktinhib": "Akt",
        "g0076": "PKC",
        "psitect": "PIP2",
        "u0126": "Mek",
    }
    assert sum(len(f.x) - 1 for f in sachs.factors) == 20
    assert sum(len(f.x) - 1 for f in dream.factors) == 11
    assert load(STUDIES / "dream-all.yaml").model == dream


def test_perturb_seq() -> None:
    """With singles and interacting pairs in hand a triple is lost only to an interacting pair that was never run.

    Its formula multiplies the pairs that interact, then corrects singles and baseline for being counted twice.
    """
    study, found = ask("perturb-seq")
    model, train = study.model, [frozenset(i for i, _ in regime) for regime in study.design.train]
    index = {names: i for i, names in enumerate(train)}
    interacting = {frozenset(scope.tolist()) for scope in model.scopes if len(scope) == 2}
    assert len(interacting) == 600
    assert sum(len(names) == 2 for names in train) == 600
    lost = interacting - set(train)
    assert len(lost) == 60
    refused = 0
    for t, triple in enumerate(map(frozenset, found.targets.position.reshape(-1, 3).tolist())):
        pairs = [frozenset(pair) for pair in itertools.combinations(sorted(triple), 2)]
        if any(pair in lost for pair in pairs):
            refused += 1
            assert found.status[t] == Status.NOT_IDENTIFIED
        elif t % 97 == 0:
            linked = [pair for pair in pairs if pair in interacting]
            expected = {index[pair]: Fraction(1) for pair in linked}
            for i in triple:
                expected[index[frozenset([i])]] = Fraction(1 - sum(i in pair for pair in linked))
            expected[index[frozenset()]] = 1 - sum(expected.values(), Fraction(0))
            formula = found[t].formula
            assert formula is not None
            assert formula.exponents == {i: q for i, q in expected.items() if q}
    assert tally(found) == (0, 204_156 - refused, refused)
    assert refused == 1_271
    assert len(set(found.kernels)) == sum(in_a_triple(found, pair) for pair in lost)


def in_a_triple(found: Identification, pair: frozenset[int]) -> bool:
    triples = found.targets.position.reshape(-1, 3)
    first, second = sorted(pair)
    return bool(((triples == first).any(axis=1) & (triples == second).any(axis=1)).any())


def signs(codes: tuple[int, ...], pairs: list[tuple[int, int]]) -> list[int]:
    """Effect coding: 1, the signs, and their products, one column each."""
    sign = [2 * c - 1 for c in codes]
    return [1, *sign, *(sign[i] * sign[j] for i, j in pairs)]


def fractional(name: str) -> tuple[tuple[int, int, int], int, int]:
    """The tally, the rank in effect coding, and how many runs effect coding reaches."""
    study, found = ask(name)
    pairs = [tuple(scope.tolist()) for scope in study.model.scopes if len(scope) == 2]
    train = [signs(codes_of(r, 7), pairs) for r in study.design.train]
    rank = int(flint.fmpz_mat(train).rank())
    assert Identifier(study.design).joint.rank == rank
    reached = []
    for regime in itertools.product((0, 1), repeat=7):
        reached.append(int(flint.fmpz_mat([*train, signs(regime, pairs)]).rank()) == rank)
    assert [s != Status.NOT_IDENTIFIED for s in found.status] == reached
    for a, b, c, d, e, f, g in (codes_of(r, 7) for r in study.design.train):
        assert (e, f, g) == ((a + b + c) % 2, (b + c + d) % 2, (a + c + d) % 2)
    return tally(found), rank, sum(reached)


def test_fractional_factorial() -> None:
    """Every chain of aliased pairs mixes three interactions, and each other run breaks one chain: none follows."""
    assert fractional("fractional-factorial") == ((16, 0, 112), 15, 16)


def test_fractional_factorial_with_chosen_interactions() -> None:
    """One interaction a chain (those of A) leaves 14 unknowns in 16 runs: all 112 other runs follow."""
    assert fractional("fractional-factorial-chosen") == ((16, 112, 0), 14, 128)


def test_dose_grid() -> None:
    """Triples follow from their pairs where B and C have equal doses; unequal doses of B and C were never run."""
    study, found = ask("dose-grid")
    for answer, regime in zip(found, (codes_of(r, 3) for r in found.targets), strict=True):
        _, b, c = regime
        if b and c and b != c:
            assert answer.status == Status.NOT_IDENTIFIED
        elif all(regime):
            assert answer.status == Status.IDENTIFIED
            assert answer.formula is not None
            names = [study.design.train[i] for i in answer.formula.exponents]
            assert sorted(map(len, names)) == [0, 1, 1, 1, 2, 2, 2]
        else:
            assert answer.status == Status.OBSERVED
    assert tally(found) == (17, 4, 6)
    [wanted] = [str(a.formula) for a in found if a.regime == {"A": "high", "B": "low", "C": "low"}]
    above, below = wanted.split(" / ")
    assert set(above.split()) == {"p(ctrl)", "p(A=high,B=low)", "p(A=high,C=low)", "p(B=low,C=low)"}
    assert below == "(p(A=high) p(B=low) p(C=low))"


def test_the_generated_study_is_what_its_script_writes(tmp_path: Path) -> None:
    loaded(STUDIES / "make.py").main(tmp_path)
    for name in ("perturb-seq.yaml", "perturb-seq-train.csv"):
        assert (tmp_path / name).read_bytes() == (STUDIES / name).read_bytes()
    ours, theirs = (pq.read_table(folder / "perturb-seq-triples.parquet") for folder in (tmp_path, STUDIES))
    assert ours.equals(theirs)
    assert ours.num_rows == len(np.unique(ours.column("perturbation").to_numpy(zero_copy_only=False)))
