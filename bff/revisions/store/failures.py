"""What the store says when it cannot do as asked. Foreign errors end in the adapters and become these."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bff.errors import BffError, Fault


class StoreUnavailable(BffError):
    """The store is away, locked, read-only or full: nothing was changed, and traffic flows on as it was.

    ``why`` and ``remedy`` are for operators: a file is named there, though never an address with a password.
    """

    code, title = "store-unavailable", "The state store cannot be used now"
    status, retryable = 503, True

    def __init__(self, why: str, *, remedy: str = "") -> None:
        self.why, self.remedy = why, remedy
        super().__init__(f"The state store {why}." + (f" {remedy[0].upper()}{remedy[1:]}." if remedy else ""))

    def outward(self) -> str:
        return "The gateway's state store cannot be used now; the gateway's log says why."

    def headers(self) -> Mapping[str, str]:
        return {"retry-after": "1"} if self.retryable else {}


class StoreBroken(StoreUnavailable):
    """The store's content cannot be read, or was written by a newer version; waiting does not help."""

    code, title = "store-broken", "The state store cannot be read"
    status, retryable = 500, False


class Conflict(BffError):
    """The change is based on what somebody else has changed meanwhile (RFC 9110 §15.5.10)."""

    code, title = "conflict", "Somebody else was faster"
    status, fault = 409, Fault.CALLER

    def __init__(self, what: str, *, expected: int, now: int) -> None:
        self.expected, self.now = expected, now
        super().__init__(
            f"{what} is at version {now} now, not {expected}; read it again and decide on what it says."
        )

    def extras(self) -> Mapping[str, int]:
        return {"expected": self.expected, "version": self.now}


class NoSuchRevision(BffError):
    """A function has no revision of this name, or no longer."""

    code, title = "no-such-revision", "There is no such revision"
    status, fault = 404, Fault.CALLER

    def __init__(self, function: str, name: str, known: Iterable[str] = ()) -> None:
        newest = ", ".join(list(known)[-5:])
        has = f"its newest are {newest}" if newest else "it has none yet"
        super().__init__(f"Function {function} has no revision {name[:80]}; {has}.")


class NoSuchRelease(BffError):
    """A function was never released step by step."""

    code, title = "no-such-release", "There is no release"
    status, fault = 404, Fault.CALLER

    def __init__(self, function: str) -> None:
        super().__init__(
            f"Function {function} has no release; `release: {{strategy: canary}}` makes one of the next deploy."
        )
