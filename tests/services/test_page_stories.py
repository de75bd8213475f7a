"""What becomes of a page whose services misbehave: a whole gateway, stubbed services, and time that a test moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bff.errors import Fault
from bff.testing import AsyncClient, ManualClock, StubServices, client
from tests.conftest import write

pytestmark = pytest.mark.anyio

FILES = {
    "routes.yaml": """
        gateway: {timeout_header: X-Left-Ms, trusted_proxies: 127.0.0.1}
        services:
          users: {url: "http://users", timeout: 60s, headers: {Authorization: "Bearer ${file:users.token}"}}
          notices: {url: "http://notices", timeout: 60s, request_headers: {allow: [x-tenant], set: {x-fixed: "1"}}}
        routes:
          - path: /page
            function: page
            timeout: 2s
            forward_headers: [x-tenant, accept-language]
            forward_cookies: theme
            request_headers: {add: {x-route: page}}
    """,
    "users.token": "s3cret\n",
    "functions/page.py": """
        import asyncio
        from bff import Context, ServiceError, gather, optional

        async def handle(ctx: Context, kind: str = "optional") -> dict:
            users, notices = ctx.services.users.get("/u", into=str), ctx.services.notices.get("/n", into=str)
            if kind == "caught":
                try:
                    await gather(users, notices)
                except ServiceError:
                    await asyncio.Event().wait()
            user, notice = await gather(users, notices if kind == "required" else optional(notices))
            return {"user": user, "notice": notice}
    """,
}
ALLOWED, FOR_CALLS, GRACE = 2.0, 0.85, 0.05
"""Seconds of the page, the share that its calls may use, and seconds that an answer may come late."""


class Page:
    """The page's door, its services and its clock, which stands still unless something waits for a stub."""

    def __init__(self, ask: AsyncClient, stubs: StubServices, clock: ManualClock) -> None:
        self.ask, self.stubs, self.clock = ask, stubs, clock
        stubs.users.get("/u").answers("Ada")
        stubs.notices.get("/n").answers("hi")


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[Page]:
    stubs, clock = StubServices(), ManualClock()
    async with client(write(tmp_path, FILES), stubs=stubs, clock=clock) as ask:
        made = Page(ask, stubs, clock)
        assert (await ask.get("/page")).json() == {"user": "Ada", "notice": "hi"}  # and it is warm
        yield made


async def test_a_page_has_the_time_to_be_made_of_what_came(page: Page) -> None:
    """A part in a black hole ends after 85 % of the route's time, and the page goes out without it."""
    page.stubs.notices.get("/n").hangs()
    began = page.clock.now()
    answer = await page.ask.get("/page")
    assert page.clock.now() - began == pytest.approx(FOR_CALLS * ALLOWED)
    assert (answer.status_code, answer.json()) == (200, {"user": "Ada", "notice": None})
    assert (answer.headers["bff-complete"], answer.headers["bff-missing"]) == ("false", "notices")
    assert page.ask.invocations[-1].flags == "UT"


async def test_a_page_without_a_required_part_is_a_504_in_time(page: Page) -> None:
    """The service's fault, told while there is time to tell it."""
    page.stubs.notices.get("/n").hangs()
    began = page.clock.now()
    answer = await page.ask.get("/page?kind=required")
    assert page.clock.now() - began <= ALLOWED + GRACE
    assert (answer.status_code, answer.json()["code"]) == (504, "service-timed-out")
    ended = page.ask.invocations[-1]
    assert (ended.fault, ended.flags) == (Fault.SERVICE, "UT")


async def test_a_deadline_still_counts_after_a_gather_that_failed(page: Page) -> None:
    """A function that caught a part's failure and then takes too long is a 504, and the function's."""
    page.stubs.notices.get("/n").answers(status=500)
    began = page.clock.now()
    asking = asyncio.create_task(page.ask.get("/page?kind=caught"))
    async with asyncio.timeout(60):
        while not asking.done():
            await page.clock.advance(0.01)
    answer = await asking
    assert ALLOWED <= page.clock.now() - began <= ALLOWED + GRACE
    assert (answer.status_code, answer.json()["code"], answer.json()["fault"]) == (
        504,
        "deadline-exceeded",
        "function",
    )


async def test_the_time_that_is_left_travels_under_the_name_that_was_chosen(page: Page) -> None:
    """To every service; and what a trusted caller says under it shortens the page's own."""
    for said, left in ((None, 1700), ("1000", 850), ("9000", 1700)):
        await page.ask.get("/page", headers={} if said is None else {"x-left-ms": said})
        for called in (page.stubs.users.calls[-1], page.stubs.notices.calls[-1]):
            assert abs(int(called.headers["x-left-ms"]) - left) <= 1  # whole milliseconds, rounded down
            assert "x-envoy-expected-rq-timeout-ms" not in called.headers


async def test_routes_yaml_says_what_travels_and_secrets_come_from_files(page: Page) -> None:
    """To each service what the route and its own rules let through; cookies by name, its credential to it alone."""
    fields = {"x-tenant": "t1", "accept-language": "nl", "x-other": "1", "cookie": "theme=dark; session=s"}
    await page.ask.get("/page", headers=fields)
    users, notices = page.stubs.users.calls[-1].headers, page.stubs.notices.calls[-1].headers
    assert users["authorization"] == "Bearer s3cret"
    assert (users["x-tenant"], users["accept-language"], users["cookie"]) == ("t1", "nl", "theme=dark")
    assert (notices["x-tenant"], notices["x-fixed"]) == ("t1", "1")
    assert not {"authorization", "accept-language"} & notices.keys()
    for each in (users, notices):
        assert each["x-route"] == "page"
        assert {"x-forwarded-for", "x-request-id", "traceparent"} <= each.keys()
        assert "x-other" not in each


async def test_a_front_end_developer_sees_the_page_with_a_part_missing(page: Page) -> None:
    """In dev, by a header; the service hears nothing of it, and the next page is whole."""
    before = len(page.stubs.notices.calls)
    answer = await page.ask.get("/page", headers={"Bff-Fault": "notices=abort"})
    assert (answer.status_code, answer.headers["bff-missing"]) == (200, "notices")
    assert len(page.stubs.notices.calls) == before
    assert page.ask.invocations[-1].flags == "FI"
    assert (await page.ask.get("/page")).headers["bff-complete"] == "true"
