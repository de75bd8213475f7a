"""Connections belong to the service: they outlive calls, are used again, and no call spoils them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bff.clock import SystemClock
from bff.config import ServiceConfig
from bff.sdk.call import Adapters
from bff.sdk.failures import ServiceConnectionLost, ServiceError, ServiceTimedOut
from bff.sdk.invocation import Invocation
from bff.sdk.service import Service
from bff.services.pool import ServicePool
from bff.testing.clock import ManualClock, settle

pytestmark = pytest.mark.anyio

MakeUpstream = Callable[..., Awaitable[Any]]
MakeService = Callable[..., Service]
MakeInvocation = Callable[..., Invocation]


async def test_a_connection_outlives_its_call_and_its_invocation(
    upstream: MakeUpstream, client: Any, invocation: MakeInvocation
) -> None:
    """Twenty calls of twenty invocations, one after the other: one connection."""
    good = await upstream()
    users = client(good.url)
    for _ in range(20):
        await Service(users, invocation(), Adapters()).get("/")
    assert (good.accepted, len(good.requests)) == (1, 20)


async def test_calls_at_the_same_time_have_a_connection_each_up_to_the_limit(
    upstream: MakeUpstream, service: MakeService
) -> None:
    """``max_connections`` bounds them; who waits for one gets the next that is free."""
    gate = asyncio.Event()

    async def slow(talk: Any) -> None:
        await gate.wait()
        await talk.answer()

    good = await upstream(slow)
    users = service(good.url, max_connections=3)
    calls = [asyncio.ensure_future(users.get("/")) for _ in range(10)]
    while len(good.requests) < 3:
        await asyncio.sleep(0.001)
    await settle()
    assert (good.accepted, len(good.requests)) == (3, 3)
    gate.set()
    await asyncio.gather(*calls)
    assert (good.accepted, len(good.requests)) == (3, 10)


async def test_who_waits_for_a_connection_waits_no_longer_than_the_timeout(
    upstream: MakeUpstream, service: MakeService, invocation: MakeInvocation
) -> None:
    """A full pool is no endless line, and who gave up does not take the place of the next."""
    clock, gate = ManualClock(), asyncio.Event()

    async def slow(talk: Any) -> None:
        await gate.wait()
        await talk.answer()

    busy = await upstream(slow)
    users = service(
        busy.url, invocation(clock=clock, seconds=60), clock=clock, max_connections=1, timeout="9s"
    )
    first = asyncio.ensure_future(users.get("/first"))
    await busy.asked.wait()
    second = asyncio.ensure_future(users.get("/second", timeout=1))
    third = asyncio.ensure_future(users.get("/third"))
    await clock.advance(1)
    with pytest.raises(ServiceTimedOut):
        await second
    gate.set()
    await asyncio.gather(first, third)
    assert [request.target for request in busy.requests] == ["/first", "/third"]
    assert busy.accepted == 1


@pytest.mark.parametrize("moment", ["connecting", "before the head", "in the body", "waiting in line"])
async def test_a_cancelled_call_does_not_poison_the_pool(
    upstream: MakeUpstream, service: MakeService, moment: str
) -> None:
    """Whenever it is cancelled: later calls get their own answers, and places in the pool come back."""

    async def behave(talk: Any) -> None:
        if talk.request.target != "/cancel":
            await talk.answer(200, f'"{talk.request.target}"'.encode())
            return
        if moment == "in the body":
            await talk.say(b'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n"')
        await talk.hang()

    good = await upstream(behave)
    users = service(good.url, max_connections=1)
    for round_ in range(3):
        blocking = asyncio.ensure_future(users.get("/cancel"))
        if moment == "connecting":
            await asyncio.sleep(0)
        else:
            await good.asked.wait()
            await asyncio.sleep(0.005)
        if moment == "waiting in line":
            waiting = asyncio.ensure_future(users.get("/cancel"))
            await settle()
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        blocking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await blocking
        good.asked.clear()
        assert await asyncio.wait_for(users.get(f"/{round_}", into=str), 60) == f"/{round_}"


async def test_a_storm_of_cancellations_leaves_a_working_pool(
    upstream: MakeUpstream, service: MakeService
) -> None:
    """Hundreds of calls, each cancelled at another turn of the loop; then the pool serves as before."""

    async def echo(talk: Any) -> None:
        await talk.answer(200, f'"{talk.request.target}"'.encode())

    good = await upstream(echo)
    users = service(good.url, max_connections=4)
    calls = []
    for number in range(300):
        calls.append(asyncio.ensure_future(users.get(f"/{number}", into=str)))
        if number % 3 == 0:
            asyncio.get_running_loop().call_later((number % 17) / 1000, calls[-1].cancel)
        if number % 20 == 0:
            await asyncio.sleep(0)
    results = await asyncio.gather(*calls, return_exceptions=True)
    for number, result in enumerate(results):
        assert result == f"/{number}" or isinstance(result, asyncio.CancelledError)
    assert await asyncio.gather(*[users.get(f"/{n}", into=str) for n in range(8)]) == [
        f"/{n}" for n in range(8)
    ]


async def test_an_idle_connection_that_the_service_closed_is_not_used_again(
    upstream: MakeUpstream, service: MakeService
) -> None:
    """A service may restart between two calls; the next call makes a new connection."""
    good = await upstream()
    users = service(good.url)
    await users.get("/")
    good.break_all()
    while good.gone < 1:
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.01)
    assert (await users.get("/")).status_code == 200
    assert good.accepted == 2


async def test_a_service_that_says_close_is_taken_at_its_word(
    upstream: MakeUpstream, service: MakeService
) -> None:
    """``Connection: close`` ends the connection with the answer."""
    good = await upstream(lambda talk: talk.answer(200, b"{}", connection="close"))
    users = service(good.url)
    await users.get("/")
    await users.get("/")
    assert good.accepted == 2


async def test_a_call_that_broke_off_is_not_repeated(upstream: MakeUpstream, service: MakeService) -> None:
    """What may have had an effect is sent once; the next call works on a new connection."""

    async def first_breaks(talk: Any) -> None:
        if len(bad.requests) == 1:
            talk.reset()
        else:
            await talk.answer()

    bad = await upstream(first_breaks)
    users = service(bad.url)
    with pytest.raises(ServiceConnectionLost):
        await users.post("/orders", json={})
    assert len(bad.requests) == 1
    assert (await users.post("/orders", json={})).status_code == 200


async def test_a_cookie_of_a_service_never_reaches_another_call(
    upstream: MakeUpstream, client: Any, invocation: MakeInvocation
) -> None:
    """A service's Set-Cookie is one caller's session: it is in the response and nowhere else."""
    login = await upstream(lambda talk: talk.answer(200, b"{}", set_cookie="session=alice; Path=/"))
    users = client(login.url)
    for _ in range(2):
        response = await Service(users, invocation(), Adapters()).get("/")
        assert response.headers["set-cookie"] == "session=alice; Path=/"
    assert [request.headers.get("cookie") for request in login.requests] == [None, None]


async def test_environment_and_netrc_have_no_say(
    upstream: MakeUpstream, service: MakeService, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """Proxies and credentials come from routes.yaml or not at all."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password s3cret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    good = await upstream()
    await service(good.url).get("/")
    assert "authorization" not in good.requests[0].headers


