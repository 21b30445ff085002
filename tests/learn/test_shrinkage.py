"""Estimates pulled towards simpler ones: the choice on planted errors, what moves and what stays, refusals."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from ifm_ident import Identifier, InputError, Study
from ifm_ident.arrays import Floats
from ifm_learn.commands import estimate
from ifm_learn.conformal.regimes import without_regime
from ifm_learn.data.reading import read_samples
from ifm_learn.data.samples import Samples
from ifm_learn.estimation._columns import Columns
from ifm_learn.estimation.of_study import estimate_study
from ifm_learn.estimation.on_page import part
from ifm_learn.estimation.shrinkage import MOST, Record, Shrinkage, chosen, record, shrink_columns
from ifm_learn.outcome.baselines.singles import Nearest, SinglesMax, SinglesMean

STUDY: dict[str, Any] = {
    "interventions": {"A": [0, 1], "B": [0, 1], "C": [0, 1]},
    "variables": ["x"],
    "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}, {"sigma": ["C"]}],
    "train": ["000", "100", "010", "001", "110", "101"],
    "test": ["011", "111", "110"],
}


def rows(strongest: bool, n: int = 40) -> dict[str, Floats]:
    """Normal rows about the sum of the effects 1, 1.2 and 1.4, or about the largest of them."""
    codes = np.repeat([[int(c) for c in name] for name in STUDY["train"]], n, axis=0)
    moves = codes * np.array([1.0, 1.2, 1.4])
    mean = moves.max(axis=1) if strongest else moves.sum(axis=1)
    x = np.random.default_rng(5).normal(mean)
    return {"A": codes[:, 0], "B": codes[:, 1], "C": codes[:, 2], "x": x}


def planted(strength: float, noise: float = 0.0, k: int = 6) -> Record:
    """The truth lies at this share of the way from the formula to the additive estimate."""
    rng = np.random.default_rng(0)
    formula, towards = rng.normal(size=(2, k, 3))
    observed = (1 - strength) * formula + strength * towards + noise * rng.normal(size=(k, 3))
    zero = np.zeros((k, 3))
    simpler = {"nearest": (towards + 9, zero), "additive": (towards, zero)}
    return Record(tuple("abcdef"[:k]), formula, zero, observed, zero + noise, simpler, np.ones(3))


def test_the_planted_strength_is_found_and_nothing_is_left_to_widen() -> None:
    for strength in (0.0, 0.25, 0.6, 1.0):
        found = chosen(planted(strength))
        assert found.strength == pytest.approx(strength)
        assert found.towards == ("additive" if strength else "")
        assert found.excess == pytest.approx(0)
        assert found.after == pytest.approx(0)
    assert chosen(planted(0.0)).mapping()["towards"] is None
    assert "no simpler estimate" in chosen(planted(0.0)).words()


def test_the_cautious_choice_shrinks_less_and_sampling_is_not_counted_twice() -> None:
    noisy = planted(0.15, noise=0.8)
    assert chosen(noisy).strength <= chosen(noisy, cautious=False).strength
    # six regimes times three targets of known noise: what is left over has mean 0 and sd .64 sqrt(2 / 18), .21
    assert chosen(noisy).excess < 0.64
    exact = Record(
        noisy.regimes, noisy.formula, noisy.formula_se, noisy.observed, 0 * noisy.noise, {}, noisy.spread
    )
    assert chosen(exact).excess == pytest.approx(((exact.formula - exact.observed) ** 2).mean())


def test_where_the_strongest_single_decides_means_are_pulled() -> None:
    study, data = Study.from_dict(STUDY), rows(strongest=True)
    plain = estimate_study(study, data, calibration=0)
    found = estimate_study(study, data, calibration=0, shrink=True)
    assert found.shrunk is not None
    assert found.shrunk.regimes == ("110", "101")
    assert found.shrunk.towards in ("nearest", "singles-mean")
    assert 0 < found.shrunk.strength < 1
    assert found.shrunk.after < found.shrunk.before
    unseen = np.array([0, 1])
    assert (np.abs(found.mean[unseen] - 1.4) < np.abs(plain.mean[unseen] - 1.4)).all()
    # the models miss regimes that were run, and have a share: no interval
    assert "misses_training" in found.flags[0][0]
    assert np.isnan(found.confidence_low[unseen]).all()
    assert found.mean[2] == plain.mean[2]  # a regime that was run keeps its own rows


def test_where_factors_hold_intervals_are_as_wide_or_wider() -> None:
    study, data = Study.from_dict(STUDY), rows(strongest=False)
    plain = estimate_study(study, data, calibration=0.2)
    found = estimate_study(study, data, calibration=0.2, shrink=True)
    assert found.shrunk is not None
    true = np.array([[2.6], [3.6]])
    assert (found.confidence_low[:2] < true).all()
    assert (found.confidence_high[:2] > true).all()
    assert found.confidence_low[2] == plain.confidence_low[2]
    if not found.shrunk.strength:
        width = [one.confidence_high[:2] - one.confidence_low[:2] for one in (found, plain)]
        assert (width[0] >= width[1]).all()
    assert found.guarantee[:2].ravel().tolist() == ["asymptotic"] * 2
    assert (found.prediction_low[:2] <= found.confidence_low[:2]).all()


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_at_strength_one_no_model_has_a_share(strength: float) -> None:
    found = Identifier(Study.from_dict(STUDY).design).identify(next(Study.from_dict(STUDY).targets()))
    columns = Columns.empty(3, 1)
    columns.mean[:] = 5.0
    columns.flag("misses_training", [0, 1, 2])
    columns.flag("few_rows", [0, 1, 2])
    samples = read_samples(Study.from_dict(STUDY), rows(True))
    how = Shrinkage("singles-mean", strength, 0.04, np.array([2.0]), ("110", "101"), 1.0, 0.5)
    shrink_columns(how, columns, found, samples, Fraction(1, 10))
    simple = SinglesMean().fit(samples).predict(found.targets)
    assert columns.mean[:2] == pytest.approx((1 - strength) * 5 + strength * simple[:2])
    assert columns.mean[2] == 5
    if strength == 1:
        assert columns.flags[0] == [("few_rows",)]
        # t with two degrees of freedom times the excess, 0.2 of a spread of 2, and the sampling error beside
        half = columns.confidence_high[0] - columns.mean[0]
        error = SinglesMean().fit(samples).standard_errors(found.targets)[0]
        assert half == pytest.approx(np.hypot(2.91999 * 0.4, 1.64485 * error), rel=1e-4)
    else:
        assert columns.flags[0] == [("misses_training", "few_rows")]
        assert np.isnan(columns.confidence_low[0]).all()


def test_the_output_names_strength_and_target(tmp_path: Path) -> None:
    names = list(rows(True))
    lines = [",".join(names), *(",".join(map(str, row)) for row in zip(*rows(True).values(), strict=True))]
    (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n")
    path = tmp_path / "study.json"
    path.write_text(json.dumps({**STUDY, "data": {"file": "rows.csv"}}))
    run = CliRunner().invoke(estimate.command, [str(path), "--shrink", "--format", "json", "--quiet"])
    found = json.loads(run.stdout)
    assert found["shrunk"]["towards"] in ("nearest", "singles-mean")
    assert set(found["shrunk"]) == {"towards", "strength", "excess", "error", "left_out"}
    unseen = [row for row in found["results"] if row["status"] == "identified"]
    assert all("misses_training" in row["flags"] and row["confidence"] is None for row in unseen)
    study = Study.from_dict(STUDY)
    assert "shrunk by" in part(study, found, "e.json").lead
    shown = estimate_study(study, rows(True), calibration=0, shrink=True)
    text = " ".join(repr(shown).split())
    assert "; at 2 combinations left out (110 and 101) this errs by" in text
    assert "shrunk" not in estimate_study(study, rows(True), calibration=0).mapping()
    again = estimate_study(study, rows(True), calibration=0, shrink=True)
    assert (again.mean == shown.mean).all()


def test_what_cannot_be_shrunk_is_refused_in_words() -> None:
    data = {name: values[:160] for name, values in rows(False).items()}
    few = Study.from_dict({**STUDY, "train": STUDY["train"][:4]})
    with pytest.raises(InputError, match="takes 2, these training regimes have 0: `ifm plan` finds"):
        estimate_study(few, data, shrink=True)
    for how in ({"method": "additive"}, {"method": "ifm2"}, {"effects": "additive"}, {"sensitivity": 0.1}):
        with pytest.raises(InputError, match="shrink pulls means by the factors, of method ifm1, dr or balance"):
            estimate_study(few, data, shrink=True, **how)


def test_of_many_combinations_some_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    full = [f"{i:03b}" for i in range(8)]
    design = Study.from_dict({**STUDY, "train": full}).design
    x = np.random.default_rng(1).normal(size=(80, 1))
    monkeypatch.setattr("ifm_learn.estimation.shrinkage.MOST", 2)
    found = record(Samples(design, np.repeat(np.arange(8), 10), x), "balance", "normal", seed=3)
    assert len(found.regimes) == 2 < MOST
    assert set(found.regimes) <= {"A=1,B=1", "A=1,C=1", "B=1,C=1", "A=1,B=1,C=1"}


def test_parts_of_a_combination() -> None:
    few = {**STUDY, "variables": ["x", "z"], "train": ["000", "100", "010", "110"]}
    asked = next(Study.from_dict({**few, "test": ["110", "111", "001", "000"]}).targets())
    x = np.array([[0.0, 0], [2, 1], [-1, 3], [5, 5]])
    samples = Samples(Study.from_dict(few).design, np.arange(4), x)
    assert Nearest().fit(samples).predict(asked).tolist() == [[5, 5], [5, 5], [0, 0], [0, 0]]
    assert SinglesMax().fit(samples).predict(asked)[0].tolist() == [2, 3]
    assert SinglesMean().fit(samples).predict(asked)[0].tolist() == [0.5, 2]
    assert SinglesMax().fit(samples).reasons(asked)[1:3] == [
        "A=1,B=1,C=1: not each of its interventions was run by itself",
        "C=1: not each of its interventions was run by itself",
    ]
    rest = without_regime(samples, 0)
    assert "the baseline regime was not run" in str(SinglesMax().fit(rest).reasons(asked)[0])
    assert Nearest().fit(rest).reasons(asked)[2] == "C=1: no part of it was run"
    assert np.isnan(Nearest().fit(rest).predict(asked)[2]).all()
    assert np.isnan(SinglesMax().fit(samples).standard_errors(asked)[0]).all()  # one row each
