"""The console in a real browser, over a gateway that serves: what is shown, what is clicked, who is let in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.conftest import GatewayFactory, eventually, save
from tests.web.conftest import barriers
from tests.web.visiting import FILES, LONG, Shop, Visit, ran, signed_in

Project = Callable[[Any], Path]


PAGES = (
    "/console",
    "/console/functions",
    "/console/functions?filter=nothing-has-this-name",
    "/console/functions/home",
    "/console/functions/home/diff",
    "/console/functions/broken",
    f"/console/functions/{LONG}",
    "/console/functions/of_no_such_name",
)


@pytest.fixture(scope="module")
def shop(module_gateway: GatewayFactory, module_project: Project) -> Iterator[Shop]:
    running = module_gateway(module_project(FILES), "serve")
    for path in ("/home", "/cart", "/cart?fail=true", "/broken", "/long"):
        running.get(path)
    made = Shop(running)
    with made.api:
        made.deploy(2, "?traffic=false")
        yield made


@pytest.fixture
def visit(browser: Browser, shop: Shop) -> Iterator[Visit]:
    context = browser.new_context()
    made = Visit(context.new_page(), shop)
    yield made
    context.close()
    assert made.complaints == []


def test_every_page_can_be_used_by_everybody(visit: Visit, axe: str) -> None:
    """Wide and light, narrow and dark: no violation of axe's, nothing wider than the screen, no error, nothing from
    elsewhere.
    """
    page = visit.page
    for path in PAGES:
        page.set_viewport_size({"width": 1280, "height": 800})
        page.emulate_media(color_scheme="light")
        visit.to(path)
        if page.locator("#connection").count():
            expect(page.locator("#connection")).to_have_text("Live")
        assert barriers(page, axe) == [], path
        page.set_viewport_size({"width": 360, "height": 800})
        page.emulate_media(color_scheme="dark")
        assert barriers(page, axe, again=True) == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    visit.expected("404")


def test_dialogs_can_be_used_by_everybody(visit: Visit, axe: str) -> None:
    page = visit.to("/console/functions/home")
    for opens in ("Keyboard", "Enter token"):
        page.get_by_role("button", name=opens).click()
        expect(page.get_by_role("dialog")).to_be_visible()
        assert barriers(page, axe) == []
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_rollback_is_shown_as_curl_asks_for_the_token_and_happens(visit: Visit, axe: str) -> None:
    """A wrong token is refused where it is entered; the token is in no command."""
    shop = visit.shop
    shop.all_to("home-00001")
    shop.all_to("home-00002")
    page = visit.to("/console/functions/home")
    page.get_by_role("button", name="Roll back").click()
    dialog = page.get_by_role("dialog", name="Roll back")
    expect(dialog).to_contain_text("home-00001, which served before")
    dialog.get_by_label("Why").fill("it's worse")
    curl = dialog.locator("[data-curl]")
    expect(curl).to_contain_text(f"curl -X POST '{shop.url('/v1/functions/home/rollback')}'")
    expect(curl).to_contain_text("$BFF_TOKEN")
    expect(curl).to_contain_text("""-d '{"why":"it'\\''s worse"}'""")
    assert barriers(page, axe) == []
    dialog.get_by_role("button", name="Roll back").click()
    visit.enter("bff_" + "x" * 43)
    expect(page.get_by_role("dialog", name="Enter a token")).to_contain_text("This token is not known here")
    assert shop.shares() == {"home-00002": 100}
    visit.enter(shop.token)
    expect(page.locator("#done")).to_have_text("Roll back: done")
    assert shop.shares() == {"home-00001": 100}
    expect(page.locator(".log")).to_contain_text("it's worse")
    assert shop.token not in page.content()
    visit.expected("401")


def test_traffic_is_moved_by_the_bar_with_the_keyboard_and_by_a_number(visit: Visit) -> None:
    shop = visit.shop
    shop.all_to("home-00001")
    page = signed_in(visit, "/console/functions/home")
    page.get_by_label("Add a revision").select_option("home-00002")
    slider = page.get_by_role("slider")
    expect(slider).to_have_attribute("aria-valuenow", "100")
    slider.press("PageDown")
    slider.press("PageDown")
    slider.press("ArrowLeft")
    expect(slider).to_have_attribute("aria-valuenow", "79")
    share = page.get_by_label("Percent of the calls for home-00002")
    expect(share).to_have_value("21")
    share.fill("40")
    share.press("Tab")
    expect(slider).to_have_attribute("aria-valuenow", "60")
    assert shop.shares() == {"home-00001": 100}
    page.get_by_role("button", name="Move traffic").click()
    dialog = page.get_by_role("dialog", name="Move traffic")
    expect(dialog.locator("[data-curl]")).to_contain_text("If-Match")
    dialog.get_by_role("button", name="Move traffic").click()
    expect(page.locator("#done")).to_have_text("Move traffic: done")
    assert shop.shares() == {"home-00001": 60, "home-00002": 40}
    expect(page.get_by_label("Percent of the calls for home-00002")).to_have_value("40")


