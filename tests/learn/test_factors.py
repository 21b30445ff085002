"""Choosing factors: its level and power on planted truths, what cannot be told, units, seeds, refusals."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from ifm_ident import Factor, InputError, Study
from ifm_ident.arrays import Floats
from ifm_learn import Samples, choose_factors
from ifm_learn.factors.candidates import default_candidates, given_candidates, present
from ifm_learn.factors.choosing import ChosenFactors, Finding
from ifm_learn.factors.write import csv_lines, json_lines, text_lines
from ifm_learn.falsification.term import Term

CROSS = ("00", "10", "01", "11")


def study_of(
    variables: Sequence[str] = ("x",), names: str = "AB", train: Sequence[str] = CROSS, **changes: object
) -> Study:
    mapping: dict[str, object] = {
        "interventions": {name: [0, 1] for name in names},
        "variables": list(variables),
        "factors": [{"sigma": [name]} for name in names],
        "train": list(train),
    }
    return Study.from_dict(mapping | changes)


def rows_of(study: Study, means: Sequence[Sequence[float]], rows: int, seed: int, **more: Any) -> Samples:
    """Unit normals, correlated by a half, with such a mean in every training regime."""
    rng = np.random.default_rng([seed, 99])
    p = len(means[0])
    covariance = 0.5 * np.eye(p) + 0.5
    x = np.concatenate([rng.multivariate_normal(mean, covariance, size=rows) for mean in means])
    return Samples(study.design, np.repeat(np.arange(len(means)), rows), x, **more)


def means(extra: float) -> list[list[float]]:
    return [[0.0], [0.6], [-0.4], [0.2 + extra]]


def by(found: ChosenFactors, sigma: str, *x: str) -> Finding:
    return next(f for f in found.findings if f.candidate.sigma == tuple(sigma) and f.candidate.x == x)


def times_added(extra: float, studies: int, rows: int) -> int:
    study = study_of()
    found = (
        choose_factors(study, rows_of(study, means(extra), rows, seed), [{"sigma": ["A", "B"]}], resamples=0)
        for seed in range(studies)
    )
    return sum(by(one, "AB", "x").verdict == "added" for one in found)


def test_what_only_lines_show_is_not_added_and_said() -> None:
    """No row of the rest near A+B: tilts that bend could explain it, shifts could not."""
    study = study_of(("x",), "ABC", ["000", "100", "010", "001", "110"])
    found = choose_factors(study, rows_of(study, [[0.0], [0.6], [-0.4], [0.3], [1.0]], 40, 3), resamples=0)
    assert by(found, "AB", "x").verdict == "not added"
    assert "rung linear: adjusted p" in by(found, "AB", "x").why


@pytest.mark.parametrize("rows", [10, 60])
def test_what_does_not_act_is_added_no_more_often_than_the_level(rows: int) -> None:
    assert times_added(0.0, 60, rows) <= binom.ppf(0.999, 60, 0.05)


def test_what_acts_strongly_is_added() -> None:
    """1.5 sd, known to within 0.42 by 60 rows a regime, is found in 94 of 100."""
    assert times_added(1.5, 25, 60) >= binom.ppf(0.001, 25, 0.94)


def test_the_variables_that_interventions_act_on_together_are_named() -> None:
    study = study_of(("x", "y"))
    tilt = [[0.0, 0.0], [0.6, 0.3], [-0.4, 0.5]]
    both = np.array(tilt[1]) + tilt[2] + np.array([1.6, 0.8])  # x given y moves, y given x does not
    found = choose_factors(study, rows_of(study, [*tilt, both.tolist()], 150, 1), resamples=4)
    assert by(found, "AB", "x").verdict == "added"
    assert by(found, "AB", "y").verdict == "not added"
    # 1.6 within sds, given y: the shift of the mean less half that of y, by a variance of 3/4
    assert abs(by(found, "AB", "x").effect["x"] - 1.2 / 0.75) <= 3 * by(found, "AB", "x").effect_error["x"]
    assert found.factors[-1] == Factor("A_B", ("x",), ("A", "B"))
    assert by(found, "AB", "x").stability is not None


def test_adjusted_values_are_those_of_benjamini_and_hochberg() -> None:
    study = study_of(("x", "y"), "ABC", ["000", "100", "010", "001", "110", "101"])
    found = choose_factors(
        study, rows_of(study, np.random.default_rng(0).normal(size=(6, 2)).tolist(), 40, 3), resamples=0
    )
    told = [f for f in found.findings if not f.candidate.present and f.p_value is not None]
    p = np.array([f.p_value for f in told], dtype=float)
    order = np.argsort(-p)
    steps = np.minimum.accumulate(p[order] * len(p) / np.arange(len(p), 0, -1))
    expected = np.empty(len(p))
    expected[order] = np.minimum(steps, 1)
    assert np.allclose([f.p_adjusted or 0.0 for f in told], expected)
    assert len(told) == 6
    for f in told:
        assert (f.verdict == "added") <= ((f.p_adjusted or 0) <= 0.05)


def test_what_no_regime_shows_is_not_told_and_a_regime_that_would_is_named() -> None:
    study = study_of(("x",), "ABC", ["000", "100", "010", "001", "110"])
    found = choose_factors(study, rows_of(study, [[0.0], [0.5], [0.2], [0.1], [0.6]], 30, 0), resamples=0)
    assert by(found, "AC", "x").verdict == "not told"
    assert by(found, "AC", "x").chosen is None
    assert by(found, "AC", "x").regimes == ("101",)
    assert by(found, "AC", "x").least
    assert by(found, "AB", "x").verdict != "not told"


def test_pairs_that_one_regime_mixes_are_tested_together_and_none_is_chosen() -> None:
    study = study_of(("x",), "ABC", ["000", "100", "010", "001", "111"])
    samples = rows_of(study, [[0.0], [0.5], [0.2], [0.1], [4.0]], 60, 0)
    found = choose_factors(study, samples, resamples=0, rung="linear")
    for pair in itertools.combinations("ABC", 2):
        one = by(found, "".join(pair), "x")
        assert one.verdict == "not told"
        assert one.mixed
        assert one.p_value is not None
        assert one.p_value < 0.001
        assert one.regimes == (f"{int('A' in pair)}{int('B' in pair)}{int('C' in pair)}",)
    assert [f.sigma for f in found.factors] == [("A",), ("B",), ("C",)]
    assert "cannot be told" in "\n".join(text_lines(found)).replace("\n", " ")


def test_ten_copies_of_each_row_say_no_more_where_they_are_one_unit() -> None:
    study = study_of()
    base = rows_of(study, means(0.7), 12, 5)
    often = np.repeat(np.arange(len(base)), 10)
    copies = Samples(study.design, base.regime[often], base.x[often], unit=often.astype(np.int64))
    bare = Samples(study.design, base.regime[often], base.x[often])
    p = [
        by(choose_factors(study, one, [{"sigma": ["A", "B"]}], resamples=0), "AB", "x").p_value
        for one in (base, copies, bare)
    ]
    assert p[0] is not None
    assert p[1] is not None
    assert p[2] is not None
    assert abs(p[0] - p[1]) < 0.1
    assert p[2] < min(p[0], p[1]) / 3


def test_folds_and_halves_keep_units_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    study = study_of()
    unit = np.repeat(np.arange(60), 4)
    samples = rows_of(study, means(0.0), 60, 2, unit=unit.astype(np.int64))
    asked: list[frozenset[int]] = []
    kept = Term.evidence

    def seen(term: Term) -> object:
        assert term.unit is not None
        found, counts = np.unique(term.unit, return_counts=True)
        assert (counts == 4).all()
        fold = term._folds(np.random.default_rng(0))
        assert all(len(set(fold[term.unit == u].tolist())) == 1 for u in found)
        asked.append(frozenset(found.tolist()))
        return kept(term)

    monkeypatch.setattr(Term, "evidence", seen)
    choose_factors(study, samples, [{"sigma": ["A", "B"]}], resamples=4)
    halves = [one for one in asked if len(one) < 60]
    assert len(halves) == 4 * 3
    pairs = [*dict.fromkeys(halves)]
    assert len(pairs) == 4
    assert not pairs[0] & pairs[1]
    assert not pairs[2] & pairs[3]


def test_the_same_seed_gives_the_same_bytes() -> None:
    study = study_of(("x", "y"))
    samples = rows_of(study, [[0.0, 0.0], [0.5, 0.1], [0.0, 0.5], [1.5, 0.5]], 40, 7)
    texts = ["\n".join(json_lines(choose_factors(study, samples, resamples=6, seed=seed))) for seed in (1, 1, 2)]
    assert texts[0] == texts[1]
    assert texts[0] != texts[2]


def test_a_term_is_dropped_only_where_half_an_sd_would_have_shown() -> None:
    study = study_of()
    level = [[0.0], [1.0], [0.0], [1.0]]
    few, many = (choose_factors(study, rows_of(study, level, rows, 4), resamples=0) for rows in (12, 300))
    assert by(few, "B", "x").verdict == "kept"
    assert "only shifts of" in by(few, "B", "x").why
    assert by(many, "B", "x").verdict == "dropped"
    assert by(many, "A", "x").verdict == "kept"
    assert [f.sigma for f in many.factors] == [("A",)]
    kept = choose_factors(study, rows_of(study, level, 300, 4), resamples=0, drop=False)
    assert not kept.changed


def test_terms_dropped_from_every_factor_leave_one_over_their_variables() -> None:
    """Nothing moves y: A and B are dropped on it, and what x and y share stays free."""
    study = study_of(("x", "y"))
    rng = np.random.default_rng(0)
    shift = np.array([0.0, 1.0, -1.0, 0.0])
    regime = np.repeat(np.arange(4), 400)
    x = rng.normal(size=(1600, 2)) + np.column_stack([shift[regime], 0 * regime])
    found = choose_factors(study, Samples(study.design, regime, x), resamples=0)
    assert [(f.name, f.x, f.sigma) for f in found.factors] == [
        ("f1", ("x",), ("A",)), ("f2", ("x",), ("B",)), ("base", ("x", "y"), ()),
    ]  # fmt: skip


def test_a_term_that_an_added_factor_holds_is_not_dropped() -> None:
    """A crossing: A does the opposite with B; its own mean effect is none."""
    study = study_of()
    found = choose_factors(study, rows_of(study, [[0.0], [0.8], [0.8], [0.0]], 300, 4), resamples=0)
    assert by(found, "AB", "x").verdict == "added"
    assert {by(found, name, "x").verdict for name in "AB"} == {"kept"}


def test_too_few_rows_are_said_and_nothing_is_chosen() -> None:
    study = study_of()
    found = choose_factors(study, rows_of(study, means(3.0), 3, 0))
    assert {f.verdict for f in found.findings} == {"not told", "kept"}
    assert "3 rows where 5 are the least" in by(found, "AB", "x").why
    assert not found.changed
    assert "Nothing was chosen" in repr(found)
    unit = np.repeat(np.arange(8), 30)
    units = rows_of(study, means(3.0), 60, 0, unit=unit.astype(np.int64))
    assert "2 units where 6 are the least" in by(choose_factors(study, units), "AB", "x").why


def test_one_variable_with_two_values_and_one_that_is_constant_are_no_trouble() -> None:
    study = study_of(("x", "y", "z"))
    rng = np.random.default_rng(0)
    regime = np.repeat(np.arange(4), 60)
    x = np.column_stack([rng.random(240) < 0.5, rng.normal(size=240), np.full(240, 3.0)]).astype(float)
    found = choose_factors(study, Samples(study.design, regime, x), resamples=0)
    assert not [f for f in found.findings if f.verdict == "added"]
    assert by(found, "AB", "z").verdict == "not told"
    assert by(found, "AB", "z").why == "not tested: z does not vary"


@pytest.mark.parametrize(
    ("candidates", "level", "more", "words"),
    [
        ([{"sigma": ["A", "Q"]}], "0.05", {}, r"candidates\[0\]: there is no intervention 'Q'; legal: A, B"),
        ([{"sigma": ["A"], "x": ["w"]}], "0.05", {}, r"candidates\[0\]: there is no variable 'w'"),
        ([{"sigma": ["A", "A"]}], "0.05", {}, "names a intervention twice|names an intervention twice"),
        ([{"sigma": "AB"}], "0.05", {}, r"candidates\[0\].sigma: a list of names"),
        ([{"sigmas": ["A"]}], "0.05", {}, r"unknown key 'sigmas'; did you mean sigma"),
        ([], "0.05", {}, "candidates is empty"),
        ("some", "0.05", {}, "'measured', 'all' or a list"),
        ("measured", "1.5", {}, "alpha|level"),
        ("measured", "0.05", {"seed": -1}, "a seed is"),
        ("measured", "0.05", {"resamples": -2}, "resamples is a whole number"),
        ("measured", "0.05", {"time_limit": 1e-9}, "more than the 1e-09 s allowed"),
        ("measured", "0.05", {"rung": "cubic"}, "unknown rung 'cubic'"),
    ],
)
def test_bad_arguments_are_refused_in_words(candidates: Any, level: str, more: dict[str, Any], words: str) -> None:
    study = study_of()
    with pytest.raises(InputError, match=words):
        choose_factors(study, rows_of(study, means(0.0), 10, 0), candidates, level, **more)


def test_what_is_not_for_this_is_refused() -> None:
    alone = study_of(train=["00"])
    with pytest.raises(InputError, match="one training regime"):
        choose_factors(alone, Samples(alone.design, np.zeros(9, dtype=np.int64), np.zeros((9, 1))))
    dose = Study.from_dict(
        {
            "interventions": {"dose": {"levels": [0, 1, 2], "basis": {"poly": 1}}},
            "factors": [{"sigma": ["dose"]}], "train": [{"dose": 0}, {"dose": 1}],
        }
    )  # fmt: skip
    with pytest.raises(InputError, match="not for levels with values yet"):
        choose_factors(dose, Samples(dose.design, np.repeat([0, 1], 9), np.zeros((18, 1))))


def test_a_time_limit_takes_fewer_halves_and_says_so() -> None:
    study = study_of()
    said: list[str] = []
    found = choose_factors(
        study, rows_of(study, means(0.0), 20, 0), resamples=4000, time_limit=1.0, say=said.append
    )
    assert "fit the time limit" in found.warnings[-1]
    assert "about 1 s" in said[0]


def test_candidates_are_those_that_the_study_has_not() -> None:
    study = study_of(("x", "y"), factors=[{"x": ["x"], "sigma": ["A"]}, {"x": ["x", "y"], "sigma": ["B"]}])
    asked = default_candidates(study.model, study.design.train)
    assert [one.words for one in asked.candidates] == [
        "A on y", "A and B on x, y", "A and B on x", "A and B on y",
    ]  # fmt: skip
    assert [one.words for one in present(study.model)] == ["A on x", "B on x", "B on y"]
    held = given_candidates(study.model, [{"sigma": ["A"], "x": ["x"]}, {"sigma": ["A"]}])
    assert [one.words for one in held.candidates] == ["A on y"]
    assert "in the study already: A on x" in held.searched[1]


def test_tables_hold_every_candidate() -> None:
    study = study_of(("x", "y"))
    found = choose_factors(study, rows_of(study, [[0.0, 0.0]] * 4, 30, 7), resamples=2)
    assert found.to_arrow().num_rows == len(found.findings) == 7
    lines = [*csv_lines(found)]
    assert len(lines) == 1 + sum(max(len(f.effect), 1) for f in found.findings)
    assert "<table" in found._repr_html_()


def test_gains_are_means_over_rows_that_fits_have_not_seen() -> None:
    """With labels shuffled in every fold's own rows the gain would be above 0 by overfitting: here it is not."""
    rng = np.random.default_rng(0)
    label = np.repeat(np.arange(4), 30)
    base = np.array([[1.0, 0, 0], [1, 1, 0], [1, 0, 1], [1, 1, 1]])
    top = np.array([[0.0], [0], [0], [1]])
    gains: list[Floats] = []
    for _ in range(30):
        term = Term(rng.normal(size=(120, 1)), label, base, top, frozenset([0]), ("x",), None, "quadratic")
        gain = term.gain(rng)
        assert gain is not None
        gains.append(gain)
    means_of = np.array([gain.mean() for gain in gains])
    assert means_of.mean() < 2 * means_of.std() / np.sqrt(30)
