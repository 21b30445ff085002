"""Variables and outcomes of AnnData: obsm, obs, X and layers, counts normalised, and estimates as an AnnData."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse

from ifm_ident import InputError, Study, load
from ifm_learn import estimate_study
from ifm_learn.data.covariates import read_adjusted
from ifm_learn.data.reading import read_samples
from tests.cli.running import run

anndata = pytest.importorskip("anndata")
pd = pytest.importorskip("pandas")

LABELS = ["control", "A", "B"] * 20
KINDS = {"dense": np.asarray, "csr": scipy.sparse.csr_matrix, "csc": scipy.sparse.csc_matrix}


def counts() -> Any:
    return np.random.default_rng(0).poisson(4.0, (60, 7)).astype("f4") + (np.arange(7) == 0)


def cells(kind: str = "dense") -> Any:
    obs = pd.DataFrame(
        {"perturbation": LABELS, "score": np.linspace(0, 1, 60)}, index=[f"c{i}" for i in range(60)]
    )
    found = anndata.AnnData(KINDS[kind](counts()), obs=obs, var=pd.DataFrame(index=[f"g{j}" for j in range(7)]))
    found.layers["logs"] = KINDS[kind](np.log1p(counts()))
    found.obsm["X_pca"] = np.arange(180.0).reshape(60, 3)
    return found


def study(**data: Any) -> Study:
    return Study.from_dict(
        {
            "interventions": {"A": [0, 1], "B": [0, 1]},
            "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}],
            "train": "data",
            "data": {"label": "perturbation", **data},
        }
    )


def cpm() -> Any:
    whole = counts().astype(float)
    return np.log1p(whole / whole.sum(axis=1, keepdims=True) * 1e6)


@pytest.mark.parametrize("kind", KINDS)
def test_variables_stand_in_obsm_obs_and_x(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "c.h5ad"
    cells(kind).write_h5ad(path)
    asked = study(file=str(path), x=["obsm/X_pca[1:3]", "obs/score", "g2"], normalise="log1p_cpm")
    assert asked.model.variables == ("X_pca-1", "X_pca-2", "score", "g2")
    for source in (None, cells(kind)):
        x = read_samples(asked, source).x
        expected = np.column_stack([cells().obsm["X_pca"][:, 1:3], np.linspace(0, 1, 60), cpm()[:, 2]])
        np.testing.assert_allclose(x[np.argsort(x[:, 0])], expected[np.argsort(expected[:, 0])], rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_layers_stand_in_place_of_x_and_all_genes_are_outcomes(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "c.h5ad"
    cells(kind).write_h5ad(path)
    asked = study(file=str(path), x="obsm/X_pca[:2]", outcomes="all", layer="logs")
    samples = read_samples(asked)
    assert samples.outcomes == tuple(f"g{j}" for j in range(7))
    assert samples.y is not None
    np.testing.assert_allclose(samples.y[np.argsort(samples.x[:, 0])], np.log1p(counts()), rtol=1e-6)


def test_variables_may_be_named(tmp_path: Path) -> None:
    path = tmp_path / "c.h5ad"
    cells().write_h5ad(path)
    plain = {
        "interventions": {"A": [0, 1]},
        "variables": ["u", "v"],
        "factors": [{"x": ["u"], "sigma": ["A"]}, {"x": ["v"], "sigma": []}],
        "train": ["ctrl", "A"],
    }
    data = {"file": str(path), "label": "perturbation"}
    for x in ("obsm/X_pca", ["obsm/X_pca[0]", "obs/score"], "obsm/X_pca[:2]"):
        assert [name for name, _ in Study.from_dict({**plain, "data": {**data, "x": x}}).data.x] == ["u", "v"]  # type: ignore[union-attr]
    with pytest.raises(InputError, match=r"lists 2 names, and `x` of `data` stands for 3 columns"):
        Study.from_dict({**plain, "data": {**data, "x": "obsm/X_pca[:3]"}})


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"x": "obsm/X_umap[:2]"}, "obsm has no 'X_umap'; legal: X_pca"),
        ({"x": "obsm/X_pca[:4]"}, "obsm/X_pca has 3 columns, and column 3 is asked for"),
        ({"x": "obsm/X_pca"}, "does not say which columns"),
        ({"x": "obsm/X_pca[2:2]"}, "stands for no column"),
        ({"x": "obsm/X_pca[-1]"}, "does not say which columns"),
        ({"x": []}, "empty list"),
        ({"x": "obs/scores"}, "obs has no column 'scores'; did you mean score"),
        ({"x": "g9"}, "neither obs nor var has 'g9'"),
        (
            {"x": "g1", "layer": "count"},
            "there is no layer 'count'; did you mean|there is no layer 'count'; legal",
        ),
        ({"x": "g1", "normalise": "cpm"}, "unknown normalisation"),
        ({"x": "g1", "layer": "negative", "normalise": "log1p_cpm"}, "not negative"),
        (
            {"x": "g1", "layer": "logs", "normalise": "log1p_cpm"},
            "look like logarithms already: not whole numbers",
        ),
        ({"x": "g1", "layer": "empty", "normalise": "log1p_cpm"}, "row 1: the cell has no counts"),
    ],
)
def test_what_is_not_there_is_refused_in_words(tmp_path: Path, data: dict[str, Any], words: str) -> None:
    path = tmp_path / "c.h5ad"
    found = cells()
    found.layers["negative"] = -counts()
    found.layers["empty"] = counts() * (np.arange(60) > 0)[:, None]
    found.write_h5ad(path)
    with pytest.raises(InputError, match=words):
        read_samples(study(file=str(path), **data))


@pytest.mark.parametrize("kind", KINDS)
def test_what_scanpy_took_logarithms_of_is_not_counted(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "c.h5ad"
    found = cells(kind)
    found.uns["log1p"] = {"base": None}
    found.write_h5ad(path)
    asked = study(file=str(path), x="g2", normalise="log1p_cp10k")
    whole = counts().astype(float)
    per_ten_thousand = np.log1p(whole / whole.sum(axis=1, keepdims=True) * 1e4)[:, 2]
    for source in (None, found):  # whole numbers are counts, whatever a note in uns says
        np.testing.assert_allclose(
            np.sort(read_samples(asked, source).x[:, 0]), np.sort(per_ten_thousand), rtol=1e-6
        )
    estimated = counts() * 3.25  # fractions, as of corrected counts, and too large for logarithms
    found.X = KINDS[kind](estimated)
    assert estimated.max() > 25
    with pytest.raises(InputError, match=r"scanpy's note `log1p` in uns says so; name the layer of counts"):
        read_samples(asked, found)
    del found.uns["log1p"]
    np.testing.assert_allclose(np.sort(read_samples(asked, found).x[:, 0]), np.sort(per_ten_thousand), rtol=1e-6)


def test_layers_and_normalisation_are_for_anndata() -> None:
    table = {"perturbation": LABELS, "g1": np.arange(60.0)}
    for key, value in (("layer", "counts"), ("normalise", "log1p_cpm")):
        with pytest.raises(InputError, match=f"`{key}` is for AnnData"):
            read_samples(Study.from_dict({
                "interventions": {"A": [0, 1], "B": [0, 1]}, "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}],
                "train": ["ctrl", "A", "B"], "data": {"file": "t.csv", "label": "perturbation", "x": "g1", key: value},  # noqa: E501
            }), table)  # fmt: skip


def test_links_out_of_layers_and_obsm_are_not_followed(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "c.h5ad"
    cells().write_h5ad(path)
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["a"] = np.zeros((60, 7))
    with h5py.File(path, "a") as file:
        file["layers/out"] = h5py.ExternalLink("other.h5", "a")
        file["obsm/out"] = h5py.ExternalLink("other.h5", "a")
    for data in ({"x": "g1", "layer": "out"}, {"x": "obsm/out[0]"}):
        with pytest.raises(InputError, match="is a link to"):
            read_samples(study(file=str(path), **data))


def test_estimates_as_an_anndata_hold_what_json_does(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    path = tmp_path / "c.h5ad"
    cells().write_h5ad(path)
    file = tmp_path / "s.yaml"
    study(file=str(path), x="obsm/X_pca[:1]", outcomes="all", normalise="log1p_cpm").save(file)
    options = ("estimate", str(file), "--energy", "normal", "--quiet")
    status, out, err = run(capfdbinary, *options, "--format", "json")
    assert status == 0, err
    entries = json.loads(out)["results"]
    assert run(capfdbinary, *options, "-o", str(tmp_path / "out.h5ad"))[0] == 0
    found = anndata.read_h5ad(tmp_path / "out.h5ad")
    assert found.shape == (4, 7)
    assert list(found.obs["perturbation"]) == ["ctrl", "B", "A", "A+B"]
    assert list(found.obs["nperts"]) == [0, 1, 1, 2]
    for row in range(4):
        for column, gene in enumerate(found.var_names):
            entry = entries[row * 7 + column]
            assert entry["outcome"] == gene
            assert found.X[row, column] == entry["mean"]
            pair = [found.layers[name][row, column] for name in ("lower", "upper")]
            assert (np.isnan(pair).all() and entry["confidence"] is None) or pair == entry["confidence"]
            assert set(entry["flags"]) <= set(found.obs["flags"].iloc[row].split())
    told = json.loads(found.uns["ifm"])
    assert (told["schema"], told["method"]) == ("ifm-estimate/1", "ifm1")
    status, _, err = run(capfdbinary, *options, "--format", "h5ad")
    assert status == 2
    assert "name it with -o" in err


def test_regimes_asked_twice_have_names_of_their_own() -> None:
    asked = Study.from_dict({
        "interventions": {"A": [0, 1], "B": [0, 1]}, "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}],
        "train": ["ctrl", "A", "B"], "test": ["A", "A+B", "A"],
        "data": {"file": "c.h5ad", "label": "perturbation", "x": "obsm/X_pca[:1]"},
    })  # fmt: skip
    found = estimate_study(asked, cells(), method="additive", calibration=0).to_anndata()
    assert list(found.obs_names) == ["A", "A+B", "A-1"]


def test_the_key_x_reads_back(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(
        "interventions: {A: [0, 1]}\nfactors: [{sigma: [A]}]\ntrain: [ctrl, A]\n"
        "data: {file: c.h5ad, x: 'obsm/X_pca[:2]', layer: logs}\n"
    )
    assert load(file).model.variables == ("X_pca-0", "X_pca-1")


def test_all_genes_are_outcomes_beside_covariates_too() -> None:
    found = cells()
    found.obs["batch"] = ["p", "q"] * 30
    asked = Study.from_dict({
        "interventions": {"A": [0, 1], "B": [0, 1]}, "covariates": ["batch"],
        "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}], "train": ["ctrl", "A", "B"],
        "data": {"file": "c.h5ad", "label": "perturbation", "x": "obsm/X_pca[:1]", "outcomes": "all"},
    })  # fmt: skip
    samples, covariates = read_adjusted(asked, found)
    assert samples.outcomes == tuple(f"g{j}" for j in range(7))
    assert covariates.labels == ["batch=q"]
