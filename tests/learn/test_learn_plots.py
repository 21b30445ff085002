"""Pictures show the numbers they are given: positions, marks, legends, refusals."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from matplotlib.figure import Figure

from ifm_ident import InputError, Study
from ifm_learn.conformal.regimes import RegimeErrors
from ifm_learn.estimation.of_study import estimate_study
from ifm_learn.estimation.sensitivity import TargetValues, sensitivity_curve, tipping_point
from ifm_learn.falsification.testing import falsify
from ifm_learn.inference.support import FactorSupport
from ifm_learn.plots import (
    coverage_by_regime,
    effects,
    estimates,
    p_values,
    regime_errors,
    sensitivity,
    support,
)
from tests.learn.falsification_truths import CODES, joint_model, samples_of, shifted


def axes() -> Any:
    return Figure(figsize=(5, 4)).subplots()


def words(ax: Any) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_coverage_shows_means_and_their_errors() -> None:
    covered = np.array([[0.88, 0.91], [0.90, 0.93], [0.92, 0.95]])
    ax = coverage_by_regime(["A+B", "$A"], {"oracle": covered, "fitted": covered - 0.02}, "0.1", axes())
    points = [line for line in ax.lines if line.get_marker() in "os"]
    assert [line.get_ydata().tolist() for line in points] == [
        pytest.approx([0.90, 0.93]),
        pytest.approx([0.88, 0.91]),
    ]
    bars = ax.collections[0].get_segments()
    assert bars[0][1][1] - bars[0][0][1] == pytest.approx(2 * 1.96 * 0.02 / np.sqrt(3))
    assert words(ax) == ["oracle", "fitted", "promised, 0.9"]
    one = coverage_by_regime(["A"], {"oracle": [0.9]}, "0.1", axes())
    assert not one.collections
    with pytest.raises(InputError, match="7 methods"):
        coverage_by_regime(["A"], {str(k): [0.9] for k in range(7)}, "0.1")


def test_p_values_and_effects_of_a_rejected_claim() -> None:
    found = falsify(
        samples_of(joint_model(), shifted(np.random.default_rng(1), 300, extra=(0.0, 1.0))), pairs=False
    )
    ax = p_values(found, axes())
    marks = {line.get_marker(): line for line in ax.lines if line.get_marker() in ("o", "s")}
    for finding, marker in zip(found.findings, "os", strict=True):
        assert marks[marker].get_xdata()[0] == max(finding.p_adjusted, 1e-12)
        assert marks[marker].get_markerfacecolor() != "none"
    assert words(ax) == ["score", "energy", "level 0.05"]
    shown = effects(found, axes())
    assert [label.get_text() for label in shown.get_yticklabels()] == ["x2 in A=1,B=1", "x1 in A=1,B=1"]
    assert shown.lines[0].get_xdata()[0] == found.findings[0].evidence.effect["x2"]
    assert len(effects(found, axes(), most=1).get_yticklabels()) == 1


def test_nothing_tested_is_refused() -> None:
    found = falsify(samples_of(joint_model(), shifted(np.random.default_rng(2), 50)[:3], CODES[:3]))
    for picture, message in ((p_values, "nothing was tested"), (effects, "no effect was measured")):
        with pytest.raises(InputError, match=message):
            picture(found)


def test_sensitivity_marks_where_the_bounds_reach_the_reference() -> None:
    draws = TargetValues(np.array([1.0, 2.0, 6.0]))
    refits = [TargetValues(np.array([1.0, 2.0, 6.0]) + shift) for shift in np.linspace(-0.1, 0.1, 19)]
    curve = sensitivity_curve(draws, np.linspace(1, 0, 11), refits)
    ax = sensitivity(curve, tipping_point(draws, 2.0), axes(), "Y in A+B")
    mark = next(line for line in ax.lines if line.get_marker() == "D")
    assert mark.get_xdata()[0] == pytest.approx(0.5 * np.log(4))
    assert words(ax) == [
        "estimate",
        "sharp bounds",
        "90% confidence",
        "reference",
        "reached at 0.69",
    ]
    far = sensitivity(curve, tipping_point(draws, 0.0), axes())
    assert not [line for line in far.lines if line.get_marker() == "D"]


def test_regimes_left_out_are_named_where_they_are_few() -> None:
    k = np.arange(9)
    errors = RegimeErrors(k, k / 10, k / 10 + 0.1, np.full(9, 0.02), k[:0])
    names = [f"A+{i}" for i in k]
    ax = regime_errors(errors, names, errors.quantile("0.1"), axes(), "Y")
    assert sorted(text.get_text() for text in ax.texts) == names
    assert words(ax) == ["equal", "90% of errors, 9 regimes", "left out of the fit"]
    many = np.arange(13)
    wide = RegimeErrors(many, many / 10, many / 10, np.full(13, np.inf), many[:0])
    assert not regime_errors(wide, [str(i) for i in many], None, axes()).texts
    with pytest.raises(InputError, match="13 regimes were left out, 1 are named"):
        regime_errors(wide, ["A"])


def test_estimates_are_drawn_where_there_are_numbers() -> None:
    study = Study.from_dict(
        {
            "interventions": {"A": [0, 1], "B": [0, 1], "C": [0, 1]},
            "variables": ["u", "v"],
            "factors": [{"x": ["u", "v"], "sigma": [name]} for name in "ABC"],
            "train": ["ctrl", "A", "B"],
            "test": ["A+B", "C", "A"],
        }
    )
    rng = np.random.default_rng(3)
    a, b = np.repeat([[0, 0], [1, 0], [0, 1]], 100, axis=0).T
    data = {"A": a, "B": b, "u": rng.normal(size=300) + a, "v": rng.normal(size=300) + b}
    found = estimate_study(study, data, method="additive")
    ax = estimates(found, "v", {"A+B": 1.0}, axes())
    assert [label.get_text() for label in ax.get_yticklabels()] == ["A+B", "A"]  # C was never run
    dots = {line.get_marker(): line.get_xdata()[0] for line in ax.lines if line.get_marker() in ("o", "D")}
    assert dots == {"D": found.mean[0, 1], "o": found.mean[2, 1]}  # no claim bears on A+B: untested
    words = [text.get_text() for text in ax.get_legend().get_texts()]
    assert "hollow: flagged" in words
    missing = dataclasses.replace(found, flags=((("misses_training",),) * 2, *found.flags[1:]))
    bars = [line for line in estimates(missing, "v", ax=axes()).lines if line.get_linewidth() == 5.0]
    assert len(bars) == 1  # an interval of A only
    assert [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "x"] == [1.0]
    with pytest.raises(InputError, match="unknown outcome 'w'; legal: u, v"):
        estimates(found, "w")


def test_support_frames_what_is_extrapolated() -> None:
    shares = np.array([[0.02, 0.8, 0.5], [0.51, 0.0, 1.0]])
    ax = support(FactorSupport(shares), ["$A", "A+B"], ["f1", "f2", "f3"], axes())
    assert ax.collections[0].get_array().tolist() == shares.tolist()
    assert [label.get_text() for label in ax.get_yticklabels()] == ["$A", "A+B"]
    written = {text.get_position(): text.get_text() for text in ax.texts}
    assert written == {(k + 0.5, r + 0.5): f"{shares[r, k]:.0%}" for r in range(2) for k in range(3)}
    (frames,) = ax.patches
    centres = frames.get_path().vertices.reshape(-1, 5, 2)[:, :4].mean(axis=1)
    assert centres == pytest.approx(np.array([[1.5, 0.5], [0.5, 1.5], [2.5, 1.5]]))  # more than a half, not a half
    assert len(support(FactorSupport(np.zeros((401, 1))), ["A"] * 401, ["f"], axes()).texts) == 0
    with pytest.raises(InputError, match="give 2 names of regimes and 3 of factors"):
        support(FactorSupport(shares), ["A"], ["f1", "f2", "f3"])
    with pytest.raises(InputError, match="no regime or no factor"):
        support(FactorSupport(np.zeros((0, 2))), [], ["f1", "f2"])
