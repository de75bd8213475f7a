"""A call on the fast path is what it would be through all layers: the same answer or failure, the same record, the same
request on the wire, and it leaves the same behind. Each story is told twice, once without the fast path.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bff.sdk.aggregate import gather, optional
from bff.sdk.failures import BadServicePath, ServiceError
from bff.sdk.service import Service
from tests.services.conftest import Talk
from tests.services.desk import DIFFERS, RARER, STORIES, Desk, Told, desk_at_hand, hangs, ok, says  # noqa: F401  (a fixture)

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]


async def called(desk: Desk, method: str = "GET", **asked: Any) -> Told:
    """One call by itself."""
    try:
        got = await desk.page().request(method, "/users/7?full=yes", **asked)
    except ServiceError as failure:
        return desk.told(failed=failure)
    return desk.told(_shown(got))


async def gathered(desk: Desk, **asked: Any) -> Told:
    """The same beside another."""
    page = desk.page()
    try:
        got, _ = await gather(page.request("GET", "/users/7?full=yes", **asked), optional(page.get("/warm")))
    except ServiceError as failure:
        told = desk.told(failed=failure, most=1)
    else:
        told = desk.told(_shown(got))
    # Whether the other one had its answer before is chance.
    told.asked = [each for each in told.asked if each[1] != "/warm"]
    told.parts = None if told.failed else told.parts
    return told


def _shown(got: Any) -> Any:
    if not hasattr(got, "status_code"):
        return got
    request = got.request
    fields = sorted((k, v) for k, v in request.headers.items() if k not in DIFFERS)
    return (
        got.status_code,
        got.content,
        sorted(got.headers.items()),
        request.method,
        request.url.raw_path,
        fields,
    )


async def joined(desk: Desk, **asked: Any) -> Told:
    """By a page that asks while another has asked already; where calls are shared, they are one."""
    other = asyncio.ensure_future(_awaited(desk, "/users/7?full=yes", **asked))
    await asyncio.sleep(0)
    try:
        return await called(desk, **asked)
    finally:
        await asyncio.wait({other})
        other.exception()


CALLERS = {"alone": called, "beside another": gathered}
JOINING = {**CALLERS, "joined": joined}
CONFIGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "shared": {"coalesce": True},
    "retried": {"retries": {"attempts": 2}, "headers": {"x-team": "blue"}},
}


@pytest.mark.parametrize("is_shared", [False, True])
async def test_what_the_route_hands_on_travels_with_it(desk: Any, is_shared: bool) -> None:
    """The caller's fields and cookies that it allows, as through all layers; and nobody else's answer is given for it."""
    seen = []
    for is_fast in (True, False):
        each = await desk(is_fast=is_fast, coalesce=is_shared, headers={"x-team": "blue"})
        headers = [
            ("Accept-Language", "en"),
            ("Cookie", "a=1; b=2"),
            ("Authorization", "Bearer x"),
            ("X-No", "1"),
        ]
        forwarding = {"headers": ["accept-language", "authorization"], "cookies": ["b"]}
        told = {"headers": headers, "forwarding": forwarding}
        if is_fast:
            begun = each.page(**told).get("/mine").begin()
            assert begun is not None
            assert await _ended(begun)
            each.upstream.requests.clear()
        async with asyncio.TaskGroup() as group:
            for path in ("/mine", "/mine"):
                group.create_task(_got(each.page(**told), path))
            group.create_task(_got(each.page(), "/mine"))
        asked = each.told().asked
        seen.append(sorted(map(str, asked)))
    assert seen[0] == seen[1]
    assert "('cookie', 'b=2')" in str(seen[0])


async def _got(page: Service, path: str) -> Any:
    return await page.get(path)


ASKED: tuple[dict[str, Any], ...] = (
    *({}, {"check": False}, {"into": dict[str, int]}, {"errors": {404: None}}),
    {"params": {"owner": "Ada & Co", "limit": 12}},
)


@pytest.mark.parametrize(
    ("config", "caller"),
    [*((config, caller) for config in CONFIGS for caller in CALLERS), ("shared", "joined")],
)
async def test_every_story_ends_as_it_would_without(desk: Any, config: str, caller: str) -> None:
    """Whatever a service answers, or does not."""
    both = [await desk(is_fast=is_fast, **CONFIGS[config]) for is_fast in (True, False)]
    for story, script in STORIES.items():
        for asked in ASKED:
            told = []
            for each in both:
                each.script = list(script)
                each.upstream.requests.clear()
                told.append(await JOINING[caller](each, **asked))
                await each.page().get("/warm")  # whatever became of its connection, there is one again
            ports = [each.upstream.url.rpartition(":")[2] for each in both]
            assert str(told[0]).replace(ports[0], "PORT") == str(told[1]).replace(ports[1], "PORT"), story


@pytest.mark.parametrize("config", CONFIGS)
async def test_rarer_answers_end_as_they_would_without(desk: Any, config: str) -> None:
    """Those that no body follows, or that only a closed connection ends."""
    both = [await desk(is_fast=is_fast, **CONFIGS[config]) for is_fast in (True, False)]
    for (method, story), script in RARER.items():
        told = []
        for each in both:
            each.script = list(script)
            each.upstream.requests.clear()
            told.append(str(await called(each, method)).replace(each.upstream.url.rpartition(":")[2], "PORT"))
            each.script = []
            await each.page().get("/warm")
        assert told[0] == told[1], story


PATHS: tuple[tuple[str, dict[str, Any]], ...] = (
    *(("/", {}), ("/?a=1", {}), ("/", {"params": {"a": [1, 2]}})),
    *(("/" + "x" * 70_000, {}), ("/a", {"params": {"q": "x" * 70_000}})),
    *(("/a?b#c", {"params": {"q": "1"}}), ("/a?b\r\nc: d", {"params": {"q": "1"}})),
)


async def test_a_path_is_refused_though_a_connection_is_at_hand(desk: Any) -> None:
    """Or not, as through all layers: neither its length nor a query that ``params`` replaces is overlooked."""
    told = []
    for is_fast in (True, False):
        each = await desk(is_fast=is_fast)
        said = []
        for path, asked in PATHS:
            try:
                said.append((await each.page().get(path, **asked)).status_code)
            except BadServicePath as refused:
                said.append(str(refused))
        told.append((said, [each.target for each in each.upstream.requests]))
    assert told[0] == told[1]
    assert told[0][0][:3] == [200, 200, 200]
    assert told[0][1] == ["/", "/?a=1", "/?a=1&a=2"]


async def test_a_field_that_is_written_here_is_written_once(desk: Any) -> None:
    """Though the route hands on its caller's word for it: how much time is left is ours to say."""
    left = "x-envoy-expected-rq-timeout-ms"
    for is_fast in (True, False):
        each = await desk(is_fast=is_fast)
        await each.page(headers=[(left, "7")], forwarding={"headers": [left]}).get("/users/7")
        (said,) = [value for name, value in each.upstream.requests[0].fields if name == left]
        assert int(said) > 7


