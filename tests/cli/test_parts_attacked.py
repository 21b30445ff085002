"""Folders of parts that were tampered with, shared by runs, or stand where they should not, by the command line.

`ifm verify` says 1 for what does not hold and 2 for what is no result, in words, and never that all holds; a run
that is told to go on mends what it can, leaves the rest alone, and touches nothing else.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import Ifm, run_apart

GENES = [f"g{i}" for i in range(12)]
ROWS = 20
"""79 regimes in four parts."""


def study_file(path: Path, **changes: Any) -> Path:
    study = {
        "interventions": {gene: [0, 1] for gene in GENES},
        "factors": [{"sigma": [gene]} for gene in GENES] + [{"sigma": GENES[:2]}],
        "train": ["ctrl", *GENES],
        "test": {"order": 2},
    }
    path.write_text(json.dumps(study | changes))
    return path


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study and its answer in parts, to be copied."""
    place = tmp_path_factory.mktemp("answered")
    words = ("-o", f"{place}/out/", "--part-rows", str(ROWS), "--quiet")
    assert run_apart("identify", str(study_file(place / "study.json")), *words).returncode == 0
    return place


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return study_file(tmp_path / "study.json")


@pytest.fixture
def out(tmp_path: Path, study: Path, answered: Path) -> Path:
    return shutil.copytree(answered / "out", tmp_path / "out")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def manifest(change: Callable[[Any], object], rehash: bool = False) -> Callable[[Path], object]:
    """The manifest changed as data; with `rehash` it tells the files as they are now."""

    def attack(folder: Path) -> None:
        path = folder / "manifest.json"
        data = json.loads(path.read_text())
        change(data)
        for part in data["parts"] if rehash else ():
            part["sha256"] = hashlib.sha256((folder / part["name"]).read_bytes()).hexdigest()
        path.write_text(json.dumps(data))

    return attack


def written(text: str | bytes) -> Callable[[Path], object]:
    data = text.encode() if isinstance(text, str) else text
    return lambda folder: (folder / "manifest.json").write_bytes(data)


