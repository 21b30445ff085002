"""How much of a regime lies where a factor's rows are: against enumeration, and what is said of it."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from ifm_ident import InputError, NotIdentifiableError, Regimes, Study
from ifm_learn import GaussianIFM, Samples, estimate_study, fit_density, read_samples
from ifm_learn.density.model import DensityModel
from ifm_learn.energies.cells import FactorCells
from ifm_learn.energies.layout import Ridge
from ifm_learn.estimation.extrapolation import extrapolation_words
from ifm_learn.estimation.result import Estimates
from ifm_learn.inference.grid_tree import GridTree
from ifm_learn.inference.support import factor_support
from ifm_learn.outcome.plug_in import exact_means
from tests.learn.grid_models import design, draw, probabilities, random_tables, regimes

SIZES = [3, 2, 4, 3]
Law = tuple[float, float]


@pytest.mark.parametrize("fewest", [1, 10])
@pytest.mark.parametrize(("name", "wanted"), [("loop", ("000", "111", "201")), ("conditional", ("111", "100"))])
def test_support_is_what_enumeration_says(name: str, wanted: tuple[str, ...], fewest: int) -> None:
    cells = FactorCells.of(design(name))
    sizes = SIZES[: len(cells.design.model.variables)]
    tables = [2 * table for table in random_tables(cells, sizes, np.random.default_rng(0))]
    asked, train = regimes(*wanted), cells.design.train
    rows = np.arange(fewest, fewest + 7 * len(train), 7)
    tree = GridTree.of(cells.scopes, sizes)
    found = factor_support(
        tree.collect(tables, cells.choice(asked)), tree.collect(tables, cells.choice(train)), rows.tolist()
    )
    targets, trained = (probabilities(cells, sizes, tables, of) for of in (asked, train))
    for r, k in itertools.product(range(len(asked)), range(len(cells.scopes))):
        shows = cells.choice(train)[:, k] == cells.choice(asked)[r, k]
        target: dict[tuple[int, ...], float] = {}
        expected: dict[tuple[int, ...], float] = {}
        for x in itertools.product(*map(range, sizes)):
            at = tuple(x[v] for v in cells.scopes[k])
            target[at] = target.get(at, 0.0) + float(targets[(r, *x)])
            expected[at] = expected.get(at, 0.0) + float(rows[shows] @ trained[(shows, *x)])
        fewest = min(25, rows[shows].sum() / 2)
        few = [at for at in target if expected[at] < fewest * target[at]]
        # double precision, a few hundred terms of size 1
        assert found.unsupported[r, k] == pytest.approx(sum(target[at] for at in few), abs=1e-12)
    assert 0 < found.unsupported.max() <= 1
    np.testing.assert_array_equal(found.weak, found.unsupported[range(len(asked)), found.worst] > 0.5)


def test_where_a_factor_was_never_near_it_has_no_rows() -> None:
    tree = GridTree.of([(0,), (0,)], [2])
    tables = [np.array(pair) for pair in ([0.0, 0.0], [0.0, -900.0], [0.0, -100.0], [0.0, 1000.0])]
    # the first two are of one factor: its second cell is shown at value 0 only, and asked for at value 1
    train = tree.collect(tables, np.array([[0, 2], [1, 2], [0, 3]]))
    found = factor_support(tree.collect(tables, np.array([[1, 3]])), train, [500, 500, 500])
    np.testing.assert_allclose(found.unsupported, [[1.0, 0.0]], atol=1e-12)
    assert (found.worst[0], found.weak[0]) == (0, True)


def test_of_a_model_with_the_rows_it_was_fitted_to_or_others() -> None:
    of = design("pair")
    tables = random_tables(FactorCells.of(of), [3, 3], np.random.default_rng(4))
    samples = draw(of, [3, 3], tables, 300, np.random.default_rng(5))
    model = fit_density(samples, starts=1, ridge=Ridge(0.1, 0.1, tied=False))
    # regimes that were run lie where their own rows are, however few
    assert (model.support(of.train).unsupported == 0).all()
    for rows in ([25, 24, 25], [1, 1, 1], [1, 300, 300]):
        assert (model.support(of.train, rows).unsupported == 0).all()
    with pytest.raises(InputError, match=r"rows are \[300\]; give a positive number for each of 3 training"):
        model.support(of.train, [300])


@pytest.mark.parametrize("rows", [3, 10, 40, 1000])
def test_few_rows_are_no_extrapolation_only_rows_elsewhere_are(rows: int) -> None:
    # normal laws of sd 1: at 0, at `shift` with the first intervention, at 1 with the second, the sum with both
    tree, x = GridTree.of([(0,), (0,)], [81]), np.linspace(-10, 10, 81)
    for shift, weak in ((0.0, False), (0.5, False), (4.0, True)):
        tables = [-0.5 * x**2, -0.5 * x**2 + shift * x, 0 * x, x]
        train = tree.collect(tables, np.array([[0, 2], [1, 2], [0, 3]]))
        found = factor_support(tree.collect(tables, np.array([[1, 3]])), train, [1000, 1000, rows])
        # only the last regime shows the second factor's cell
        target, shown = np.exp(-0.5 * (x - shift - 1) ** 2), np.exp(-0.5 * (x - 1) ** 2)
        target, shown = target / target.sum(), shown / shown.sum()
        few = target[rows * shown < min(25, rows / 2) * target].sum() if shift else 0.0
        # double precision, 81 terms
        assert found.unsupported[0, 1] == pytest.approx(few, abs=1e-12)
        if rows <= 40:
            assert found.weak[0] == weak


def test_a_regime_that_is_not_identified_has_none() -> None:
    of = Study.from_dict(
        {
            "interventions": {"A": [0, 1], "B": [0, 1]},
            "variables": ["x"],
            "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}],
            "train": ["00", "10"],
        }
    ).design
    tables = random_tables(FactorCells.of(of), [2], np.random.default_rng(0))
    model = fit_density(draw(of, [2], tables, 50, np.random.default_rng(1)), starts=1)
    with pytest.raises(NotIdentifiableError):
        model.support(regimes("11"))


@pytest.fixture(autouse=True)
def one_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Estimates from one start: what is said of a fit is tested here, not the fit."""

    def quickly(samples: Samples, seed: int = 0, **_: object) -> DensityModel:
        return fit_density(samples, starts=1, seed=seed)

    monkeypatch.setattr("ifm_learn.density.fitted.fit_density", quickly)


