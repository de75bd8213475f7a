"""What a handler in a process asks of the gateway: services, logs, missing parts."""

from __future__ import annotations

import asyncio
import gzip
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from bff.errors import DeadlineExceeded, Fault
from bff.sdk.failures import (
    BadServicePath,
    ServiceAnswered,
    ServiceTimedOut,
    ServiceUnreachable,
    UnknownService,
)
from bff.sdk.invocation import Forwarding, Invocation
from bff.testing import ManualClock
from tests.runtime.isolation.conftest import Yard, has_settled, until

pytestmark = pytest.mark.anyio

GET = "async def handle(ctx): return (await ctx.services.users.get('/users/7')).json()"
GET_SYNC = "def handle(ctx): return ctx.services.users.get('/users/7').json()"


class Upstream:
    """A service that answers what it is told to and remembers what it was asked."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class Silent:
    """A sender whose service never answers, but that knows how the waiting ended."""

    name = "users"
    fast_path = None

    def __init__(self) -> None:
        self.began, self.ended = asyncio.Event(), asyncio.Event()

    async def send(self, invocation: Invocation, method: str, path: str, options: Any) -> httpx.Response:
        record = invocation.open_call(self.name, method, path)
        self.began.set()
        try:
            return await asyncio.get_running_loop().create_future()
        finally:
            record.ended = invocation.clock.now()
            self.ended.set()

    def relays_credentials(self, invocation: Invocation) -> bool:
        return False


@pytest.mark.parametrize("home", [GET, GET_SYNC])
async def test_a_call_is_made_by_the_gateway_s_own_client(yard: Yard, home: str) -> None:
    """With its headers, the caller's trace, and a record in the caller's invocation."""
    upstream = Upstream(httpx.Response(200, json={"name": "Ada"}))
    yard.service("users", upstream, headers={"x-key": "secret"})
    instance = await yard.start(home)
    invocation = yard.invocation()
    answer = await yard.run(instance, invocation)
    assert answer.body == b'{"name":"Ada"}'
    (request,) = upstream.requests
    assert str(request.url) == "http://users.internal/users/7"
    assert (request.headers["x-key"], request.headers["x-request-id"]) == ("secret", "r-1")
    assert request.headers["traceparent"].startswith("00-0af7651916cd43dd8448eb211c80319c-")
    assert invocation.calls is not None
    assert [(call.service, call.status) for call in invocation.calls] == [("users", 200)]


async def test_everything_a_call_may_carry_arrives(yard: Yard) -> None:
    """As httpx would have written it here."""
    upstream = Upstream(httpx.Response(200, json={}))
    yard.service("users", upstream)
    instance = await yard.start(
        """
        async def handle(ctx):
            users = ctx.services.users
            await users.get("/a?kept=1")
            await users.get("/a", params={"q": "ü &", "n": [1, 2]}, headers={"X-A": "ÿ"})
            await users.post("/a", json={"x": [1.5, None]})
            await users.put("/a", content="raw", headers={"content-type": "text/tea"})
            await users.patch("/a", data={"f": "1 2"})
            await users.post("/a", files={"f": ("n.txt", b"data")})
            await users.post("/a")
        """
    )
    await yard.call(instance)
    plain, asked, sent, raw, form, upload, empty = upstream.requests
    assert plain.url.query == b"kept=1"
    assert list(asked.url.params.multi_items()) == [("q", "ü &"), ("n", "1"), ("n", "2")]
    assert asked.headers["x-a"] == "ÿ"
    assert (sent.headers["content-type"], sent.content) == ("application/json", b'{"x":[1.5,null]}')
    assert (raw.method, raw.headers["content-type"], raw.content) == ("PUT", "text/tea", b"raw")
    assert (form.headers["content-type"], form.content) == ("application/x-www-form-urlencoded", b"f=1+2")
    assert upload.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert b'filename="n.txt"' in upload.content
    assert (empty.headers["content-length"], empty.content) == ("0", b"")


@pytest.mark.parametrize(("asked", "arrives"), [("", 1), (", idempotent=True", 2), (", idempotent=False", 1)])
async def test_whoever_vouches_for_a_post_in_a_process_gets_it_sent_again(
    yard: Yard, asked: str, arrives: int
) -> None:
    """As in the gateway itself: the word travels with the call."""
    upstream = Upstream(httpx.Response(503), httpx.Response(200, json=1))
    yard.service("users", upstream)
    instance = await yard.start(
        f"async def handle(ctx): await ctx.services.users.post('/', check=False{asked})"
    )
    await yard.call(instance)
    assert len(upstream.requests) == arrives


async def test_what_the_cache_has_stands_in_for_a_service_in_a_process_too(yard: Yard) -> None:
    """The gateway's own store is asked; without anything there the chain goes on, and the part says why."""
    old = {"cache-control": "max-age=60", "age": "100", "etag": '"a"'}
    users = Upstream(httpx.Response(200, json="kept", headers=old), httpx.Response(503))
    yard.service("users", users, cache=True)
    yard.service("news", Upstream(httpx.Response(503)), cache=True)
    instance = await yard.start(
        """
        from bff import fallback
        from bff.sdk.failures import NothingKept
        async def handle(ctx):
            first = await ctx.services.users.get("/", into=str)
            user = ctx.services.users.get("/", into=str, headers={"cache-control": "no-cache"})
            news = ctx.services.news.get("/", into=str)
            shown = [first, await fallback(user, user.stale(within=3600), "none")]
            shown.append(await fallback(news, news.stale(), "none"))
            try: await ctx.services.users.get("/", stale=10)
            except NothingKept as nothing: shown.append(nothing.service)
            return shown
        """
    )
    assert json.loads((await yard.call(instance)).body) == ["kept", "kept", "none", "users"]
    assert len(users.requests) == 1 + 3  # the one that was kept, and the one that failed with its retries


