"""Measured combinations: simple predictions by hand, scores of data written here, and real data where they are."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest

import ifm_learn.data.factorials as factorials
from ifm_ident import InputError
from ifm_learn.experiments._combination_cases import CHOOSING, FILES, SOURCES, Case, _case, poisons
from ifm_learn.experiments.combination_page import picture, table, words, write
from ifm_learn.experiments.combinations import chosen_rule, predictions, run_combinations, score
from tests.cli.running import run


def small(values: dict[tuple[int, ...], list[float]]) -> Case:
    codes = np.array([cell for cell, own in values.items() for _ in own])
    rows = np.array([[value] for own in values.values() for value in own])
    return _case("small", {"A": [0, 1], "B": [0, 1]}, codes, rows, {(1, 1)})


def test_simple_predictions_by_hand() -> None:
    case = small({(0, 0): [0.0, 0.2] * 10, (1, 0): [1.0, 1.2] * 10, (0, 1): [-2.0, -1.8] * 10, (1, 1): [5.0, 7.0]})
    assert case.measured.tolist() == [[6.0]]
    assert case.noise[0, 0] == pytest.approx(1.0)  # sd sqrt(2) of two rows
    found = predictions(case)
    wanted = {
        "control": 0.1,
        "strongest single": -1.9,
        "mean of singles": (1.1 - 1.9) / 2,
        "additive": 1.1 - 1.9 - 0.1,
        "boosted trees": None,
        "ladder": None,
    }
    assert set(found) == set(wanted)  # no shares, and no combinations to choose a strength by
    for name, value in wanted.items():
        if value is not None:
            assert found[name].mean[0, 0] == pytest.approx(value), name
    scores = score([case])
    spread = np.std([0.0, 0.2], ddof=0) * np.sqrt(60 / 57)
    assert scores["methods"]["additive"]["rmse"] == pytest.approx((6.0 + 0.9) / spread)
    assert scores["methods"]["additive"]["held"] is None
    assert scores["methods"]["ladder"]["held"] == 0.0
    assert scores["identified"] == scores["regimes"] == 1


def test_independence_of_shares_by_hand() -> None:
    def share(ones: int, of: int) -> list[float]:
        return [1.0] * ones + [0.0] * (of - ones)

    case = small({(0, 0): share(40, 100), (1, 0): share(20, 100), (0, 1): share(10, 100), (1, 1): share(5, 100)})
    found = predictions(case)
    assert found["independence"].mean[0, 0] == pytest.approx(0.4 * (0.2 / 0.4) * (0.1 / 0.4))
    low, high = found["ladder"].low[0, 0], found["ladder"].high[0, 0]
    assert 0 <= low < 0.05 < high <= 1  # odds 2/3, 1/4, 1/9: the formula says 0.04


def write_poisons(folder: Path) -> None:
    rng = np.random.default_rng(0)
    lines = ["rownames,time,poison,treat"]
    for i, poison in enumerate("123"):
        for j, treat in enumerate("ABCD"):
            lines += [
                f"0,{np.exp(-0.3 * i + 0.2 * j + 0.1 * rng.normal()):.4f},{poison},{treat}" for _ in range(4)
            ]
    (folder / "factorials").mkdir()
    (folder / "factorials" / "poisons.csv").write_text("\n".join(lines) + "\n")


def test_a_covariate_beside_is_asked_in_the_groups_of_the_rows_held_back() -> None:
    """Two plates that differ by 5, of which the controls tell: given the plate the rows need no centring."""
    rng = np.random.default_rng(0)
    cells = [(0, 0)] * 16 + [(1, 0)] * 8 + [(0, 1)] * 8 + [(1, 1)] * 8
    codes = np.array(cells)
    plate = np.array((["p", "q"] * 8) + ["p"] * 16 + ["p"] * 2 + ["q"] * 6)
    off = np.where(plate == "q", 5.0, 0.0)[:, None]
    values = (codes @ [1.0, 2.0])[:, None] + 0.1 * rng.normal(size=(40, 1))
    case = _case("small", {"A": [0, 1], "B": [0, 1]}, codes, values, {(1, 1)}, beside=("plate", plate, off))
    assert case.adjusted is not None
    assert case.adjusted.shares.tolist() == [[0.25, 0.75]]
    assert case.adjusted.offset.tolist() == [[[0.0], [5.0]]]
    found = predictions(case)
    assert found["adjusted"].together.mean[0, 0] == pytest.approx(found["ladder"].mean[0, 0], abs=0.1)
    scores = score([case])
    assert set(scores["groups"]) == {"p", "q"}
    assert scores["groups"]["q"]["methods"]["adjusted"]["held"] == 1.0
    assert scores["methods"]["control"]["rmse"] > 10 * scores["methods"]["adjusted"]["rmse"]
    shown = table({"hcs": scores})
    assert "| hcs | q |" in shown


def expect(monkeypatch: pytest.MonkeyPatch, name: str, content: bytes) -> None:
    """The loader takes this content for the file's."""
    source = dataclasses.replace(factorials._SOURCES[name], sha256=hashlib.sha256(content).hexdigest())
    monkeypatch.setitem(factorials._SOURCES, name, source)


