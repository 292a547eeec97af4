"""One stack and one browser for all tests of this folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.stack import Stack, running
from tests.waiting import PATIENCE_S

CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Everything at work, with weeks of traffic in it."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed; run: apt-get update && apt-get install chromium")
    with running(tmp_path_factory.mktemp("stack")) as stack:
        yield stack


@pytest.fixture(scope="package")
def browser(stack: Stack) -> Iterator[Browser]:
    """Debian's chromium."""
    expect.set_options(timeout=PATIENCE_S * 1_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()
