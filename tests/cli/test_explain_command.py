"""`ifm explain`: every route, and why it stops."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from tests.cli.running import run, run_apart


def test_the_regime_is_asked_for(folder: Path) -> None:
    done = run_apart("explain", str(folder / "poster.yaml"))
    assert done.returncode == 2
    assert b"--regime" in done.stderr
    assert done.stdout == b""


@pytest.mark.parametrize("regime", ["111", "sigma1+sigma2+sigma3", "sigma1=1,sigma2=1,sigma3=1"])
def test_any_notation(capfdbinary: pytest.CaptureFixture[bytes], folder: Path, regime: str) -> None:
    status, out, err = run(capfdbinary, "explain", str(folder / "poster.yaml"), "--regime", regime)
    assert (status, err) == (0, "")
    assert "identified: p(111) is proportional to p(110) p(011) / p(010)\n" in out
    assert "  join clique {sigma2,sigma3} over separator {sigma2}: multiply by p(011)/p(010)\n" in out


def test_an_unknown_regime(capfdbinary: pytest.CaptureFixture[bytes], folder: Path) -> None:
    status, out, err = run(capfdbinary, "explain", str(folder / "poster.yaml"), "--regime", "sigam1")
    assert (status, out) == (2, "")
    assert err.startswith("ifm: --regime sigam1: ")
    assert "did you mean sigma1?" in err


def test_full_conditionals(capfdbinary: pytest.CaptureFixture[bytes], folder: Path) -> None:
    _, out, _ = run(capfdbinary, "explain", str(folder / "conditional.yaml"), "--regime", "111")
    assert "identified by full conditionals, each with a formula of its own (below)" in out
    assert "The weights w sum to 0 in every training regime and to 1 in 111." in out
    assert "Rank 6 from 6 distinct training regimes; with the target's row it is 7" in out
    for variable, formula in (
        ("x1", "p(110) p(101) / p(100)"),
        ("x2", "p(110) p(011) / p(010)"),
        ("x3", "p(101) p(011) / p(001)"),
    ):
        assert f"p({variable} | rest; 111) is proportional to {formula}\n" in out
    assert "Brook's lemma" in out
    assert "Proof by example" not in out


REFUSED = """\
Proof by example
  Two models that agree in all 6 training regimes and differ in 111:
  every variable is binary; every factor is 1, except where x1 = 1:
    factor  at         model 1  model 2
    f1      s1=0,s2=0  2        1/2
    f2      s2=0,s3=1  1/2      2
    f3      s1=1,s3=1  2        1/2
  regime                  p(x1 = 1), model 1  model 2
  all 6 training regimes  1/2                 1/2
  111                     2/3                 1/3

Nearest regimes with an answer, 1 intervention changed: 011 (observed), 101
  (observed) and 110 (observed).
Running 111 itself would answer the question.
"""


def test_a_refusal(capfdbinary: pytest.CaptureFixture[bytes], folder: Path) -> None:
    _, out, _ = run(capfdbinary, "explain", str(folder / "refused.yaml"), "--regime", "111")
    assert "not identified: training leaves the product of f1, f2 and f3 open\n" in out
    assert out.endswith("\n" + REFUSED)
    _, joint, _ = run(
        capfdbinary, "explain", str(folder / "conditional.yaml"), "--regime", "111", "--criterion", "joint"
    )
    assert "no joint formula: training leaves the product of f1, f2 and f3 open\n" in joint
    assert "show that no single product of training densities works, not that no method can." in joint
    assert "try `--criterion conditional`" in joint


def test_a_large_design_is_cut_to_what_matters(capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path) -> None:
    names = [f"gene{i}" for i in range(60)]
    study = {
        "interventions": {name: [0, 1] for name in names},
        "factors": [{"sigma": [a, b]} for a, b in itertools.pairwise(names)],
        "train": ["ctrl", *names],
        "test": {"order": 2},
    }
    file = tmp_path / "large.json"
    file.write_text(json.dumps(study))
    _, out, _ = run(capfdbinary, "explain", str(file), "--regime", "gene3+gene9")
    assert "q1 = -1  ctrl " in out
    assert "q2 = 1   gene3 " in out
    assert "Not drawn: 58 other training regimes" in out
    assert max(map(len, out.splitlines())) <= 120
    assert len(out.splitlines()) < 50
    _, refused, _ = run(capfdbinary, "explain", str(file), "--regime", "gene3+gene4")
    assert "not identified: factor f4 is never seen at gene3=1,gene4=1\n" in refused
    assert "A new training regime with gene3=1,gene4=1 is needed; gene3+gene4 itself is one." in refused
