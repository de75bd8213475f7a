"""Runs what is due by the clock. Every gateway does: the store keeps one event for each moment, whoever is first."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

from bff.clock import Clock
from bff.errors import GatewayDraining
from bff.events import timetable
from bff.events.timetable import Timetable
from bff.revisions.store.failures import StoreUnavailable
from bff.sdk.cloudevent import CloudEvent
from bff.sdk.eventfailures import BacklogFull
from bff.signals import Signals, Unexpected

TYPE = "bff.schedule"
"""The type of a schedule's events."""
GRACE = 60.0
"""Seconds a moment may be past and still counts as now."""
LOOKS_EVERY = 60.0
"""Seconds until the clock is looked at again at the latest: it may have been set."""
AGAIN_AFTER = 1.0


class Firing(Protocol):
    """The room, as far as this needs it."""

    async def fire(self, table: Timetable, event: CloudEvent) -> object:
        """Store the event with its delivery, unless that moment is stored already."""

    async def fired(self, table: Timetable) -> str | None:
        """The id of the newest event of a schedule that is kept."""


class Scheduler:
    """Mutable state: ``tables``, replaced when routes.yaml changes, ``_looked``, up to when each was looked at,
    ``_wakes``, and ``_rests`` while nothing is due.
    """

    def __init__(self, room: Firing, *, clock: Clock, signals: Signals) -> None:
        self.tables: Mapping[str, Timetable] = {}
        self._room = room
        self._clock = clock
        self._signals = signals
        self._looked: dict[tuple[str, str, str], float] = {}
        self._wakes = asyncio.Event()
        self._rests = asyncio.Event()

    async def quiet(self) -> None:
        """Return once everything that is due has been stored."""
        await self._rests.wait()

    def configure(self, tables: Mapping[str, Timetable]) -> None:
        """Go by these from now on."""
        self.tables = tables
        kept = {table.when for table in tables.values()}
        self._looked = {when: at for when, at in self._looked.items() if when in kept}
        self._wakes.set()

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            self._wakes.clear()
            self._rests.clear()
            again = await self._look()
            now = self._clock.wall()
            waits = [table.after(now) - now for table in self.tables.values()]
            await self._wait(min([*waits, LOOKS_EVERY, *([AGAIN_AFTER] if again else [])]))

    async def _look(self) -> bool:
        """Fire what is due; True when something could not be and is to be tried again soon."""
        again = False
        for table in list(self.tables.values()):
            try:
                await self._one(table)
            except GatewayDraining:
                return False
            except (StoreUnavailable, BacklogFull):
                again = True
            except Exception as error:
                self._signals.emit(Unexpected(where=f"schedule {table.name}", error=error))
        return again

    async def _one(self, table: Timetable) -> None:
        now = self._clock.wall()
        since = self._looked.get(table.when)
        if since is None:
            since = await self._since(table, now)
        due = table.latest(since, now)
        if due is not None and (table.config.missed == "last" or now - due <= GRACE):
            await self._room.fire(table, event_of(table, due))
        self._looked[table.when] = now

    async def _since(self, table: Timetable, now: float) -> float:
        """Where to begin: after the last one that is known, or now."""
        if table.config.missed == "skip":
            return now - GRACE
        last = await self._room.fired(table)
        return now - GRACE if last is None else timetable.moment_of(last)

    async def _wait(self, seconds: float) -> None:
        timer = self._clock.call_at(self._clock.now() + max(0.0, seconds), self._wakes.set)
        if not self._wakes.is_set():
            self._rests.set()
        try:
            await self._wakes.wait()
        finally:
            timer.cancel()


def event_of(table: Timetable, at: float, *, number: str = "", source: str = "") -> CloudEvent:
    """The event of a moment."""
    return CloudEvent(
        id=number or timetable.instant(at),
        source=source or table.source,
        type=TYPE,
        time=timetable.instant(at),
        datacontenttype="application/json",
        data=dict(table.config.data),
    )
