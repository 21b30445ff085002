"""Files of fitted ladders: the same numbers as without one, and what is refused."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ifm_ident import InputError, Study
from ifm_learn import estimate_study
from ifm_learn.data.reading import read_samples
from ifm_learn.density.fitted import FittedModel
from ifm_learn.estimation.fitted_ladder import FittedLadder, load_fitted
from ifm_learn.estimation.write import json_lines

Table = dict[str, Any]


def study(
    variables: tuple[str, ...] = ("x",), factors: Any = ({"sigma": ["A"]}, {"sigma": ["B"]}), **data: Any
) -> Study:
    return Study.from_dict(
        {
            "interventions": {"A": [0, 1], "B": [0, 1]},
            "variables": list(variables),
            "factors": list(factors),
            "train": ["00", "10", "01"],
            "data": {"file": "rows.csv", **data},
        }
    )


def rows(draw: Callable[[np.random.Generator, Any], Mapping[str, Any]], n: int = 30, seed: int = 0) -> Table:
    rng, a, b = np.random.default_rng(seed), np.repeat([0, 1, 0], n), np.repeat([0, 0, 1], n)
    return {"A": a, "B": b, **draw(rng, a - b)}


def one_normal(rng: np.random.Generator, shift: Any) -> Mapping[str, Any]:
    return {"x": rng.normal(size=len(shift)) + shift}


def two(rng: np.random.Generator, shift: Any) -> Mapping[str, Any]:
    x = rng.normal(size=(len(shift), 3))
    return {"x": x[:, 0] + shift, "w": 0.5 * x[:, 0] + x[:, 1], "z": x[:, 2]}


def counts(rng: np.random.Generator, shift: Any) -> Mapping[str, Any]:
    return {"x": rng.negative_binomial(2, 2 / (2 + np.exp(1 + 0.3 * shift))).astype(float)}


CHAIN = ({"x": ["x", "w"], "sigma": ["A"]}, {"x": ["w", "z"], "sigma": ["B"]})
DOSES = Study.from_dict(
    {
        "interventions": {
            "A": [0, 1],
            "B": {"levels": [0, 1], "basis": {"hat": [0, "1/3", 1]}},
            "C": {"levels": ["1", "10", "100"], "coordinate": {1: 0, 10: 1, 100: 2}, "basis": {"poly": 1}},
        },
        "variables": ["x"],
        "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}, {"sigma": ["C"]}],
        "train": [{}, {"A": 1}, {"B": 1}, {"B": "0.3"}, {"B": "1/3"}, {"C": 10}],
        "test": [{"A": 1, "B": 0.7, "C": 100}, {"A": 1, "B": "0.15"}, {"B": 0.3}],
        "data": {"file": "rows.csv"},
    }
)


def doses(rng: np.random.Generator, shift: Any) -> Mapping[str, Any]:
    regime = np.arange(len(shift)) % 6
    given = {"A": regime == 1, "B": np.array(["0", "0", "1", "0.3", "1/3", "0"])[regime]}
    c = np.where(regime == 5, 10, 1)
    return {**given, "A": given["A"].astype(int), "C": c, "x": rng.normal(size=len(shift)) + regime / 3}


KINDS: dict[str, tuple[str, Study, Callable[[np.random.Generator, Any], Mapping[str, Any]]]] = {
    "auto": ("auto", study(), one_normal),
    "least squares": ("normal", study(), one_normal),
    "by likelihood": ("normal", study(("x", "w", "z"), CHAIN), two),
    "linear": ("linear", study(("x", "w", "z"), CHAIN), two),
    "quadratic": ("quadratic", study(("x", "w", "z"), CHAIN), two),
    "splines": ("splines", study(), one_normal),
    "poisson": ("poisson", study(), counts),
    "negbin": ("negbin", study(), counts),
    "gamma": ("gamma", study(), lambda rng, shift: {"x": rng.gamma(2, np.exp(0.3 * shift))}),
    "bernoulli": (
        "bernoulli",
        study(),
        lambda rng, shift: {"x": rng.binomial(1, 0.4 + 0.2 * shift).astype(float)},
    ),
    "units": ("auto", study(unit="u"), lambda rng, s: {**one_normal(rng, s), "u": np.arange(len(s)) // 3}),
    "outcome": (
        "auto",
        study(outcome="y"),
        lambda rng, s: {"x": (x := rng.normal(size=len(s)) + s), "y": np.tanh(x) + rng.normal(size=len(s))},
    ),
    "outcome that shifts": (
        "auto",
        study(outcome="y"),
        lambda rng, s: {"x": (x := rng.normal(size=len(s))), "y": x + 3 * s + 0.1 * rng.normal(size=len(s))},
    ),
    "levels with values": ("normal", DOSES, doses),
    "levels with values, averaged": ("auto", DOSES, doses),
    "outcomes": (
        "normal",
        study(outcomes=["y", "v"]),
        lambda rng, s: {"x": (x := rng.normal(size=len(s)) + s), "y": x + s, "v": rng.normal(size=len(s))},
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_gives_the_bytes_that_a_fit_gives(kind: str, tmp_path: Path) -> None:
    energy, asked, draw = KINDS[kind]
    table = rows(draw)
    FittedLadder.fit(read_samples(asked, table), energy=energy, seed=3, calibration=0.2).save(tmp_path / "m.npz")
    model = load_fitted(tmp_path / "m.npz")
    assert isinstance(model, FittedLadder)
    assert len(model.ladders) == (2 if kind == "outcome that shifts" else 1)
    ways: list[dict[str, Any]] = [{"effects": "additive"}, {"method": "balance"}]
    if asked is not DOSES:  # effects of levels that have names
        ways += [{"method": "additive"}, *([{"sensitivity": 0.2}] if kind != "outcomes" else [])]
    for way in ways:
        fresh = estimate_study(asked, table, energy=energy, seed=3, calibration=0.2, **way)
        kept = estimate_study(asked, table, model=model, **way)
        assert list(json_lines(kept)) == list(json_lines(fresh))


def test_a_grid_in_an_average_comes_back(tmp_path: Path) -> None:
    asked = study()
    table = rows(
        lambda rng, s: {
            "x": rng.choice([-1.5, 1.5], len(s), p=[0.5, 0.5]) + 0.4 * rng.normal(size=len(s)) + s / 2
        },
        80,
    )
    FittedLadder.fit(read_samples(asked, table)).save(tmp_path / "m.npz")
    model = FittedLadder.load(tmp_path / "m.npz")
    assert "grid" in model.ladders[0].rungs
    place = model.ladders[0].rungs.index("grid")
    samples = model.held(read_samples(asked, table)).fitted
    fitted = FittedLadder.fit(read_samples(asked, table))
    assert np.array_equal(model.ladders[0].fits[place], fitted.ladders[0].fits[place])
    one, other = (of.ladders[0].ladder(samples, 0).laws[place] for of in (model, fitted))
    asked_of = samples.design.train
    assert np.array_equal(one.means(None, asked_of), other.means(None, asked_of))
    own = np.array([samples.x[samples.regime == i].mean() for i in range(3)])
    assert np.allclose(one.means(None, asked_of).ravel(), own, atol=0.15)


def test_what_does_not_belong_to_the_file_is_refused(tmp_path: Path) -> None:
    asked, table = study(), rows(one_normal)
    model = FittedLadder.fit(read_samples(asked, table), energy="linear")
    with pytest.raises(InputError, match="the model was fitted with the energy 'linear', not 'normal'"):
        estimate_study(asked, table, model=model, energy="normal")
    with pytest.raises(
        InputError, match="'ifm3' takes a density on a grid, and the model was fitted with the energy"
    ):
        estimate_study(asked, table, model=model, method="ifm3")
    with pytest.raises(InputError, match="fitted to other rows"):
        estimate_study(asked, rows(one_normal, seed=1), model=model)
    with pytest.raises(InputError, match="about another design"):
        estimate_study(study(("x",), ({"sigma": ["A", "B"]},)), table, model=model)
    with pytest.raises(InputError, match=r"kept as tables; take FittedModel\.fit"):
        FittedLadder.fit(read_samples(asked, table), energy="grid")
    model.save(tmp_path / "m.npz")
    with pytest.raises(InputError, match=r"schema 'ifm-ladder/1' where 'ifm-density/1' is due"):
        FittedModel.load(tmp_path / "m.npz")
    with pytest.raises(InputError, match="there is no such file"):
        load_fitted(tmp_path / "none.npz")


def test_rows_in_other_units_are_other_rows(tmp_path: Path) -> None:
    asked = study(scale="standard")
    table = rows(lambda rng, s: {"x": rng.gamma(2, np.exp(0.3 * s))})
    FittedLadder.fit(read_samples(asked, table), energy="gamma").save(tmp_path / "m.npz")
    twice = {**table, "x": 2 * table["x"]}
    assert np.array_equal(read_samples(asked, twice).x, read_samples(asked, table).x)
    with pytest.raises(InputError, match="fitted to other rows"):
        estimate_study(asked, twice, model=load_fitted(tmp_path / "m.npz"))


def _with(path: Path, arrays: dict[str, Any], **other: Any) -> None:
    """The file again, arrays or entries of its header replaced, or left out for None."""
    arrays = dict(arrays)
    header = json.loads(str(arrays["header"]))
    for name, value in other.items():
        if name in header:
            header[name] = value
            arrays["header"] = np.array(json.dumps(header))
        elif value is None:
            del arrays[name]
        else:
            arrays[name] = value
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **arrays)
    path.write_bytes(stream.getvalue())


def test_damaged_files_are_refused_in_words(tmp_path: Path) -> None:
    asked, table, path = study(), rows(counts), tmp_path / "m.npz"
    FittedLadder.fit(read_samples(asked, table), energy="auto").save(path)
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    [ladder] = json.loads(str(arrays["header"]))["ladders"]
    refits = next(name for name in arrays if name.startswith("refits"))
    nan = np.full_like(arrays["law0x0"], np.nan) if arrays["law0x0"].size else np.array([np.nan])
    wrong: list[tuple[dict[str, Any], str]] = [
        ({refits: None}, "missing, or belong to nothing"),
        ({"law1x0": np.zeros(2)}, "missing, or belong to nothing"),
        ({"shift": np.zeros(1)}, "missing, or belong to nothing"),
        ({refits: arrays[refits][:1]}, "refits of models differ in number"),
        ({refits: arrays[refits].ravel()}, "refits of models differ in number"),
        ({"weights0": -arrays["weights0"]}, "do not add up to 1"),
        ({"weights0": arrays["weights0"].astype("f4")}, "weights0 holds what is no number"),
        ({"scores0": arrays["scores0"][1:]}, "the scores do not fit the models"),
        ({"scores0": np.full_like(arrays["scores0"], np.inf)}, "the scores do not fit the models"),
        ({"law0x0": nan}, "law0x0 holds what is no number"),
        ({"seed": -1}, "seed is -1"),
        ({"energy": "quartic"}, "there is no energy 'quartic'"),
        ({"calibration": 1.5}, "account of the rows fitted to is none"),
        ({"digest": 7}, "account of the rows fitted to is none"),
        ({"ladders": []}, "account of the rows fitted to is none"),
        ({"ladders": [{**ladder, "rungs": ["mlp"] * len(ladder["rungs"])}]}, "none, or not known"),
        ({"ladders": [{**ladder, "rungs": 3}]}, "damaged"),
        ({"ladders": [{**ladder, "chosen": [True]}]}, "missing, or belong to nothing|the place of a model"),
        ({"schema": "ifm-ladder/9"}, "schema 'ifm-ladder/9'"),
        ({refits: np.repeat(arrays[refits], 2, axis=0)}, "refits of models differ in number"),
        ({"energy": "negbin"}, "the models are not what the energy 'negbin' fits"),
        ({"energy": "grid"}, "the models are not what the energy 'grid' fits"),
        ({"more": np.zeros(3)}, "a model has no member 'more.npy'"),
    ]
    for other, words in wrong:
        _with(path, arrays, **other)
        with pytest.raises(InputError, match=words):
            load_fitted(path)
    # what only shows beside the rows
    for name in ("law0x0", refits):
        longer = np.concatenate([arrays[name], np.zeros((*arrays[name].shape[:-1], 1))], axis=-1)
        _with(path, arrays, **{name: longer})
        with pytest.raises(InputError, match=r"the model is damaged \(.* are due\); fit it again"):
            estimate_study(asked, table, model=load_fitted(path))
    fewer = {name: array[:-1] for name, array in arrays.items() if name.startswith("refits")}
    beside: list[tuple[dict[str, Any], str]] = [
        (fewer, r"39 refits where 40 of 90 rows are due"),
        ({"scores0": arrays["scores0"][:, 1:]}, r"scores of 89 units where 90 are due"),
        ({"scores0": arrays["scores0"][::-1]}, r"the weights of models do not follow from their scores"),
    ]
    for other, words in beside:
        _with(path, arrays, **other)
        with pytest.raises(InputError, match=rf"the model is damaged \({words}"):
            estimate_study(asked, table, model=load_fitted(path))
    with zipfile.ZipFile(path, "w") as empty:
        empty.writestr("rows.json", "{}")
    with pytest.raises(InputError, match="not a fitted model, or damaged"):
        load_fitted(path)