def file_1(change: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda folder: change(folder / "part-000001.parquet")


def both(*attacks: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda folder: [attack(folder) for attack in attacks]


def instead(make: Callable[[Path], object]) -> Callable[[Path], object]:
    def attack(path: Path) -> None:
        path.unlink()
        make(path)

    return file_1(attack)


def copied(source: int, target: int) -> Callable[[Path], object]:
    name = "part-{:06d}.parquet".format
    return lambda folder: shutil.copyfile(folder / name(source), folder / name(target))


def exchanged(folder: Path) -> None:
    first, second = (folder / f"part-00000{i}.parquet" for i in (0, 1))
    data = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(data)


def of_another(folder: Path) -> None:
    other = study_file(folder.parent / "other.json", factors=[{"sigma": [gene]} for gene in GENES])
    run_apart("identify", str(other), "-o", f"{folder}2/", "--part-rows", str(ROWS))
    shutil.copyfile(f"{folder}2/part-000001.parquet", folder / "part-000001.parquet")


def part(number: int, **changes: Any) -> Callable[[Any], object]:
    return lambda data: data["parts"][number].update(changes)


def one_more(data: Any) -> None:
    data["parts"].append(data["parts"][3] | {"name": "part-000004.parquet"})


SEEN: dict[str, tuple[Callable[[Path], object], int, str]] = {
    "hash": (manifest(part(2, sha256="0" * 64)), 1, "part-000002.parquet: its SHA-256 is not the one"),
    "no hash": (manifest(part(2, sha256="")), 1, "its SHA-256 is not the one"),
    "rows": (manifest(part(3, rows=20)), 1, "part-000003.parquet: it has 19 results, in the manifest 20"),
    "verdicts": (
        manifest(part(0, verdicts={"observed": 13, "identified": 7})),
        1,
        "part-000000.parquet: its verdicts are not counted as in the manifest",
    ),
    "version": (manifest(lambda data: data.update(version=1)), 2, "version"),
    "another format": (manifest(lambda data: data["options"].update(format="csv")), 2, "there is no part"),
    "path as format": (manifest(lambda data: data["options"].update(format="/../x")), 2, "cannot be"),
    "design": (manifest(lambda data: data.update(design="sha256:0")), 1, "about another design than the manifest"),
    "other targets": (manifest(lambda data: data.update(targets="order:3")), 1, "about another regime"),
    "fewer regimes": (manifest(lambda data: data.update(regimes=78)), 1, "and plans 18"),
    "regimes to spare": (manifest(lambda data: data.update(regimes=10**9)), 1, "parts are not finished"),
    "regimes without end": (manifest(lambda data: data.update(regimes=10**40)), 2, "cannot be"),
    "no regimes": (manifest(lambda data: data.update(regimes=0, parts=[])), 1, "no manifest tells of this part"),
    "part rows": (manifest(lambda data: data.update(part_rows=1)), 1, "75 of 79 parts are not finished"),
    "extra entry": (manifest(one_more), 2, "parts, entry 4: there is no part 'part-000004.parquet'"),
    "entry twice": (manifest(lambda data: data["parts"].append(data["parts"][0])), 2, "or it is there twice"),
    "entry gone": (manifest(lambda data: data["parts"].pop(1)), 1, "1 of 4 parts are not finished"),
    "absolute": (manifest(part(1, name="/etc/passwd")), 2, "there is no part '/etc/passwd'"),
    "above": (manifest(part(1, name="../out/part-000001.parquet")), 2, "there is no part '../out/"),
    "other digits": (manifest(part(1, name="part-00000١.parquet")), 2, "there is no part"),
    "a number": (manifest(part(1, name=1)), 2, "parts, entry 1, name"),
    "deep": (written("[" * 100_000 + "]" * 100_000), 2, "nested too deeply"),
    "no text": (written(b'{"schema": "\xff"}'), 2, "is not UTF-8 text"),
    "empty": (written(""), 2, "no JSON"),
    "null": (written("null"), 2, "manifest.json"),
    "a list": (written("[1]"), 2, "manifest.json"),
    "key twice": (written('{"schema": "ifm-parts/1", "schema": "ifm-parts/1"}'), 2, "twice"),
    "truncated": (file_1(lambda path: path.write_bytes(path.read_bytes()[:-50])), 1, "part-000001.parquet: "),
    "truncated, and told so": (
        both(file_1(lambda path: path.write_bytes(path.read_bytes()[:-50])), manifest(lambda data: None, True)),
        1,
        "part-000001.parquet: ",
    ),
    "emptied": (file_1(lambda path: path.write_bytes(b"")), 1, "part-000001.parquet: "),
    "removed": (file_1(lambda path: path.unlink()), 1, "part-000001.parquet: this part is not there"),
    "a folder": (instead(Path.mkdir), 1, "this part is not there"),
    "a pipe": (instead(os.mkfifo), 1, "this part is not there"),
    "a dead link": (instead(lambda path: path.symlink_to("none")), 1, "this part is not there"),
    "replaced": (copied(0, 1), 1, "part-000001.parquet: its SHA-256 is not the one"),
    "of another design": (of_another, 1, "part-000001.parquet: it is about another design"),
    "extra file": (copied(0, 4), 1, "part-000004.parquet: no manifest tells of this part"),
    "doubled, one lost": (
        both(
            copied(0, 1),
            manifest(lambda data: data["parts"][1].update(verdicts=data["parts"][0]["verdicts"]), True),
        ),
        1,
        "part-000001.parquet: result 0 is about another regime than was asked for there",
    ),
    "exchanged": (both(exchanged, manifest(lambda data: None, True)), 1, "is about another regime"),
    "two manifests": (
        lambda folder: (folder / "manifest-0001-of-0002.json").write_text(
            (folder / "manifest.json").read_text().replace("auto", "joint")
        ),
        2,
        "are not about the same",
    ),
}


@pytest.mark.parametrize("kind", SEEN)
def test_tampering_is_seen_and_mended_or_refused(kind: str, ifm: Ifm, out: Path, study: Path) -> None:
    whole = contents(out)
    attack, status, words = SEEN[kind]
    attack(out)
    for told in ((), ("--study", study)):
        found, said, err = ifm("verify", out, *told)
        assert found == status, said + err
        assert words in said + err
        assert "all hold" not in said
        assert "Traceback" not in err
        assert err.count("\n") == (status == 2)
    before = {path.name: path.read_bytes() for path in sorted(out.iterdir()) if path.is_file()}
    done, said, err = ifm("identify", study, "-o", f"{out}/", "--part-rows", ROWS, "--quiet", "--resume")
    assert "Traceback" not in err
    if done == 0:
        mended = whole.items() <= contents(out).items()
        assert mended or kind in (
            "verdicts",
            "truncated, and told so",
            "doubled, one lost",
            "exchanged",
        )  # such a manifest tells what is there
        assert ifm("verify", out)[0] == (not mended or kind == "extra file")
    else:
        assert (done, err.count("\n")) == (2, 1), err
        after = {path.name: path.read_bytes() for path in sorted(out.iterdir()) if path.is_file()}
        if kind in ("a folder", "a pipe"):  # the manifest does not tell of it any more
            del before["manifest.json"], after["manifest.json"]
        assert after == before


def test_a_huge_manifest_is_not_read(ifm: Ifm, out: Path, study: Path) -> None:
    for words in (("verify", out), ("identify", study, "-o", f"{out}/", "--part-rows", ROWS, "--resume")):
        status, _, err = ifm(*words, "--limit", "file=1000")
        assert status == 2
        assert "manifest.json: " in err
        assert "the limit is file=1000" in err


def test_a_list_that_was_asked_for_is_held_against_the_parts(ifm: Ifm, tmp_path: Path) -> None:
    """The manifest has the SHA-256 of the regimes; part 1 is lost, part 0 there twice, and all of it is true."""
    study = study_file(tmp_path / "list.json", test=[f"{a}+{b}" for a in GENES for b in GENES if a < b])
    out = tmp_path / "out"
    assert ifm("identify", study, "-o", f"{out}/", "--part-rows", 22, "--quiet")[0] == 0
    assert ifm("verify", out)[0] == 0
    copied(0, 1)(out)
    manifest(lambda data: data["parts"][1].update(verdicts=data["parts"][0]["verdicts"]), rehash=True)(out)
    status, said, _ = ifm("verify", out)
    assert (status, said.splitlines()[1]) == (
        1,
        "the parts are not about the regimes that the manifest tells of, or in another order",
    )
    assert ifm("verify", out, "--study", study)[0] == 1


def test_a_large_table_that_was_asked_for_is_known_by_the_study(
    ifm: Ifm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ifm_ident.study.reading._file_regimes.LARGE_BYTES", 10)
    table = tmp_path / "targets.csv"
    table.write_text("label\n" + "\n".join(f"{a}+{b}" for a in GENES for b in GENES if a < b) + "\n")
    study, out = study_file(tmp_path / "s.json", test={"file": "targets.csv"}), tmp_path / "out"
    assert ifm("identify", study, "-o", f"{out}/", "--part-rows", 22, "--quiet")[0] == 0
    assert ifm("verify", out, "--study", study)[0] == 0
    exchanged(out)
    manifest(lambda data: None, rehash=True)(out)
    status, said, _ = ifm("verify", out, "--study", study)
    assert status == 1
    assert "part-000000.parquet: result 0 is about another regime than was asked for there" in said
    table.write_text(table.read_text().replace("g1+g2\n", "g1+g3\n"))
    status, _, err = ifm("identify", study, "-o", f"{out}/", "--part-rows", 22, "--quiet", "--resume")
    assert status == 2
    assert "manifest.json is about something else: `targets` was" in err


@pytest.mark.parametrize("changes", [{"train": ["ctrl", *GENES, "g1+g2"]}, {"factors": [{"sigma": GENES}]}])
def test_another_design_or_option_does_not_go_on(
    changes: dict[str, Any], ifm: Ifm, out: Path, study: Path
) -> None:
    before = contents(out)
    go_on = ("-o", f"{out}/", "--part-rows", ROWS, "--resume")
    assert ifm("identify", study, *go_on, "--criterion", "joint")[0] == 2
    study_file(study, **changes)
    status, said, err = ifm("identify", study, *go_on)
    assert (status, said) == (2, "")
    assert "manifest.json is about something else: `design` was" in err
    assert contents(out) == before


@pytest.mark.parametrize(
    ("key", "value"),
    [("version", "0.0.9"), ("study", "another"), ("targets", "order:3"), ("regimes", 78), ("part_rows", 21)],
)
def test_a_manifest_of_something_else_is_left_as_it_is(
    key: str, value: object, ifm: Ifm, out: Path, study: Path
) -> None:
    """Its parts would be right by their SHA-256; a shard that goes on beside it is refused too."""
    manifest(lambda data: data.update({key: value}))(out)
    before = contents(out)
    for more in ((), ("--shard", "1/2")):
        status, said, err = ifm("identify", study, "-o", f"{out}/", "--part-rows", ROWS, "--resume", *more)
        assert (status, said, err.count("\n")) == (2, "", 1)
        assert f"manifest.json is about something else: `{key}` was" in err
        assert contents(out) == before


def test_two_runs_that_take_up_what_was_killed(ifm: Ifm, long_study: Path, tmp_path: Path) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert [status for status, _ in ended(started(long_study, whole))] == [0]
    first = started(long_study, out)
    while first.poll() is None and not [*out.glob("part-*")]:
        time.sleep(0.002)
    first.kill()
    [*ended(first)]
    ends = [*ended(*(started(long_study, out, "--resume") for _ in range(2)))]
    assert 0 in [status for status, _ in ends], ends
    for status, err in ends:
        assert status == 0 or (status == 2 and "another run is writing it" in err), err
    assert {name: data for name, data in contents(out).items() if not name.startswith(".")} == contents(whole)


def test_links_are_read_and_never_written_through(ifm: Ifm, out: Path, study: Path, tmp_path: Path) -> None:
    whole = contents(out)
    away, link = tmp_path / "away", tmp_path / "link"
    (out / "part-000001.parquet").rename(away)
    (out / "part-000001.parquet").symlink_to(away)
    link.symlink_to(out)
    assert ifm("verify", link)[0] == 0
    mine = tmp_path / "mine.txt"
    mine.write_text("a file of mine")
    for name in ("part-000002.parquet", "manifest.json"):
        (out / name).unlink()
        (out / name).symlink_to(mine)
        assert ifm("verify", link)[0] != 0
        words = ("--resume",) if name != "manifest.json" else ("--force",)
        (out / "manifest.json").unlink() if words == ("--force",) else None
        assert ifm("identify", study, "-o", f"{link}/", "--part-rows", ROWS, "--quiet", *words)[0] == 0
        assert mine.read_text() == "a file of mine"
    assert contents(out) == whole
    assert link.is_symlink()


def test_what_a_run_reads_is_never_one_of_its_parts(ifm: Ifm, out: Path, tmp_path: Path) -> None:
    """Targets in a file that has the name of a part; workers do not know what was read."""
    table = out / "part-000000.csv"
    table.write_text("label\n" + "\n".join(GENES) + "\n")
    study = study_file(tmp_path / "s.json", test={"file": str(table)})
    (out / "manifest.json").unlink()
    before = contents(out)
    for more in ((), ("--workers", "2")):
        words = ("-o", f"{out}/", "--format", "csv", "--part-rows", 3, *more)
        status, _, err = ifm("identify", study, *words)
        assert status == 2
        assert "part-000000.csv: this run reads it; name another file for the output" in err
        assert contents(out) == before


def test_foreign_files_and_the_folder_of_the_inputs_are_left_alone(ifm: Ifm, study: Path, tmp_path: Path) -> None:
    (tmp_path / "part-notes.txt").write_text("mine")
    (tmp_path / ".hidden.tmp").write_text("mine")
    (tmp_path / "sub").mkdir()
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    for more in ((), ("--force",), ("--resume",)):
        assert ifm("identify", study, "-o", f"{tmp_path}/", "--part-rows", ROWS, "--quiet", *more)[0] == 0
        assert {path: path.read_bytes() for path in before} == before
    status, said, _ = ifm("verify", tmp_path)
    assert (status, said.splitlines()[1:]) == (1, ["part-notes.txt: no manifest tells of this part"])


def test_too_many_parts_are_refused_at_once(ifm: Ifm, tmp_path: Path) -> None:
    genes = [f"g{i}" for i in range(400)]
    study = study_file(
        tmp_path / "s.json",
        interventions={gene: [0, 1] for gene in genes},
        factors=[{"sigma": [gene]} for gene in genes],
        train=["ctrl", *genes],
        test={"order": 30},
    )
    status, _, err = ifm("identify", study, "-o", f"{tmp_path}/out/", "--shard", "1/999999999")
    assert status == 2
    assert "a manifest tells of 1,000,000 at most; ask about fewer regimes, or have more in a part" in err
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written(ifm: Ifm, out: Path, study: Path, tmp_path: Path) -> None:
    words = ["mount", "-t", "tmpfs", "-o", "size=200k", "none"]
    place = tmp_path / "disk"
    place.mkdir()
    if (
        shutil.which("mount") is None
        or subprocess.run([*words, str(place)], check=False, capture_output=True).returncode
    ):
        pytest.skip("a disk of a given size cannot be mounted here")
    try:
        for name, data in contents(out).items():
            if name != "part-000002.parquet":
                (place / name).write_bytes(data)
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
        before = contents(place)
        assert ifm("verify", place)[0] == 1
        for more in (("--resume",), ("--force",), ("--resume", "--workers", "2")):
            status, _, err = ifm("identify", study, "-o", f"{place}/", "--part-rows", ROWS, "--quiet", *more)
            assert (status, err.count("\n")) == (2, 1), err
            assert "Read-only file system" in err
            assert contents(place) == before
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_keeps_what_was_finished(workers: int, ifm: Ifm, study: Path, tmp_path: Path) -> None:
    place, whole = tmp_path / "disk", tmp_path / "whole"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=64k", "none"]
    if (
        shutil.which("mount") is None
        or subprocess.run([*words, str(place)], check=False, capture_output=True).returncode
    ):
        pytest.skip("a disk of a given size cannot be mounted here")
    try:
        command = ("identify", study, "--part-rows", 2, "--quiet")
        assert ifm(*command, "-o", f"{whole}/")[0] == 0
        status, _, err = ifm(*command, "-o", f"{place}/", "--workers", workers)
        assert (status, err.count("\n")) == (1, 1), err
        assert "No space left on device; make room or name another place" in err
        kept = contents(place)
        assert 0 < len(kept) < len(contents(whole))
        assert all(data == contents(whole)[name] for name, data in kept.items() if name.startswith("part-"))
        assert ifm("verify", place)[0] == 1
        subprocess.run(["mount", "-o", "remount,size=4m", str(place)], check=True)
        assert ifm(*command, "-o", f"{place}/", "--resume")[0] == 0
        assert contents(place) == contents(whole)
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.fixture
def long_study(tmp_path: Path) -> Path:
    """10,701 regimes of at most three of forty genes."""
    genes = [f"g{i}" for i in range(40)]
    return study_file(
        tmp_path / "long.json",
        interventions={gene: [0, 1] for gene in genes},
        factors=[{"sigma": [gene]} for gene in genes],
        train=["ctrl", *genes],
        test={"order": 3},
    )


def started(study: Path, out: Path, *more: str) -> subprocess.Popen[bytes]:
    words = ["identify", str(study), "-o", f"{out}/", "--part-rows", "300", "--quiet", *more]
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "ifm_ident.cli", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def ended(*processes: subprocess.Popen[bytes]) -> Iterator[tuple[int, str]]:
    for process in processes:
        _, err = process.communicate(timeout=120)
        yield process.returncode, err.decode()


def test_shards_at_once_and_a_shard_twice_at_once(ifm: Ifm, long_study: Path, tmp_path: Path) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert [status for status, _ in ended(started(long_study, whole))] == [0]
    ends = [*ended(*(started(long_study, out, "--shard", f"{i}/2", "--resume") for i in (1, 2, 1, 2)))]
    for status, err in ends:
        assert status == 0 or (status == 2 and "another run is writing it; wait for it" in err), err
    assert {0} <= {ends[0][0], ends[2][0]}
    assert {0} <= {ends[1][0], ends[3][0]}
    assert contents(out).items() >= contents(whole).items()
    assert len(contents(out)) == len(contents(whole)) + 2
    assert ifm("verify", out)[0] == 0


def test_one_run_at_a_time_writes_a_folder(long_study: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = started(long_study, out)
    while first.poll() is None and not [*out.glob("part-*")]:
        time.sleep(0.005)
    first.send_signal(signal.SIGSTOP)
    assert first.returncode is None, "it was over too soon"
    try:
        for more in (("--resume",), ("--force",), ("--resume", "--workers", "2")):
            before = contents(out)
            [(status, err)] = ended(started(long_study, out, *more))
            assert (status, err.count("\n")) == (2, 1), err
            assert "another run is writing it" in err
            assert contents(out) == before
    finally:
        first.send_signal(signal.SIGCONT)
    assert [status for status, _ in ended(first)] == [0]
    assert not [name for name in contents(out) if name.startswith(".")]


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_was_stopped_is_taken_up(
    number: signal.Signals, workers: str, long_study: Path, tmp_path: Path
) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert [status for status, _ in ended(started(long_study, whole))] == [0]
    process = started(long_study, out, "--workers", workers)
    while process.poll() is None and len([*out.glob("part-*")]) < 4:
        time.sleep(0.002)
    process.send_signal(number)
    [(status, err)] = ended(process)
    assert status == (-9 if number == signal.SIGKILL else 128 + number), err
    assert "Traceback" not in err
    left = contents(out)
    assert len([name for name in left if name.startswith("part-")]) < 36
    told = json.loads(left["manifest.json"])["parts"]
    assert all(hashlib.sha256(left[one["name"]]).hexdigest() == one["sha256"] for one in told)
    assert [status for status, _ in ended(started(long_study, out, "--workers", workers, "--resume"))] == [0]
    assert {name: data for name, data in contents(out).items() if not name.startswith(".")} == contents(whole)
