"""Every error of the house: facts in, one sentence out.

An error knows its HTTP status, whose fault it was and whether trying again could help; the gateway turns
it into RFC 9457 problem+json. It knows nothing about HTTP messages, logs or metrics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, ClassVar


class Fault(StrEnum):
    """Whose fault a failure was: canary judgement, logs and error bodies depend on it."""

    CALLER = "caller"
    FUNCTION = "function"
    SERVICE = "service"
    GATEWAY = "gateway"


class BffError(Exception):
    """The root of every error this project raises on purpose.

    ``str(error)`` is one sentence that is safe to show to a caller: it never holds a secret, an upstream's
    body or a traceback.
    """

    code: ClassVar[str] = "internal-error"
    explained: str = "internal-error"
    """Which page of ``/problems/`` explains it: its code, or that of the kind of ours which a function's own kind is of."""
    title: str = "Internal error"
    status: int = 500
    fault: Fault = Fault.GATEWAY
    retryable: bool = False
    flag: ClassVar[str] = ""
    """Envoy's response flag for it in the access log
    (https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage); mostly it has none."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "code" in vars(cls) and cls.__module__.startswith("bff."):
            cls.explained = cls.code

    def outward(self) -> str:
        """The sentence for callers, where the error's own is for operators."""
        return str(self)

    def extras(self) -> Mapping[str, Any]:
        """Members added to the problem document beyond RFC 9457's own."""
        return {}

    def headers(self) -> Mapping[str, str]:
        """Header fields the answer must carry, such as ``Allow`` or ``Retry-After``."""
        return {}


def twin(error: BaseException) -> BaseException:
    """The same failure for another who waits for the same: one object raised in two places would mix their
    tracebacks and notes.
    """
    made = type(error).__new__(type(error), *error.args)
    made.__dict__.update(error.__dict__)
    made.__dict__.pop("__notes__", None)
    made.__cause__, made.__suppress_context__ = error.__cause__, error.__suppress_context__
    return made


class BadRequest(BffError):
    """The request cannot be understood as HTTP, JSON or UTF-8 (RFC 9110 §15.5.1)."""

    code, title = "bad-request", "The request could not be understood"
    status, fault = 400, Fault.CALLER


class Unauthenticated(BffError):
    """The route asks who calls, and this request does not say, or not believably (RFC 9110 §15.5.2)."""

    code, title = "unauthenticated", "Nobody is known here by this request"
    status, fault = 401, Fault.CALLER

    def __init__(self, why: str, challenges: tuple[str, ...]) -> None:
        super().__init__(why)
        self._challenges = challenges

    def headers(self) -> Mapping[str, str]:
        return {"www-authenticate": ", ".join(self._challenges)}


class Forbidden(BffError):
    """The caller is known and may not do this (RFC 9110 §15.5.4)."""

    code, title = "forbidden", "This caller may not do this"
    status, fault = 403, Fault.CALLER

    def __init__(self, why: str, challenge: str = "") -> None:
        super().__init__(why)
        self._challenge = challenge

    def headers(self) -> Mapping[str, str]:
        return {"www-authenticate": self._challenge} if self._challenge else {}


class UpgradeRequired(BffError):
    """Here is a WebSocket, and the request offers none, or of another version (RFC 9110 §15.5.22, RFC 6455 §4.4)."""

    code, title = "upgrade-required", "Here is a WebSocket"
    status, fault = 426, Fault.CALLER

    def headers(self) -> Mapping[str, str]:
        return {"upgrade": "websocket", "connection": "upgrade", "sec-websocket-version": "13"}


class NotFound(BffError):
    """No route has this path (RFC 9110 §15.5.5)."""

    code, title = "not-found", "Nothing is here"
    status, fault = 404, Fault.CALLER

    def __init__(self, what: str = "No route matches this path.") -> None:
        super().__init__(what)


class MethodNotAllowed(BffError):
    """The path exists, but not for this method (RFC 9110 §15.5.6 demands ``Allow``)."""

    code, title = "method-not-allowed", "This method is not allowed here"
    status, fault = 405, Fault.CALLER

    def __init__(self, method: str, allow: str) -> None:
        super().__init__(f"{method} is not allowed here; the path answers {allow}.")
        self._allow = allow

    def headers(self) -> Mapping[str, str]:
        return {"allow": self._allow}


