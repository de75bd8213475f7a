"""A gateway on real sockets whose time stands still until the test moves it.

For limits that something may *not* reach: beside a limit of 300 ms on the real clock a machine that stalls for longer
decides what is proved. It runs in a thread of the test's process, with the protocol and the rooms of ``bff serve``;
the loop's timers are the clock's too.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import httpx
import uvicorn
from uvicorn.server import ServerState

from bff.app import Options, compose
from bff.config import load
from bff.gateway.protocol import LimitedProtocol
from bff.sdk.invocation import Invocation
from bff.telemetry.lines import open_lines
from bff.testing import ManualClock
from tests.conftest import ANSWERS_WITHIN, STARTS_WITHIN, STOPS_WITHIN, Wire, eventually


class Loop:
    """A running loop but for its timers, which are the clock's."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: ManualClock) -> None:
        self._loop = loop
        self._clock = clock

    def time(self) -> float:
        return self._clock.now()

    def call_later(self, seconds: float, callback: Any, *args: Any) -> Any:
        return self._clock.call_at(self._clock.now() + seconds, callback, *args)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)


class ByHand:
    """Such a gateway, its clock and the records of what it answered. ``notes`` is where the samples write."""

    notes: Path

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.public = ""
        self.clock = ManualClock()
        self.invocations: list[Invocation] = []
        self._lines = io.StringIO()
        self._loop = asyncio.new_event_loop()
        self._ends = asyncio.Event()
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="gateway", daemon=True)

    def start(self) -> None:
        self._thread.start()
        assert self._started.wait(STARTS_WITHIN)
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._ends.set)
        self._thread.join(STOPS_WITHIN)
        assert not self._thread.is_alive()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve())
        except BaseException as failure:
            self._failure = failure
        finally:
            self._started.set()

    async def _serve(self) -> None:
        config = load(self.folder / "routes.yaml")
        lines = open_lines(format="json", level="warning", stream=self._lines)
        async with compose(config, Options(clock=self.clock, lines=lines)) as house:
            house.signals.listen(Invocation, self.invocations.append)
            async with self._listening(house) as port:
                self.public = f"http://127.0.0.1:{port}"
                self._started.set()
                await self._ends.wait()

    @contextlib.asynccontextmanager
    async def _listening(self, house: Any) -> AsyncIterator[int]:
        keep_alive = round(house.config.gateway.keep_alive_timeout)
        settings = uvicorn.Config(
            house.gateway, ws="none", lifespan="off", log_config=None, timeout_keep_alive=keep_alive
        )
        settings.load()
        state, loop = ServerState(), Loop(self._loop, self.clock)
        made: Any = partial(
            LimitedProtocol,
            config=settings,
            server_state=state,
            app_state={},
            _loop=loop,
            limits=house.limits,
            crowd=house.crowd,
        )
        async with await self._loop.create_server(made, "127.0.0.1", 0) as server:
            yield server.sockets[0].getsockname()[1]
            for connection in list(state.connections):
                connection.transport.abort()  # type: ignore[union-attr]
            await asyncio.gather(*state.tasks, return_exceptions=True)

    def _within(self, work: Coroutine[Any, Any, Any]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(ANSWERS_WITHIN)

    def advance(self, seconds: float) -> None:
        """Let time pass. What has arrived before is seen before."""
        self._within(self.clock.advance(seconds))

    @property
    def output(self) -> str:
        """What it has written so far, warnings and worse."""
        return self._lines.getvalue()

    def wire(self) -> Wire:
        return Wire(self.public)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return httpx.get(self.public + path, timeout=ANSWERS_WITHIN, trust_env=False, **options)

    def record(self, **facts: Any) -> Invocation:
        """The first record with these facts, once there is one."""

        def found() -> Invocation | None:
            for each in list(self.invocations):
                if all(getattr(each, name) == value for name, value in facts.items()):
                    return each
            return None

        record: Invocation = eventually(found)
        return record


G = TypeVar("G", bound=ByHand)


@contextlib.contextmanager
def gateway_by_hand(folder: Path, kind: type[G] = ByHand) -> Iterator[G]:  # type: ignore[assignment]
    """Serve the project for the length of the block."""
    gateway = kind(folder)
    gateway.start()
    try:
        yield gateway
    finally:
        gateway.stop()
