"""When a schedule is due, daylight saving time among it; and what the loop makes of that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bff.config.schedule import ScheduleConfig
from bff.errors import GatewayDraining
from bff.events.scheduler import Scheduler
from bff.events.timetable import Timetable, instant, moment_of
from bff.revisions.store.failures import StoreUnavailable
from bff.sdk.cloudevent import CloudEvent
from bff.signals import Signals
from bff.testing import ManualClock

pytestmark = pytest.mark.anyio

NEW_YEAR = 1_767_225_600.0


def table(cron: str, **said: Any) -> Timetable:
    return Timetable.of("s", ScheduleConfig.model_validate({"cron": cron, "function": "f", **said}))


def at(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def shown(moment: float, zone: str = "UTC") -> str:
    return datetime.fromtimestamp(moment, ZoneInfo(zone)).isoformat()


@pytest.mark.parametrize(
    ("cron", "after", "is_next"),
    [
        ("*/5 * * * *", "2026-01-01T00:00:00", "2026-01-01T00:05:00+00:00"),
        ("*/5 * * * *", "2026-01-01T00:04:59", "2026-01-01T00:05:00+00:00"),
        ("0 3 * * MON", "2026-01-01T00:00:00", "2026-01-05T03:00:00+00:00"),
        ("*/10 * * * * *", "2026-01-01T00:00:01", "2026-01-01T00:00:10+00:00"),
        ("0 0 29 2 *", "2026-01-01T00:00:00", "2028-02-29T00:00:00+00:00"),
    ],
)
def test_the_next_moment_is_strictly_after(cron: str, after: str, is_next: str) -> None:
    assert shown(table(cron).after(at(after))) == is_next


def test_an_hour_that_is_left_out_runs_after_it_and_one_that_comes_twice_runs_once() -> None:
    """Berlin, 2026-03-29 and 2026-10-25; as Debian's cron does."""
    berlin = table("30 2 * * *", time_zone="Europe/Berlin")
    spring = berlin.after(at("2026-03-28T12:00:00", "Europe/Berlin"))
    assert shown(spring, "Europe/Berlin") == "2026-03-29T03:00:00+02:00"
    autumn = berlin.after(at("2026-10-24T12:00:00", "Europe/Berlin"))
    assert shown(berlin.after(autumn), "Europe/Berlin").startswith("2026-10-26T02:30:00")


@pytest.mark.parametrize(
    ("since", "now", "latest"),
    [
        ("2026-01-01T00:00:00", "2026-01-01T00:17:00", "2026-01-01T00:15:00+00:00"),
        ("2026-01-01T00:00:00", "2026-01-01T00:15:00", "2026-01-01T00:15:00+00:00"),
        ("2026-01-01T00:15:00", "2026-01-01T00:17:00", None),
        ("2026-01-01T00:00:00", "2026-01-01T00:04:00", None),
    ],
)
def test_the_last_moment_that_has_come(since: str, now: str, latest: str | None) -> None:
    found = table("*/5 * * * *").latest(at(since), at(now))
    assert (found if found is None else shown(found)) == latest


def test_a_moment_is_an_id_and_back() -> None:
    assert instant(NEW_YEAR + 0.7) == "2026-01-01T00:00:00Z"
    assert moment_of(instant(NEW_YEAR)) == NEW_YEAR


class Room:
    """Mutable state: ``events``, and what ``raises``."""

    def __init__(self, last: str | None = None) -> None:
        self.events: list[str] = []
        self.last = last
        self.raises: Exception | None = None

    async def fire(self, _: Timetable, event: CloudEvent) -> None:
        if self.raises is not None:
            raise self.raises
        if event.id not in self.events:
            self.events.append(event.id)

    async def fired(self, _: Timetable) -> str | None:
        return self.last


@asynccontextmanager
async def running(room: Room, *tables: Timetable) -> AsyncIterator[tuple[ManualClock, Scheduler]]:
    clock = ManualClock(wall=NEW_YEAR + 90)
    scheduler = Scheduler(room, clock=clock, signals=Signals())
    scheduler.configure({each.name: each for each in tables})
    task = asyncio.create_task(scheduler.run())
    await clock.advance(0)
    yield clock, scheduler
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_each_moment_is_fired_once_at_its_time() -> None:
    room = Room()
    async with running(room, table("*/2 * * * *")) as (clock, _):
        await clock.advance(29)
        assert room.events == []
        await clock.advance(1)
        assert room.events == ["2026-01-01T00:02:00Z"]
        await clock.advance(240)
    assert room.events == [f"2026-01-01T00:0{n}:00Z" for n in (2, 4, 6)]


@pytest.mark.parametrize(("missed", "fired"), [("skip", []), ("last", ["2026-01-01T02:00:00Z"])])
async def test_what_was_missed_is_left_out_or_its_last_runs_late(missed: str, fired: list[str]) -> None:
    """A machine that slept from half past midnight to ten past two."""
    room = Room()
    async with running(room, table("0 * * * *", missed=missed)) as (clock, _):
        await clock.leap(7_800)
    assert room.events == fired


@pytest.mark.parametrize(
    ("missed", "last", "fired"),
    [
        ("skip", "2025-12-31T20:00:00Z", []),
        ("last", "2025-12-31T20:00:00Z", ["2026-01-01T00:00:00Z"]),
        ("last", "2026-01-01T00:00:00Z", []),
        ("last", None, []),
    ],
)
async def test_a_gateway_that_starts_knows_what_ran_before(
    missed: str, last: str | None, fired: list[str]
) -> None:
    """By the store; a schedule that never ran begins now."""
    room = Room(last)
    async with running(room, table("0 * * * *", missed=missed)):
        pass
    assert room.events == fired


async def test_a_store_that_is_away_is_asked_again() -> None:
    """Soon, and what could not be stored is then; an end of the gateway is none of it."""
    room = Room()
    async with running(room, table("*/2 * * * *")) as (clock, _):
        room.raises = StoreUnavailable("is away")
        await clock.advance(35)
        room.raises = None
        await clock.advance(2)
        assert room.events == ["2026-01-01T00:02:00Z"]
        room.raises = GatewayDraining()
        await clock.advance(120)


async def test_other_schedules_are_heeded_at_once() -> None:
    room = Room()
    async with running(room, table("0 0 1 1 *")) as (clock, scheduler):
        scheduler.configure({"s": table("*/10 * * * * *")})
        await clock.advance(10)
    assert room.events[-1] == "2026-01-01T00:01:40Z"