async def test_time_that_runs_out_is_the_services(desk: Any) -> None:
    """At the call's own limit; the connection is closed, and the endpoint's breaker has counted it."""
    told = []
    for is_fast in (True, False):
        each = await desk(is_fast=is_fast, timeout="60ms", retries={"attempts": 0})
        each.script = [hangs]
        told.append(await called(each))
        assert "1 failures in a row" in told[-1].left[2]
    ports = told[0].record["endpoint"][0], told[1].record["endpoint"][0]
    assert str(told[0]).replace(ports[0], "THERE") == str(told[1]).replace(ports[1], "THERE")
    assert told[0].record["error"] == ["service-timed-out"]


@pytest.mark.parametrize("is_shared", [False, True])
@pytest.mark.parametrize("is_fast", [True, False])
@pytest.mark.parametrize("caller", CALLERS)
async def test_who_is_cancelled_leaves_nothing(
    desk: Any, caller: str, is_fast: bool, is_shared: bool
) -> None:
    """The connection is closed, places are free, and the record says what happened."""
    each = await desk(is_fast=is_fast, coalesce=is_shared)
    each.script, each.upstream.asked = [hangs], asyncio.Event()
    calling = asyncio.ensure_future(CALLERS[caller](each))
    await each.upstream.asked.wait()
    calling.cancel()
    await asyncio.wait({calling})
    assert calling.cancelled()
    told = each.told()
    assert (told.record["status"][0], told.record["error"][0]) == (None, "cancelled")
    assert told.left[:2] == (0, 0)
    assert "0 busy" in told.left[3]
    assert told.left[4] == 0


@pytest.mark.parametrize("is_shared", [False, True])
@pytest.mark.parametrize("caller", CALLERS)
async def test_who_is_cancelled_in_whichever_turn_leaves_nothing(
    desk: Any, caller: str, is_shared: bool
) -> None:
    """Before its answer, with it, or while the layers go on from there."""
    each = await desk(is_fast=True, coalesce=is_shared, outlier_detection={"consecutive_5xx": 1000})
    for story in ("200", "503, then 200", "closed in the head", "compressed, they say"):
        for turns in range(10):
            each.script = list(STORIES[story])
            calling = asyncio.ensure_future(CALLERS[caller](each))
            for _ in range(turns):
                await asyncio.sleep(0)
            calling.cancel()
            await asyncio.wait({calling})
            async with asyncio.timeout(60):
                while not _is_clean(each):
                    await asyncio.sleep(0.001)
            each.script = []
            await each.page().get("/warm")


def _is_clean(desk: Desk) -> bool:
    wire: Any = desk.client.members[0].wire
    places = desk.client.ways and desk.client.ways.places.inside
    flights = desk.client._sharing._flights if desk.client._sharing else ()
    busy = wire.connections.taken - len(wire.connections._idle)
    return (desk.client.members[0].active, places, len(flights), busy) == (0, 0, 0, 0)


