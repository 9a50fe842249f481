"""A stack with a replica, and pages of its console in a real Chromium."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Reliability"))

from stack import processes  # noqa: E402
from stack.stack import Stack  # noqa: E402

from scenes import TABLES, Scenes  # noqa: E402

# A page that has not changed by then never will; a busy machine is slow.
MILLISECONDS_MAX = 60_000
expect.set_options(timeout=MILLISECONDS_MAX)


@pytest.fixture(scope="session")
def stack():
    with Stack(tables=TABLES) as stack:
        yield stack


@pytest.fixture(scope="session")
def replica(stack):
    replica = stack.add_replica("replica-1")
    replica.start()
    return replica


@pytest.fixture
def scenes(stack, replica):
    scenes = Scenes(stack, replica)
    yield scenes
    scenes.end()
    processes.until(60, "everything has finished", stack.is_quiet)


@pytest.fixture(scope="session")
def browser():
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    assert chromium, "there is no chromium: run `scripts/setup.sh console`"
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=options, timeout=MILLISECONDS_MAX)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, replica):
    """Opens pages; at the end, none of them may have reported an error or a refused resource."""
    contexts, errors = [], []

    def open_page(path, port=None, errors_expected=False, **options):
        context = browser.new_context(
            base_url=f"http://127.0.0.1:{port or replica.port}",
            permissions=["clipboard-read", "clipboard-write"], **options)
        contexts.append(context)
        context.set_default_timeout(MILLISECONDS_MAX)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        if not errors_expected:
            page.on("console", lambda message: errors.append(message.text)
                    if message.type in ("error", "warning") else None)
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []
