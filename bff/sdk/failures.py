"""Failures that function authors raise, meet and catch.

A call to a service that fails raises a :class:`ServiceError`; uncaught, it becomes the answer that the
table in :class:`ServiceAnswered` gives. The upstream's body is never part of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from math import ceil
from typing import Any

from bff.errors import BffError, Fault

_REGISTERED = frozenset(HTTPStatus)
_RETRY_AFTER = re.compile(r"[0-9]{1,9}|[A-Za-z]{3,9}, [A-Za-z0-9 :-]{1,30}")  # RFC 9110 §10.2.3


class Problem(BffError):
    """Raise it to answer with a problem document: ``raise Problem(404, "No such design.")``.

    4xx is the caller's fault, everything else the function's. ``extra`` adds members to the document.
    """

    code = "function-problem"

    def __init__(self, status: int, detail: str = "", **extra: Any) -> None:
        if not 400 <= status <= 599:
            raise ValueError(f"{status} is no error; a problem's status is 400 to 599")
        phrase = HTTPStatus(status).phrase if status in _REGISTERED else "Error"
        super().__init__(detail or phrase)
        self.status = status
        self.title = phrase
        self.fault = Fault.CALLER if 400 <= status < 500 else Fault.FUNCTION
        self._extra = extra
        self._headers: Mapping[str, str] = {}

    def with_headers(self, headers: Mapping[str, str]) -> Problem:
        """Itself, with fields for the answer's head: ``raise Problem(401).with_headers({…})``."""
        self._headers = headers
        return self

    def extras(self) -> Mapping[str, Any]:
        return self._extra

    def headers(self) -> Mapping[str, str]:
        return self._headers


class ServiceError(BffError):
    """A call to a service did not bring what was asked for. ``service`` names it."""

    code, title = "service-failed", "A service behind this page failed"
    status, fault, retryable = 502, Fault.SERVICE, True

    def __init__(self, service: str, why: str) -> None:
        self.service = service
        super().__init__(f"Service {service} {why}.")

    def extras(self) -> Mapping[str, Any]:
        return {"service": self.service}


class ServiceUnreachable(ServiceError):
    """No connection could be made: refused, no such host, or TLS failed."""

    code, title = "service-unreachable", "A service behind this page cannot be reached"
    status, flag = 503, "UF"

    def __init__(self, service: str, why: str = "could not be reached") -> None:
        super().__init__(service, why)


class NoHealthyEndpoint(ServiceUnreachable):
    """No endpoint may be called: all are ejected, or none is known. ``retry_in`` is seconds; 0 is unknown."""

    code, title = "no-healthy-endpoint", "A service behind this page has no healthy endpoint"
    flag = "UH"

    def __init__(self, service: str, retry_in: float = 0.0) -> None:
        super().__init__(service, "has no healthy endpoint")
        self.retry_in = retry_in

    def headers(self) -> Mapping[str, str]:
        return {"retry-after": str(ceil(self.retry_in))} if self.retry_in > 0 else {}


class ServiceOverloaded(ServiceError):
    """As many calls of the service are under way or wait as it may hold; this one was not sent."""

    code, title = "service-overloaded", "A service behind this page has too many calls already"
    status, flag = 503, "UO"

    def __init__(self, service: str, most: int = 0) -> None:
        super().__init__(service, f"has {most or 'too many'} calls under way or waiting already")

    def headers(self) -> Mapping[str, str]:
        return {"retry-after": "1"}


class NothingKept(ServiceError):
    """The call wanted what the cache has (``stale``), and it has nothing that may be used (RFC 9111 §5.2.1.7)."""

    code, title = "nothing-kept", "No answer of a service behind this page is kept"
    status = 504

    def __init__(self, service: str) -> None:
        super().__init__(service, "was not asked, and no answer of it is kept that could be used")


