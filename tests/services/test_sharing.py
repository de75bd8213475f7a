"""GETs that need not reach the network: the memo of a page, flights that many share, and kept answers.

A real service counts what really reaches it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from bff.clock import Clock, SystemClock
from bff.config import ServiceConfig
from bff.errors import Fault
from bff.sdk.aggregate import fallback, gather, optional
from bff.sdk.call import Adapters
from bff.sdk.failures import NothingKept, ServiceAnswered, ServiceConnectionLost, ServiceTimedOut
from bff.sdk.invocation import Invocation, current
from bff.sdk.service import Service
from bff.services import memo
from bff.services.cache import Cache
from bff.services.client import ServiceClient
from bff.services.following import Surroundings
from bff.services.transport import Transports
from bff.testing import ManualClock
from tests.services.conftest import MakeClient, Talk, Upstream

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]

MakeUpstream = Callable[..., Awaitable[Upstream]]
MakeInvocation = Callable[..., Invocation]


class Origin:
    """A service whose answers count its requests. ``fields`` go along; ``gate`` holds answers back."""

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}
        self.status = 200
        self.etag = ""
        self.gate: asyncio.Event | None = None
        self.seen: list[Mapping[str, str]] = []
        self.breaks = False

    async def __call__(self, talk: Talk) -> None:
        self.seen.append(talk.request.headers)
        number = len(self.seen)
        if self.gate is not None:
            await self.gate.wait()
        if self.breaks:
            talk.close()
        elif self.etag and talk.request.headers.get("if-none-match") == self.etag:
            await talk.say(f"HTTP/1.1 304 Same\r\netag: {self.etag}\r\n\r\n".encode())
        else:
            etag = {"etag": self.etag} if self.etag else {}
            await talk.answer(self.status, b'{"call": %d}' % number, **etag, **self.fields)


class Shop:
    """One service and whoever calls it."""

    def __init__(
        self, origin: Origin, upstream: Upstream, client: ServiceClient, new: MakeInvocation
    ) -> None:
        self.origin, self.upstream, self.client, self._new = origin, upstream, client, new

    @property
    def calls(self) -> int:
        return len(self.upstream.requests)

    def page(self, **caller: Any) -> Service:
        """A new page view, as ``ctx.services.users``."""
        return Service(self.client, self._new(**caller), Adapters())

    async def number(self, path: str = "/a", page: Service | None = None, **options: Any) -> int:
        """Which call of the service answered."""
        response = await (page or self.page()).get(path, **options)
        number: int = response.json()["call"]
        return number


Open = Callable[..., Awaitable[Shop]]


@pytest.fixture
def shop(upstream: MakeUpstream, client: MakeClient, invocation: MakeInvocation) -> Open:
    """``await shop(cache={…})``: a service with that section, and coalescing as it is by default.

    Nothing is retried, so that what reaches the service is what was asked. ``clock`` is the store's, ``runs`` the calls'.
    """

    async def open_shop(*, clock: Clock | None = None, runs: Clock | None = None, **config: Any) -> Shop:
        origin = Origin()
        served = await upstream(origin)
        settings = {"coalesce": True, "timeout": "5s", "retries": {"attempts": 0}}
        store = Cache(clock=clock or ManualClock())
        settings |= {} if runs is None else {"clock": runs}
        made = client(served.url, store=store, **{**settings, **config})
        return Shop(origin, served, made, invocation)

    return open_shop


async def asked(origin: Origin, count: int = 1) -> None:
    async with asyncio.timeout(60):
        while len(origin.seen) < count:
            await asyncio.sleep(0.001)


# Flights


async def test_a_hundred_identical_page_views_are_one_call(shop: Open) -> None:
    """The figure of the issue: one upstream call per distinct request."""
    open_shop = await shop()
    open_shop.origin.gate = asyncio.Event()

    async def view() -> tuple[Any, ...]:
        users = open_shop.page()
        return await gather(users.get("/a"), users.get("/b", params={"x": 1}), users.get("/c"))

    views = [asyncio.ensure_future(view()) for _ in range(100)]
    await asked(open_shop.origin, 3)
    open_shop.origin.gate.set()
    answers = await asyncio.gather(*views)
    assert sorted(request.target for request in open_shop.upstream.requests) == ["/a", "/b?x=1", "/c"]
    assert len({response.text for answer in answers for response in answer}) == 3
    assert len({id(response) for answer in answers for response in answer}) == 300


async def test_the_record_tells_who_was_answered_by_anothers_call(shop: Open) -> None:
    open_shop = await shop()
    open_shop.origin.gate = asyncio.Event()
    pages = [open_shop.page() for _ in range(2)]
    views = [asyncio.ensure_future(open_shop.number(page=page)) for page in pages]
    await asked(open_shop.origin)
    open_shop.origin.gate.set()
    await asyncio.gather(*views)
    records = [page.invocation.calls[0] for page in pages if page.invocation.calls]
    assert [record.coalesced for record in records] == [False, True]
    assert [record.status for record in records] == [200, 200]


@pytest.mark.parametrize("leaving", [0, 1])
async def test_one_page_that_is_left_takes_no_other_along(shop: Open, leaving: int) -> None:
    open_shop = await shop()
    open_shop.origin.gate = asyncio.Event()
    views = [asyncio.ensure_future(open_shop.number()) for _ in range(2)]
    await asked(open_shop.origin)
    views[leaving].cancel()
    await asyncio.wait([views[leaving]])
    open_shop.origin.gate.set()
    assert await views[1 - leaving] == 1
    assert open_shop.calls == 1


async def test_a_deadline_ends_one_wait_and_not_the_flight(shop: Open) -> None:
    open_shop = await shop()
    open_shop.origin.gate = asyncio.Event()
    hurried = asyncio.ensure_future(open_shop.number(page=open_shop.page(seconds=0.05)))
    patient = asyncio.ensure_future(open_shop.number())
    with pytest.raises(ServiceTimedOut):
        await hurried
    open_shop.origin.gate.set()
    assert await patient == 1
    assert open_shop.calls == 1


async def test_a_call_that_everybody_left_is_cancelled(shop: Open) -> None:
    open_shop = await shop()
    open_shop.origin.gate = asyncio.Event()
    views = [asyncio.ensure_future(open_shop.number()) for _ in range(3)]
    await asked(open_shop.origin)
    for view in views:
        view.cancel()
    await asyncio.wait(views)
    await asyncio.sleep(0)
    member = open_shop.client._wire._endpoints.members[0]  # type: ignore[union-attr]
    assert member.active == 0
    assert "0 busy" in repr(member.wire.connections)
    open_shop.origin.gate.set()
    assert await open_shop.number() == 2


@pytest.mark.parametrize(
    "calm", [{"retries": {"attempts": 1, "per_try_timeout": "4s"}}, {"hedge": {}}, {"idempotent": True}]
)
async def test_who_waits_has_his_answer_though_who_asked_is_gone(shop: Open, calm: Any) -> None:
    """Whatever layers are between the flight and the wire, and with all the time that a call has."""
    open_shop = await shop(**calm)
    open_shop.origin.gate = asyncio.Event()
    first, second = (asyncio.ensure_future(open_shop.number()) for _ in range(2))
    await asked(open_shop.origin)
    first.cancel()
    await asyncio.wait({first})
    open_shop.origin.gate.set()
    assert await second == open_shop.calls
    told = [int(seen["x-envoy-expected-rq-timeout-ms"]) for seen in open_shop.origin.seen]
    assert min(told) > 3000
    member = open_shop.client._wire._endpoints.members[0]  # type: ignore[union-attr]
    assert member.active == 0
    assert "0 busy" in repr(member.wire.connections)


async def test_what_is_spoilt_on_purpose_is_for_who_asked_for_it(
    upstream: MakeUpstream, invocation: MakeInvocation
) -> None:
    """In dev: others who ask for the same at that time have the answer of the service."""
    served = await upstream(origin := Origin())
    origin.gate = asyncio.Event()
    client = ServiceClient(
        "users",
        ServiceConfig.model_validate({"url": served.url, "retries": {"attempts": 0}}),
        clock=SystemClock(),
        make_transport=Transports().make,
        surroundings=Surroundings(heeds_fault_header=True),
    )
    spoilt = invocation(headers=[("bff-fault", "users=abort:503")])
    fine = asyncio.ensure_future(Service(client, invocation(), Adapters()).get("/a"))
    await asked(origin)
    assert (await Service(client, spoilt, Adapters()).get("/a", check=False)).status_code == 503
    origin.gate.set()
    assert (await fine).status_code == 200
    await client.aclose()


PRIVATE = (
    "cache_control:no-store",
    "cache_control:private",
    "set_cookie:a=1",
    "vary:*",
    "vary:x-forwarded-for",
)


@pytest.mark.parametrize("header", PRIVATE)
async def test_what_is_for_one_caller_is_not_shared_with_who_waited(shop: Open, header: str) -> None:
    open_shop = await shop()
    name, _, value = header.partition(":")
    open_shop.origin.fields = {name: value}
    open_shop.origin.gate = asyncio.Event()
    views = [asyncio.ensure_future(open_shop.number()) for _ in range(3)]
    await asked(open_shop.origin)
    open_shop.origin.gate.set()
    assert sorted(await asyncio.gather(*views)) == [1, 2, 3]
    open_shop.origin.gate.clear()
    views = [asyncio.ensure_future(open_shop.number()) for _ in range(3)]
    await asked(open_shop.origin, 6)  # nobody waits for another in vain again
    open_shop.origin.gate.set()
    await asyncio.gather(*views)


async def test_different_questions_do_not_share(shop: Open) -> None:
    open_shop = await shop()
    open_shop.origin.gate = asyncio.Event()
    forwarding = {"headers": ["authorization"], "cookies": ["s"]}
    views = [
        open_shop.number("/a"),
        open_shop.number("/b"),
        open_shop.number("/a", params={"x": 1}),
        open_shop.number("/a", headers={"accept": "text/plain"}),
        open_shop.number(
            "/a", page=open_shop.page(headers=[("authorization", "ada")], forwarding=forwarding)
        ),
        open_shop.number(
            "/a", page=open_shop.page(headers=[("authorization", "bob")], forwarding=forwarding)
        ),
        open_shop.number("/a", page=open_shop.page(headers=[("cookie", "s=1")], forwarding=forwarding)),
    ]
    tasks = [asyncio.ensure_future(view) for view in views]
    await asked(open_shop.origin, len(tasks))
    open_shop.origin.gate.set()
    assert sorted(await asyncio.gather(*tasks)) == list(range(1, len(tasks) + 1))


async def test_what_stays_at_the_gateway_makes_no_difference(shop: Open) -> None:
    """A credential that is not forwarded cannot change the answer."""
    open_shop = await shop()
    open_shop.origin.gate = asyncio.Event()
    pages = [open_shop.page(headers=[("authorization", who)], client=who) for who in ("10.0.0.1", "10.0.0.2")]
    views = [asyncio.ensure_future(open_shop.number(page=page)) for page in pages]
    await asked(open_shop.origin)
    open_shop.origin.gate.set()
    assert await asyncio.gather(*views) == [1, 1]


async def test_a_failure_is_told_to_everybody_by_a_failure_of_his_own(shop: Open) -> None:
    open_shop = await shop()
    open_shop.origin.gate, open_shop.origin.breaks = asyncio.Event(), True
    views = [asyncio.ensure_future(open_shop.number()) for _ in range(3)]
    await asked(open_shop.origin)
    open_shop.origin.gate.set()
    failures: list[Any] = await asyncio.gather(*views, return_exceptions=True)
    assert [type(failure) for failure in failures] == [ServiceConnectionLost] * 3
    assert len({id(failure) for failure in failures}) == 3
    assert open_shop.calls == 1


async def test_posts_are_never_shared(shop: Open) -> None:
    open_shop = await shop()
    await asyncio.gather(*(open_shop.page().post("/a", json={}) for _ in range(3)))
    assert open_shop.calls == 3


# The memo


async def test_a_page_that_asks_twice_has_one_answer(shop: Open) -> None:
    open_shop = await shop()
    page = open_shop.page()
    assert [await open_shop.number(page=page) for _ in range(3)] == [1, 1, 1]
    assert await open_shop.number() == 2
    assert await asyncio.gather(*(open_shop.number("/z", page=page) for _ in range(3))) == [3, 3, 3]


async def test_even_what_is_for_one_caller_is_the_same_for_one_page(shop: Open) -> None:
    open_shop = await shop()
    open_shop.origin.fields = {"cache_control": "no-store"}
    page = open_shop.page()
    assert await open_shop.number(page=page) == await open_shop.number(page=page)


@pytest.mark.parametrize("header", PRIVATE)
async def test_a_page_asks_once_for_what_is_known_to_be_for_one_caller(shop: Open, header: str) -> None:
    """Two callers have met there before: they share nothing any more, but each page still has its one answer."""
    open_shop = await shop()
    name, _, value = header.partition(":")
    open_shop.origin.fields = {name: value}
    open_shop.origin.gate = asyncio.Event()
    pages = [open_shop.page(), open_shop.page()]
    met = [asyncio.ensure_future(open_shop.number(page=page)) for page in (*pages, pages[1])]
    await asked(open_shop.origin)
    open_shop.origin.gate.set()
    first = (await asyncio.gather(*met))[:2]
    assert [await each for each in met] == [1, 2, 2]
    assert [await open_shop.number(page=page) for page in pages] == first, "also for who joined in vain"
    page, other = open_shop.page(), open_shop.page()
    assert [await open_shop.number(page=page) for _ in range(2)] == [3, 3]
    assert await asyncio.gather(*(open_shop.number(page=other) for _ in range(3))) == [4, 4, 4]
    assert open_shop.calls == 4


async def test_a_page_that_gives_up_one_of_two_equal_calls_has_the_other_answered(shop: Open) -> None:
    """Also where nobody but the page may share it; and a service that goes away ends it."""
    open_shop = await shop()
    open_shop.origin.fields = {"cache_control": "private"}
    await asyncio.gather(open_shop.number(), open_shop.number())
    for end in (False, True):
        before, page = open_shop.calls, open_shop.page()
        open_shop.origin.gate = asyncio.Event()
        leaves = asyncio.ensure_future(open_shop.number(page=page))
        await asked(open_shop.origin, before + 1)
        stays = asyncio.ensure_future(open_shop.number(page=page))
        await asyncio.sleep(0)
        leaves.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaves
        if end:
            await open_shop.client.aclose()
            with pytest.raises(ServiceConnectionLost):
                await stays
        else:
            open_shop.origin.gate.set()
            assert await stays == open_shop.calls == before + 1
    open_shop.origin.gate.set()


async def test_a_change_ends_the_memo_of_its_service(shop: Open) -> None:
    open_shop = await shop()
    page = open_shop.page()
    await open_shop.number(page=page)
    await page.post("/other")
    assert await open_shop.number(page=page) == 3


async def test_a_failure_is_not_remembered(shop: Open) -> None:
    open_shop = await shop()
    page = open_shop.page()
    open_shop.origin.breaks = True
    with pytest.raises(ServiceConnectionLost):
        await open_shop.number(page=page)
    open_shop.origin.breaks = False
    assert await open_shop.number(page=page) == 2


async def test_a_function_can_ask_for_news(shop: Open) -> None:
    open_shop = await shop()
    page = open_shop.page()
    fresh = {"headers": {"cache-control": "no-cache"}}
    assert [await open_shop.number(page=page, **fresh) for _ in range(2)] == [1, 2]


async def test_a_stream_asks_anew(shop: Open) -> None:
    open_shop = await shop()
    page = open_shop.page()
    await open_shop.number(page=page)
    memo.end(page.invocation)
    assert [await open_shop.number(page=page) for _ in range(2)] == [2, 3]


async def test_coalesce_false_sends_every_call(shop: Open) -> None:
    open_shop = await shop(coalesce=False)
    page = open_shop.page()
    assert [await open_shop.number(page=page) for _ in range(2)] == [1, 2]


async def test_each_has_a_response_of_its_own(shop: Open) -> None:
    open_shop = await shop()
    open_shop.origin.status = 404
    page = open_shop.page()
    one, other = await gather(page.get("/a", check=False), page.get("/a", check=False))
    assert one is not other
    assert one.headers is not other.headers
    assert (other.status_code, other.reason_phrase, other.request.method) == (404, "Because", "GET")
    assert str(other.url) == f"{open_shop.upstream.url}/a"
    assert other.elapsed.total_seconds() >= 0
    with pytest.raises(ServiceAnswered):
        other.raise_for_status()


# The store


async def test_nothing_is_kept_unless_routes_yaml_says_so(shop: Open) -> None:
    open_shop = await shop()
    open_shop.origin.fields = {"cache_control": "max-age=60"}
    assert [await open_shop.number() for _ in range(2)] == [1, 2]


async def test_what_says_so_is_kept_for_all_pages(shop: Open) -> None:
    clock = ManualClock()
    open_shop = await shop(clock=clock, cache=True)
    open_shop.origin.fields = {"cache_control": "max-age=60"}
    page = open_shop.page()
    assert [await open_shop.number(), await open_shop.number(page=page)] == [1, 1]
    assert page.invocation.calls is not None
    assert page.invocation.calls[0].cached == "hit"
    await clock.advance(61)
    assert await open_shop.number() == 2


async def test_a_hit_is_a_response_like_any_other(shop: Open) -> None:
    clock = ManualClock()
    open_shop = await shop(clock=clock, cache={"ttl": "10s"})
    first = await open_shop.page().get("/a")
    await clock.advance(3)
    hit = await open_shop.page().get("/a")
    assert hit.json() == first.json()
    assert (hit.status_code, hit.headers["age"], hit.headers["content-type"]) == (
        200,
        "3",
        "application/json",
    )
    assert hit.request.url == first.request.url
    assert hit.headers["content-length"] == str(len(hit.content))


async def test_cache_without_coalescing_keeps_too(shop: Open) -> None:
    open_shop = await shop(cache={"ttl": "10s"}, coalesce=False)
    assert [await open_shop.number() for _ in range(2)] == [1, 1]


async def test_what_is_stale_is_validated_on_the_wire(shop: Open) -> None:
    clock = ManualClock()
    open_shop = await shop(clock=clock, cache={"ttl": "10s"})
    open_shop.origin.etag = '"v1"'
    await open_shop.number()
    await clock.advance(11)
    page = open_shop.page()
    assert await open_shop.number(page=page) == 1
    assert open_shop.origin.seen[1]["if-none-match"] == '"v1"'
    assert page.invocation.calls is not None
    assert page.invocation.calls[0].cached == "revalidated"
    assert await open_shop.number() == 1
    assert open_shop.calls == 2


async def test_a_functions_own_condition_is_answered_from_the_store(shop: Open) -> None:
    open_shop = await shop(cache={"ttl": "10s"})
    open_shop.origin.etag = '"v1"'
    await open_shop.number()
    same = await open_shop.page().get("/a", headers={"if-none-match": '"v1"'}, check=False)
    assert (same.status_code, same.content) == (304, b"")
    assert open_shop.calls == 1


async def test_a_stale_answer_is_refreshed_behind_the_page(shop: Open) -> None:
    clock = ManualClock()
    open_shop = await shop(clock=clock, cache={"ttl": "10s", "stale-while-revalidate": "60s"})
    await open_shop.number()
    await clock.advance(20)
    page = open_shop.page()
    assert await asyncio.gather(*(open_shop.number(page=page) for _ in range(5))) == [1] * 5
    assert page.invocation.calls is not None
    assert page.invocation.calls[0].cached == "stale"
    await asked(open_shop.origin, 2)
    assert "x-forwarded-for" not in open_shop.origin.seen[1]
    async with asyncio.timeout(60):
        while await open_shop.number() != 2:
            await asyncio.sleep(0.001)
    assert open_shop.calls == 2


async def test_nothing_is_refreshed_with_a_callers_credential(shop: Open) -> None:
    clock = ManualClock()
    open_shop = await shop(clock=clock, cache=True)
    open_shop.origin.fields = {"cache_control": "public, max-age=10, stale-while-revalidate=60"}
    forwarding = {"headers": ["authorization"]}

    def ada() -> Service:
        return open_shop.page(headers=[("authorization", "ada")], forwarding=forwarding)

    assert await open_shop.number(page=ada()) == 1
    assert await open_shop.number(page=ada()) == 1
    await clock.advance(20)
    assert await open_shop.number(page=ada()) == 2


async def test_a_kept_answer_stands_in_for_a_failure(shop: Open) -> None:
    clock = ManualClock()
    open_shop = await shop(clock=clock, cache={"ttl": "10s", "stale-if-error": "60s"})
    await open_shop.number()
    await clock.advance(20)
    open_shop.origin.status = 503
    assert await open_shop.number() == 1
    open_shop.origin.breaks = True
    page = open_shop.page()
    assert await open_shop.number(page=page) == 1
    assert page.invocation.calls is not None
    assert page.invocation.calls[0].cached == "stale"
    await clock.advance(60)
    with pytest.raises(ServiceConnectionLost):
        await open_shop.number()


@pytest.mark.parametrize("retries", [{"attempts": 0}, {"attempts": 0, "per_try_timeout": "500ms"}], ids=str)
async def test_a_kept_answer_stands_in_for_one_that_does_not_come(shop: Open, retries: Any) -> None:
    """Within the call's own time (RFC 5861 §4: what would be a 504); whoever asked at the same time has it too."""
    clock = ManualClock()
    open_shop = await shop(
        clock=clock, cache={"ttl": "10s", "stale-if-error": "60s"}, retries=retries, runs=clock
    )
    first = open_shop.page(clock=clock, seconds=60)
    assert await open_shop.number(page=first) == 1
    await clock.advance(20)
    open_shop.origin.gate = asyncio.Event()
    pages = [open_shop.page(clock=clock, seconds=60) for _ in range(2)]
    asking = [asyncio.ensure_future(open_shop.number(page=page)) for page in pages]
    await asked(open_shop.origin, 2)
    await clock.advance(4.9)
    await clock.advance(0.095)
    assert await asyncio.gather(*asking) == [1, 1]
    assert [page.invocation.calls[0].cached for page in pages if page.invocation.calls] == ["stale"] * 2
    assert pages[0].invocation.flags == "UT"
    open_shop.origin.gate.set()


