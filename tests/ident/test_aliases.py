"""Alias tables against published alias structures and against least squares in fractions."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import flint
import numpy as np
import pytest

from ifm_ident.design.design import Design
from ifm_ident.errors import InputError
from ifm_ident.implications.aliases import Aliases, aliases
from ifm_ident.show.aliases_write import alias_csv, alias_lines
from ifm_ident.study.study import Study
from tests.oracles import Codes, PlainDesign

LETTERS = "ABCDEFGHJKL"


def design(signs: np.ndarray, scopes: list[tuple[int, ...]] | None = None) -> PlainDesign:
    """Two-level interventions at -1/+1 rows; main effects unless scopes are given."""
    width = signs.shape[1]
    scopes = [(i,) for i in range(width)] if scopes is None else scopes
    train = tuple(tuple(int(s > 0) for s in row) for row in signs)
    return PlainDesign((2,) * width, ("x",), tuple((("x",), scope) for scope in scopes), train)


def fraction(base: int, *generators: str) -> np.ndarray:
    """The regular fraction with further columns that are products of base columns, such as ABC."""
    rows = np.array(list(itertools.product((-1, 1), repeat=base)))
    further = [math.prod(rows[:, LETTERS.index(c)] for c in word) for word in generators]
    return np.column_stack([rows, *further])


def plackett_burman() -> np.ndarray:
    first = [1, 1, -1, 1, 1, 1, -1, -1, -1, 1, -1]
    return np.array([[first[(j - i) % 11] for j in range(11)] for i in range(11)] + [[-1] * 11])


def lines_of(found: Aliases, more_than: int = 1) -> list[str]:
    signed = [[("-" if sign < 0 else "") + found.letters(e) for e, sign in group] for group in found.groups]
    return [" = ".join(group) for group in signed if len(group) > more_than]


def table(plain: PlainDesign, order: int = 2) -> str:
    return "\n".join(alias_lines("table", aliases(plain.build(), order)))


IRREGULAR = np.unique(np.random.default_rng(3).choice([-1, 1], size=(14, 4)), axis=0)
NEGATIVE = fraction(3, "ABC") * [1, 1, 1, -1]  # D = -ABC, so that AB = -CD


@pytest.mark.parametrize("rows", [IRREGULAR, NEGATIVE], ids=["irregular", "negative"])
def test_the_matrix_is_that_of_least_squares(rows: np.ndarray) -> None:
    """(X'X)^-1 X'Z for effects X of the model and all Z, by numpy."""
    found = aliases(design(rows).build(), order=3)
    matrix = found.matrix()
    assert list(matrix) == list(found.model)

    def contrasts(effects: list[tuple[int, ...]]) -> np.ndarray:
        return np.column_stack([rows[:, list(effect)].prod(axis=1) for effect in effects])

    others = [*found.model, *itertools.combinations(range(4), 2), *itertools.combinations(range(4), 3)]
    wanted = np.linalg.lstsq(contrasts(list(matrix)), contrasts(others), rcond=None)[0]
    got = [[float(row.get(effect, 0)) for effect in others] for row in matrix.values()]
    assert np.array(got) == pytest.approx(wanted, abs=1e-12)
    text = list(alias_csv(found))
    assert text[0].startswith("effect,I,")
    assert len(text) == len(matrix) + 1


def test_two_to_the_seven_minus_three() -> None:
    """E = ABC, F = BCD, G = ACD: resolution IV, every pair of interventions aliased with two others."""
    found = aliases(design(fraction(4, "ABC", "BCD", "ACD")).build())
    assert found.regular
    assert found.resolution == 4
    assert found.words is not None
    words = [(found.letters(word), sign) for word, sign in found.words]
    assert words == [(w, 1) for w in ["ABCE", "ABFG", "ACDG", "ADEF", "BCDF", "BDEG", "CEFG"]]
    assert lines_of(found) == [
        "AB = CE = FG",
        "AC = BE = DG",
        "AD = CG = EF",
        "AE = BC = DF",
        "AF = BG = DE",
        "AG = BF = CD",
        "BD = CF = EG",
    ]
    assert not found.partial


def test_main_effects_and_three_way_ones() -> None:
    found = aliases(design(fraction(4, "ABC", "BCD", "ACD")).build(), order=3)
    [line] = [line for line in lines_of(found) if line.startswith("A = ")]
    assert line == "A = BCE = BFG = CDG = DEF"


def test_two_to_the_four_minus_one() -> None:
    found = aliases(design(fraction(3, "ABC")).build(), order=3)
    assert lines_of(found) == ["A = BCD", "B = ACD", "C = ABD", "D = ABC", "AB = CD", "AC = BD", "AD = BC"]
    text = table(design(fraction(3, "ABC")), order=3)
    assert "a regular 1/2 fraction of resolution IV" in text
    assert "legend: A = s0, B = s1, C = s2, D = s3" in text
    assert "\n  A = BCD\n" in text
    assert "I = ABCD" in text


def test_signs_of_the_other_half() -> None:
    signs = fraction(3, "ABC")
    signs[:, 3] *= -1
    found = aliases(design(signs).build(), order=3)
    assert lines_of(found)[0] == "A = -BCD"
    assert found.words == (((0, 1, 2, 3), -1),)


def test_interactions_of_the_model_that_nothing_tells_apart() -> None:
    plain = design(fraction(3, "ABC"), [(0, 1), (2, 3)])
    text = table(plain)
    assert "told apart by nothing, though all are in the model:\n  AB = CD" in text
    assert "fix 6 independent combinations of the 7 effects" in " ".join(text.split())


def test_an_intervention_never_varied_is_the_constant() -> None:
    found = aliases(design(np.array([[-1, -1], [1, -1]])).build(), order=1)
    assert lines_of(found) == ["I = -B"]
    assert found.basis == ((), (0,))


def test_plackett_burman_is_aliased_in_thirds() -> None:
    found = aliases(design(plackett_burman()).build())
    assert not found.regular
    assert found.basis == ((), *((i,) for i in range(11)))
    assert len(found.partial) == math.comb(11, 2)
    for pair, coefficients in found.partial.items():
        assert set(coefficients) == {(i,) for i in range(11)} - {(i,) for i in pair}
        assert {abs(value) for value in coefficients.values()} == {Fraction(1, 3)}
    text = table(design(plackett_burman()[:, :5]))
    assert "  A: A - 1/3 BC - 1/3 BD - 1/3 BE + 1/3 CD - 1/3 CE + 1/3 DE" in text
    assert "not a regular fraction" in text


def test_one_at_a_time_holds_interactions_with_weight_one() -> None:
    plain = design(np.array([[-1, -1], [1, -1], [-1, 1]]))
    found = aliases(plain.build())
    assert found.partial == {(0, 1): {(): Fraction(-1), (0,): Fraction(-1), (1,): Fraction(-1)}}
    assert "  A: A - AB" in table(plain)


@pytest.mark.parametrize("seed", range(25))
def test_coefficients_are_least_squares(seed: int) -> None:
    rng = np.random.default_rng(seed)
    width = int(rng.integers(3, 6))
    signs = rng.choice([-1, 1], (int(rng.integers(2, 12)), width))
    scopes = [tuple(sorted(rng.choice(width, rng.integers(1, 4), replace=False).tolist())) for _ in range(3)]
    plain = design(signs, scopes)
    found = aliases(plain.build())
    distinct = np.array(list(dict.fromkeys(map(tuple, signs.tolist()))))

    def contrast(effect: Codes) -> np.ndarray:
        return np.prod(distinct[:, list(effect)], axis=1).astype(int)

    closure = {
        part for scope in scopes for k in range(len(scope) + 1) for part in itertools.combinations(scope, k)
    }
    assert set(found.model) == closure
    matrix = flint.fmpz_mat([contrast(e).tolist() for e in found.model])
    assert len(found.basis) == matrix.rank()
    basis = flint.fmpq_mat(flint.fmpz_mat([contrast(e).tolist() for e in found.basis]))
    first = [group[0][0] for group in found.groups]
    seen = {e for group in found.groups for e, _ in group}
    pairs = {e for k in (0, 1, 2) for e in itertools.combinations(range(width), k)}
    assert seen == closure | pairs
    for group in found.groups:
        for effect, sign in group:
            assert (contrast(effect) == sign * contrast(group[0][0])).all()
    for effect in first:
        if effect in found.basis:
            continue
        column = flint.fmpq_mat(flint.fmpz_mat([[x] for x in contrast(effect).tolist()]))
        solution = (basis * basis.transpose()).inv() * basis * column
        expected = {
            target: Fraction(int(solution[i, 0].p), int(solution[i, 0].q))
            for i, target in enumerate(found.basis)
            if solution[i, 0] != 0
        }
        assert found.partial.get(effect, {}) == expected


def test_regularity_is_that_of_an_affine_subspace() -> None:
    regular = aliases(design(fraction(3)).build())
    assert regular.regular
    assert regular.resolution is None
    assert "a full factorial" in table(design(fraction(3)))
    assert not aliases(design(fraction(3)[:6]).build()).regular


def test_many_words_are_not_listed_and_many_interventions_have_numbers() -> None:
    found = aliases(design(np.array([[-1] * 60, [1] * 60])).build(), order=1)
    assert found.words is None
    assert found.regular
    assert found.letters((0, 59)) == "F1:F60"
    assert found.letters(()) == "I"


def test_an_order_beyond_the_interventions_is_all_of_them() -> None:
    three = design(fraction(3)).build()
    assert aliases(three, order=10**30).groups == aliases(three, order=3).groups


def test_refusals() -> None:
    three = PlainDesign((2, 3), ("x",), ((("x",), (0,)), (("x",), (1,))), ((0, 0),))
    with pytest.raises(InputError, match="two-level interventions; 's1' has the 3 levels 0, 1, 2"):
        aliases(three.build())
    wide = np.array([[-1] * 20, [1] * 20])
    with pytest.raises(InputError, match=r"a factor over 20 interventions has 2\^20"):
        aliases(design(wide, [tuple(range(20))]).build())
    many = np.array([[-1] * 60, [1] * 60])
    with pytest.raises(InputError, match=r"effects of up to 5 interventions \(limit 50,000\); ask for fewer"):
        aliases(design(many).build(), order=5)


def test_closing_sentence_names_what_biases() -> None:
    clear = " ".join(table(design(fraction(4, "ABC", "BCD", "ACD"))).split())
    assert clear.endswith("none is confounded with other effects of up to 2 interventions.")
    biased = " ".join(table(design(fraction(2, "AB"))).split())
    assert "3 of them are confounded with effects of up to 2 interventions" in biased
    assert biased.endswith("if they are not zero, they bias these.")


def named(names: str, rows: list[str]) -> Design:
    """Interventions of one letter at - and +, a factor each."""
    study = Study.from_dict(
        {
            "interventions": {name: [-1, 1] for name in names},
            "factors": [{"sigma": [name]} for name in names],
            "train": [
                {name: 1 if sign == "+" else -1 for name, sign in zip(names, row, strict=True)} for row in rows
            ],
        }
    )
    return study.design


def words_of(found: Aliases) -> str:
    return "\n".join(alias_lines("study", found))


def test_letters_of_the_user_stay_theirs() -> None:
    """D = AB in the user's own letters, whatever their order."""
    rows = ["+---", "+--+", "--+-", "--++", "-+--", "-+-+", "+++-", "++++"]
    found = aliases(named("DABC", rows))
    assert lines_of(found) == ["D = AB", "A = BD", "B = AD"]
    text = words_of(found)
    assert "legend" not in text  # names of one letter stand for themselves
    assert "I = ABD" in text


def test_an_intervention_called_i_is_not_the_constant() -> None:
    """The 2^(9-5) fraction E = BCD, F = ACD, G = ABC, H = ABD, I = ABCD, whose defining words hold I."""
    base = np.array(list(itertools.product((-1, 1), repeat=4)))
    every = base.prod(axis=1, keepdims=True)
    rows = np.hstack([base, every * base, every]).tolist()
    signs = ["".join("+" if v > 0 else "-" for v in row) for row in rows]
    found = aliases(named("ABCDEFGHI", signs))
    (line,) = [line for line in lines_of(found) if line.startswith("I = ")]
    assert line == "I = AE = BF = CG = DH"
    assert found.letters(()) == "1"
    text = words_of(found)
    assert "legend: 1 = the constant" in " ".join(text.split())
    assert "\n  1 = AEI = BFI" in text
    assert "(the constant 1 is" in " ".join(text.split())


def test_longer_names_get_letters_that_are_no_name() -> None:
    study = Study.from_dict(
        {
            "interventions": {name: [0, 1] for name in ("dose", "A", "time", "I")},
            "factors": [{"sigma": [name]} for name in ("dose", "A", "time", "I")],
            "train": ["ctrl", "dose", "A"],
        }
    )
    found = aliases(study.design)
    assert [found.letters((i,)) for i in range(4)] == ["B", "A", "C", "I"]
    assert "legend: B = dose, C = time, 1 = the constant" in words_of(found)
    many = {f"F{i}": [0, 1] for i in range(2, 62)}
    study = Study.from_dict(
        {"interventions": many, "factors": [{"sigma": [name]} for name in many], "train": ["ctrl", "F2"]}
    )
    assert aliases(study.design, order=1).letters((0, 59)) == "F2:F61"


def bias_rank(found: Aliases, signs: np.ndarray) -> int:
    """The rank of what effects outside the model add to least-squares estimates, in fractions."""

    def contrast(effect: Codes) -> list[int]:
        return np.prod(signs[:, list(effect)], axis=1).astype(int).tolist()

    pairs = [e for k in range(1, found.order + 1) for e in itertools.combinations(range(signs.shape[1]), k)]
    outside = [e for e in pairs if e not in found.model]
    if not outside:
        return 0
    basis = flint.fmpq_mat(flint.fmpz_mat([contrast(e) for e in found.basis]))
    others = flint.fmpq_mat(flint.fmpz_mat([contrast(e) for e in outside]))
    return int(((basis * basis.transpose()).inv() * basis * others.transpose()).rank())


def test_three_runs_of_three_interventions_are_biased_in_all_they_fix() -> None:
    signs = np.array([[-1, -1, 1], [-1, 1, -1], [1, -1, -1]])
    found = aliases(design(signs).build())
    assert found.confounded == bias_rank(found, signs) == 3
    assert "3 of them are confounded" in " ".join(table(design(signs)).split())


@pytest.mark.parametrize("seed", range(30))
def test_the_count_of_a_deficient_design_is_the_rank_of_its_bias(seed: int) -> None:
    rng = np.random.default_rng(seed)
    width = int(rng.integers(3, 7))
    signs = np.unique(rng.choice([-1, 1], (int(rng.integers(2, width + 1)), width)), axis=0)
    found = aliases(design(signs).build())
    assert len(found.basis) < len(found.model)
    assert found.confounded == bias_rank(found, signs)
