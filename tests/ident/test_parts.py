"""Answers in parts: the same bytes however they are made, killed or taken up again; nothing lost or doubled."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ifm_ident.errors import InputError
from ifm_ident.parts.asked import Asked
from ifm_ident.parts.running import Job, identify_in_parts, in_processes, in_this_process
from ifm_ident.results.claims import Claims
from ifm_ident.results.folders import open_folder
from ifm_ident.results.manifest import Part, file_sha256, read_manifests
from ifm_ident.results.read import read_result
from ifm_ident.study.study import Study
from ifm_ident.verification.parts import verify_parts

GENES = [f"g{i}" for i in range(8)]
ROWS = 10


def asked(**changes: object) -> Asked:
    """All 37 regimes of at most two of eight genes, some with formulas, some without."""
    factors = [*([gene] for gene in GENES), GENES[:2]]
    return Asked(Study.from_labels(["ctrl", *GENES], factors=factors, name="screen"), **changes)  # type: ignore[arg-type]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a run that nothing interrupts."""
    folder = tmp_path_factory.mktemp("whole")
    identify_in_parts(asked(), folder, part_rows=ROWS)
    return contents(folder)


class Killed(Exception):
    pass


def killed_after(parts: int, halfway: bool = False) -> object:
    """A runner that dies after so many parts, if wanted while it writes the next one."""

    def run(job: Job, numbers: Sequence[int]) -> Iterator[Part]:
        for number in numbers[:parts]:
            yield job.write(number)
        if halfway:
            (Path(job.address) / f".{job.plan.name_of(numbers[parts])}.unfinished.tmp").write_bytes(b"PAR1 half")
        raise Killed

    return run


def test_the_parts_together_are_the_answer(whole: dict[str, bytes], tmp_path: Path) -> None:
    for name, data in whole.items():
        (tmp_path / name).write_bytes(data)
    manifest = json.loads(whole["manifest.json"])
    assert [part["rows"] for part in manifest["parts"]] == [10, 10, 10, 7]
    found = [read_result(tmp_path / part["name"]) for part in manifest["parts"]]
    regimes = [regime for one in found for claims in one.blocks for regime in claims.targets]
    expected = asked().study.identify()
    assert regimes == list(expected.targets)
    claims = [c for part in manifest["parts"] for c in read_result(tmp_path / part["name"]).blocks]
    statuses = [int(status) for one in claims for status in one.status]
    assert statuses == Claims.of(expected).status.tolist()
    counted = {word: sum(part["verdicts"][word] for part in manifest["parts"]) for word in expected.counts()}
    assert counted == expected.counts()
    assert str(verify_parts(tmp_path, asked().study)).endswith(
        "37 results checked against the study screen: all hold"
    )


@pytest.mark.parametrize("output_format", ["csv", "json"])
def test_parts_of_other_formats_hold_too(output_format: str, tmp_path: Path) -> None:
    found = identify_in_parts(asked(), tmp_path, part_rows=ROWS, output_format=output_format)
    assert {Path(part.name).suffix for part in found.parts} == {f".{output_format}"}
    assert verify_parts(tmp_path, asked().study).holds


def test_processes_write_the_same_bytes(whole: dict[str, bytes], tmp_path: Path) -> None:
    identify_in_parts(asked(), tmp_path, part_rows=ROWS, run=in_processes(2))
    assert contents(tmp_path) == whole


@pytest.mark.parametrize("halfway", [False, True])
@pytest.mark.parametrize("done", [0, 1, 3])
def test_a_run_that_died_is_taken_up(done: int, halfway: bool, whole: dict[str, bytes], tmp_path: Path) -> None:
    with pytest.raises(Killed):
        identify_in_parts(asked(), tmp_path, part_rows=ROWS, run=killed_after(done, halfway))  # type: ignore[arg-type]
    outcome = verify_parts(tmp_path)
    assert not outcome.holds
    assert f"{4 - done} of 4 parts are not finished" in str(outcome)
    written: list[int] = []

    def run(job: Job, numbers: Sequence[int]) -> Iterator[Part]:
        written.extend(numbers)
        return in_this_process(job, numbers)

    identify_in_parts(asked(), tmp_path, part_rows=ROWS, resume=True, run=run)
    assert written == [*range(done, 4)]
    assert contents(tmp_path) == whole


def test_a_part_that_is_not_as_it_was_is_written_again(whole: dict[str, bytes], tmp_path: Path) -> None:
    identify_in_parts(asked(), tmp_path, part_rows=ROWS)
    (tmp_path / "part-000001.parquet").unlink()
    with (tmp_path / "part-000002.parquet").open("r+b") as stream:
        stream.write(b"?")
    identify_in_parts(asked(), tmp_path, part_rows=ROWS, resume=True)
    assert contents(tmp_path) == whole


@pytest.mark.parametrize("n", [1, 3, 4, 7])
def test_shards_together_are_the_whole(n: int, whole: dict[str, bytes], tmp_path: Path) -> None:
    for i in range(n, 0, -1):
        assert "manifest.json" not in contents(tmp_path) or i * 4 // n == 0
        identify_in_parts(asked(), tmp_path, part_rows=ROWS, shard=(i, n))
    found = contents(tmp_path)
    own = {name for name in found if "-of-" in name}
    assert len(own) == n
    assert {name: data for name, data in found.items() if name not in own} == whole
    assert verify_parts(tmp_path).holds