async def test_a_kept_answer_stands_in_while_the_breaker_is_open(shop: Open) -> None:
    """The service is left alone meanwhile: no call of it reaches it."""
    clock = ManualClock()
    once = {"consecutive_5xx": 1}
    open_shop = await shop(clock=clock, cache={"ttl": "10s", "stale-if-error": "60s"}, outlier_detection=once)
    await open_shop.number()
    await clock.advance(20)
    open_shop.origin.breaks = True
    assert await open_shop.number() == 1
    calls, page = open_shop.calls, open_shop.page()
    assert await open_shop.number(page=page) == 1
    assert open_shop.calls == calls
    assert page.invocation.calls is not None
    assert (page.invocation.calls[0].cached, page.invocation.calls[0].flags) == ("stale", "UH")


async def test_a_call_that_changes_something_drops_what_is_kept_of_its_url(shop: Open) -> None:
    open_shop = await shop(cache={"ttl": "10s"})
    assert [await open_shop.number("/a"), await open_shop.number("/b")] == [1, 2]
    await open_shop.page().put("/a", json={})
    assert [await open_shop.number("/a"), await open_shop.number("/b")] == [4, 2]


async def test_what_was_asked_before_a_change_is_neither_joined_nor_kept_after_it(shop: Open) -> None:
    """Who reads after a write reads what was written, though a slow answer from before is still on its way."""
    open_shop = await shop(cache={"ttl": "10s"}, clock=SystemClock())
    gate = open_shop.origin.gate = asyncio.Event()
    before = asyncio.ensure_future(open_shop.number("/a"))
    await asked(open_shop.origin)
    open_shop.origin.gate = None
    await open_shop.page().put("/a", json={})
    assert await open_shop.number("/a") == 3
    gate.set()
    assert await before == 1
    assert await open_shop.number("/a") == 3


