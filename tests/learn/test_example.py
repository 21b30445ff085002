"""The example with data that comes with the package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ifm_ident import InputError, Regimes, Study, load
from ifm_ident.study.reading._sources import table_of
from ifm_ident.study.reading._tables import read_regimes
from ifm_learn.data.columns import numbers
from ifm_learn.data.reading import read_samples
from tests.scripts import loaded

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "ifm_ident" / "examples"


def test_the_files_are_what_their_script_writes(tmp_path: Path) -> None:
    loaded(ROOT / "studies" / "make_cells.py").main(tmp_path)
    for name in ("cells.yaml", "cells.csv", "cells-truth.csv"):
        assert (tmp_path / name).read_bytes() == (EXAMPLES / name).read_bytes()


def test_the_cells_have_the_means_that_the_truth_says() -> None:
    """24 means of at least 200 cells: all within 4 standard errors with probability 0.998, seed fixed."""
    study = load(EXAMPLES / "cells.yaml")
    samples = read_samples(study)
    assert samples.sizes.tolist() == [500, 200, 200, 200, 200, 200]
    assert samples.y is not None
    regimes, truth = truth_of(study)
    at = study.design.train.first_equal(regimes)
    for i, mean in enumerate(truth[at]):
        rows = np.column_stack([samples.of(i), samples.y[samples.regime == i]])
        errors = (rows.mean(axis=0) - mean) / rows.std(axis=0) * np.sqrt(len(rows))
        assert np.abs(errors).max() < 4


def test_it_shows_all_three_verdicts_and_an_interaction() -> None:
    study = load(EXAMPLES / "cells.yaml")
    counts = study.identify().counts()
    assert [counts[name] for name in ("observed", "identified", "not_identified")] == [6, 6, 4]
    regimes, truth = truth_of(study)
    viability = dict(zip(regimes, truth[:, -1].tolist(), strict=True))
    additive = viability[((0, 1),)] + viability[((1, 1),)] - viability[()]
    assert viability[((0, 1), (1, 1))] < additive - 0.5


def test_a_misspelt_outcome_is_named() -> None:
    with pytest.raises(InputError, match=r"no column 'viabilty'; did you mean viability\?"):
        read_samples(load(EXAMPLES / "cells.yaml"), outcome="viabilty")


def truth_of(study: Study) -> tuple[Regimes, np.ndarray]:
    """The regimes of the truth and the means of growth, stress, cycle and viability in them."""
    table = table_of(EXAMPLES / "cells-truth.csv")
    regimes = read_regimes(study.model, table, "perturbation").regimes
    columns = (*study.model.variables, "viability")
    return regimes, np.stack([numbers(table, name, np.arange(16)) for name in columns], axis=1)