async def test_a_response_has_everything_it_would_have_here(yard: Yard) -> None:
    """Status, fields, decoded body, where it came from and how long it took."""
    packed = gzip.compress(b"caf\xc3\xa9")
    fields = [("content-encoding", "gzip"), ("content-type", "text/plain"), ("x-a", "1"), ("x-a", "2")]
    yard.service("users", Upstream(httpx.Response(404, headers=fields, content=packed)))
    instance = await yard.start(
        """
        async def handle(ctx):
            said = await ctx.services.users.get("/who", check=False)
            return [said.status_code, said.text, said.headers["x-a"], str(said.url), said.request.method,
                    said.elapsed.total_seconds() > 0, said.service, said.reason_phrase, said.is_success]
        """
    )
    told = json.loads((await yard.call(instance)).body)
    assert told == [
        404,
        "café",
        "1, 2",
        "http://users.internal/who",
        "GET",
        True,
        "users",
        "Not Found",
        False,
    ]


async def test_five_megabytes_come_from_a_service(yard: Yard) -> None:
    """And go to one."""
    upstream = Upstream(httpx.Response(200, content=b"x" * 5_000_000))
    yard.service("users", upstream)
    instance = await yard.start(
        """
        async def handle(ctx):
            said = await ctx.services.users.post("/big", content=b"y" * 5_000_000)
            return len(said.content)
        """
    )
    assert (await yard.call(instance)).body == b"5000000"
    assert len(upstream.requests[0].content) == 5_000_000


@pytest.mark.parametrize("home", [GET, GET_SYNC])
async def test_a_failed_call_fails_the_page_as_ever(yard: Yard, home: str) -> None:
    """The service's fault, its status, its Retry-After."""
    yard.service("users", Upstream(httpx.Response(503, headers={"retry-after": "7"})))
    with pytest.raises(ServiceAnswered) as caught:
        await yard.call(await yard.start(home))
    assert (caught.value.status, caught.value.fault, caught.value.upstream_status) == (
        503,
        Fault.SERVICE,
        503,
    )
    assert caught.value.headers() == {"retry-after": "7"}


