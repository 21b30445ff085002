"""Methods compared on training regimes left out: as tables, and what is refused."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from ifm_ident import InputError, Study
from ifm_learn.data.held import Held
from ifm_learn.data.samples import Samples
from ifm_learn.estimation._ladder_work import LadderWork
from ifm_learn.estimation.comparison import Comparison, compare_methods
from ifm_learn.estimation.of_study import estimate_study
from ifm_learn.falsification.testing import falsify
from ifm_learn.outcome.methods import METHODS

STUDY = Study.from_dict(
    {
        "interventions": {"A": [0, 1], "B": [0, 1]},
        "variables": ["x"],
        "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}],
        "train": ["00", "10", "01", "11"],
    }
)


def samples() -> Samples:
    regime = np.repeat(np.arange(4), 20)
    x = np.random.default_rng(0).normal(size=80)
    return Samples(STUDY.design, regime, x[:, None], regime + x)


def compared() -> Comparison:
    return compare_methods(samples(), ["additive", "control"])


def test_a_comparison_is_a_table() -> None:
    found = compared()
    table = found.to_arrow()
    assert table.column_names == ["method", "regime", "error", "predicted", "observed", "noise"]
    assert table.num_rows == 8
    for row in table.to_pylist():
        m, k = found.methods.index(row["method"]), found.regimes.index(row["regime"])
        assert row["observed"] == found.observed[k]
        assert row["error"] == (None if np.isnan(found.errors[m, k]) else found.errors[m, k])
    assert found.to_pandas().shape == found.to_polars().shape == (8, 6)
    assert "methods on 4 training regimes left out" in repr(found)
    assert "<td" in found._repr_html_()
    none = compare_methods(samples(), [])
    assert (none.to_arrow().num_rows, none._repr_html_()) == (0, "<p>Methods on 4 training regimes left out</p>")


def test_bad_input_is_refused() -> None:
    with pytest.raises(InputError, match="unknown method 'additve'; did you mean additive"):
        compare_methods(samples(), ["additve"])
    with pytest.raises(InputError, match="jobs=0"):
        compare_methods(samples(), ["mean"], jobs=0)
    for seed in (-1, 0.5, True):
        with pytest.raises(InputError, match="a seed is a whole number from 0"):
            compare_methods(samples(), ["mean"], seed=seed)  # type: ignore[arg-type]
        with pytest.raises(InputError, match="a seed is a whole number from 0"):
            falsify(samples(), seed=seed)  # type: ignore[arg-type]
        with pytest.raises(InputError, match="a seed is a whole number from 0"):
            estimate_study(STUDY, {"A": [0], "B": [0], "x": [1.0]}, seed=seed)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", list(METHODS))
def test_an_estimator_before_its_fit_says_so(name: str) -> None:
    estimator = METHODS[name].build(None, None, 0)
    with pytest.raises(NotFittedError, match=r"not fitted yet; call `fit\(samples\)` first"):
        estimator.predict(STUDY.design.train)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        estimator.nonsense  # noqa: B018


def test_the_comparison_says_what_it_ranks_on_and_that_one_regime_ranks_nothing() -> None:
    text = " ".join(repr(compared()).split())
    assert "by which the methods are ranked, the least first" in text
    one = dataclasses.replace(
        compared(),
        regimes=("A",),
        errors=np.array([[0.5], [0.1]]),
        noise=np.array([0.2]),
        predicted=np.zeros((2, 1)),
        observed=np.zeros(1),
    )
    lines = repr(one)
    assert "One regime left out ranks nothing" in lines
    assert "ranked" not in lines
    assert lines.index("additive") < lines.index("control")  # as they were asked for, not by error


def test_methods_of_the_factors_are_fitted_once_for_each_regime_by_the_ladder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fits = []
    fit = LadderWork.fit

    def counting(held: Held, *how: Any, **more: Any) -> LadderWork:
        fits.append(len(held.fitted))
        return fit(held, *how, **more)

    monkeypatch.setattr(LadderWork, "fit", counting)
    monkeypatch.setattr("ifm_learn.estimation.comparison.fit_density", None)
    names = ["ifm1", "ifm2", "dr", "balance", "singles-mean", "singles-max", "nearest", "additive"]
    found = compare_methods(samples(), names, energy="normal")
    assert fits == [60] * 4
    assert found.energy == "normal"
    by = dict(zip(found.methods, found.errors, strict=True))
    assert np.isfinite(np.array([by[name] for name in ("ifm1", "dr", "balance", "additive")])).all()
    assert np.isnan(by["ifm2"]).all()
    assert found.reasons["ifm2"] == "it needs a density on a grid, the energy 'grid' or 'mlp'"
    # ctrl is no combination of parts; of 11 without its rows the strongest single is B, two above ctrl
    predicted = dict(zip(found.methods, found.predicted, strict=True))
    values = samples()
    own = [float(values.y[values.regime == k].mean()) for k in range(4)]  # type: ignore[index]
    last = found.regimes.index("A=1,B=1")
    assert predicted["singles-mean"][last] == pytest.approx((own[1] + own[2]) / 2)
    assert predicted["singles-max"][last] == predicted["nearest"][last] == pytest.approx(own[2])
    assert "the baseline regime was not run" in found.reasons["singles-mean"]
    assert "left out, of those that the others identify; densities by normal" in " ".join(repr(found).split())
    refused = compare_methods(samples(), ["ifm1"], energy="bernoulli")
    assert "cannot describe these rows" in refused.reasons["ifm1"]
    assert "needs a density on a grid" in compare_methods(samples(), ["ifm3"]).reasons["ifm3"]
    with pytest.raises(InputError, match="there is no energy 'norml'; did you mean normal"):
        compare_methods(samples(), ["ifm1"], energy="norml")