class ServiceTimedOut(ServiceError):
    """The service did not answer within the call's time: the least of call, service and deadline."""

    code, title = "service-timed-out", "A service behind this page did not answer in time"
    status, flag = 504, "UT"

    def __init__(self, service: str, waited: float) -> None:
        why = f"did not answer within {waited:.3g} s" if waited > 0 else "was not called: no time was left"
        super().__init__(service, why)


class ServiceConnectionLost(ServiceError):
    """The connection ended, or what came over it was not HTTP, before the answer was whole."""

    code, title = "service-connection-lost", "A service behind this page broke off its answer"
    flag = "UC"

    def __init__(self, service: str, why: str = "broke off its answer") -> None:
        super().__init__(service, why)


class ServiceBodyInvalid(ServiceError):
    """The body came whole but is not JSON, or does not fit the type given as ``into=``."""

    code, title = "service-body-invalid", "A service behind this page answered with something unexpected"
    retryable = False

    def __init__(self, service: str, what: str) -> None:
        super().__init__(service, f"answered with a body that {what}")


class ServiceAnswered(ServiceError):
    """The service answered outside 2xx. ``upstream_status`` is what it said.

    What it becomes, uncaught:

    ====================  =======================================  =================
    upstream              answer                                   whose fault
    ====================  =======================================  =================
    404, 410              404                                      the caller's
    401, 403              the same, if the caller's credential     the caller's
                          was relayed; else 502                    ours
    409, 412, 429         the same, with its ``Retry-After``       the caller's
    other 4xx, and 3xx    502                                      the function's
    503                   503, with its ``Retry-After``            the service's
    other 5xx             502                                      the service's
    ====================  =======================================  =================
    """

    code, title = "service-refused", "A service behind this page refused the request"

    def __init__(self, service: str, upstream_status: int, *, relayed: bool, retry_after: str = "") -> None:
        super().__init__(service, f"answered {upstream_status}")
        self.upstream_status = upstream_status
        self.status, self.fault = outcome_of(upstream_status, relayed=relayed)
        self.retryable = self.fault is Fault.SERVICE or upstream_status == 429
        self._retry_after = ""
        if self.status in (409, 412, 429, 503) and _RETRY_AFTER.fullmatch(retry_after):
            self._retry_after = retry_after

    def headers(self) -> Mapping[str, str]:
        return {"retry-after": self._retry_after} if self._retry_after else {}


def outcome_of(upstream_status: int, *, relayed: bool) -> tuple[int, Fault]:
    """The caller's status and the fault for a required part's upstream status (see the table above)."""
    if upstream_status in (404, 410):
        return 404, Fault.CALLER
    if upstream_status in (401, 403):
        return (upstream_status, Fault.CALLER) if relayed else (502, Fault.GATEWAY)
    if upstream_status in (409, 412, 429):
        return upstream_status, Fault.CALLER
    if upstream_status == 503:
        return 503, Fault.SERVICE
    return (502, Fault.SERVICE) if upstream_status >= 500 else (502, Fault.FUNCTION)


class UnknownService(BffError, AttributeError):
    """A function reached for a service that routes.yaml does not declare."""

    code, title = "unknown-service", "The function calls a service that is not declared"
    fault = Fault.FUNCTION

    def __init__(self, name: str, suggestion: str | None) -> None:
        hint = f"; did you mean {suggestion}?" if suggestion else ""
        super().__init__(f"No service {name} is declared in routes.yaml{hint}")


class BadServiceCall(BffError, ValueError):
    """What the function wanted to send to a service cannot be sent."""

    code, title = "bad-service-call", "The function asked a service for something that cannot be sent"
    fault = Fault.FUNCTION

    def __init__(self, service: str, why: str) -> None:
        super().__init__(f"The call to {service} was refused: {why}.")


class BadServicePath(BadServiceCall):
    """A service call's path would leave the service's URL or is not a path."""

    code, title = "bad-service-path", "The function asked a service for something that is no path"

    def __init__(self, service: str, why: str) -> None:
        super().__init__(service, f"its path {why}")
