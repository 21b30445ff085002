"""What is said beside an estimate of how far its errors can be trusted."""

from __future__ import annotations

import numpy as np
import pytest

from ifm_ident import Study
from ifm_learn.estimation.of_study import estimate_study


@pytest.mark.parametrize(
    ("rows", "named"), [((200, 200), None), ((199, 200), "ctrl has"), ((199, 20), "ctrl and A have")]
)
def test_few_rows_are_named(rows: tuple[int, int], named: str | None) -> None:
    study = Study.from_dict(
        {
            "interventions": {"A": [0, 1]},
            "variables": ["x"],
            "factors": [{"sigma": ["A"]}],
            "train": ["ctrl", "A"],
        }
    )
    a = np.repeat([0, 1], rows)
    table = {"A": a, "x": np.random.default_rng(0).normal(a)}
    found = estimate_study(study, table, calibration=0.0, method="balance", energy="mlp")
    said = [warning for warning in found.warnings if "too narrow" in warning]
    assert len(said) == (named is not None)
    assert all(warning.startswith(f"{named} fewer than 200 rows to fit") for warning in said)
    assert not any("too narrow" in warning for warning in estimate_study(study, table, method="additive").warnings)