def test_one_machine_finishes_what_shards_began(whole: dict[str, bytes], tmp_path: Path) -> None:
    identify_in_parts(asked(), tmp_path, part_rows=ROWS, shard=(2, 2))
    assert "2 of 4 parts are not finished" in str(verify_parts(tmp_path))
    identify_in_parts(asked(), tmp_path, part_rows=ROWS, resume=True)
    assert contents(tmp_path).items() >= whole.items()


def test_a_folder_that_holds_an_answer_is_left_alone(whole: dict[str, bytes], tmp_path: Path) -> None:
    identify_in_parts(asked(), tmp_path, part_rows=ROWS)
    with pytest.raises(InputError, match=r"holds manifest\.json already: go on by `resume`"):
        identify_in_parts(asked(), tmp_path, part_rows=ROWS)
    assert contents(tmp_path) == whole
    identify_in_parts(asked(), tmp_path, part_rows=4, force=True)
    assert len(contents(tmp_path)) == 11
    identify_in_parts(asked(), tmp_path, part_rows=ROWS, force=True)
    assert contents(tmp_path) == whole


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"criterion": "joint"}, "`criterion` was 'auto' and is 'joint' now"),
        ({"method": "message-passing"}, "`method` was 'algebraic' and is 'message-passing' now"),
        ({"study": asked().study.with_test("order:3")}, "`targets` was 'order:2' and is 'order:3' now"),
        ({"study": asked().study.with_test(["g1"])}, "`targets` was 'order:2' and is 'list:"),
        (
            {"study": replace(asked().study, notation="assignment")},
            "`notation` was 'label' and is 'assignment' now",
        ),
        ({"study": Study.from_labels(["ctrl", *GENES], name="screen")}, "`design` was 'sha256:"),
    ],
)
def test_another_question_does_not_go_on(change: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        identify_in_parts(asked(), tmp_path, part_rows=ROWS, run=killed_after(1))  # type: ignore[arg-type]
    before = contents(tmp_path)
    with pytest.raises(InputError) as caught:
        identify_in_parts(replace(asked(), **change), tmp_path, part_rows=ROWS, resume=True)  # type: ignore[arg-type]
    assert f"manifest.json is about something else: {message}" in str(caught.value)
    assert contents(tmp_path) == before


def test_a_version_that_differs_does_not_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    identify_in_parts(asked(), tmp_path, part_rows=ROWS, shard=(1, 2))
    monkeypatch.setattr("ifm_ident.parts.running.version", lambda name: "99")
    with pytest.raises(InputError, match=r"`version` was '0\.1\.0' and is '99' now"):
        identify_in_parts(asked(), tmp_path, part_rows=ROWS, shard=(2, 2))


def test_what_is_wrong_with_the_targets_shows_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no folder"):
        identify_in_parts(asked(), tmp_path / "a" / "b")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="it is a file, and parts need a folder"):
        identify_in_parts(asked(), tmp_path / "file")
    with pytest.raises(InputError, match="parts are json, csv, parquet, not table"):
        identify_in_parts(asked(), tmp_path / "new", output_format="table")
    assert not (tmp_path / "new").exists()


BROKEN = [
    (lambda folder: (folder / "part-000001.parquet").unlink(), "part-000001.parquet: this part is not there"),
    (
        lambda folder: shutil.copy(folder / "part-000001.parquet", folder / "part-000007.parquet"),
        "part-000007.parquet: no manifest tells of this part",
    ),
    (
        lambda folder: shutil.copy(folder / "part-000001.parquet", folder / "part-000000.parquet"),
        "part-000000.parquet: its SHA-256 is not the one in the manifest",
    ),
    (lambda folder: (folder / "part-000003.parquet").write_bytes(b"PAR1 no"), "part-000003.parquet: no Parquet"),
    (
        lambda folder: (folder / "manifest.json").write_bytes(
            (folder / "manifest.json").read_bytes().replace(b'"rows": 7', b'"rows": 8')
        ),
        "part-000003.parquet: it has 7 results, in the manifest 8",
    ),
    (
        lambda folder: (folder / "manifest.json").write_bytes(
            (folder / "manifest.json").read_bytes().replace(b'"design": "sha256:', b'"design": "sha256:0')
        ),
        "part-000000.parquet: it is about another design than the manifest",
    ),
]


@pytest.mark.parametrize(("spoil", "message"), BROKEN, ids=[message for _, message in BROKEN])
def test_verify_sees_what_is_broken(spoil: object, message: str, whole: dict[str, bytes], tmp_path: Path) -> None:
    for name, data in whole.items():
        (tmp_path / name).write_bytes(data)
    assert verify_parts(tmp_path).holds
    spoil(tmp_path)  # type: ignore[operator]
    outcome = verify_parts(tmp_path)
    assert not outcome.holds
    assert message in str(outcome)


