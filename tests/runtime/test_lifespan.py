"""An application's lifespan: started, served with its state, shut down, or done without."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.applications import Starlette

from bff.runtime.lifespan import Lifespan, LifespanFailed
from tests.runtime.conftest import tasks

pytestmark = pytest.mark.anyio

App = Callable[[Any, Any, Any], Awaitable[None]]


def app_with(
    *, startup: str = "complete", shutdown: str = "complete", seen: list[str], lingers: bool = False
) -> App:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "lifespan"
        assert scope["asgi"]["version"] == "3.0"
        scope["state"]["pool"] = "pool"
        for phase, answer in (("startup", startup), ("shutdown", shutdown)):
            assert (await receive())["type"] == f"lifespan.{phase}"
            seen.append(phase)
            await send({"type": f"lifespan.{phase}.{answer}", "message": f"{phase} says no"})
        if lingers:
            await asyncio.Event().wait()

    return app


@pytest.mark.parametrize("lingers", [False, True])
async def test_it_starts_and_stops(*, lingers: bool) -> None:
    """Once each, and its task is over, even if the application does not return by itself."""
    seen: list[str] = []
    lifespan = Lifespan(app_with(seen=seen, lingers=lingers))
    await lifespan.start()
    assert seen == ["startup"]
    assert lifespan.state == {"pool": "pool"}
    await lifespan.stop()
    assert seen == ["startup", "shutdown"]
    assert tasks() == set()
    await lifespan.stop()  # once more is harmless


async def test_a_startup_that_fails_says_why() -> None:
    """In the application's words; nothing of it runs on."""
    with pytest.raises(LifespanFailed, match="startup says no"):
        await Lifespan(app_with(startup="failed", seen=[])).start()
    await asyncio.sleep(0)
    assert tasks() == set()


async def test_a_shutdown_that_fails_says_why() -> None:
    """For the log of the eviction."""
    lifespan = Lifespan(app_with(shutdown="failed", seen=[]))
    await lifespan.start()
    with pytest.raises(LifespanFailed, match="shutdown says no"):
        await lifespan.stop()
    await asyncio.sleep(0)
    assert tasks() == set()


async def _refuses(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "http"


async def _raises_later(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    raise NotImplementedError


async def _returns(scope: Any, receive: Any, send: Any) -> None:
    return


async def _answers_http(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body"})


@pytest.mark.parametrize("app", [_refuses, _raises_later, _returns, _answers_http])
async def test_one_that_does_not_speak_it_is_served_without(app: App) -> None:
    """It raises, returns or answers something else: neither start nor stop complains."""
    lifespan = Lifespan(app)
    await lifespan.start()
    await lifespan.stop()
    assert tasks() == set()


async def test_starlettes_own_lifespan() -> None:
    """The usual way of writing one."""
    seen: list[str] = []

    @asynccontextmanager
    async def around(app: Starlette) -> AsyncIterator[dict[str, str]]:
        seen.append("in")
        yield {"db": "open"}
        seen.append("out")

    lifespan = Lifespan(Starlette(lifespan=around))
    await lifespan.start()
    assert lifespan.state == {"db": "open"}
    await lifespan.stop()
    assert seen == ["in", "out"]


@pytest.mark.parametrize("fails_at", ["in", "out"])
async def test_starlettes_failures(fails_at: str) -> None:
    """The traceback that Starlette sends is the reason; the exception it raises too goes unheard quietly."""

    @asynccontextmanager
    async def around(app: Starlette) -> AsyncIterator[None]:
        if fails_at == "in":
            raise OSError("no database")
        yield
        raise OSError("cannot close")

    lifespan = Lifespan(Starlette(lifespan=around))
    if fails_at == "in":
        with pytest.raises(LifespanFailed, match="no database"):
            await lifespan.start()
    else:
        await lifespan.start()
        with pytest.raises(LifespanFailed, match="cannot close"):
            await lifespan.stop()
    await asyncio.sleep(0)
    assert tasks() == set()


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (SystemExit(3), "SystemExit: 3"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (GeneratorExit(), "GeneratorExit"),
    ],
)
async def test_wanting_to_exit_is_a_failure(end: BaseException, said: str) -> None:
    """`sys.exit()` in a lifespan does not end the loop, and is not taken for not speaking it."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        raise end

    with pytest.raises(LifespanFailed, match=f"lifespan raised {said}$"):
        await Lifespan(app).start()


async def test_an_application_that_dies_meanwhile_is_not_asked_to_stop() -> None:
    """Its task has ended; there is nobody to ask."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        raise OSError("died")

    lifespan = Lifespan(app)
    await lifespan.start()
    await asyncio.sleep(0)
    await lifespan.stop()


@pytest.mark.parametrize("phase", ["startup", "shutdown"])
async def test_who_gives_up_waiting_leaves_nothing_behind(phase: str) -> None:
    """An application that hangs is cancelled when its start or stop is."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if phase == "shutdown":
            await receive()
            await send({"type": "lifespan.startup.complete"})
        await asyncio.Event().wait()

    lifespan = Lifespan(app)
    if phase == "shutdown":
        await lifespan.start()
    waiting = asyncio.create_task(lifespan.start() if phase == "startup" else lifespan.stop())
    for _ in range(5):
        await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert tasks() == set()


async def test_requests_see_a_copy_of_its_state() -> None:
    """A shallow one each, as the specification has it: what one request adds, the next does not see."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            scope["state"]["pool"] = ["shared"]
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        seen.append(dict(scope["state"]))
        scope["state"]["mine"] = True

    lifespan = Lifespan(app)
    await lifespan.start()
    for _ in range(2):
        await lifespan.serve({"type": "http", "state": {"of": "the server"}}, None, None)
    assert seen == [{"pool": ["shared"]}] * 2
    assert seen[0]["pool"] is seen[1]["pool"]
    await lifespan.stop()
