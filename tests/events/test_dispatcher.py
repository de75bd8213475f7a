"""The loop that delivers goes on, whatever becomes of one look at the store."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

import pytest

from bff.config import Config
from bff.events.claiming import Taken
from bff.events.dispatcher import RENEWS_EVERY, Dispatcher
from bff.events.records import Claimed
from bff.events.room import EXPIRES_EVERY, Events
from bff.runtime.site import Site
from bff.signals import Signals, Unexpected
from bff.testing import ManualClock
from bff.testing.clock import settle

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Away:
    """An engine with one delivery, whose other verbs fail. Mutable state: ``waiting``, and whom it ``renewed``."""

    def __init__(self) -> None:
        self.waiting = [
            Claimed(
                key="1.0",
                event="1",
                trigger="work",
                function="work",
                is_letter=False,
                attempt=1,
                tries=1,
                document=b"",
            )
        ]
        self.renewed: list[Collection[str]] = []

    async def take(self, _wanted: Any, *, looks_first: bool) -> Taken:
        taken, self.waiting = tuple(self.waiting), []
        return Taken(taken, None)

    async def renew(self, _holder: str, keys: Collection[str], _lease: float) -> frozenset[str]:
        self.renewed.append(keys)
        raise RuntimeError("too much to do")

    async def take_over(self, _own: str) -> bool:
        raise RuntimeError("too much to do")

    async def set_back(self, _lease: float) -> bool:
        raise RuntimeError("too much to do")


class Slow:
    """Makes deliveries that do not end."""

    async def make(self, _claimed: Claimed) -> Any:
        await asyncio.Event().wait()


async def test_what_fails_is_told_and_done_another_time() -> None:
    """A lease that is not renewed once may be the next time, and is not given up for ever."""
    clock, signals, engine = ManualClock(), Signals(), Away()
    told: list[Unexpected] = []
    signals.listen(Unexpected, told.append)
    nothing: Any = None
    site = Site(
        store=nothing,
        holder="far/1/a",
        invoker=nothing,
        clock=clock,
        signals=signals,
        is_shared=True,
    )
    doubles: tuple[Any, Any] = engine, Slow()
    dispatcher = Dispatcher(site, *doubles, triggers=dict, capacity=4)
    running = asyncio.create_task(dispatcher.run())
    await settle()
    assert dispatcher.running == 1
    for times in range(1, 4):
        await clock.advance(RENEWS_EVERY)
        assert engine.renewed == [["1.0"]] * times
    assert {repr(each.error) for each in told} == {"RuntimeError('too much to do')"}
    dispatcher.cancel("1.0")
    running.cancel()
    await asyncio.wait({running})
    assert running.cancelled()


class Forgetful(Events):
    """Whose store cannot be read the first time. Mutable state: ``times`` it was asked."""

    times = 0

    async def expire(self) -> int:
        self.times += 1
        if self.times == 1:
            raise RuntimeError("not now")
        return 0


async def test_what_is_old_is_forgotten_another_time() -> None:
    """One failure is told, and is not the end of forgetting: else the store would grow for ever."""
    clock, signals = ManualClock(), Signals()
    told: list[Unexpected] = []
    signals.listen(Unexpected, told.append)
    nothing: Any = None
    site = Site(
        store=nothing, holder="far/1/a", invoker=nothing, clock=clock, signals=signals, is_shared=False
    )
    events = Forgetful(site, Config())
    tidying = asyncio.create_task(events.tidy())
    await settle()
    for times in (1, 2, 3):
        await clock.advance(EXPIRES_EVERY)
        assert events.times == times
    assert [repr(each.error) for each in told] == ["RuntimeError('not now')"]
    tidying.cancel()
    await asyncio.wait({tidying})