def test_verify_checks_the_claims_too(tmp_path: Path) -> None:
    """A false claim with a manifest that tells its SHA-256."""
    identify_in_parts(asked(), tmp_path, part_rows=ROWS)
    path = tmp_path / "part-000003.parquet"
    table = pq.read_table(path)
    at = table.column_names.index("regime")
    shifted = pa.chunked_array([[*table.column("regime").to_pylist()[1:], "g0"]], pa.large_string())
    pq.write_table(table.set_column(at, "regime", shifted), path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    manifest["parts"][3]["sha256"] = file_sha256(open_folder(tmp_path), path.name)
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    outcome = verify_parts(tmp_path)
    assert outcome.failures
    assert outcome.broken == (f"{path.name}: result 0 is about another regime than was asked for there",)
    assert all(str(failure).startswith("part-000003.parquet: result ") for failure in outcome.failures)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ifm-parts/1", "ifm-parts/2", "the schema is 'ifm-parts/2'; this program reads 'ifm-parts/1'"),
        ('"regimes": 37', '"regimes": "37"', "regimes: an integer is needed"),
        ('"part_rows": 10', '"part_rows": 0', "cannot be"),
        ("part-000003", "../000003", "there is no part"),
        ("part-000003", "part-000002", "or it is there twice"),
        ('"version"', '"vision"', "the key 'version' is missing"),
        ('"parts": [', '"parts": [1, ', "parts, entry 0"),
        ('"format": "parquet"', '"format": 1', "format among the options"),
    ],
)
def test_a_manifest_that_is_none_is_refused(
    old: str, new: str, message: str, whole: dict[str, bytes], tmp_path: Path
) -> None:
    (tmp_path / "manifest.json").write_text(whole["manifest.json"].decode().replace(old, new))
    with pytest.raises(InputError, match=r"manifest\.json: ") as caught:
        read_manifests(open_folder(tmp_path))
    assert message in str(caught.value)


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_addresses_of_fsspec(kind: str, whole: dict[str, bytes], tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    address = f"memory://{tmp_path.name}/answers/" if kind == "memory" else f"file://{tmp_path}/answers/"
    with pytest.raises(Killed):
        identify_in_parts(asked(), address, part_rows=ROWS, run=killed_after(2))  # type: ignore[arg-type]
    assert len(open_folder(address).names()) == 3
    identify_in_parts(asked(), address, part_rows=ROWS, resume=True)
    system, root = fsspec.core.url_to_fs(address)
    assert {Path(name).name: system.cat(name) for name in system.ls(root, detail=False)} == whole
    assert verify_parts(address, asked().study).holds
    identify_in_parts(asked(), address, part_rows=4, force=True)
    assert len(open_folder(address).names()) == 11


def test_a_part_that_fails_leaves_nothing_at_an_address(tmp_path: Path) -> None:
    pytest.importorskip("fsspec")
    folder = open_folder(f"memory://{tmp_path.name}/none/")
    stream = folder.create("part")
    stream.__enter__().write(b"half")
    assert not stream.__exit__(Killed, Killed(), None)
    assert folder.names() == []


def test_addresses_that_lead_nowhere_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("fsspec")
    with pytest.raises(InputError, match=r"nosuch://x/: "):
        open_folder("nosuch://x/")
    with pytest.raises(InputError, match="there is no manifest"):
        verify_parts("memory://nothing/here/")
    (tmp_path / "file").touch()
    with (
        pytest.raises(InputError, match="file:///"),
        open_folder(f"file://{tmp_path}/file/a/").create("b") as stream,
    ):
        stream.write(b"1")


def test_an_error_in_another_process_arrives_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A label that cannot be read, in the last part of a file that is streamed."""
    monkeypatch.setattr("ifm_ident.study.reading._file_regimes.LARGE_BYTES", 10)
    path = tmp_path / "targets.csv"
    path.write_text("label\n" + "\n".join(["g1+g2"] * 25 + ["g1+nonsense"]) + "\n")
    question = replace(asked(), study=asked().study.with_test([f"file:{path}"]))
    with pytest.raises(InputError, match=r"targets\.csv, row 26: regime 'g1\+nonsense'"):
        identify_in_parts(question, tmp_path / "out", part_rows=ROWS, run=in_processes(2))
    kept = contents(tmp_path / "out")
    assert not [name for name in kept if "000002" in name]


def test_dask_with_a_worker_killed_writes_the_same_bytes(whole: dict[str, bytes], tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    from ifm_ident.parts.on_dask import on_dask

    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        processes = {*client.run(os.getpid).values()}

        def run(job: Job, numbers: Sequence[int]) -> Iterator[Part]:
            parts = iter(on_dask(client)(job, numbers))
            yield next(parts)
            os.kill(min(processes), signal.SIGKILL)
            yield from parts

        identify_in_parts(asked(), tmp_path / "two", part_rows=2, run=run)
        assert min(processes) not in client.run(os.getpid).values()
    identify_in_parts(asked(), tmp_path / "one", part_rows=2)
    assert contents(tmp_path / "two") == contents(tmp_path / "one")
