"""Every harness on inputs that Hypothesis draws, the same ones every time; and that the checker can say no."""

from __future__ import annotations

import copy
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.checker import true
from tests.fuzz.harnesses import HARNESSES, PATIENCE, outcome
from tests.fuzz.of_results import question

FEW = settings(max_examples=60, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("name", HARNESSES)
@FEW
@given(data=st.binary(max_size=120))
def test_an_answer_or_a_refusal_in_words(name: str, tmp_path: Path, data: bytes) -> None:
    start = time.process_time()
    assert outcome(name, data, tmp_path)
    assert time.process_time() - start < PATIENCE


def changed(path: tuple[str | int, ...], to: object, data: Any) -> Any:
    data = copy.deepcopy(data)
    inside = data
    for step in path[:-1]:
        inside = inside[step]
    inside[path[-1]] = to
    return data


def test_the_own_checker_sees_what_is_false() -> None:
    """Each claim of many results is spoilt once; a checker that says yes to everything would let `verify` pass."""
    seen = set()
    for number in range(60):
        data = question(number).data
        assert true(data)
        assert not true({**data, "targets": len(data["results"]) + 1})
        for i, row in enumerate(data["results"]):
            spoilt: list[tuple[tuple[str | int, ...], object]] = []
            if row["status"] == "observed":
                other = next((j for j, one in enumerate(data["train"]) if one != row["regime"]), None)
                spoilt += [(("train",), other)] * (other is not None)
            elif "exponents" in row:
                spoilt.append((("exponents", 0, "exponent"), "1/7"))
            elif "conditionals" in row:
                spoilt += [(("conditionals", v, 0, "exponent"), "1/7") for v in row["conditionals"]]
            elif "certificate" in row:
                spoilt.append((("certificate", "kernel"), []))
                spoilt += [
                    (("partial", "conditionals", v, 0, "exponent"), "1/7")
                    for v in row.get("partial", {"conditionals": {}})["conditionals"]
                ]
            for path, to in spoilt:
                seen.add(path[0])
                assert not true(changed(("results", i, *path), to, data)), (number, i, path)
    assert seen == {"train", "exponents", "conditionals", "certificate", "partial"}
