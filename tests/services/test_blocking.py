"""Service calls of synchronous handlers: they block their thread, never the loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from pydantic import BaseModel

from bff.runtime.threads import Threads
from bff.sdk.call import Adapters
from bff.sdk.failures import ServiceAnswered, ServiceBodyInvalid, ServiceTimedOut, UnknownService
from bff.sdk.invocation import Invocation
from bff.sdk.service import Services, SyncService

pytestmark = pytest.mark.anyio

MakeUpstream = Callable[..., Awaitable[Any]]
Blocking = Callable[..., Services[SyncService]]


class User(BaseModel):
    name: str


@pytest.fixture
def blocking(client: Any, invocation: Callable[..., Invocation]) -> Blocking:
    """``blocking(url, …)``: ``ctx.services`` of a synchronous handler with one service, users."""

    def make(url: str, call: Invocation | None = None, **config: Any) -> Services[SyncService]:
        loop = asyncio.get_running_loop()
        return Services({"users": client(url, **config)}, call or invocation(), Adapters(), loop)

    return make


@pytest.fixture
async def threads() -> AsyncIterator[Threads]:
    made = Threads("home", 8)
    yield made
    made.close()


async def test_verbs_give_the_value_itself(
    upstream: MakeUpstream, blocking: Blocking, threads: Threads
) -> None:
    """Response, ``into=``, ``errors=`` and ``check=False`` are those of an asynchronous handler, without await."""

    async def behave(talk: Any) -> None:
        status = 404 if talk.request.target == "/nobody" else 200
        await talk.answer(status, b'{"name": "Ann"}')

    good = await upstream(behave)
    services = blocking(good.url)

    def handle() -> Any:
        users = services.users
        assert threading.current_thread() is not threading.main_thread()
        return (
            users.get("/users/7").json(),
            users.get("/users/7", into=User),
            users.get("/nobody", into=User, errors={404: None}),
            users.get("/nobody", check=False).status_code,
            users.request("report", "/").request.method,
            [getattr(users, verb)("/").request.method for verb in ("post", "put", "patch", "delete", "head")],
        )

    assert await threads.run(handle) == (
        {"name": "Ann"},
        User(name="Ann"),
        None,
        404,
        "REPORT",
        ["POST", "PUT", "PATCH", "DELETE", "HEAD"],
    )


async def test_failures_are_raised_in_the_thread(
    upstream: MakeUpstream, blocking: Blocking, threads: Threads
) -> None:
    """The same errors, to be caught where the call stands."""
    bad = await upstream(lambda talk: talk.answer(500 if talk.request.target == "/500" else 200, b"<html>"))
    services = blocking(bad.url)

    def handle() -> list[str]:
        failures = []
        for attempt in (
            lambda: services.users.get("/500"),
            lambda: services.users.get("/", into=User),
            lambda: services.usres,
            lambda: services.users.get("/", tiemout=1),  # type: ignore[call-overload]
        ):
            try:
                attempt()
            except (ServiceAnswered, ServiceBodyInvalid, UnknownService, TypeError) as failure:
                failures.append(type(failure).__name__)
        return failures

    assert await threads.run(handle) == [
        "ServiceAnswered",
        "ServiceBodyInvalid",
        "UnknownService",
        "TypeError",
    ]


async def test_the_loop_goes_on_while_threads_wait(
    upstream: MakeUpstream, blocking: Blocking, threads: Threads
) -> None:
    """Eight handlers wait for one slow service at the same time, on one loop that serves it as well."""
    here, gate = asyncio.Semaphore(0), asyncio.Event()

    async def slow(talk: Any) -> None:
        here.release()
        await gate.wait()
        await talk.answer(200, b'{"name": "Ann"}')

    good = await upstream(slow)
    services = blocking(good.url)
    handlers = [
        asyncio.ensure_future(threads.run(lambda: services.users.get("/", into=User).name)) for _ in range(8)
    ]
    async with asyncio.timeout(60):
        for _ in range(8):
            await here.acquire()
    gate.set()
    assert await asyncio.gather(*handlers) == ["Ann"] * 8


async def test_a_blocking_call_ends_with_the_deadline(
    upstream: MakeUpstream, blocking: Blocking, threads: Threads, invocation: Callable[..., Invocation]
) -> None:
    """A thread cannot be killed, but it never waits for a service longer than the invocation may last."""
    stuck = await upstream(lambda talk: talk.hang())
    call = invocation(seconds=0.05)
    services = blocking(stuck.url, call)

    def handle() -> list[str]:
        said = []
        for _ in range(2):
            try:
                services.users.get("/")
            except ServiceTimedOut as failure:
                said.append(str(failure))
        return said

    first, second = await asyncio.wait_for(threads.run(handle), 60)
    assert "did not answer within" in first
    assert "no time was left" in second
    assert call.waiting_for() == ("users",)