def test_the_bar_is_dragged_and_left_as_it_was(visit: Visit) -> None:
    shop = visit.shop
    move = {"traffic": [{"revisionName": f"home-0000{n}", "percent": 50} for n in (1, 2)]}
    put = shop.api.put("/v1/functions/home/traffic", json=move, headers={"if-match": "*"})
    assert put.status_code == 200, put.text
    page = visit.to("/console/functions/home")
    slider = page.get_by_role("slider")
    expect(slider).to_have_attribute("aria-valuenow", "50")
    bar = page.locator(".mover-bar").bounding_box()
    assert bar is not None
    middle = bar["y"] + bar["height"] / 2
    page.mouse.move(bar["x"] + bar["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(bar["x"] + bar["width"] * 0.8, middle)
    page.mouse.up()
    expect(slider).to_have_attribute("aria-valuenow", "80")
    page.get_by_role("button", name="Leave it").click()
    expect(slider).to_have_attribute("aria-valuenow", "50")
    assert shop.shares() == {"home-00001": 50, "home-00002": 50}


def test_the_command_that_is_shown_does_the_same_and_news_waits_while_one_changes_something(
    visit: Visit,
) -> None:
    """The bar is left as it is until it is put back; then it shows what was done meanwhile."""
    shop = visit.shop
    shop.all_to("home-00001")
    page = visit.to("/console/functions/home")
    expect(page.locator("#connection")).to_have_text("Live")
    page.get_by_label("Add a revision").select_option("home-00002")
    page.get_by_role("slider").press("PageDown")
    page.get_by_role("button", name="Move traffic").click()
    dialog = page.get_by_role("dialog", name="Move traffic")
    answer = ran(dialog.locator("[data-curl]").inner_text(), shop.token)
    assert answer.status_code == 200, answer.text
    assert shop.shares() == {"home-00001": 90, "home-00002": 10}
    shop.all_to("home-00001")
    dialog.get_by_role("button", name="Cancel").click()
    expect(page.locator(".log li").first).to_contain_text("promote")
    expect(page.get_by_role("slider")).to_have_attribute("aria-valuenow", "90")
    page.get_by_role("button", name="Leave it").click()
    expect(page.get_by_role("slider")).to_have_count(0)


def test_a_token_that_may_only_read_is_told_and_another_one_asked_for(visit: Visit) -> None:
    shop = visit.shop
    shop.all_to("home-00001")
    reader = shop.api.post("/v1/tokens", json={"name": "reader", "scopes": ["read"]}).json()["token"]
    page = visit.to("/console")
    page.evaluate("token => localStorage.setItem('bff.token', token)", reader)
    visit.to("/console/functions/home")
    page.get_by_role("button", name="Give all calls to home-00002").click()
    page.get_by_role("dialog", name="Give all calls").get_by_role("button", name="Give all calls").click()
    expect(page.get_by_role("dialog", name="Enter a token")).to_contain_text("may only read")
    visit.enter(shop.token)
    expect(page.locator("#done")).to_have_text("Give all calls: done")
    assert shop.shares() == {"home-00002": 100}
    visit.expected("403")


def test_who_was_slower_is_told_and_nothing_moves(visit: Visit) -> None:
    shop = visit.shop
    shop.all_to("home-00001")
    page = signed_in(visit, "/console/functions/home")
    page.get_by_label("Add a revision").select_option("home-00002")
    page.get_by_role("slider").press("ArrowLeft")
    shop.all_to("home-00002")
    page.get_by_role("button", name="Move traffic").click()
    dialog = page.get_by_role("dialog", name="Move traffic")
    dialog.get_by_role("button", name="Move traffic").click()
    expect(dialog.get_by_role("alert")).to_contain_text("read it again")
    assert shop.shares() == {"home-00002": 100}
    visit.expected("412")


def test_a_release_is_seen_as_it_comes_paused_resumed_and_promoted(visit: Visit) -> None:
    """The page was open before the deploy; the judge's numbers come with the calls."""
    shop = visit.shop
    shop.all_to("home-00001")
    page = signed_in(visit, "/console/functions/home")
    canary = shop.deploy(3)
    release = page.locator("[data-part=release]")
    expect(release).to_contain_text("running")
    expect(release).to_contain_text(canary)

    def judged() -> bool:
        for _ in range(20):
            shop.running.get("/home")
        return "against" in release.inner_text() and release.get_by_text("Failures of its own").count() > 0

    eventually(judged, 120)
    for verb, state in (("Pause", "paused"), ("Resume", "running"), ("Promote", "promoted")):
        release.get_by_role("button", name=verb).click()
        page.get_by_role("dialog", name=verb).get_by_role("button", name=verb).click()
        expect(page.locator("#done")).to_have_text(f"{verb}: done")
        expect(release).to_contain_text(state)
    assert shop.shares() == {canary: 100}
    page.get_by_role("link", name="Compare home-00001").click()
    expect(page.locator(".diff .plus").first).to_contain_text("handle")


def test_numbers_follow_what_happens_without_a_reload(visit: Visit) -> None:
    page = visit.to("/console")
    expect(page.locator("#connection")).to_have_text("Live")
    page.evaluate("window.isSame = true")

    def seen() -> bool:
        visit.shop.running.get("/cart?fail=true")
        return page.locator("[data-part=busy]").get_by_role("row").filter(has_text="cart").count() == 1

    eventually(seen, 120)
    expect(page.locator("#rate-chart canvas")).to_be_visible()
    assert page.evaluate("window.isSame")


def test_a_lost_connection_is_told_and_found_again(visit: Visit) -> None:
    page = visit.to("/console")
    expect(page.locator("#connection")).to_have_text("Live")
    page.context.set_offline(True)
    page.evaluate(
        "dispatchEvent(new PageTransitionEvent('pagehide'))"
    )  # ends the stream, as a hidden tab does
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator("#connection")).to_have_text("Connection lost, trying again")
    page.context.set_offline(False)
    expect(page.locator("#connection")).to_have_text("Live")
    visit.expected("ERR_INTERNET_DISCONNECTED", "ERR_FAILED")


def test_functions_are_found_as_one_types_and_pages_by_the_keyboard(visit: Visit) -> None:
    page = visit.to("/console")
    page.keyboard.press("g")
    page.keyboard.press("f")
    expect(page.get_by_role("heading", level=1)).to_have_text("Functions")
    expect(page.get_by_role("row")).to_have_count(5)
    page.keyboard.press("/")
    page.keyboard.type("car")
    expect(page.get_by_role("row")).to_have_count(2)
    expect(page).to_have_url(re.compile(r"filter=car"))
    page.keyboard.press("Escape")
    page.get_by_label("State").select_option("failing")
    expect(page.get_by_role("link", name="broken")).to_be_visible()
    page.locator("body").press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()


def test_dark_stays_when_it_was_chosen(visit: Visit) -> None:
    page = visit.to("/console")

    def ground() -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    light = ground()
    page.keyboard.press("t")
    dark = ground()
    assert light != dark
    visit.to("/console/functions")
    assert ground() == dark
    page.get_by_role("button", name="Light or dark").click()
    assert ground() == light


def test_elsewhere_the_token_is_entered_once_and_forgotten_on_demand(
    browser: Browser, module_gateway: GatewayFactory, module_project: Project, axe: str
) -> None:
    """On a listener that others can reach nothing is told without one; a page opened later has it, and all that a page
    has where none is asked for: its looks, and in dev what cannot be loaded.
    """
    reader = "a-token-that-may-only-read-0123456789"
    routes = (
        f"admin: {{tokens: {{reader: {{token: {reader}}}}}}}\nroutes: [{{path: /home, function: home}}]\n"
    )
    folder = module_project({"routes.yaml": routes, "functions/home.py": FILES["functions/home.py"]})
    running = module_gateway(folder, "dev", "--admin", "0.0.0.0:0")
    running.admin = running.admin.replace("0.0.0.0", "127.0.0.1")
    shop = Shop(running)
    context = browser.new_context()
    visit = Visit(context.new_page(), shop)
    page = visit.to("/console/functions")
    page.get_by_label("Token").fill(reader)
    assert barriers(page, axe) == []
    assert "home" not in page.inner_text("body").replace(folder.name, "")
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_role("link", name="home")).to_be_visible()
    expect(page.locator("#connection")).to_have_text("Live")
    page.get_by_role("link", name="home").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("home")
    save(folder / "functions" / "home.py", "import nothing_of_this_name\n")
    running.get("/home")
    expect(page.locator("[data-overlay]")).to_contain_text("remedy: install it")
    page.get_by_role("button", name="Forget token").click()
    expect(page.get_by_label("Token")).to_be_visible()
    visit.expected("401")
    context.close()
    shop.api.close()