class NotAcceptable(BffError):
    """The function answers JSON, and ``Accept`` takes none (RFC 9110 §15.5.7)."""

    code, title = "not-acceptable", "The answer would be of no kind that is accepted"
    status, fault = 406, Fault.CALLER

    def __init__(self) -> None:
        super().__init__(
            "This route answers application/json, which the request's Accept field does not take."
        )


class BodyTooLarge(BffError):
    """The request body is over the route's limit (RFC 9110 §15.5.14)."""

    code, title = "body-too-large", "The request body is too large"
    status, fault = 413, Fault.CALLER

    def __init__(self, limit: int) -> None:
        super().__init__(f"The body is larger than the {limit} bytes this route accepts.")


class FormTooLarge(BffError):
    """A form has more or larger parts than the route's ``forms`` allow (RFC 9110 §15.5.14)."""

    code, title = "form-too-large", "The form is too large"
    status, fault = 413, Fault.CALLER


class UnsupportedMediaType(BffError):
    """The body is not of a kind the function reads (RFC 9110 §15.5.16)."""

    code, title = "unsupported-media-type", "The body is not of a kind this route reads"
    status, fault = 415, Fault.CALLER

    def __init__(self, got: str, wanted: str) -> None:
        super().__init__(f"The body is {got or 'of no stated type'}; this route reads {wanted}.")


class UnsupportedCoding(BffError):
    """The body is compressed, and what the function takes is read as it is (RFC 9110 §15.5.16, §12.5.3)."""

    code, title = "unsupported-coding", "The body is in a content coding"
    status, fault = 415, Fault.CALLER

    def __init__(self, coding: str) -> None:
        super().__init__(f"The body is in the content coding {coding[:40]!r}; this route reads it as it is.")

    def headers(self) -> Mapping[str, str]:
        return {"accept-encoding": "identity"}


class ValidationFailed(BffError):
    """Values arrived but do not fit the function's signature (RFC 9110 §15.5.21).

    ``errors`` lists each field: ``{"in": "query", "field": "limit", "message": "…", "type": "int_parsing"}``.
    """

    code, title = "validation-failed", "Some values do not fit"
    status, fault = 422, Fault.CALLER

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        self.errors = errors
        names = ", ".join(f"{e['in']}.{e['field']}" if e["field"] else str(e["in"]) for e in errors[:5])
        super().__init__(f"{len(errors)} value{'s' if len(errors) > 1 else ''} did not fit: {names}.")

    def extras(self) -> Mapping[str, Any]:
        return {"errors": self.errors}


class BodyTimedOut(BffError):
    """The body stopped coming, or was not whole by the request's deadline (RFC 9110 §15.5.9)."""

    code, title = "body-timed-out", "The request body did not arrive in time"
    status, fault = 408, Fault.CALLER

    def __init__(self, after: float, *, in_all: bool = False) -> None:
        what = (
            "The request body was not whole after" if in_all else "Nothing more of the request body came for"
        )
        super().__init__(f"{what} {after:g} s.")


class CallerLeft(BffError):
    """The caller closed the connection before the answer (nginx's 499); nobody reads this status."""

    code, title = "caller-left", "The caller closed the connection"
    status, fault, flag = 499, Fault.CALLER, "DC"

    def __init__(self) -> None:
        super().__init__("The caller closed the connection before the answer was ready.")


class DeadlineExceeded(BffError):
    """The request's time ran out before the function answered."""

    code, title = "deadline-exceeded", "The answer did not come in time"
    status, retryable = 504, True

    def __init__(self, *, allowed: float, waiting_for: tuple[str, ...] = (), cold_for: float = 0.0) -> None:
        """``cold_for``: seconds it would take to warm, which is why nobody waited at all."""
        self.fault = Fault.SERVICE if waiting_for else Fault.FUNCTION
        culprit = f", waiting for {', '.join(waiting_for)}" if waiting_for else ""
        culprit += f": it is cold, and being warmed, which takes {cold_for:.3g} s or more" if cold_for else ""
        super().__init__(f"The function did not answer within {allowed:g} s{culprit}.")


class FunctionFailed(BffError):
    """A handler raised, or returned what its contract forbids. The cause is ``__cause__``."""

    code, title = "function-failed", "The function failed"
    status, fault = 500, Fault.FUNCTION

    def __init__(self, function: str, why: str = "raised an error") -> None:
        self.function = function
        super().__init__(f"Function {function} {why}.")