def test_a_run_continues_from_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, folder = tmp_path / "home", tmp_path / "out"
    home.mkdir()
    write_poisons(home)
    with pytest.raises(InputError, match=r"poisons\.csv: the file is not the one expected"):
        run_combinations(tmp_path / "none", home, ["poisons"])
    expect(monkeypatch, "poisons", (home / "factorials" / "poisons.csv").read_bytes())
    said: list[str] = []
    first = run_combinations(folder, home, ["poisons"], say=said.append)
    assert len(said) == 1
    assert run_combinations(folder, home, ["poisons"], say=said.append) == first
    assert len(said) == 1
    with pytest.raises(InputError, match="seed 0, this one has 1"):
        run_combinations(folder, home, ["poisons"], seed=1)
    with pytest.raises(InputError, match="unknown data set 'poison'"):
        run_combinations(folder, home, ["poison"])
    with pytest.raises(InputError, match=r"there is no mice/cortex\.csv"):
        run_combinations(folder, home, ["mice"])
    # a truth that is additive in logarithms: factors and additive do well, a single does not
    errors = {name: value["rmse"] for name, value in first["poisons"]["methods"].items()}
    assert max(errors["ladder"], errors["additive"]) < min(errors["strongest single"], errors["control"])
    assert "| poisons |" in table(first)
    assert "| additive |" in words({**first, "mice": first["poisons"]})
    rules = chosen_rule({**first, "mice": first["poisons"]})
    assert (
        rules["additive"]["choosing"]
        == rules["additive"]["reporting"]
        == pytest.approx(np.log(errors["additive"]))
    )
    written = write(first, 0, folder)
    assert [path.name for path in written] == ["combinations.json", "table.md", "figure.png", "figure.svg"]
    bytes_before = [path.read_bytes() for path in written]
    assert [path.read_bytes() for path in write(first, 0, folder)] == bytes_before
    assert json.loads(written[0].read_text())["schema"] == "ifm-combinations/1"
    [axes] = picture(first).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["poisons"]


def test_command_refuses_and_leaves_nothing(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    out = tmp_path / "out"
    status, _, err = run(capfdbinary, "reproduce", "combinations", "--data-home", str(tmp_path), "-o", str(out))
    assert status == 2
    assert "there is no sachs/cd3cd28.csv" in err
    assert not out.exists()
    status, _, err = run(capfdbinary, "reproduce", "combinations", "--quick")
    assert status == 2
    assert "--quick is of the paper's experiments" in err


@pytest.mark.parametrize("source", sorted(SOURCES))
def test_a_file_with_other_bytes_is_not_taken_for_the_data(source: str, tmp_path: Path) -> None:
    path = tmp_path / FILES[source]
    path.parent.mkdir(parents=True)
    path.write_text("praf,pmek\n1,2\n")
    with pytest.raises(InputError, match=f"{path.name}: the file is not the one expected"):
        list(SOURCES[source](tmp_path))


@pytest.mark.skipif("IFM_DATA" not in os.environ, reason="IFM_DATA names no folder of public data")
def test_real_data_have_the_cells_that_their_words_say() -> None:
    home = Path(os.environ["IFM_DATA"])
    assert set(FILES) == set(SOURCES)
    assert set(CHOOSING) < set(SOURCES)
    shapes = {
        "icam": (1, 3, 9),
        "resumes": (1, 4, 1),
        "duckweed": (1, 7, 1),
        "mice": (12, 4, 1),
        "hcs": (1, 20, 3),
    }
    for name, wanted in shapes.items():
        cases = list(SOURCES[name](home))
        assert (len(cases), *cases[0].measured.shape) == wanted, name
    scores = score(poisons(home))
    assert scores["methods"]["additive"]["rmse"] == pytest.approx(0.914, abs=5e-4)  # as benchmarks/shrink.md
    assert scores["methods"]["ladder"]["held"] >= 5 / 6 - 1e-9
