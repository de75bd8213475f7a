"""One attempt: an event as the HTTP request that Knative would send, through the one door to every function.

So every shape of function can take events, in whatever it is isolated by: a handler of CloudEvents gets the event, one
with a model for its body gets the data, an application the whole request. It is a POST in binary mode, with the
delivery's key as ``Idempotency-Key``, the same in every attempt.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any

from bff.clock import Clock, Deadline, Expiry
from bff.errors import BffError, DeadlineExceeded, Fault, FunctionFailed
from bff.events import answered, tracing
from bff.events.answered import Whole
from bff.events.broker import MOST_ERROR_DATA, Outcome
from bff.events.records import Claimed
from bff.frozen import frozen
from bff.revisions.choice import OverrideUnknown
from bff.runtime.invoker import Invoker
from bff.sdk.cloudevent import CloudEvent, to_http
from bff.sdk.invocation import Incoming, Invocation
from bff.sdk.reply import Answer, HeaderPairs
from bff.signals import Signals
from bff.trace import UNSAMPLED, Origin

DEFAULT_TIMEOUT = 10.0
GONE = "which is kept no longer: `revisions` in routes.yaml says how long they are. Begin another run."


@frozen
class Attempted:
    """How it went, on which revision, and what the function published meanwhile."""

    outcome: Outcome
    revision: str
    published: tuple[CloudEvent, ...] = ()
    whole: Whole | None = None


class Body:
    """A request's body that is all there. Mutable state: ``_is_read``."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._is_read = False

    async def receive(self) -> MutableMapping[str, Any]:
        """As ASGI has it."""
        if self._is_read:
            return {"type": "http.disconnect"}
        self._is_read = True
        return {"type": "http.request", "body": self._body, "more_body": False}


class Courier:
    """Immutable."""

    def __init__(
        self,
        invoker: Invoker,
        *,
        clock: Clock,
        signals: Signals,
        origin: Callable[[], Origin] = lambda: UNSAMPLED,
    ) -> None:
        self._invoker = invoker
        self._clock = clock
        self._signals = signals
        self._origin = origin

    async def attempt(
        self,
        claimed: Claimed,
        event: CloudEvent,
        timeout: float | None,
        *,
        most: int = MOST_ERROR_DATA,
        revision: str = "",
    ) -> Attempted:
        """Deliver an event once, to a certain revision or to whichever traffic chooses. Cancelling it cancels the
        handler.
        """
        parent, state = tracing.of_event(event)
        incoming = request_of(event, claimed)
        if state:
            incoming.scope["headers"].append((b"tracestate", state.encode("latin-1", "replace")))
        invocation = self.invocation(
            claimed,
            route=f"trigger {claimed.trigger}",
            incoming=incoming,
            timeout=timeout,
            traceparent=parent,
        )
        return await self.run(invocation, most=most, revision=revision)

    async def run(self, invocation: Invocation, *, most: int, revision: str = "") -> Attempted:
        """Run the function once, and read so many bytes of its answer. Cancelling it cancels the handler."""
        heard: list[Whole] = []

        async def respond(answer: Answer) -> None:
            with Expiry(self._clock, invocation.deadline.at):
                heard.append(await answered.read(answer, invocation, most=most))

        try:
            if revision:
                await self._invoker.invoke_revision(invocation, revision, respond)
            else:
                await self._invoker.invoke(invocation, respond)
            outcome = _said(heard[0])
        except TimeoutError:
            heard.clear()
            outcome = self._failed(DeadlineExceeded(allowed=invocation.deadline.allowed), invocation)
        except OverrideUnknown as error:
            heard.clear()
            self._failed(error, invocation)
            outcome = Outcome(
                status=410, code="revision-gone", detail=f"The run began with {revision}, {GONE}"
            )
        except BffError as error:
            heard.clear()
            outcome = self._failed(error, invocation)
        except Exception as error:  # out of a stream or an application, which answer while they are read
            heard.clear()
            failure = FunctionFailed(invocation.function)
            failure.__cause__ = error
            outcome = self._failed(failure, invocation)
        invocation.status = outcome.status
        invocation.ended = self._clock.now()
        assert invocation.incoming is not None
        await invocation.incoming.close()
        self._signals.emit(invocation)
        published = tuple(invocation.outbox or ()) if outcome.is_good else ()
        whole = heard[0] if heard else None
        return Attempted(outcome=outcome, revision=invocation.revision, published=published, whole=whole)

    @staticmethod
    def _failed(error: BffError, invocation: Invocation) -> Outcome:
        invocation.error = error
        return _failed(error)

    def invocation(
        self,
        claimed: Claimed,
        *,
        route: str,
        incoming: Incoming,
        timeout: float | None,
        traceparent: str = "",
    ) -> Invocation:
        """An invocation that works on a delivery."""
        now = self._clock.now()
        invocation = Invocation(
            request_id=claimed.key,
            method=incoming.scope["method"],
            clock=self._clock,
            started=now,
            traceparent=traceparent.encode() or None,
            origin=self._origin(),
        )
        invocation.route = route
        invocation.function = claimed.function
        invocation.outbox = []
        function = self._invoker.functions.get(claimed.function)
        own = function.settings.timeout if function is not None else DEFAULT_TIMEOUT
        allowed = own if timeout is None else timeout
        invocation.deadline = Deadline(now + allowed, allowed)
        invocation.incoming = incoming
        return invocation


def request_of(event: CloudEvent, claimed: Claimed) -> Incoming:
    """The event as a POST in binary mode."""
    headers, body = to_http(event)
    headers += [
        (b"idempotency-key", claimed.key.encode()),
        (b"bff-attempt", b"%d" % claimed.tries),
        (b"content-length", b"%d" % len(body)),
    ]
    return Incoming(scope_of(headers), Body(body).receive, {}, max(len(body), 1))


def scope_of(headers: HeaderPairs, **more: Any) -> dict[str, Any]:
    """A request as ASGI has it; a POST to ``/`` unless ``more`` says otherwise."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": None,
        "server": None,
        **more,
    }


def _said(whole: Whole) -> Outcome:
    if 200 <= whole.status < 300:
        return Outcome(status=whole.status)
    text = whole.body.decode("utf-8", "replace")
    return Outcome(
        status=whole.status,
        code="function-answered",
        detail=f"The function answered {whole.status}.",
        data=text,
        retry_after=whole.field(b"retry-after"),
    )


def _failed(error: BffError) -> Outcome:
    # A contract that the event does not meet is told as 4xx, and no further attempt would change it.
    retry_after = {name.lower(): value for name, value in error.headers().items()}.get("retry-after", "")
    status = error.status
    if error.fault is not Fault.CALLER and status < 500:
        status = 500
    return Outcome(status=status, code=error.code, detail=str(error), retry_after=retry_after)
