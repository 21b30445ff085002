"""A headless Chromium; without it, or without playwright, the tests here are skipped."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from ifm_ident.explore.page import explore_page
from ifm_ident.study.study import Study, load
from tests.browser.explored import EXAMPLES, opened

NAMES = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("there is no Chromium on this machine")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        yield started
        started.close()


@pytest.fixture(scope="session")
def poster() -> Study:
    """The poster's example."""
    return load(EXAMPLES / "poster.yaml")


@pytest.fixture(scope="module")
def engine(browser: Any, poster: Study, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A page of `ifm explore`, for what its scripts compute."""
    with opened(browser, explore_page(poster), tmp_path_factory.mktemp("explore")) as page:
        yield page
