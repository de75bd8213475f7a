"""Sources that are the gateway's own. A schedule's moment, a part of a run and a call are each stored once, by source and
id: whoever could send an event under those would keep the real one from being stored. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from bff.config import Config
from bff.errors import BadRequest
from bff.frozen import frozen
from bff.sdk.cloudevent import CloudEvent


@frozen
class OwnSources:
    """By what routes.yaml declares: other names are free, such as those of another gateway's schedules."""

    schedules: Collection[str] = ()
    pipelines: Collection[str] = ()
    has_calls: bool = False

    @classmethod
    def of(cls, config: Config) -> OwnSources:
        """Those of a routes.yaml."""
        return cls(
            schedules=frozenset(config.schedules),
            pipelines=frozenset(config.pipelines),
            has_calls=config.has_calls,
        )

    def refuse(self, events: Iterable[CloudEvent]) -> None:
        """Let events of others pass.

        Raises:
            BadRequest: the source of one is the gateway's own.

        """
        for at, event in enumerate(events):
            if self._is_own(event.source):
                raise BadRequest(
                    f"Event {at}: source {event.source[:60]!r} is one of this gateway's own; send it under another source."
                )

    def _is_own(self, source: str) -> bool:
        kind, _, rest = source.removeprefix("/").partition("/")
        name = rest.partition("/")[0]
        if not source.startswith("/") or not name:
            return False
        if kind == "calls":
            return self.has_calls
        return name in {"schedules": self.schedules, "pipelines": self.pipelines}.get(kind, ())