async def test_a_relayed_credential_makes_a_401_the_caller_s(yard: Yard) -> None:
    """Whether it was relayed only the gateway knows."""
    yard.service("users", Upstream(httpx.Response(401)))
    instance = await yard.start(GET)
    relaying = Forwarding(headers=(b"authorization",))
    facts: dict[str, Any] = {"headers": {"authorization": "Bearer x"}}
    with pytest.raises(ServiceAnswered) as caught:
        await yard.call(instance, forwarding=relaying, **facts)
    assert (caught.value.status, caught.value.fault) == (401, Fault.CALLER)
    with pytest.raises(ServiceAnswered) as caught:
        await yard.call(instance, **facts)
    assert (caught.value.status, caught.value.fault) == (502, Fault.GATEWAY)


async def test_handlers_tell_failures_apart(yard: Yard) -> None:
    """``except ServiceTimedOut`` means it."""
    yard.senders["users"] = Silent()
    yard.service("news", Upstream(httpx.ConnectError("no")))

    class Late(Silent):
        async def send(self, *_: Any) -> httpx.Response:
            raise ServiceTimedOut("users", 0.3)

    yard.senders["users"] = Late()
    instance = await yard.start(
        """
        from bff.sdk.failures import ServiceTimedOut, ServiceUnreachable
        async def handle(ctx):
            heard = []
            try: await ctx.services.users.get("/")
            except ServiceTimedOut as late: heard.append([late.service, str(late)])
            try: await ctx.services.news.get("/")
            except ServiceUnreachable as gone: heard.append([gone.service, gone.status])
            return heard
        """
    )
    assert json.loads((await yard.call(instance)).body) == [
        ["users", "Service users did not answer within 0.3 s."],
        ["news", ServiceUnreachable.status],
    ]


async def test_an_optional_part_goes_missing_and_the_answer_says_so(yard: Yard) -> None:
    """Also one that is marked by hand, and several parts at once."""
    yard.service("users", Upstream(httpx.Response(200, json={"name": "Ada"})))
    yard.service("news", Upstream(httpx.Response(500)))
    instance = await yard.start(
        """
        from bff import gather, optional
        async def handle(ctx):
            user, news = await gather(
                ctx.services.users.get("/", into=dict), optional(ctx.services.news.get("/"), default="none")
            )
            ctx.mark_missing("weather")
            return [user, news]
        """
    )
    invocation = yard.invocation()
    answer = await yard.run(instance, invocation)
    assert answer.body == b'[{"name":"Ada"},"none"]'
    assert invocation.missing == ["news", "weather"]


async def test_what_cannot_be_sent_is_refused_with_its_own_error(yard: Yard) -> None:
    """Paths that lead elsewhere, services that nobody declared."""
    yard.service("users", Upstream(httpx.Response(200)))
    instance = await yard.start(
        """
        async def handle(ctx, service="users", path="/"): return (await ctx.services[service].get(path)).text
        """
    )
    with pytest.raises(BadServicePath, match="segment"):
        await yard.call(instance, "path=/a/../b")
    with pytest.raises(BadServicePath, match="surrogate"):
        await yard.call(await yard.start("async def handle(ctx): await ctx.services.users.get('/\\ud800')"))
    with pytest.raises(UnknownService, match="did you mean users"):
        await yard.call(instance, "service=usres")


async def test_services_that_are_declared_later_are_known(yard: Yard) -> None:
    """routes.yaml is live; the process goes on."""
    instance = await yard.start(GET)
    with pytest.raises(UnknownService):
        await yard.call(instance)
    yard.service("users", Upstream(httpx.Response(200, json=1)))
    assert (await yard.call(instance)).body == b"1"


