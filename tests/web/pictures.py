"""The pictures of the console in docs/images: ``python -m tests.web.pictures``."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.conftest import Running, running_gateways, save
from tests.web.conftest import QUIET, ROOT
from tests.web.release import underway
from tests.web.shop import project, upstream

IMAGES = ROOT / "docs" / "images"
LARGEST = 150_000
"""Bytes a picture may have."""


def nothing(_page: Page, _shop: Running) -> None:
    """The page as it opens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """``name`` is the file's; ``before`` does with the page what the picture shows."""

    name: str
    path: str
    before: Callable[[Page, Running], None] = nothing
    height: int = 800
    width: int = 1280
    is_dark: bool = False


def sends(page: Page, _shop: Running) -> None:
    """A route is tried."""
    page.get_by_role("textbox", name="user_id").fill("7")
    page.get_by_role("button", name="Send").click()
    page.locator("[data-summary] .badge").wait_for()


def breaks(page: Page, shop: Running) -> None:
    """A save that cannot be loaded."""
    save(shop.folder / "functions" / "hello.py", "from prices import price\n\nasync def handle(:\n")
    page.locator("#broken").wait_for()
    page.wait_for_timeout(600)


SCENES = (
    Scene(name="console-waterfall", path="/console/invocations/home-0", height=1260),
    Scene(name="console-waterfall-dark", path="/console/invocations/home-3", height=980, is_dark=True),
    Scene(name="console-invocations", path="/console/invocations"),
    Scene(name="console-errors", path="/console/errors?fault=function", height=640),
    Scene(name="console-services", path="/console/services", height=480),
    Scene(name="console-service", path="/console/services/notices", height=740),
    Scene(name="console-try", path="/console/try?route=GET%20/api/home/{user_id}", before=sends, height=720),
    Scene(name="console-overlay", path="/console/functions", before=breaks),
)


def shares(page: Page, _shop: Running) -> None:
    """Somebody is about to move traffic."""
    page.get_by_role("slider").press("PageUp")


def below(page: Page, _shop: Running) -> None:
    """Further down."""
    page.get_by_role("heading", name="Warm-up of home-00003").evaluate("each => each.scrollIntoView()")
    page.mouse.wheel(0, -48)
    page.wait_for_timeout(600)


def compares(page: Page, _shop: Running) -> None:
    page.get_by_label("From").select_option("home-00002")
    page.get_by_role("button", name="Compare").click()
    page.wait_for_timeout(300)


SERVED = (
    Scene(name="console-overview", path="/console", height=900),
    Scene(name="console-overview-dark", path="/console", height=900, is_dark=True),
    Scene(name="console-overview-phone", path="/console", height=780, width=360, is_dark=True),
    Scene(name="console-functions", path="/console/functions", height=620),
    Scene(name="console-function", path="/console/functions/home", before=shares, height=1000),
    Scene(name="console-warm-up", path="/console/functions/home", before=below, height=800),
    Scene(name="console-diff", path="/console/functions/home/diff", before=compares, height=620),
)
"""Those of a gateway that serves."""


@contextmanager
def shop() -> Iterator[Running]:
    """A busy shop in dev."""
    with upstream() as address, running_gateways() as start, tempfile.TemporaryDirectory() as folder:
        running = start(project(Path(folder, "shop"), address, has_long_names=False), "dev")
        for number in range(5):
            running.get(f"/api/home/{number}?limit=3", headers={"x-request-id": f"home-{number}"})
            running.get("/api/hello")
        for path in ("/api/broken", "/api/broken", "/api/nowhere", "/api/home/ann"):
            running.get(path)
        running.client.post("/api/orders", json={"items": [{"design": "oak-table", "count": 2}]})
        yield running


def picture(browser: Browser, running: Running, scene: Scene) -> bytes:
    """A scene as PNG."""
    context = browser.new_context(
        viewport={"width": scene.width, "height": scene.height},
        color_scheme="dark" if scene.is_dark else "light",
    )
    page = context.new_page()
    page.goto(f"{running.admin}{scene.path}")
    page.wait_for_timeout(900)  # the first live parts are there
    scene.before(page, running)
    taken = page.screenshot()
    context.close()
    return taken


def take(browser: Browser, running: Running, scenes: Iterable[Scene]) -> None:
    """Write the pictures of one gateway."""
    for scene in scenes:
        taken = picture(browser, running, scene)
        assert len(taken) <= LARGEST, f"{scene.name} has {len(taken)} bytes"
        (IMAGES / f"{scene.name}.png").write_bytes(taken)


def main(*wanted: str) -> None:
    """Take all of them, or those that are named."""
    IMAGES.mkdir(exist_ok=True)
    chosen = [
        [scene for scene in scenes if not wanted or scene.name in wanted] for scenes in (SCENES, SERVED)
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(QUIET))
        for scenes, gateway in zip(chosen, (shop, lambda: underway(60.0)), strict=True):
            if scenes:
                with gateway() as running:
                    take(browser, running, scenes)
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
