"""Cost tables: exact decimals, and refusals with the row."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from ifm_ident.errors import InputError
from ifm_ident.planning.prices import AddedUp, Listed, OneEach
from ifm_ident.study.cost_tables import read_prices
from tests.ident.planning_oracle import batch, model_of

MODEL = model_of([2, 3], [(("x",), (0, 1))])


def table(folder: Path, text: str) -> Path:
    path = folder / "cost.csv"
    path.write_text(text)
    return path


def test_costs_of_regimes_are_exact_and_others_are_forbidden(tmp_path: Path) -> None:
    prices = read_prices(MODEL, table(tmp_path, "s0,s1,cost\n1,0,0.1\n1,2,0.25\n0,0,3\n"))
    asked = prices.of(batch([(1, 2), (1, 0), (0, 0), (0, 1)], 2))
    assert [int(n) * prices.unit if n >= 0 else None for n in asked] == [
        Fraction("0.25"),
        Fraction("0.1"),
        Fraction(3),
        None,
    ]


def test_costs_by_label(tmp_path: Path) -> None:
    prices = read_prices(MODEL, table(tmp_path, "label,cost\ns0,2\nctrl,0\n12,1e1\n"))
    assert isinstance(prices, Listed)
    assert [int(n) * prices.unit for n in prices.of(batch([(1, 0), (0, 0), (1, 2)], 2))] == [2, 0, 10]


def test_costs_of_interventions_add_up(tmp_path: Path) -> None:
    prices = read_prices(MODEL, table(tmp_path, "intervention,cost\ns1,0.30\n"))
    assert isinstance(prices, AddedUp)
    assert [int(n) * prices.unit if n >= 0 else None for n in prices.of(batch([(0, 2), (0, 0), (1, 1)], 2))] == [
        Fraction(3, 10),
        0,
        None,
    ]


def test_one_each() -> None:
    assert OneEach(MODEL).of(batch([(0, 0), (1, 2)], 2)).tolist() == [1, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("intervention,cost\ns0,1\nq,1\n", r"cost\.csv, row 2: unknown intervention 'q'; legal: s0, s1"),
        ("intervention,cost\ns0,1\ns0,1\n", r"cost\.csv, row 2: intervention 's0' is listed twice"),
        ("intervention,cost\ns0,-1\n", r"cost\.csv, row 1: the cost -1 is negative; a cost is 0 or more"),
        ("intervention,cost\ns0,1\ns1,much\n", r"cost\.csv, row 2: the cost 'much' is no decimal number"),
        ("intervention,cost\ns0,\n", r"cost\.csv, row 1: the cost '' is no decimal number"),
        ("intervention,cost\ns0,nan\n", r"row 1: the cost 'nan' is no decimal number"),
        ("intervention,cost\ns0,inf\n", r"row 1: the cost 'inf' is no decimal number"),
        ("intervention,cost\ns0,1/3\n", r"row 1: the cost '1/3' is no decimal number"),
        ("intervention,level,cost\ns0,1,1\n", r"cost\.csv: unknown column 'level'"),
        ("s0,s1\n1,1\n", r"cost\.csv: there is no column 'cost'"),
        ("s0,cost\n", r"cost\.csv: the table has no rows"),
        ("s0,s3,cost\n1,1,1\n", r"cost\.csv: the column 's3' is no intervention; legal: s0, s1"),
        ("s0,cost\n7,1\n", r"cost\.csv, row 1: intervention 's0' has no level '7'"),
        ("label,cost\ns0,1\nzz,1\n", r"cost\.csv, row 2: regime 'zz'"),
        ("s0,cost\n1,1\n1,2\n", r"cost\.csv, row 2: the regime of row 1 again, at another cost"),
        ("s0,cost\n1,1e300\n0,1\n", r"cost\.csv: the costs span too many digits.* common unit 1; "),
        ("s0,cost\n1,1e400\n0,1e-400\n", r"too many digits.* common unit 1e-400; "),
        (f"s0,cost\n1,{'1' * 5000}\n", r"row 1: the cost has 5000 characters"),
        ("Interventions,cost\ns0,1\n", r"unknown column 'Interventions'; write 'intervention' for the price"),
    ],
)
def test_what_is_wrong_is_named_with_its_row(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_prices(MODEL, table(tmp_path, text))


def test_an_intervention_called_cost_is_refused(tmp_path: Path) -> None:
    from ifm_ident.design.model import Factor, Intervention, Model

    model = Model((Intervention("cost", (0, 1)),), ("x",), (Factor("f", ("x",), ("cost",)),))
    with pytest.raises(InputError, match="the column 'cost' is an intervention too; rename the intervention"):
        read_prices(model, table(tmp_path, "cost\n1\n"))