async def test_only_if_cached_is_504_without_a_call(shop: Open) -> None:
    open_shop = await shop(cache={"ttl": "10s"})
    only = {"headers": {"cache-control": "only-if-cached"}}
    answer = await open_shop.page().get("/a", check=False, **only)
    assert (answer.status_code, open_shop.calls) == (504, 0)
    await open_shop.number()
    assert await open_shop.number(**only) == 1


async def test_a_compressed_answer_is_kept_as_it_was_read(shop: Open) -> None:
    import gzip

    open_shop = await shop(cache={"ttl": "10s"})
    packed = gzip.compress(b'{"call": 1}')

    async def answer(talk: Talk) -> None:
        await talk.answer(200, packed, content_encoding="gzip")

    open_shop.upstream.behaviour = answer
    assert [await open_shop.number() for _ in range(2)] == [1, 1]
    assert "content-encoding" not in (await open_shop.page().get("/a")).headers
    assert open_shop.calls == 1


async def test_a_credential_of_the_services_own_hinders_nothing(shop: Open) -> None:
    """It is the gateway's, and the same for every caller."""
    open_shop = await shop(cache={"ttl": "10s"}, headers={"authorization": "Bearer gateway"})
    assert [await open_shop.number() for _ in range(2)] == [1, 1]


