"""Events as they come, one of them with every trigger's word and every attempt, and what is dead."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bff.admin.desk import House
from bff.admin.operation import Asked, Query
from bff.console.page import Facts, Page
from bff.errors import NotFound
from bff.sdk.eventfailures import NoSuchName

if TYPE_CHECKING:
    from bff.events.operating import Operating

ROWS = 50
MOST_TRIGGERS = 40
WITHIN = 20_000
"""Events among which is looked, twice a second: what few of them are has no index."""
MOST_TEXT = 20_000
"""Characters of an event's data that are shown."""
STEP = "bff.pipeline"
"""The type of what the steps of pipelines get: a run may have thousands, in which what came would be lost."""
STATES = ("waiting", "running", "delivered", "dead", "cancelled")
OPEN = ("waiting", "running")
COUNTED = (*OPEN, "dead")
"""States of which there is an index, so that they can be counted twice a second."""
AGAIN = ("dead", "cancelled")
"""States of deliveries that may begin anew."""


class Deliveries:
    """Immutable."""

    def __init__(self, house: House) -> None:
        self._operating: Callable[[], Operating | None] = house.events

    def pages(self) -> list[Page]:
        """All of them."""
        return [
            Page(
                name="events",
                path="/console/events",
                title="Events",
                facts=self._list,
                nav="Events",
                heads="Offline",
                key="v",
                query=(
                    Query(name="filter", says="A type, a source, an id or a key."),
                    Query(name="trigger", says="Only events with a delivery of this trigger."),
                    Query(name="state", says=f"Only with one that is: {', '.join(STATES)}."),
                    Query(name="steps", says="true: the steps of pipelines too.", kind=bool),
                    Query(name="before", says="Only what is older than the event with this key."),
                ),
                parts=("triggers", "rows"),
            ),
            Page(
                name="event",
                path="/console/events/{key}",
                title="Event",
                facts=self._one,
                under="events",
                parts=("standing", "deliveries"),
            ),
            Page(
                name="dead",
                path="/console/dead",
                title="Dead letters",
                facts=self._dead,
                nav="Dead letters",
                key="d",
                query=(Query(name="trigger", says="Only those of this trigger."),),
                parts=("triggers", "rows"),
            ),
        ]

    async def _list(self, asked: Asked) -> Facts:
        query, operating = asked.query, self._operating()
        text, wanted = query.get("filter", "").strip(), {name: query.get(name, "") for name in _NARROWED}
        steps = bool(query.get("steps")) or wanted["trigger"].startswith("pipeline/")
        facts = {
            "filter": text,
            "states": STATES,
            "has_events": operating is not None,
            "steps": steps,
            "within": WITHIN,
            **wanted,
        }
        if operating is None:
            return {**facts, "triggers": [], "known": [], "rows": [], "more": ""}
        triggers = await operating.triggers(*COUNTED)
        rows = await _found(
            operating, text, {**wanted, "but": "" if steps or text else STEP, "within": WITHIN}
        )
        return {
            **facts,
            "triggers": triggers[:MOST_TRIGGERS],
            "known": [each["name"] for each in triggers],
            "rows": rows[:ROWS],
            "more": rows[ROWS - 1]["key"] if len(rows) > ROWS else "",
        }

    async def _one(self, asked: Asked) -> Facts:
        operating, key = self._operating(), asked.params["key"]
        if operating is None:
            raise NotFound("This gateway has no events: routes.yaml has none.")
        told, shown = await operating.explain(key), await operating.show(key)
        deliveries = [each["delivery"] for each in told["triggers"] if each["delivery"]]
        return {
            "told": told,
            "event": shown["event"],
            "state": state_of(deliveries),
            "is_open": any(each["state"] in OPEN for each in deliveries),
            "may_begin_anew": any(each["state"] in AGAIN for each in deliveries),
            "most": MOST_TEXT,
        }

    async def _dead(self, asked: Asked) -> Facts:
        operating, trigger = self._operating(), asked.query.get("trigger", "")
        if operating is None:
            return {"has_events": False, "trigger": "", "triggers": [], "rows": [], "all": 0}
        counts = await operating.counts("dead")
        return {
            "has_events": True,
            "trigger": trigger,
            "triggers": sorted(counts.items(), key=lambda each: -each[1])[:MOST_TRIGGERS],
            "rows": await operating.dead(trigger, ROWS),
            "all": counts.get(trigger, 0) if trigger else sum(counts.values()),
        }


_NARROWED = ("trigger", "state", "before")


async def _found(operating: Operating, text: str, wanted: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Events whose type is so, else those whose source is, else the one whose id or key is."""
    if not text:
        return await operating.listed(limit=ROWS + 1, **wanted)
    for name in ("type", "source"):
        if rows := await operating.listed(limit=ROWS + 1, **wanted, **{name: text}):
            return rows
    try:
        return [await operating.show(text)]
    except NoSuchName:
        return []


def state_of(deliveries: Sequence[Mapping[str, Any]]) -> str:
    """How an event stands, in one word: the one that somebody has to do something about first. Pure."""
    states = {each["state"] for each in deliveries}
    return next((state for state in ("dead", *OPEN, "cancelled", "delivered") if state in states), "unwanted")