def estimated(baseline: Law, a: Law, b: Law, method: str = "ifm1") -> Estimates:
    """Two interventions on one variable, in factors of their own, and both together, from 400 rows of each regime.

    A law is a normal distribution's mean and standard deviation.
    """
    study = Study.from_dict(
        {
            "interventions": {"A": [0, 1], "B": [0, 1]},
            "variables": ["x"],
            "factors": [{"name": "push", "sigma": ["A"]}, {"name": "pull", "sigma": ["B"]}],
            "train": ["00", "10", "01"],
            "test": ["10", "11"],
        }
    )
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(mean, sd, 400) for mean, sd in (baseline, a, b)])
    first, second = np.repeat([[0, 0], [1, 0], [0, 1]], 400, axis=0).T
    return estimate_study(study, {"A": first, "B": second, "x": x}, method=method, calibration=0.0, energy="mlp")


def test_estimates_say_where_a_factor_saw_hardly_any_row() -> None:
    # p_A p_B / p_0 is a normal law at 0 with sd 0.2, ten standard deviations from the rows of either factor
    found = estimated((0.0, 2.0), (3.0, 0.3), (-3.0, 0.3))
    said = [text for text in found.warnings if "extrapolation" in text]
    assert len(said) == 1
    assert said[0].startswith("extrapolation in 1 of 2 regimes: 11 (")
    assert said[0].endswith("there the form of the energies and the ends of the grid decide, and no row checks it")
    assert "of it lies where factor pu" in found.note[1]
    assert found.note[0] == ""
    assert found.mapping()["results"][1]["note"] == found.note[1]
    assert f"Warning: {said[0]}." in repr(found)
    assert "<p>Warning: extrapolation in 1 of 2 regimes" in found._repr_html_()


def test_and_where_the_grid_ends_before_the_regime_does() -> None:
    # the combination is at 6 with sd 1, beyond nearly all rows
    found = estimated((0.0, 1.0), (3.0, 1.0), (3.0, 1.0))
    assert found.mean[1, 0] < 5.5
    assert "of it has x above" in found.note[1]
    assert "the last bin of the grid" in found.note[1]
    assert "of it has x below" in estimated((0.0, 1.0), (-3.0, 1.0), (-3.0, 1.0)).note[1]
    assert found.note[0] == ""


