"""Invocations as they come, found by what they were; and one of them with everything that is remembered."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from bff.admin.desk import House
from bff.admin.operation import Asked, Query
from bff.admin.telling import Teller
from bff.console.lookout import KINDS, MOST_ROWS, Lookouts, Wanted, line_of
from bff.console.page import Facts, Page
from bff.console.timeline import timeline_of
from bff.errors import BadRequest, NotFound
from bff.telemetry.recorder import Recorder

STATUSES = ("2xx", "3xx", "4xx", "5xx")


class Invocations:
    """Mutable state is the lookouts'."""

    def __init__(self, house: House) -> None:
        self._recorder = house.recorder
        self._clock = house.clock
        self._lookouts = None if house.recorder is None else Lookouts(house.recorder)

    def pages(self) -> list[Page]:
        """The live list, and one of them."""
        return [
            Page(
                name="invocations",
                path="/console/invocations",
                title="Invocations",
                facts=self._list,
                nav="Invocations",
                key="i",
                query=(
                    Query(
                        name="filter", says="A part of a function's, route's or revision's name, or of an id."
                    ),
                    Query(name="kind", says=f"One of {', '.join(KINDS)}."),
                    Query(name="status", says="A status such as 404, or a class of them such as 5xx."),
                ),
                parts=("rows",),
            ),
            Page(
                name="invocation",
                path="/console/invocations/{request_id}",
                title="Invocation",
                facts=self._one,
                under="invocations",
                query=(Query(name="seq", says="Which of several with this id.", kind=int),),
            ),
        ]

    @property
    def _teller(self) -> Teller:
        return Teller(self._clock.wall() - self._clock.now())

    async def _list(self, asked: Asked) -> Facts:
        query = asked.query
        wanted = Wanted(query.get("filter", "").strip(), query.get("kind", ""), query.get("status", ""))
        facts: dict[str, Any] = {
            "wanted": wanted,
            "kinds": {name: word for name, (word, _) in KINDS.items()},
            "statuses": STATUSES,
            "is_recorded": self._lookouts is not None,
            "most": MOST_ROWS,
            "rows": [],
            "seen": 0,
        }
        if self._lookouts is None or self._recorder is None:
            return facts
        try:
            found = self._lookouts.look(wanted)
        except ValueError as wrong:
            raise BadRequest(f"The query parameter status {wrong}.") from None
        rows = [line_of(self._teller.line(entry)) for entry in found]
        return {**facts, "rows": rows, "seen": self._recorder.last}

    async def _one(self, asked: Asked) -> Facts:
        told = self._found(self._recorder, asked)
        return {
            "told": line_of(told),
            "timeline": timeline_of(told),
            "api": f"/v1/invocations/{told['request_id']}?{urlencode({'seq': told['seq']})}",
        }

    def _found(self, recorder: Recorder | None, asked: Asked) -> dict[str, Any]:
        if recorder is None:
            raise NotFound("Nothing is remembered here (telemetry.recorder in routes.yaml).")
        entry = recorder.find(asked.params["request_id"], asked.query.get("seq"))
        if entry is None:
            raise NotFound(
                "No invocation with this id is remembered, or not any more: "
                "telemetry.recorder.memory in routes.yaml says how many are."
            )
        return self._teller.whole(entry)
