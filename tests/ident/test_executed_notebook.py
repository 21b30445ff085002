"""A notebook run by a real kernel: what each object shows there, and the README's short path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ifm_ident.show.demonstration import save_examples

nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
pytest.importorskip("ipykernel", reason="ipykernel is not installed")

CELLS = (
    'import ifm_ident\nifm_ident.load("poster.yaml").identify()',
    'study = ifm_ident.load("poster.yaml")\nstudy',
    "study.identify()[7]",
    "study.identify()[7].formula",
    'study.explain("111")',
    "study.plan()",
    "study.implications()",
    "study.identify().to_pandas().head(2)",
    "study.identify().to_polars().head(2)",
    "study.design",
    "from ifm_ident import plots\nplots.regime_map(study.identify());",
)


@pytest.mark.filterwarnings("ignore")  # of the notebook machinery, not ours
def test_a_notebook_shows_every_object(tmp_path: Path) -> None:
    save_examples(tmp_path)
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    nbclient.NotebookClient(book, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()

    def shown(cell: int) -> dict[str, Any]:
        outputs = book.cells[cell].outputs
        assert [one.output_type for one in outputs if one.output_type in ("error", "stream")] == []
        found: dict[str, Any] = outputs[-1].data
        return found

    table = shown(0)
    assert "8 regimes: 6 observed, 2 identified" in table["text/html"]
    assert table["text/html"].count("<mfrac>") == 2
    assert "p(110) p(011) / p(010)" in table["text/plain"]
    assert shown(1)["text/plain"].startswith("Study 'poster example': 3 interventions")
    answer = shown(2)
    assert answer["text/latex"].startswith(r"$p(x; \mathtt{111}) \propto \frac{")
    assert "<mfrac>" in answer["text/html"]
    assert shown(3)["text/latex"].startswith(r"$\frac{")
    assert "join clique {sigma2,sigma3}" in shown(4)["text/html"]
    assert "nothing to add: 8 of 8 targets identified" in shown(5)["text/html"]
    assert shown(6)["text/plain"] == "0 testable implications"
    assert "<table" in shown(7)["text/html"]
    assert "observed" in shown(8)["text/html"]
    assert shown(9)["text/plain"].startswith("Design(interventions: sigma1, sigma2, sigma3; variables: x;")
    assert "image/png" in shown(10)