def test_regimes_so_named_err_more_than_the_others() -> None:
    study = Study.from_dict(
        {
            "interventions": {name: [0, 1] for name in "ABCDE"},
            "variables": ["v1", "v2", "v3", "v4", "v5"],
            "factors": [
                {"x": [f"v{k + 1}", f"v{(k + 1) % 5 + 1}"], "sigma": [name]} for k, name in enumerate("ABCDE")
            ],
            "train": ["ctrl", *"ABCDE"],
            "test": "all",
        }
    )
    every = Regimes.concatenate([*study.targets()])
    errors: dict[bool, list[float]] = {False: [], True: []}
    for seed in range(3):
        rng = np.random.default_rng(seed)
        truth = GaussianIFM.random(study.design.model, rng, effect=2.0)
        model = fit_density(truth.sample(study.design, 400, rng), energy="quadratic", starts=1)
        spread = np.sqrt(np.diagonal(truth.covariances(every), axis1=1, axis2=2))
        gaps = np.abs(exact_means(model, every) - truth.means(every)) / spread
        for gap, words in zip(gaps.mean(axis=1), extrapolation_words(model, every), strict=True):
            errors[bool(words)].append(float(gap))
    assert len(errors[True]) > 10
    # means of 400 rows err by 0.04 standard deviations, twice that on average where three regimes are combined
    assert np.mean(errors[False]) < 0.1
    assert np.mean(errors[True]) > 2 * np.mean(errors[False])


def test_nor_of_regimes_that_were_run_with_few_rows() -> None:
    study = Study.from_dict(
        {
            "interventions": {"A": [0, 1], "B": [0, 1]},
            "variables": ["x"],
            "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}],
            "train": ["00", "10", "01"],
            "test": ["00", "10", "11"],
        }
    )
    rng = np.random.default_rng(0)
    a, b = np.repeat([[0, 0], [1, 0], [0, 1]], [400, 12, 400], axis=0).T
    found = estimate_study(
        study, {"A": a, "B": b, "x": rng.normal(0.5 * a + 0.5 * b)}, calibration=0.0, energy="mlp"
    )
    assert not [text for text in found.warnings if "extrapolation" in text]
    assert not [note for note in found.note if "hardly any row" in note]


def test_and_nothing_where_rows_are() -> None:
    # the combination is at 1 with sd 1: each factor has 400 rows within 0.5 of it
    found = estimated((0.0, 1.0), (0.5, 1.0), (0.5, 1.0))
    assert found.note == ("", "")
    assert not [text for text in found.warnings if "extrapolation" in text]


def test_nor_where_a_variable_has_a_natural_end() -> None:
    # 2% of the baseline is zero and 30% of the singles: odds of 0.43^3 / 0.02^2 in the combination by the formula
    study = Study.from_dict(
        {
            "interventions": {"A": [0, 1], "B": [0, 1], "C": [0, 1]},
            "variables": ["x"],
            "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}, {"sigma": ["C"]}],
            "train": ["000", "100", "010", "001"],
            "test": ["111"],
        }
    )
    rng = np.random.default_rng(0)
    codes = np.repeat([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], 400, axis=0)
    x = np.where(rng.random(1600) < np.where(codes.any(axis=1), 0.3, 0.02), 0.0, 0.5 + rng.exponential(1.0, 1600))
    samples = read_samples(study, {**dict(zip("ABC", codes.T, strict=True)), "x": x})
    target = next(study.targets())
    for moved, named in ((0.0, False), (-1.0, True)):
        # zeros that are spread out below are a tail instead
        spread = np.where(samples.x == 0, moved * rng.random((1600, 1)) ** 2, samples.x)
        shifted = Samples(samples.design, samples.regime, spread)
        model = fit_density(shifted, energy="saturated", ridge=Ridge(0.01, 0.01, tied=False), starts=1, bins=5)
        assert model.marginals(target)[0][0, 0] > 0.6
        assert ("of it has x below" in extrapolation_words(model, target)[0]) is named


def test_nor_of_methods_without_a_density() -> None:
    found = estimated((0.0, 2.0), (3.0, 0.3), (-3.0, 0.3), method="additive")
    assert not [text for text in found.warnings if "extrapolation" in text]


def test_of_no_regimes_and_without_exact_inference_nothing_is_said() -> None:
    of = design("pair")
    tables = random_tables(FactorCells.of(of), [3, 3], np.random.default_rng(4))
    samples = draw(of, [3, 3], tables, 50, np.random.default_rng(5))
    model = fit_density(samples, starts=1, ridge=Ridge(0.1, 0.1, tied=False))
    assert extrapolation_words(model, of.train.take(np.array([], dtype=np.int64))) == []
    rough = dataclasses.replace(model, max_cells=1)
    assert extrapolation_words(rough, of.train) == ["", "", ""]
    with pytest.raises(InputError, match="the support of factors needs exact inference"):
        rough.support(of.train)
