"""The first page: how much comes, how it goes, who is warm."""

from __future__ import annotations

import os
from typing import Any

from bff.admin.desk import House
from bff.admin.operation import Asked
from bff.console.charting import columns
from bff.console.meter import Cell, Meter
from bff.console.page import Facts, Page
from bff.console.standings import Standings, condition
from bff.telemetry.memory import resident

WINDOW = 10
"""Seconds that the numbers are about."""
MOST_ROWS = 12


class Overview:
    """Mutable state is the meter's."""

    def __init__(self, house: House, *, standings: Standings, meter: Meter | None) -> None:
        self._clock = house.clock
        self._standings = standings
        self._meter = meter

    def pages(self) -> list[Page]:
        """The one there is."""
        return [
            Page(
                name="overview",
                path="/console",
                title="Overview",
                facts=self._facts,
                nav="Overview",
                key="o",
                parts=("numbers", "points", "busy", "standing"),
            )
        ]

    async def _facts(self, _: Asked) -> Facts:
        now, standings = self._clock.now(), self._standings.all()
        facts: dict[str, Any] = {
            "window": WINDOW,
            "memory": resident(os.getpid()),
            "is_recorded": self._meter is not None,
            **_standing(standings),
        }
        if self._meter is None:
            return {**facts, "cell": Cell(), "minute": Cell(), "points": [], "busy": []}
        self._meter.catch_up(now)
        busy = self._meter.by_function(WINDOW, now)
        return {
            **facts,
            "cell": self._meter.over(WINDOW, now),
            "minute": self._meter.over(60, now),
            "points": columns(self._meter, now, self._clock.wall()),
            "busy": sorted(busy.items(), key=lambda each: (-each[1].count, each[0]))[:MOST_ROWS],
        }


def _standing(standings: list[dict[str, Any]]) -> dict[str, Any]:
    conditions = [condition(each) for each in standings]
    warm = [each for each in standings if each["instances"]]
    return {
        "functions": len(standings),
        "warm": sorted(warm, key=_recency, reverse=True)[:MOST_ROWS],
        "warm_count": len(warm),
        "instances": sum(each["instances"] for each in standings),
        "failing": [each for each in standings if each["failure"]][:5],
        "failing_count": conditions.count("failing"),
        "in_flight": sum(each["in_flight"] for each in standings),
        "waiting": sum(each["waiting"] for each in standings),
    }


def _recency(standing: dict[str, Any]) -> tuple[int, str]:
    """Who is at it first, then who was last."""
    return standing["in_flight"], standing["last_used"] or ""
