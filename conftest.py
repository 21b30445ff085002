"""One thread a test process; docstring examples are skipped where the package they need is not installed."""

from __future__ import annotations

import importlib.util
import os
import signal

import pytest
from hypothesis import settings

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # test processes, side by side, share the cores

if (
    signal.getsignal(signal.SIGINT) == signal.SIG_IGN
):  # as in a shell's background, which what tests start would inherit
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("untimed", deadline=None)  # examples are judged by what they give, not by how busy it is
settings.load_profile("untimed")

NEEDS = {"ifm_learn.energies._deep": "jax"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the examples of modules whose package is not installed."""
    for item in items:
        if isinstance(item, pytest.DoctestItem):
            package = NEEDS.get(item.dtest.globs["__name__"])
            if package and importlib.util.find_spec(package) is None:
                item.add_marker(pytest.mark.skip(reason=f"{package} is not installed"))