async def test_a_changed_routes_yaml_keeps_the_connections_of_what_did_not_change(
    upstream: MakeUpstream, invocation: MakeInvocation
) -> None:
    """Unchanged services keep their client, changed and removed ones are given back to be closed."""
    good = await upstream()

    def configured(**timeouts: str) -> dict[str, ServiceConfig]:
        return {
            name: ServiceConfig.model_validate({"url": good.url, "timeout": timeout})
            for name, timeout in timeouts.items()
        }

    pool = ServicePool(clock=SystemClock())
    assert pool.configure(configured(users="1s", prices="1s", old="1s")) == []
    users, prices, old = (pool.clients[name] for name in ("users", "prices", "old"))
    await Service(users, invocation(), Adapters()).get("/")
    replaced = pool.configure(configured(users="1s", prices="2s", new="1s"))
    assert set(pool.clients) == {"users", "prices", "new"}
    assert pool.clients["users"] is users
    assert replaced == [prices, old]
    await Service(pool.clients["users"], invocation(), Adapters()).get("/")
    assert good.accepted == 1
    await Service(prices, invocation(), Adapters()).get("/")  # a call that still holds the old client
    for each in replaced:
        await each.aclose()
    await pool.aclose()


async def test_a_service_that_is_never_called_opens_nothing(upstream: MakeUpstream) -> None:
    """Configuring and closing costs no connection and no transport."""
    made: list[str] = []

    def make_transport(name: str, _config: ServiceConfig) -> Any:
        made.append(name)
        raise AssertionError

    pool = ServicePool(clock=SystemClock(), make_transport=make_transport)
    pool.configure({"users": ServiceConfig(url="http://127.0.0.1:1")})
    assert repr(pool.clients["users"]) == "<ServiceClient users at http://127.0.0.1:1>"
    await pool.aclose()
    assert made == []


async def test_a_closed_client_says_so_to_late_calls(
    upstream: MakeUpstream, client: Any, invocation: MakeInvocation
) -> None:
    """A call under way when its client is closed fails as the service's failure, not as an accident."""
    stuck = await upstream(lambda talk: talk.hang())
    users = client(stuck.url)
    running = asyncio.ensure_future(Service(users, invocation(), Adapters()).get("/"))
    await stuck.asked.wait()
    await users.aclose()
    with pytest.raises(ServiceError):
        await asyncio.wait_for(running, 60)
