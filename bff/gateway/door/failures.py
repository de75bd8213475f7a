"""What the door refuses: each error with its sentence, its status and whose fault it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bff.errors import BffError, Fault


class CrossSite(BffError):
    """A call that may change something carries cookies, and a page of another site may have made it
    (OWASP's CSRF prevention; RFC 9110 §15.5.4).

    A call is refused if the browser says that it comes from another site (``Sec-Fetch-Site``, or ``Origin`` that
    is not the host which is called) and that origin is not allowed, or if the route demands ``X-CSRF: 1`` and the
    call does not have it. Calls without cookies, and GET and HEAD, are never refused; but a WebSocket is, cookies
    or not, if the page that opens it is of another origin which is not allowed.
    """

    code, title = "cross-site", "This may be another site's call"
    status, fault = 403, Fault.CALLER

    @classmethod
    def page(cls) -> CrossSite:
        """The page that calls is of another origin."""
        return cls(
            "The call carries cookies and comes from a page of another origin: call from a page of this one, "
            "leave the cookies out, or have the origin listed under csrf.origins of the route."
        )

    @classmethod
    def socket(cls) -> CrossSite:
        """The page that opens a WebSocket is of another origin."""
        return cls(
            "A page of another origin opens this WebSocket: open it from a page of this one, or have the origin "
            "listed under cors or csrf of the route."
        )

    @classmethod
    def header(cls) -> CrossSite:
        """The header is missing that no form can send."""
        return cls("The call carries cookies, and this route wants the header `X-CSRF: 1` with them.")


class TooManyRequests(BffError):
    """A rate limit of the route lets this caller in again in a while (RFC 6585 §4).

    ``Retry-After`` says when; ``RateLimit-Policy`` and ``RateLimit`` say what the limits are and how much of each is
    left (draft-ietf-httpapi-ratelimit-headers).
    """

    code, title = "too-many-requests", "Too many requests"
    status, fault, retryable, flag = 429, Fault.CALLER, True, "RL"

    def __init__(self, policies: tuple[str, ...], again_in: int) -> None:
        self._policies, self._again_in = policies, again_in
        super().__init__(f"The limit {' and '.join(policies)} is reached; try again in {again_in} s.")

    def extras(self) -> Mapping[str, Any]:
        return {"violated-policies": list(self._policies)}

    def headers(self) -> Mapping[str, str]:
        return {"retry-after": str(self._again_in)}


class LimitsUnavailable(BffError):
    """How often somebody has called cannot be told at the moment, and nobody is let in without that."""

    code, title = "limits-unavailable", "Rate limits cannot be told at the moment"
    status, retryable = 503, True

    def __init__(self) -> None:
        super().__init__("How often you have called cannot be told at the moment; try again.")

    def headers(self) -> Mapping[str, str]:
        return {"retry-after": "1"}


class TargetTooLong(BffError):
    """The path and query are over the listener's limit (RFC 9110 §15.5.15, which asks for 8,000 bytes at least)."""

    code, title = "target-too-long", "The request's address is too long"
    status, fault = 414, Fault.CALLER

    def __init__(self, limit: int) -> None:
        super().__init__(f"The path and query are longer than {limit} bytes; send more in a body.")


class TooManyConnections(BffError):
    """The gateway has as many connections as it may have, in all or from this address."""

    code, title = "too-many-connections", "There are too many connections"
    status, retryable = 503, True

    def __init__(self) -> None:
        super().__init__("There are too many connections already; use those you have, or come again.")

    def headers(self) -> Mapping[str, str]:
        return {"retry-after": "1"}


class LengthRequired(BffError):
    """The route takes bodies only if they say their length beforehand (RFC 9110 §15.5.12)."""

    code, title = "length-required", "The body's length is not told"
    status, fault = 411, Fault.CALLER

    def __init__(self) -> None:
        super().__init__("This route takes no body of unknown length; send Content-Length instead of chunks.")


class ExpectationFailed(BffError):
    """The request expects what nobody here can do; ``100-continue`` is all that there is (RFC 9110 §10.1.1, §15.5.18)."""

    code, title = "expectation-failed", "What the request expects is not known here"
    status, fault = 417, Fault.CALLER

    def __init__(self) -> None:
        super().__init__("The Expect field may say 100-continue and nothing else; leave it out.")


class KeysUnavailable(BffError):
    """The keys by which tokens are checked could not be fetched, and none are at hand from before."""

    code, title = "keys-unavailable", "Tokens cannot be checked at the moment"
    status, fault, retryable = 503, Fault.SERVICE, True

    def __init__(self, scheme: str) -> None:
        super().__init__(f"The keys of {scheme} could not be fetched, so its tokens cannot be checked.")

    def headers(self) -> Mapping[str, str]:
        return {"retry-after": "5"}


class NotCached(BffError):
    """The request wants a kept answer or none, and none is kept (RFC 9111 §5.2.1.7)."""

    code, title = "not-cached", "No kept answer was there"
    status, fault = 504, Fault.GATEWAY

    def __init__(self) -> None:
        super().__init__("The request says only-if-cached, and no answer to it is kept.")


class HeadTooLarge(BffError):
    """The request head is over the listener's limit (RFC 6585 §5)."""

    code, title = "head-too-large", "The request head is too large"
    status, fault = 431, Fault.CALLER

    def __init__(self, limit: int) -> None:
        super().__init__(f"The request line and header fields are larger than {limit} bytes.")


class HeadTimedOut(BffError):
    """The head did not arrive whole in time (RFC 9110 §15.5.9)."""

    code, title = "head-timed-out", "The request head did not arrive in time"
    status, fault = 408, Fault.CALLER

    def __init__(self, after: float) -> None:
        super().__init__(f"The request head was not complete after {after:g} s.")
