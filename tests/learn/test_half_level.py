"""Half-effect levels: closed forms and the delta method over least squares of statsmodels, coverage, refusals."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from ifm_ident import InputError, Study
from ifm_ident.arrays import Floats
from ifm_learn.estimation.of_study import estimate_study
from ifm_learn.estimation.text import text_lines
from ifm_learn.estimation.write import mapping
from ifm_learn.ladder.half_level import half_level

sm = pytest.importorskip("statsmodels.api")

RUN = (0, 1, 2, 4, 6)


def study(basis: dict[str, Any], train: tuple[float, ...] = RUN, **more: Any) -> Study:
    return Study.from_dict({
        "interventions": {"dose": {"levels": list(RUN), "basis": basis}}, "variables": ["x"],
        "factors": [{"sigma": ["dose"]}], "train": [{"dose": s} for s in train], "test": [{"dose": 3}], **more,
    })  # fmt: skip


def rows(seed: int, curve: Any, n: int = 30, train: tuple[float, ...] = RUN) -> dict[str, Floats]:
    dose = np.repeat(np.array(train, dtype=float), n)
    return {"dose": dose, "x": np.random.default_rng(seed).normal(curve(dose), 0.5)}


def quadratic(dose: Floats) -> Floats:
    return 2 + 1.2 * dose - 0.08 * dose**2


def half_of_quadratic(parameters: Floats) -> float:
    """Where b s + c s^2 is half of what it is at 6."""
    _, b, c = parameters
    half = (6 * b + 36 * c) / 2
    return float((-b + np.sqrt(b * b + 4 * c * half)) / (2 * c))


def ask(table: dict[str, Floats], of: Study, **more: Any) -> dict[str, Any]:
    found = estimate_study(of, table, energy="normal", calibration=0.0, half="dose", **more)
    [one] = found.half_levels
    return dict(one)


def test_level_and_interval_are_those_of_least_squares_and_the_delta_method() -> None:
    table = rows(0, quadratic)
    one = ask(table, study({"poly": 2}))
    fit = sm.OLS(table["x"], np.vander(table["dose"], 3, increasing=True)).fit()
    due = half_of_quadratic(fit.params)
    assert one["level"] == pytest.approx(due, abs=2e-3)
    assert one["effect"] == pytest.approx(6 * fit.params[1] + 36 * fit.params[2], rel=1e-6)
    assert (one["effect_at"], one["at_last_level_run"]) == (6.0, True)
    step = np.eye(3) * 1e-5
    slope = np.array([(half_of_quadratic(fit.params + d) - due) / 1e-5 for d in step])
    width = 2 * 1.66 * np.sqrt(slope @ fit.cov_params() @ slope)
    low, high = one["interval"]
    assert low < due < high
    # 40 redraws tell an error to 11%, three such errors
    assert 0.67 * width < high - low < 1.4 * width


def test_intervals_hold_the_true_level() -> None:
    true = half_of_quadratic(np.array([2, 1.2, -0.08]))
    held = []
    for seed in range(40):
        one = ask(rows(seed, quadratic, n=12), study({"poly": 2}))
        if "interval" in one:
            low, high = one["interval"]
            held.append(low <= true <= high)
    assert len(held) >= 35
    # three standard errors of a share of 0.9
    assert np.mean(held) > 0.9 - 3 * np.sqrt(0.09 / len(held))


def test_with_one_function_the_basis_alone_says_where() -> None:
    # s / (2 + s) is 3/4 at 6 and 3/8 at 6/5
    table = rows(1, lambda s: 5 - 3 * s / (2 + s))
    of = study({"hill": {"ec50": 2, "n": 1}})
    one = ask(table, of)
    assert one["level"] == pytest.approx(1.2, abs=2e-3)
    assert one["interval"] is None
    found = estimate_study(of, table, energy="normal", calibration=0.0, half="dose")
    assert "at 1.2, by the one function of the basis, not by the rows" in " ".join(
        " ".join(text_lines(found)).split()
    )
    assert json.loads(json.dumps(mapping(found)))["half_levels"][0]["level"] == one["level"]
    assert "half_levels" not in mapping(estimate_study(of, table, energy="normal", calibration=0.0))


def test_where_it_is_not_told_it_says_why() -> None:
    flat = ask(rows(2, lambda s: 0 * s), study({"poly": 2}))
    assert "is not clear of zero" in flat["why"]
    assert "level" not in flat
    cubic = ask(rows(3, lambda s: 3 * s - 2 * s**2 + 0.3 * s**3, n=200), study({"poly": 3}))
    assert cubic["why"].startswith("the curve turns back at 0.95, before its largest effect")
    two = ask(rows(4, quadratic, train=(0, 2)), study({"poly": 2}, train=(0, 2), test=[{"dose": 2}]))
    assert two["why"] == "not every level of dose from the least to the largest run is identified"


def test_a_baseline_in_the_middle_is_looked_at_on_the_side_of_the_largest_effect() -> None:
    s = np.linspace(-2, 4, 61)
    draws = s**2 + 0.01 * np.random.default_rng(0).normal(size=(40, 61))
    found = half_level(s, s**2, draws, 20, 1.7)
    assert found.level == pytest.approx(np.sqrt(8), abs=1e-2)
    assert found.at == 4


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"half": "dos"}, "did you mean dose"),
        ({"half": "partner"}, "are no numbers with a basis, so there is no curve to halve"),
        ({"half": "dose", "energy": "mlp"}, "half needs a method of the factors"),
        ({"half": "dose", "train": [{"dose": 1}, {"dose": 2}]}, "first level, 0, which lies outside"),
    ],
)
def test_refusals(more: dict[str, Any], words: str) -> None:
    of = Study.from_dict({
        "interventions": {"partner": [0, 1], "dose": {"levels": [0, 1, 2], "basis": {"poly": 1}}},
        "variables": ["x"], "factors": [{"sigma": ["dose"]}],
        "train": more.pop("train", [{}, {"dose": 1}, {"dose": 2}]),
    })  # fmt: skip
    table = rows(5, quadratic, train=(0, 1, 2)) | {"partner": np.zeros(90)}
    with pytest.raises(InputError, match=words):
        estimate_study(of, table, calibration=0.0, **more)


def test_the_picture_marks_it() -> None:
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    from ifm_learn.plots import response

    table, of = rows(0, quadratic), study({"poly": 2})
    ax = response(of, "dose", data=table, energy="normal", half=True, ax=Figure().subplots())
    marked = [line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == ":"]
    assert marked == [pytest.approx(ask(table, of)["level"])]
