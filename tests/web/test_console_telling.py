"""The console's pages about calls, errors and services in a real browser, over a gateway in dev with services behind it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.conftest import GatewayFactory, Running, save
from tests.web.conftest import PATIENCE, barriers
from tests.web.shop import FUNCTIONS, LONG, project, upstream

Visit = Callable[[str], Page]


@pytest.fixture(scope="module")
def shop(module_gateway: GatewayFactory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A busy one: pages with retries, hits and missing parts, errors, a service of which one endpoint is down."""
    with upstream() as address:
        running = module_gateway(project(tmp_path_factory.mktemp("shop"), address), "dev")
        for number in range(4):
            running.get(f"/api/home/{number}?limit=3", headers={"x-request-id": f"home-{number}"})
        running.get("/api/broken", headers={"x-request-id": "broken-1"})
        running.get("/api/nowhere")
        running.get(f"/api/{LONG}/{'x' * 150}")
        yield running


@pytest.fixture
def visit(browser: Browser, shop: Running) -> Iterator[Visit]:
    """``visit("/console/errors")``: the page. Whatever the browser complains of fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page, complaints = context.new_page(), list[str]()
    page.set_default_timeout(PATIENCE)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on(
        "request", lambda asked: None if asked.url.startswith(shop.admin) else complaints.append(asked.url)
    )

    def go(path: str) -> Page:
        page.goto(f"{shop.admin}{path}")
        return page

    yield go
    context.close()
    assert complaints == []


def token(shop: Running) -> str:
    return (shop.folder / ".bff" / "admin-token").read_text().strip()


PAGES = (
    "/console/invocations",
    "/console/invocations/home-0",
    "/console/invocations/broken-1",
    "/console/errors",
    "/console/services",
    "/console/services/notices",
    "/console/try?route=GET%20/api/home/{user_id}",
    f"/console/try?function={LONG.replace('-', '_')}",
    "/console/journal",
)


LOOKS = """async () => (await axe.run(document, {runOnly: ["color-contrast", "target-size", "scrollable-region-focusable"]})
).violations.map((each) => each.id)"""
"""What axe says of colours and sizes alone: the rest is the same in dark and on a small screen."""


def test_every_page_can_be_used_by_everybody(visit: Visit, axe: str) -> None:
    """Wide and light, narrow and dark: nothing that axe knows keeps people out, nothing is wider than the screen."""
    for path in PAGES:
        page = visit(path)
        page.set_viewport_size({"width": 1280, "height": 900})
        page.emulate_media(color_scheme="light")
        for closed in page.locator("details:not([data-plain])").all()[-4:]:
            closed.evaluate("each => each.open = true")
        assert barriers(page, axe) == [], path
        page.set_viewport_size({"width": 360, "height": 800})
        page.emulate_media(color_scheme="dark")
        assert page.evaluate(LOOKS) == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


def test_a_call_comes_into_the_live_list_and_opens_to_its_waterfall(visit: Visit, shop: Running) -> None:
    """Without anything being reloaded; the list stands still while one points at it."""
    page = visit("/console/invocations?filter=api/hello")
    expect(page.get_by_text("No invocation fits")).to_be_visible()
    expect(page.locator("#connection")).to_have_text("Live")
    shop.get("/api/hello", headers={"x-request-id": "hello-1"})
    row = page.get_by_role("row").filter(has_text="/api/hello")
    expect(row).to_have_count(1)
    row.hover()
    expect(page.get_by_text("Held while you point at it.")).to_be_visible()
    shop.get("/api/hello", headers={"x-request-id": "hello-2"})
    page.get_by_role("link", name="GET /api/hello").click()
    expect(page.get_by_role("heading", name="GET /api/hello")).to_be_visible()
    expect(page.get_by_text("hello-1", exact=True)).to_be_visible()
    page.go_back()
    expect(row).to_have_count(2)


def test_a_waterfall_tells_of_attempts_hits_and_missing_parts(visit: Visit) -> None:
    """As a picture whose rows open by the keyboard, and as a table below it."""
    page = visit("/console/invocations/home-0")
    waterfall = page.get_by_role("group", name=re.compile("^Waterfall"))
    for said in ("warm-up", "2 attempts", "first attempt 503", "retry 200", "shared with another call"):
        expect(waterfall).to_contain_text(said)
    expect(waterfall).to_contain_text("missing from the answer")
    call = waterfall.locator("summary").filter(has_text="designs GET")
    call.focus()
    page.keyboard.press("Enter")
    expect(call.locator("xpath=..").get_by_text("Endpoint")).to_be_visible()
    boxes = [each.bounding_box() for each in waterfall.locator("rect").all()]
    lane = waterfall.locator(".lane").first.bounding_box()
    assert lane is not None
    assert all(
        each is not None
        and lane["x"] - 1 <= each["x"] <= each["x"] + each["width"] <= lane["x"] + lane["width"] + 1
        for each in boxes
    )
    page.get_by_text("As a table").click()
    table = page.get_by_role("region", name="The waterfall as a table")
    expect(table.get_by_role("row").filter(has_text="attempt 2")).to_contain_text("retry")
    visit("/console/invocations/home-3")
    expect(page.get_by_role("group", name=re.compile("^Waterfall"))).to_contain_text("cache hit")


def test_errors_show_the_function_s_own_frame(visit: Visit) -> None:
    """The line that failed among its neighbours, and an example that leads to its waterfall."""
    page = visit("/console/errors")
    cause = page.get_by_role("article").filter(has_text="KeyError")
    expect(cause).to_contain_text("functions/broken.py:6 in price_of")
    expect(cause.locator(".excerpt .at")).to_contain_text('return basket["total"] / len(basket)')
    expect(cause.locator(".excerpt li")).to_have_count(5)
    cause.get_by_role("link", name="#5").click()
    expect(page.get_by_role("heading", name="Why it failed")).to_be_visible()
    expect(page.get_by_text("broken-1", exact=True)).to_be_visible()


def test_services_show_an_open_breaker(visit: Visit) -> None:
    """Which endpoint, and for how long; the service stands first in the list."""
    page = visit("/console/services")
    first = page.get_by_role("row").nth(1)
    expect(first).to_contain_text("notices")
    expect(first).to_contain_text("degraded")
    expect(first).to_contain_text("1 of 2")
    first.get_by_role("link").click()
    endpoint = page.get_by_role("row").filter(has_text="127.0.0.1:9")
    expect(endpoint).to_contain_text("open")
    expect(endpoint).to_contain_text("asked again in")
    expect(page.get_by_text("called by home")).to_be_visible()


def test_a_route_is_tried_out_and_leads_to_its_waterfall(visit: Visit) -> None:
    """By a form of its own parameters, shown as curl while it is written; with a fault that one asks for."""
    page = visit("/console/try")
    page.get_by_role("combobox", name="Route").select_option("GET /api/home/{user_id}")
    expect(page.get_by_role("heading", name="GET /api/home/{user_id}")).to_be_visible()
    page.get_by_role("textbox", name="user_id").fill("7 &8")
    expect(page.locator("#try-curl")).to_contain_text("/api/home/7%20%268'")
    page.get_by_role("button", name="Send").click()
    answer = page.get_by_role("region", name="Answer")
    expect(answer).to_contain_text("422")
    page.get_by_role("textbox", name="user_id").fill("7")
    page.get_by_role("textbox", name="limit").fill("2")
    page.get_by_role("textbox", name="Headers").fill("Authorization: Bearer of-secrets\nAccept-Language: de")
    said = page.locator("#try-curl")
    expect(said).to_contain_text("/api/home/7?limit=2'")
    expect(said).to_contain_text("$AUTHORIZATION")
    expect(said).not_to_contain_text("of-secrets")
    page.get_by_label("Service that fails").select_option("prices")
    page.get_by_label("How it fails").select_option("abort:503")
    page.get_by_role("button", name="Send").click()
    expect(answer).to_contain_text("503")
    page.get_by_label("Service that fails").select_option("none")
    page.get_by_role("button", name="Send").click()
    expect(answer).to_contain_text('"name": "Ann"')
    answer.get_by_text("Headers", exact=True).click()
    expect(answer).to_contain_text("bff-revision")
    answer.get_by_role("link", name="Waterfall").click()
    expect(page.get_by_role("group", name=re.compile("^Waterfall"))).to_contain_text("users GET")


def test_what_changes_something_asks_for_a_token_first(visit: Visit, shop: Running) -> None:
    """The body begins with what fits; without the token nothing is sent."""
    page = visit("/console/try?route=POST%20/api/orders")
    expect(page.get_by_role("textbox", name="Body")).to_have_value(re.compile("oak-table"))
    page.get_by_role("button", name="Send").click()
    dialog = page.get_by_role("dialog", name="Enter a token")
    dialog.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("What comes back stands here.")).to_be_visible()
    page.get_by_role("button", name="Send").click()
    dialog.get_by_label("Token").fill(token(shop))
    dialog.get_by_role("button", name="Keep it").click()
    expect(page.get_by_role("region", name="Answer")).to_contain_text('"ordered": 1')
    told = httpx.get(
        f"{shop.admin}/v1/audit?limit=5", headers={"authorization": f"Bearer {token(shop)}"}
    ).json()
    assert [each["what"] for each in told if each["what"] == "try"] == ["try"]


def test_a_save_that_cannot_be_loaded_is_shown_at_once_and_gone_when_it_is_mended(
    visit: Visit, shop: Running, axe: str
) -> None:
    """Over whichever page is open; dismissed it stays away until something else is broken."""
    function: Path = shop.folder / "functions" / "hello.py"
    shop.get("/api/hello")
    page = visit("/console/functions")
    expect(page.locator("#connection")).to_have_text("Live")
    overlay = page.get_by_role("alert")
    save(function, "async def handle(:\n    pass\n")
    expect(overlay).to_contain_text("functions/hello.py:1:18: SyntaxError")
    expect(overlay).to_contain_text("goes on serving")
    assert barriers(page, axe) == []
    overlay.get_by_role("button", name="Dismiss").click()
    expect(overlay).to_have_count(0)
    visit("/console/services")
    expect(page.locator("[data-overlay][data-said]")).to_have_count(1)
    expect(overlay).to_have_count(0)
    save(function, "import nothing_of_this_name\n")
    expect(overlay).to_contain_text("remedy: install it")
    save(function, FUNCTIONS["hello"])
    expect(overlay).to_have_count(0)
    page.goto(f"{shop.admin}/console/journal")
    expect(page.get_by_role("row").filter(has_text="hello cannot be loaded")).to_have_count(2)
    save(function, FUNCTIONS["hello"].replace("hello", "goodbye"))
    expect(page.get_by_role("row").filter(has_text=re.compile(r"hello-dev-\d+ is live"))).to_have_count(2)
