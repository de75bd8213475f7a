"""Failures of what runs offline: events, schedules, pipelines and asynchronous calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bff.config.names import suggest
from bff.errors import BffError, Fault


class NoEvents(BffError):
    """A function publishes an event, and nothing would ever become of it."""

    code, title = "no-events", "Events are not declared"
    status, fault = 500, Fault.FUNCTION

    def __init__(self) -> None:
        super().__init__("routes.yaml has no triggers and no events section, so nothing can be published.")


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


class NoSuchName(BffError):
    """Only the admin listener says it: routes.yaml declares none of this name, or none of this key is kept
    (RFC 9110 §15.5.5). ``kind`` says of what: ``trigger``, ``schedule``, ``pipeline``, ``event`` or ``run``.
    """

    code, title = "no-such-name", "There is nothing of this name"
    status, fault = 404, Fault.CALLER

    def __init__(self, kind: str, why: str) -> None:
        self.kind = kind
        super().__init__(why)

    @classmethod
    def declared(cls, kind: str, name: str, known: Iterable[str]) -> NoSuchName:
        """It is none of those that routes.yaml has; with the name that was probably meant."""
        return cls(kind, f"routes.yaml has no {kind} {name[:80]}{suggest(name, known) or '.'}")

    @classmethod
    def kept(cls, kind: str, key: str, remedy: str) -> NoSuchName:
        """The store has none of this key. ``remedy`` tells where to find those it has."""
        return cls(kind, f"No {kind} {key[:80]} is kept{remedy}")

    def extras(self) -> Mapping[str, Any]:
        return {"kind": self.kind}


class NoSuchCall(BffError):
    """No asynchronous call of this id is kept, or it is somebody else's, or nothing came of it."""

    code, title = "no-such-call", "There is no such call"
    status, fault = 404, Fault.CALLER

    def __init__(self) -> None:
        super().__init__("No call of this id is kept for this caller, or nothing came of it.")


class CallbackRefused(BffError):
    """A call names an address for its end (``X-Callback-Url``) that this gateway does not call; it was not stored."""

    code, title = "callback-refused", "The callback is not allowed"
    status, fault = 400, Fault.CALLER

    def __init__(self, why: str) -> None:
        super().__init__(f"X-Callback-Url is refused: {why}.")


class RunBeforeOpen(BffError):
    """A schedule that is run by hand, whose ``overlap`` is ``skip``, while its run before has not ended."""

    code, title = "run-before-open", "The run before has not ended"
    status, fault, retryable = 409, Fault.CALLER, True

    def __init__(self, schedule: str) -> None:
        super().__init__(
            f"Schedule {schedule[:80]} did not run: its run before has not ended, and its overlap is skip. Wait for"
            f" that one, or end it: `bff events list --trigger schedule/{schedule[:80]}` shows its key."
        )


class CallOpen(BffError):
    """The asynchronous call has not ended yet, so there is no answer."""

    code, title = "call-open", "The call has not ended yet"
    status, fault, retryable = 409, Fault.CALLER, True

    def __init__(self) -> None:
        super().__init__("The call has not ended yet; its status says how far it is.")

    def headers(self) -> Mapping[str, str]:
        return {"retry-after": "1"}


class TooManyFollow(BffError):
    """So many callers follow their calls already that one more would be looked after badly."""

    code, title = "too-many-follow", "Too many follow their calls already"
    status, retryable = 503, True

    def __init__(self, most: int) -> None:
        super().__init__(
            f"{most} callers follow their calls already; ask for the status now and then instead."
        )

    def headers(self) -> Mapping[str, str]:
        return {"retry-after": "5"}


class CallConflict(BffError):
    """An Idempotency-Key was used before, with another request (draft-ietf-httpapi-idempotency-key-header §2.7)."""

    code, title = "call-conflict", "The key belongs to another request"
    status, fault = 422, Fault.CALLER

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key was used with another request; take a new one.")


class NameTaken(Exception):
    """Another process on the same store has this name and is alive, so this one does not start."""

    def __init__(self, name: str, holder: str) -> None:
        super().__init__(
            f"another process is named {name} and is alive: {holder.rpartition('/')[0]} (machine/process id); give this"
            " one another --name or none at all, or stop that one"
        )
