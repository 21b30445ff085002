"""Progress where standard error is no terminal: a plain line now and then, none for short work or with --quiet."""

from __future__ import annotations

import time

import pytest

from ifm_ident.commands import _options
from ifm_ident.commands._options import progress, stages


def test_short_work_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(progress(range(3), 3, "regime", quiet=False)) == [0, 1, 2]
    with stages(quiet=False) as say:
        say("fitting")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("quiet", [False, True])
def test_long_work_says_a_line_now_and_then(
    quiet: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_options, "PAUSE", 0.02)
    for _ in progress(range(3), 3, "regime", quiet):
        time.sleep(0.05)
    with stages(quiet) as say:
        say("fitting")
        time.sleep(0.2)
    out, err = capsys.readouterr()
    assert out == ""
    if quiet:
        assert err == ""
    else:
        assert "regime 2 of 3 done [00:00]\n" in err
        assert "fitting [00:00]\n" in err
        assert "\r" not in err


def test_an_error_ends_the_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_options, "PAUSE", 0.01)
    with pytest.raises(ValueError, match="broken"), stages(quiet=False):
        raise ValueError("broken")