async def test_an_answer_to_a_callers_credential_is_kept_for_that_credential_only(shop: Open) -> None:
    open_shop = await shop(cache=True)
    open_shop.origin.fields = {"cache_control": "public, max-age=60"}
    forwarding = {"headers": ["authorization"]}
    numbers = [
        await open_shop.number(page=open_shop.page(headers=[("authorization", who)], forwarding=forwarding))
        for who in ("ada", "bob", "ada")
    ]
    assert numbers == [1, 2, 1]
    assert await open_shop.number() == 3


async def test_an_answer_that_varies_is_kept_by_what_was_sent(shop: Open) -> None:
    open_shop = await shop(cache=True)
    open_shop.origin.fields = {"cache_control": "max-age=60", "vary": "x-forwarded-for"}
    numbers = [
        await open_shop.number(page=open_shop.page(client=who))
        for who in ("10.0.0.1", "10.0.0.2", "10.0.0.1")
    ]
    assert numbers == [1, 2, 1]


async def test_a_service_that_goes_away_ends_its_flights(shop: Open) -> None:
    open_shop = await shop()
    open_shop.origin.gate = asyncio.Event()
    leading, waiting = (asyncio.ensure_future(open_shop.number()) for _ in range(2))
    await asked(open_shop.origin)
    leading.cancel()
    await asyncio.wait([leading])
    await open_shop.client.aclose()
    with pytest.raises(ServiceConnectionLost):
        await waiting


