"""What the events room says when it cannot do as asked."""

from __future__ import annotations

from collections.abc import Mapping

from bff.errors import BffError, Fault


class BacklogFull(BffError):
    """Too many deliveries are open already (``events.backlog``): nothing was stored, and nothing is lost that
    the sender still has.
    """

    code, title = "events-backlog-full", "Too many events wait already"
    status, retryable = 503, True

    def __init__(self, most: int) -> None:
        super().__init__(f"{most} deliveries are open already; send the events again later.")

    def headers(self) -> Mapping[str, str]:
        return {"retry-after": "5"}


class NoSuchEvent(BffError):
    """No event of this key or id is kept, or several sources have one of this id."""

    code, title = "no-such-event", "There is no such event"
    status, fault = 404, Fault.CALLER

    def __init__(self, key: str) -> None:
        super().__init__(f"No event {key[:80]} is kept, or several are; `bff events list` shows their keys.")


class NoSuchTrigger(BffError):
    """routes.yaml declares no trigger of this name."""

    code, title = "no-such-trigger", "There is no such trigger"
    status, fault = 404, Fault.CALLER

    def __init__(self, name: str, known: str) -> None:
        super().__init__(f"routes.yaml has no trigger {name[:80]}{known or '.'}")
