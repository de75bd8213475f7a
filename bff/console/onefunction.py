"""One function: its revisions and who gets the calls, the release under way, its instances and what they cost to warm."""

from __future__ import annotations

from typing import Any

from bff.admin import catalogue
from bff.admin.desk import House
from bff.admin.difference import compared
from bff.admin.operation import Asked, Query
from bff.admin.reading import function_of
from bff.console.charting import columns
from bff.console.meter import Cell, Meter
from bff.console.page import Facts, Page
from bff.console.releasing import steps_of, tests_of
from bff.console.standings import condition
from bff.console.waterfall import bars_of
from bff.revisions.store.records import Back, ReleaseState

WINDOW = 10
MOST_REVISIONS = 50
MOST_LINES = 20


class OneFunction:
    """Mutable state is the meter's."""

    def __init__(self, house: House, *, meter: Meter | None) -> None:
        self._house = house
        self._meter = meter

    def pages(self) -> list[Page]:
        """The function's own page, and what differs between two of its revisions."""
        return [
            Page(
                name="function",
                path="/console/functions/{name}",
                title="Function",
                facts=self._function,
                under="functions",
                parts=("numbers", "points", "traffic", "release", "instances", "revisions", "history"),
            ),
            Page(
                name="diff",
                path="/console/functions/{name}/diff",
                title="Differences",
                facts=self._diff,
                under="functions",
                query=(
                    Query(name="from", says="The older revision."),
                    Query(name="to", says="The newer revision."),
                ),
            ),
        ]

    async def _function(self, asked: Asked) -> Facts:
        house, name = self._house, function_of(self._house.functions, asked)
        back, release = await house.store.back(name), await house.store.release(name)
        history = await house.store.history(name, limit=MOST_LINES)
        standing: dict[str, Any] = dict(house.functions()[name].status())
        return {
            "name": name,
            "standing": standing,
            "condition": condition(standing),
            "window": WINDOW,
            **self._calls(name),
            **_traffic(back),
            **self._release(name, release),
            **self._instances(name),
            "history": catalogue.history(history),
        }

    def _calls(self, name: str) -> dict[str, Any]:
        if self._meter is None:
            return {"cell": Cell(), "points": []}
        now = self._house.clock.now()
        self._meter.catch_up(now)
        return {
            "cell": self._meter.over(WINDOW, now, name),
            "points": columns(self._meter, now, self._house.clock.wall(), name),
        }

    def _release(self, name: str, state: ReleaseState) -> dict[str, Any]:
        verdict = self._house.verdict(name) if state.goes_on else None
        return {
            "release": dict(state.state) if state.state else None,
            "release_goes_on": state.goes_on,
            "steps": steps_of(state.state) if state.state else [],
            "verdict": verdict,
            "tests": tests_of(verdict) if verdict else [],
        }

    def _instances(self, name: str) -> dict[str, Any]:
        seen = [each for each in self._house.closeups(name) if each.states or not each.retired]
        warmed = [each for each in seen if each.warm_up is not None]
        return {
            "closeups": seen,
            "memory": sum(process.memory for each in seen for process in each.processes),
            "warm_ups": [
                {"revision": each.revision, "measured": each.warm_up, "bars": bars_of(each.warm_up)}
                for each in warmed[:2]
                if each.warm_up is not None
            ],
        }

    async def _diff(self, asked: Asked) -> Facts:
        house, name = self._house, function_of(self._house.functions, asked)
        names = [each.name for each in reversed(await house.store.versions(name))]
        after = asked.query.get("to") or (names[0] if names else "")
        before = asked.query.get("from") or (names[1] if len(names) > 1 else after)
        found = None
        if before and after and before != after:
            found = await compared(house.store, house.unpack, house.describe, name, before, after)
        return {"name": name, "names": names, "before": before, "after": after, "diff": found}


def _traffic(back: Back) -> dict[str, Any]:
    now, kept = back.now, list(reversed(back.versions))
    targets = now.traffic.block() if now.latest else []
    good = back.last_good()
    return {
        "version": now.version,
        "latest": now.latest,
        "main": now.main,
        "targets": targets,
        "shares": sorted(now.shares().items(), key=lambda each: -each[1]),
        "revisions": [catalogue.revision(each, now) for each in kept[:MOST_REVISIONS]],
        "revision_count": len(kept),
        "names": [each.name for each in kept],
        "goes_back_to": sorted(good, key=lambda each: -good[each]) if good else [],
    }
