"""Chromium and axe-core: where they are not here, tests that need them are skipped, and fail where CI is set."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"


def lacking(what: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A headless browser of Playwright's."""
    program = os.environ.get("CHROMIUM_PATH") or next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        lacking(f"no Chromium: install it, or set CHROMIUM_PATH (looked for {', '.join(NAMES)})")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        lacking("no playwright: pip install playwright")
    with sync_playwright() as playwright:
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def axe() -> Callable[[Any], list[str]]:
    """Serious and critical faults of a page, in words."""
    path = Path(os.environ.get("AXE_PATH") or AXE)
    if not path.is_file():
        lacking(f"no axe-core: npm install --prefix {AXE.parents[2]} axe-core, or set AXE_PATH")
    source = path.read_text(encoding="utf-8")

    def faults(page: Any) -> list[str]:
        page.evaluate(source)
        found = page.evaluate("axe.run().then((run) => run.violations)")
        assert page.evaluate("axe.run().then((run) => run.passes.length)") > 5
        return [
            f"{fault['id']}: {node['html']}"
            for fault in found
            if fault["impact"] in ("serious", "critical")
            for node in fault["nodes"]
        ]

    return faults