async def test_who_leaves_before_a_connection_is_there_takes_nobody_along(shop: Open) -> None:
    open_shop = await shop()
    leading, waiting = (asyncio.ensure_future(open_shop.number()) for _ in range(2))
    await asyncio.sleep(0)
    leading.cancel()
    assert await waiting == 1
    assert open_shop.calls == 1


# Whatever is kept, and nobody asked


async def test_a_chain_goes_on_with_what_the_cache_has(shop: Open) -> None:
    """However old, unless a time is said; nobody is asked for it, and the failure of the call before is not in its way."""
    clock = ManualClock()
    opened = await shop(clock=clock, cache={"ttl": "10s"})
    page = opened.page()
    assert await page.get("/a", into=dict) == {"call": 1}
    await clock.advance(3600)
    opened.origin.status = 503
    page = opened.page()
    news = page.get("/a", into=dict)
    assert await fallback(news, news.stale(), {}) == {"call": 1}
    assert opened.calls == 2
    record = (page.invocation.calls or [])[-1]
    assert (record.cached, record.attempts) == ("stale", 0)
    assert page.invocation.complete
    young = page.get("/a", into=dict)
    current.set(page.invocation)
    assert await fallback(young, young.stale(within=60), {}) == {}
    assert page.invocation.missing == ["users"]


@pytest.mark.parametrize("config", [{}, {"cache": {"ttl": "10s"}}, {"coalesce": False}])
async def test_where_nothing_is_kept_nobody_is_asked_either(shop: Open, config: Any) -> None:
    """With a cache that has nothing, and without any: a failure as a service's, which a chain goes on from."""
    opened = await shop(**config)
    page = opened.page()
    with pytest.raises(NothingKept) as failure:
        await page.get("/a").stale()
    assert (failure.value.status, failure.value.fault) == (504, Fault.SERVICE)
    assert await optional(page.get("/a").stale(), "omitted") == "omitted"
    assert opened.calls == 0


async def test_what_must_be_revalidated_is_no_stand_in(shop: Open) -> None:
    """The service's own word (RFC 9111 §5.2.2.2)."""
    clock = ManualClock()
    opened = await shop(clock=clock, cache=True)
    opened.origin.fields = {"cache_control": "max-age=10, must-revalidate"}
    await opened.number()
    assert (await opened.page().get("/a").stale()).json() == {"call": 1}
    await clock.advance(20)
    with pytest.raises(NothingKept):
        await opened.page().get("/a").stale()