@pytest.mark.parametrize("is_fast", [True, False])
async def test_a_part_that_fails_ends_the_others(desk: Any, is_fast: bool) -> None:
    """Whose calls are on their way."""
    each = await desk(is_fast=is_fast)
    page = each.page()
    await gather(page.get("/warm"), page.get("/warm"))  # two connections
    page = each.page()
    each.script = [hangs, says(ok(status=404))]
    with pytest.raises(ServiceError):
        await gather(page.get("/slow"), page.get("/missing"))
    told = each.told()
    assert sorted(map(str, told.record["error"])) == ["None", "cancelled"]
    assert told.left[:2] == (0, 0)
    assert "0 busy" in told.left[3]


@pytest.mark.parametrize("is_fast", [True, False])
async def test_who_joins_a_flight_has_its_answer_though_its_leader_is_gone(desk: Any, is_fast: bool) -> None:
    """The exchange that the leader has begun is carried on: the service hears of one request."""
    each = await desk(is_fast=is_fast, coalesce=True)
    gate, each.upstream.asked = asyncio.Event(), asyncio.Event()

    async def waits(talk: Talk) -> None:
        await gate.wait()
        await talk.answer(body=b'"both"')

    each.script = [waits]
    leader = asyncio.ensure_future(
        each.page().get("/shared").run() if not is_fast else _awaited(each, "/shared")
    )
    await each.upstream.asked.wait()
    follower = asyncio.ensure_future(_awaited(each, "/shared"))
    await asyncio.sleep(0)
    leader.cancel()
    await asyncio.wait({leader})
    gate.set()
    assert (await follower).json() == "both"
    assert len(each.upstream.requests) == 1


@pytest.mark.parametrize("is_fast", [True, False])
async def test_who_joined_may_leave(desk: Any, is_fast: bool) -> None:
    """The others have their answer, and nothing is left of who went; nor of a flight that all have left."""
    each = await desk(is_fast=is_fast, coalesce=True)
    gate, each.upstream.asked = asyncio.Event(), asyncio.Event()

    async def waits(talk: Talk) -> None:
        await gate.wait()
        await talk.answer(body=b'"all"')

    each.script = [waits, hangs]
    leader, *joined = [asyncio.ensure_future(_awaited(each, "/shared")) for _ in range(4)]
    await each.upstream.asked.wait()
    for gone in joined[:2]:
        gone.cancel()
    await asyncio.wait(joined[:2])
    gate.set()
    assert [(await one).json() for one in (leader, joined[2])] == ["all", "all"]
    each.upstream.asked.clear()
    everybody = [asyncio.ensure_future(_awaited(each, "/again")) for _ in range(3)]
    await each.upstream.asked.wait()
    for gone in everybody:
        gone.cancel()
        await asyncio.wait({gone})
    await asyncio.sleep(0)
    told = each.told()
    assert (told.left[0], told.left[1], told.left[4]) == (0, 0, 0)
    assert "0 busy" in told.left[3]
    assert len(each.upstream.requests) == 2


async def _awaited(desk: Desk, path: str, **asked: Any) -> Any:
    return await desk.page().request("GET", path, **asked)


async def test_it_is_the_fast_path_that_is_tested(desk: Any) -> None:
    """A plain call takes it; one whose caller's fields travel along, or that has a body, does not."""
    each = await desk(is_fast=True)
    begun = each.page().get("/users/7").begin()
    assert begun is not None
    assert await _ended(begun)
    asked = each.page().get("/users/7", params={"owner": "Ada"}, into=dict[str, Any]).begin()
    assert asked is not None
    assert await _ended(asked)
    assert each.upstream.requests[-1].target == "/users/7?owner=Ada"
    visit = each.page(headers=[("user-agent", "curl")], forwarding={"headers": ["user-agent"]})
    assert visit.get("/users/7").begin() is None  # ours, unless somebody says another
    whole = each.page().get("/").begin()
    assert whole is not None
    assert await _ended(whole)
    assert each.page().post("/users", json={}).begin() is None
    assert each.page().get("/users/7", timeout=1).begin() is None
    assert each.page().get("/users/../7").begin() is None


async def _ended(begun: Any) -> bool:
    ended = asyncio.Event()
    begun.told = lambda _: ended.set()
    await ended.wait()
    return bool(begun.has_ended)


async def test_a_reader_of_the_functions_own_runs_in_its_context(desk: Any) -> None:
    """Validators see the context variables of the page they read for."""
    from contextvars import ContextVar
    from typing import Annotated

    from pydantic import AfterValidator

    whose: ContextVar[str] = ContextVar("whose", default="nobody's")
    seen: list[str] = []
    each = await desk(is_fast=True)
    whose.set("mine")
    reads = Annotated[dict[str, Any], AfterValidator(lambda value: seen.append(whose.get()) or value)]
    call = each.page().get("/users/7", into=reads)
    assert await call == {}
    assert (await gather(each.page().get("/users/7", into=reads)))[0] == {}
    assert seen == ["mine", "mine"]