@pytest.mark.parametrize("home", [GET, GET_SYNC])
async def test_at_the_deadline_its_service_calls_end(still_yard: Yard, clock: ManualClock, home: str) -> None:
    """504 names whom it waited for, and the process lives on: its handler has let go."""
    silent = still_yard.senders["users"] = Silent()
    instance = await still_yard.start(home)
    calling = asyncio.create_task(still_yard.call(instance, timeout=0.2))
    await asyncio.wait_for(silent.began.wait(), 60)
    await clock.advance(0.2)
    with pytest.raises(DeadlineExceeded, match="waiting for users"):
        await calling
    await asyncio.wait_for(silent.ended.wait(), 60)
    await until(lambda: has_settled(instance))
    await clock.advance(10)
    assert instance.is_alive
    still_yard.service("users", Upstream(httpx.Response(200, json=1)))
    assert (await still_yard.call(instance)).body == b"1"


async def test_a_handler_that_gives_up_a_call_ends_it_in_the_gateway(yard: Yard, tmp_path: Path) -> None:
    """A part that a sibling's failure cancels holds no connection."""
    silent = yard.senders["users"] = Silent()
    instance = await yard.start(
        f"""
        import asyncio
        from pathlib import Path
        async def handle(ctx):
            part = asyncio.create_task(ctx.services.users.get("/").run())
            while not Path({str(tmp_path / "began")!r}).exists(): await asyncio.sleep(0.005)
            part.cancel()
            try: await part
            except asyncio.CancelledError: return "gave up"
        """
    )
    calling = asyncio.create_task(yard.call(instance))
    await asyncio.wait_for(silent.began.wait(), 60)
    (tmp_path / "began").touch()
    assert (await calling).body == b"gave up"
    await asyncio.wait_for(silent.ended.wait(), 60)


async def test_a_call_left_running_ends_with_the_answer(yard: Yard, tmp_path: Path) -> None:
    """Nothing is done for a caller who has gone."""
    silent = yard.senders["users"] = Silent()
    instance = await yard.start(
        f"""
        import asyncio
        from pathlib import Path
        kept = []
        async def handle(ctx):
            kept.append(asyncio.create_task(ctx.services.users.get("/").run()))
            while not Path({str(tmp_path / "began")!r}).exists(): await asyncio.sleep(0.005)
        """
    )
    calling = asyncio.create_task(yard.call(instance))
    await asyncio.wait_for(silent.began.wait(), 60)
    (tmp_path / "began").touch()
    await calling
    await asyncio.wait_for(silent.ended.wait(), 60)


async def test_logs_are_written_by_the_gateway_with_the_caller_s_fields(yard: Yard) -> None:
    """From the handler, from threads, with exceptions, and whatever the values are."""
    instance = await yard.start(
        """
        import asyncio
        async def handle(ctx):
            ctx.log.info("seen", user=7, when=object, text="half \\ud800")
            await asyncio.to_thread(ctx.log.warning, "from a thread")
            try: 1 / 0
            except ZeroDivisionError: ctx.log.exception("failed")
        """
    )
    await yard.call(instance)
    await until(lambda: len(yard.logs.lines) == 3)
    (level, event, fields), warned, failed = yard.logs.lines
    assert (level, event, fields["user"]) == ("info", "seen", 7)
    own = {name: fields[name] for name in ("function", "revision", "request_id", "trace_id")}
    assert own == {
        "function": "home",
        "revision": "home-00001",
        "request_id": "r-1",
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
    }
    assert warned[:2] == ("warning", "from a thread")
    assert failed[0] == "error"
    assert "ZeroDivisionError" in "".join(failed[2]["traceback"])


async def test_a_log_line_after_the_answer_still_knows_whose_it_is(yard: Yard) -> None:
    """A task of the function's own outlives the call."""
    instance = await yard.start(
        """
        import asyncio
        kept = []
        async def later(log):
            await asyncio.sleep(0.05)
            log.info("late")
        async def handle(ctx): kept.append(asyncio.create_task(later(ctx.log)))
        """
    )
    await yard.call(instance)
    await until(lambda: yard.logs.lines)
    assert yard.logs.lines[0][1] == "late"
    assert (yard.logs.lines[0][2]["function"], yard.logs.lines[0][2]["request_id"]) == ("home", "r-1")
