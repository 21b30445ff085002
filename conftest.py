"""Docstring examples that need a package the extra `test` does not hold are skipped where it is missing."""

from __future__ import annotations

import importlib.util

import pytest

NEEDS = {"ifm_learn.energies.deep": "jax"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.DoctestItem):
            package = NEEDS.get(item.dtest.globs["__name__"])
            if package and importlib.util.find_spec(package) is None:
                item.add_marker(pytest.mark.skip(reason=f"{package} is not installed"))
