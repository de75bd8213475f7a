"""A real browser, and the example's own tools from npm. What is missing fails, with the command that brings it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "web"
PATIENCE = 60_000
"""Milliseconds that a page has for what it is to show: longer than a machine stalls."""
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    assert chromium, "there is no chromium: apt-get install chromium"
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page whose every script error, and every request that leaves this machine, fails the test."""
    errors: list[str] = []
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if "Content Security" in said.text else None)
    page.on("request", lambda request: _note_foreign(request.url, errors))
    yield page
    context.close()
    assert errors == []


@pytest.fixture(scope="session")
def axe() -> str:
    """axe-core, as text: a page's own policy would not let it in otherwise."""
    found = EXAMPLE / "node_modules" / "axe-core" / "axe.min.js"
    assert found.exists(), "axe-core is not here: make web (npm ci in examples/web)"
    return found.read_text("utf-8")


AGAIN = {
    "runOnly": ["color-contrast", "link-in-text-block", "scrollable-region-focusable", "target-size"],
    "rules": {"target-size": {"enabled": True}},
}
"""What the colours and the width of a page can break; all else holds where it held before."""


def barriers(page: Page, axe: str, *, again: bool = False) -> list[str]:
    """What keeps people out of a page as it stands, by all of axe's rules for WCAG 2.2 AA and its best practices; or,
    where it was asked before, by those that another width and other colours can break.
    """
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(axe)
    found = page.evaluate(
        "async rules => (await axe.run(document, rules)).violations", AGAIN if again else {}
    )
    return [
        f"{each['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for each in found
        for node in each["nodes"]
    ]


def _note_foreign(url: str, errors: list[str]) -> None:
    if not url.startswith(("http://127.0.0.1:", "http://localhost:", "data:", "blob:")):
        errors.append(f"asked for {url}")


@pytest.fixture(scope="session")
def tools() -> Path:
    """Where the example's programs are, as `npm ci` has put them there."""
    found = EXAMPLE / "node_modules" / ".bin"
    for name in ("tsc", "redocly", "spectral", "openapi-typescript"):
        assert (found / name).exists(), "the example's tools are not here: make web (npm ci in examples/web)"
    return found


def run(*command: str | Path, cwd: Path) -> str:
    """Run a program to its end; what it said, if it was content."""
    env = {**os.environ, "NO_COLOR": "1", "REDOCLY_TELEMETRY": "off", "CI": "true"}
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
