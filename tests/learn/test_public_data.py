"""The public data sets: made-up files laid out like them, downloads that are no downloads, and the real ones."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pooch
import pytest

import ifm_learn.data.public as public
from ifm_ident import InputError, Regimes, identify, load
from ifm_learn.data._public_designs import DREAM, DREAM_FILES, SACHS, SACHS_FILES, dream_model, sachs_model
from ifm_learn.data.fetch import Remote, data_folder, fetch
from ifm_learn.data.public import SharedColumnsWarning, load_dream, load_sachs

STUDIES = Path(__file__).resolve().parents[2] / "studies"


def fake_rows(name: str, variables: tuple[str, ...]) -> np.ndarray:
    rng = np.random.default_rng(list(name.encode()))
    return np.exp(rng.normal(size=(6, len(variables)))).round(4)


def csv(name: str, variables: tuple[str, ...], dummy: bool = False) -> bytes:
    frame = pandas.DataFrame(fake_rows(name, variables), columns=list(variables))
    if dummy:
        frame.insert(0, "dummy", 0)
    return frame.to_csv(index=False).encode()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder laid out like the real one; two of the five combinations are there."""
    (tmp_path / "sachs").mkdir()
    (tmp_path / "dream").mkdir()
    for name in SACHS_FILES:
        if "icam2_" not in name or name.endswith(("_aktinhib", "_g0076")):
            (tmp_path / "sachs" / f"{name}.csv").write_bytes(csv(name, SACHS))
    for name in DREAM_FILES:
        (tmp_path / "dream" / f"{name}.csv").write_bytes(csv(name, DREAM, dummy=True))
    return tmp_path


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Addresses and their bytes, in the place of the network."""
    pages: dict[str, bytes] = {}

    def download(self: Any, url: str, output_file: str, pooch: Any, **_: Any) -> None:
        Path(output_file).write_bytes(pages[url])

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", download)
    return pages


@pytest.mark.parametrize(("model", "file"), [(sachs_model("inhibitors"), "sachs"), (dream_model(), "dream")])
def test_the_designs_are_those_of_the_study_files(model: Any, file: str) -> None:
    assert load(STUDIES / f"{file}.yaml").model == model


@pytest.mark.filterwarnings("ignore::ifm_learn.data.public.SharedColumnsWarning")
def test_sachs_as_in_the_paper(home: Path) -> None:
    samples = load_sachs(data_home=home)
    assert list(samples.design.train) == list(load(STUDIES / "sachs.yaml").design.train)
    files = ("cd3cd28", "cd3cd28_aktinhib", "cd3cd28_g0076", "cd3cd28_psitect", "cd3cd28_u0126")
    raw = [np.log(fake_rows(name, SACHS)) for name in files]
    mean = np.mean([part.mean(axis=0) for part in raw], axis=0)
    sd = np.mean([part.std(axis=0, ddof=1) for part in raw], axis=0)
    for i, part in enumerate(raw):
        np.testing.assert_allclose(samples.of(i), (part - mean) / sd, rtol=1e-9)
    assert samples.scaling is not None
    np.testing.assert_allclose(samples.scaling.undo(samples.of(4)), fake_rows(files[4], SACHS), rtol=1e-9)
    plain = load_sachs(data_home=home, scale="none")
    np.testing.assert_allclose(plain.of(2), raw[2])


def test_combinations_come_in_the_units_of_the_training_regimes(home: Path) -> None:
    alone = load_sachs("icam2", leave_out=["Raf", "Mek"], data_home=home)
    both = load_sachs("icam2", leave_out=["Raf", "Mek"], combinations=True, data_home=home)
    assert (len(alone.design.train), len(both.design.train)) == (7, 9)
    np.testing.assert_array_equal(both.x[: len(alone)], alone.x)
    assert both.scaling is not None
    expected = fake_rows("cd3cd28icam2_g0076", SACHS)[:, 2:]
    np.testing.assert_allclose(both.scaling.undo(both.of(8)), expected, rtol=1e-9)


@pytest.mark.parametrize("design", ["icam2", "icam2-blocks"])
def test_the_icam2_designs_identify_the_combinations(home: Path, design: str) -> None:
    samples = load_sachs(design, leave_out=["Mek", "Raf"], data_home=home)
    model = samples.design.model
    assert model.variables == SACHS[2:]
    targets = Regimes.from_active([((0, 1), (i, 1)) for i in range(1, 6)], 6)
    for answer in identify(samples.design, targets):
        assert answer.formula is not None
        assert sorted(q for _, q in answer.formula) == [-1, 1, 1]


def test_shared_columns_are_warned_of_where_they_are_loaded(home: Path) -> None:
    with pytest.warns(
        SharedColumnsWarning, match="Raf and Mek of cd3cd28_ly equal those of cd3cd28_aktinhib; .*u0126"
    ):
        load_sachs(data_home=home)
    with pytest.warns(SharedColumnsWarning, match=r"defect: Mek of"):
        load_sachs("icam2", leave_out=["Raf"], data_home=home)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_sachs("icam2", leave_out=["Raf", "Mek"], combinations=True, data_home=home)
        load_dream(data_home=home)


def test_dream_as_in_the_paper(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IFM_DATA", str(home))
    samples = load_dream(scale="none")
    assert list(samples.design.train) == list(load(STUDIES / "dream.yaml").design.train)
    np.testing.assert_array_equal(samples.of(3), fake_rows("knockdowns_2", DREAM))
    assert load_dream(data_home=home).scaling is not None


def test_refusals(home: Path) -> None:
    with pytest.raises(InputError, match=r"unknown design 'icam'; did you mean icam2\?"):
        load_sachs("icam", data_home=home)
    with pytest.raises(InputError, match=r"cannot leave out 'raf': it is not measured; did you mean Raf\?"):
        load_sachs("icam2", leave_out=["raf"], data_home=home)
    with pytest.raises(InputError, match="load them with design='icam2'"):
        load_sachs(combinations=True, data_home=home)
    for name in ("aktinhib", "g0076"):
        (home / "sachs" / f"cd3cd28icam2_{name}.csv").unlink()
    with pytest.raises(InputError, match="there is no file of a combination"):
        load_sachs("icam2", combinations=True, data_home=home)
    (home / "sachs" / "cd3cd28_icam2.csv").write_text(",".join(SACHS) + "\n" + ",".join(["0"] * 11) + "\n")
    with pytest.raises(InputError, match=r"cd3cd28_icam2.csv, row 1: Plcg is 0, which has no logarithm"):
        load_sachs("icam2", leave_out=["Raf", "Mek"], data_home=home)
    (home / "dream" / "knockdowns_4.csv").unlink()
    with pytest.raises(InputError, match=r"dream: there is no knockdowns_4.csv; download them"):
        load_dream(data_home=home)


def test_a_download_is_checked_and_kept(tmp_path: Path, web: dict[str, bytes]) -> None:
    content = b"some bytes"
    remote = Remote("https://example.org/a.csv", hashlib.sha256(content).hexdigest(), "a.csv")
    web[remote.url] = b"other bytes"
    with pytest.raises(InputError, match=r"https://example.org/a.csv: the file is not the one expected"):
        fetch(remote, tmp_path)
    assert not list(tmp_path.iterdir())
    web[remote.url] = content
    assert fetch(remote, tmp_path).read_bytes() == content
    del web[remote.url]  # a second download would fail
    assert fetch(remote, tmp_path) == tmp_path / "a.csv"
    (tmp_path / "a.csv").write_bytes(b"tampered")
    web[remote.url] = content
    assert fetch(remote, tmp_path).read_bytes() == content


def test_a_failed_download_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from requests import ConnectionError

    def fail(*_: Any, **__: Any) -> None:
        raise ConnectionError("no route")

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", fail)
    with pytest.raises(InputError, match=r"the download failed \(no route\); try again, or put the file into"):
        fetch(Remote("https://example.org/a.csv", "0" * 64, "a.csv"), tmp_path)


def test_dream_is_downloaded(tmp_path: Path, web: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    remotes = {}
    for name, remote in public.DREAM_REMOTES.items():
        web[remote.url] = csv(name, DREAM, dummy=True)
        remotes[name] = dataclasses.replace(remote, sha256=hashlib.sha256(web[remote.url]).hexdigest())
    monkeypatch.setattr(public, "DREAM_REMOTES", remotes)
    samples = load_dream(data_home=tmp_path, download=True, scale="none")
    assert len(samples) == 66
    assert load_dream(data_home=tmp_path, scale="none").x.tobytes() == samples.x.tobytes()
    web[remotes["knockdowns_9"].url] += b"0"
    (tmp_path / "dream" / "knockdowns_9.csv").unlink()
    with pytest.raises(InputError, match=r"knockdowns_9.csv: the file is not the one expected"):
        load_dream(data_home=tmp_path, download=True)


@pytest.mark.filterwarnings("ignore::ifm_learn.data.public.SharedColumnsWarning")
def test_sachs_is_downloaded(
    home: Path, tmp_path: Path, web: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    rdata = pytest.importorskip("rdata", reason="the package rdata reads the file as it is on the web")
    frames = {name: pandas.DataFrame(fake_rows(name, SACHS), columns=list(SACHS)) for name in SACHS_FILES}
    made = tmp_path / "made.RData"
    rdata.write_rda(made, {"sachs": {"rawdata": frames}})
    remote = dataclasses.replace(public.SACHS_REMOTE, sha256=hashlib.sha256(made.read_bytes()).hexdigest())
    web[remote.url] = made.read_bytes()
    monkeypatch.setattr(public, "SACHS_REMOTE", remote)
    fresh = tmp_path / "fresh"
    assert load_sachs(data_home=fresh, download=True).x.tobytes() == load_sachs(data_home=home).x.tobytes()
    assert len(load_sachs("icam2", combinations=True, data_home=fresh).design.train) == 12
    (fresh / "sachs" / "sachs.RData").write_bytes(b"tampered")
    with pytest.raises(InputError, match=r"sachs.RData: the file is not the one expected .*; remove it"):
        load_sachs(data_home=fresh)


def test_the_folder_is_given_or_named_or_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IFM_DATA", "named")
    assert (data_folder("given"), data_folder(None)) == (Path("given"), Path("named"))
    monkeypatch.delenv("IFM_DATA")
    assert data_folder(None).name == "ifm-ident"


REAL = os.environ.get("IFM_DATA")
real = pytest.mark.skipif(not REAL, reason="no real data: the environment variable IFM_DATA is not set")


@real
def test_the_real_sachs_data() -> None:
    with pytest.warns(SharedColumnsWarning):
        samples = load_sachs(data_home=REAL)
    assert samples.sizes.tolist() == [853, 911, 723, 810, 799]
    means = [samples.of(i).mean(axis=0) for i in range(5)]
    np.testing.assert_allclose(np.mean(means, axis=0), 0, atol=1e-12)
    with pytest.warns(SharedColumnsWarning):
        icam = load_sachs("icam2", combinations=True, data_home=REAL)
    icam_of = {tuple(regime): icam.of(i) for i, regime in enumerate(icam.design.train)}
    ly, akt = icam_of[((5, 1),)], icam_of[((1, 1),)]
    np.testing.assert_array_equal(ly[:848, :2], akt[:848, :2])  # the defect that the loader warns of


@real
def test_the_real_dream_data() -> None:
    samples = load_dream(data_home=REAL)
    assert samples.sizes.tolist() == [1000] * 11
    own = [samples.of(i + 1)[:, i].mean() - samples.of(0)[:, i].mean() for i in range(10)]
    assert max(own) < 0  # a knock-down lowers its gene
    for name, remote in public.DREAM_REMOTES.items():
        content = (Path(REAL or "") / "dream" / f"{name}.csv").read_bytes()
        assert hashlib.sha256(content).hexdigest() == remote.sha256
