"""What the admin listener refuses, each with the status that HTTP has for it and with the remedy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bff.errors import BffError, Fault, FunctionNotLoaded


class TokenRequired(BffError):
    """The admin listener needs a bearer token here and got none that it knows (RFC 6750 §3)."""

    code, title = "token-required", "A token is needed"
    status, fault = 401, Fault.CALLER

    def __init__(self, why: str) -> None:
        super().__init__(why)

    def headers(self) -> Mapping[str, str]:
        return {"www-authenticate": 'Bearer realm="bff admin"'}


class ScopeMissing(BffError):
    """The admin listener knows the token, but it may not do this (RFC 6750 §3.1)."""

    code, title = "scope-missing", "The token may not do this"
    status, fault = 403, Fault.CALLER

    def __init__(self, scope: str) -> None:
        self.scope = scope
        super().__init__(f"This needs a token with the scope {scope}; `bff token create` makes one.")

    def headers(self) -> Mapping[str, str]:
        return {
            "www-authenticate": f'Bearer realm="bff admin", error="insufficient_scope", scope="{self.scope}"'
        }


class ForeignPage(BffError):
    """A web page of another origin sent the request to the admin listener (RFC 6454 §7)."""

    code, title = "foreign-page", "A page of another origin may not ask this"
    status, fault = 403, Fault.CALLER

    def __init__(self) -> None:
        super().__init__("A web page of another origin may not use the admin listener.")


class VersionRequired(BffError):
    """The admin listener wants to know on which version a change is based (RFC 6585 §3)."""

    code, title = "version-required", "If-Match is needed"
    status, fault = 428, Fault.CALLER

    def __init__(self) -> None:
        super().__init__(
            "Send If-Match with the ETag of what you read before, so that nobody's change is lost; * means any."
        )


class VersionMoved(BffError):
    """What the change is based on was changed meanwhile, and If-Match forbids it then (RFC 9110 §15.5.13)."""

    code, title = "version-moved", "Somebody else was faster"
    status, fault = 412, Fault.CALLER

    def __init__(self, now: int | None = None) -> None:
        self._version = now
        at = "has another version now" if now is None else f"is at version {now} now"
        super().__init__(f"What you change {at}; read it again and decide on what it says.")

    def extras(self) -> Mapping[str, Any]:
        return {} if self._version is None else {"version": self._version}


class RevisionRefused(BffError):
    """A revision that shall get calls cannot serve. The admin listener shows its place and the remedy."""

    code, title = "revision-refused", "This revision cannot serve"
    status, fault = 422, Fault.FUNCTION

    def __init__(self, failure: FunctionNotLoaded) -> None:
        self._report = failure.report()
        super().__init__(f"A revision of {failure.function} cannot serve; everything stays as it was.")

    def extras(self) -> Mapping[str, Any]:
        return {"report": self._report}


class UploadTimedOut(BffError):
    """The body sent to the admin listener did not arrive whole in time (RFC 9110 §15.5.9)."""

    code, title = "upload-timed-out", "The body did not arrive in time"
    status, fault, retryable = 408, Fault.CALLER, True

    def __init__(self, after: float) -> None:
        super().__init__(f"The body was not complete after {after:g} s.")


class Busy(BffError):
    """The admin listener does as much of this at once as it can."""

    code, title = "admin-busy", "Too many of these at once"
    status, retryable = 503, True

    def headers(self) -> Mapping[str, str]:
        return {"retry-after": "1"}