class FunctionCrashed(BffError):
    """The process of a function with ``isolation: process`` ended in the middle of the call."""

    code, title = "function-crashed", "The function crashed"
    status, fault = 502, Fault.FUNCTION

    def __init__(self, function: str, how: str) -> None:
        self.function = function
        super().__init__(f"Function {function} crashed: its process {how}.")


class OutOfMemory(BffError):
    """A function with ``isolation: process`` needed more than its ``memory`` (RFC 4918 §11.5's 507)."""

    code, title = "out-of-memory", "The function needs more memory than it may have"
    status, fault = 507, Fault.FUNCTION

    def __init__(self, function: str, limit: int) -> None:
        self.function = function
        super().__init__(f"Function {function} needed more than the {limit} bytes of memory it may have.")


class FunctionNotLoaded(BffError):
    """The function's file is missing, broken or breaks the contract. ``where`` is for operators only."""

    code, title = "function-not-loaded", "The function could not be loaded"
    status, fault = 500, Fault.FUNCTION

    def __init__(self, function: str, why: str, *, where: str = "", remedy: str = "") -> None:
        self.function, self.why, self.where, self.remedy = function, why, where, remedy
        super().__init__(f"Function {function} could not be loaded.")

    def report(self) -> str:
        """For the terminal and the dev page: place, cause and remedy."""
        place = f"{self.where}: " if self.where else ""
        return f"{place}{self.why}" + (f"\n  remedy: {self.remedy}" if self.remedy else "")


class LoadHangs(FunctionNotLoaded):
    """Its module does not end: as many threads as one revision may cost run it already, and none can be killed.
    It is tried again when one of them comes back, or when its files are others.
    """

    code, title = "load-hangs", "The function's import does not end"
    status = 503

    def __init__(self, function: str, hanging: int, *, where: str = "") -> None:
        super().__init__(
            function,
            f"importing it does not end: {hanging} threads run its module, and it is not tried again until its"
            " files change",
            where=where,
            remedy="move what waits out of the module's body, or set `isolation: process`: a process can be"
            " killed",
        )


class LoaderHeldUp(FunctionNotLoaded):
    """Its turn to be imported did not come, or cannot come: other functions' modules hold up the threads."""

    code, title = "loader-held-up", "Other functions' imports do not end"
    status, fault, retryable = 503, Fault.GATEWAY, True

    def __init__(self, function: str, why: str, hanging: Sequence[str]) -> None:
        held = f", held up by {', '.join(hanging)}" if hanging else ""
        super().__init__(
            function,
            f"{why}{held}",
            remedy="mend the functions whose module bodies do not end (`bff list` names them), and restart the"
            " gateway to be rid of their threads",
        )

    def headers(self) -> Mapping[str, str]:
        return {"retry-after": "1"}


class Overloaded(BffError):
    """More callers wait for a function than its line may hold (Knative's activator answers the same)."""

    code, title = "overloaded", "Too many calls wait for this function"
    status, retryable = 503, True

    def __init__(self, function: str, longest: int) -> None:
        super().__init__(f"{longest} calls already wait for function {function}.")

    def headers(self) -> Mapping[str, str]:
        return {"retry-after": "1"}


class FunctionStuck(BffError):
    """Every thread of a synchronous handler hangs, and no more take their place: none of them can be killed."""

    code, title = "function-stuck", "The function's threads do not end"
    status, fault, retryable = 503, Fault.FUNCTION, True

    def __init__(self, function: str, stuck: int) -> None:
        super().__init__(f"{stuck} threads of function {function} do not end; none is left for this call.")

    def headers(self) -> Mapping[str, str]:
        return {"retry-after": "1"}


class GatewayDraining(BffError):
    """The gateway is shutting down and takes no new calls."""

    code, title = "draining", "The gateway is shutting down"
    status, retryable = 503, True

    def __init__(self) -> None:
        super().__init__("The gateway is shutting down; another instance will answer.")

    def headers(self) -> Mapping[str, str]:
        return {"retry-after": "1"}


def problem(error: BffError, *, instance: str | None = None, is_inside: bool = False) -> dict[str, Any]:
    """The RFC 9457 document of an error; ``type`` is a reference the gateway itself resolves to a page. Operators,
    who are inside, are told all.
    """
    document: dict[str, Any] = {
        "type": f"/problems/{error.explained}",
        "title": error.title,
        "status": error.status,
        "detail": str(error) if is_inside else error.outward(),
        "code": error.code,
        "fault": str(error.fault),
        "retryable": error.retryable,
    }
    if instance is not None:
        document["instance"] = instance
    document.update(error.extras())
    return document
