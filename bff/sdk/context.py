"""What a handler is given when it asks for ``ctx``: services, settings, the request and the time left."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from bff.sdk.call import Adapters, Sender
from bff.sdk.caller import Caller
from bff.sdk.service import Service, Services, SyncService

if TYPE_CHECKING:
    from bff.sdk.cloudevent import CloudEvent
    from bff.sdk.invocation import Invocation
    from bff.sdk.request import BoundedRequest

S = TypeVar("S", Service, SyncService)
Progress = Callable[["Invocation", float, "float | None", str], None]
"""Takes how far a function says that it is; on the event loop."""
Publish = Callable[["Invocation", "CloudEvent"], Awaitable[None]]
"""Takes an event that a function publishes; returns once it is stored, or will be with what it works on."""


class Surroundings:
    """What all invocations of one instance share: made at warm-up, gone at eviction."""

    __slots__ = ("adapters", "logger", "loop", "progress", "publish", "senders", "settings")

    def __init__(
        self,
        *,
        senders: Callable[[], Mapping[str, Sender]],
        settings: Mapping[str, str],
        logger: Callable[[Invocation], Any],
        loop: asyncio.AbstractEventLoop | None = None,
        publish: Publish | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.publish = publish
        self.progress = progress
        self.senders = senders
        self.settings = settings
        self.logger = logger
        self.loop = loop
        self.adapters = Adapters()


class _AnyContext(Generic[S]):
    __slots__ = ("_around", "_log", "_services", "invocation")

    def __init__(self, invocation: Invocation, around: Surroundings) -> None:
        self.invocation = invocation
        self._around = around
        self._services: Services[S] | None = None
        self._log: Any = None

    @property
    def services(self) -> Services[S]:
        """The services declared in routes.yaml: ``ctx.services.users.get("/users/7")``."""
        if self._services is None:
            around = self._around
            senders = around.senders()
            made: type[Services[S]] = getattr(senders, "services", Services)
            self._services = made(senders, self.invocation, around.adapters, around.loop)
        return self._services

    @property
    def settings(self) -> Mapping[str, str]:
        """``functions.NAME.env`` of routes.yaml, secrets in clear. Read-only."""
        return self._around.settings

    @property
    def log(self) -> Any:
        """A structlog logger that already knows request, trace, function and revision."""
        if self._log is None:
            self._log = self._around.logger(self.invocation)
        return self._log

    @property
    def request(self) -> BoundedRequest:
        """The raw Starlette request.

        Raises:
            RuntimeError: this invocation is not an HTTP request.

        """
        if self.invocation.incoming is None:
            raise RuntimeError("This invocation has no HTTP request behind it.")
        return self.invocation.incoming.request

    @property
    def request_id(self) -> str:
        """The id the caller sent as ``X-Request-Id``, or the one made for it."""
        return self.invocation.request_id

    @property
    def trace_id(self) -> str:
        """Thirty-two hex digits: the W3C trace this invocation belongs to."""
        return self.invocation.trace.trace_id

    @property
    def client(self) -> str:
        """The caller's address, as told by trusted proxies when there are any."""
        return self.invocation.client

    @property
    def caller(self) -> Caller:
        """Who calls, as the route's ``auth`` has found out; nobody in particular where nothing was asked."""
        return self.invocation.caller

    @property
    def last_event_id(self) -> str:
        """The id of the last server-sent event this browser has seen; empty when it comes for the first time."""
        incoming = self.invocation.incoming
        found = () if incoming is None else incoming.scope["headers"]
        return next(
            (value.decode("utf-8", "replace") for name, value in found if name == b"last-event-id"), ""
        )

    @property
    def function(self) -> str:
        """The function's name."""
        return self.invocation.function

    @property
    def revision(self) -> str:
        """The revision that answers, such as ``home-00003``."""
        return self.invocation.revision

    def remaining(self) -> float:
        """Seconds until this invocation's deadline."""
        return self.invocation.remaining()

    def mark_missing(self, part: str) -> None:
        """Say by hand that a part is missing: ``Bff-Complete: false``, and the answer is not stored."""
        self.invocation.mark_missing(part)


class Context(_AnyContext[Service]):
    """The context of an ``async def`` handler. Its service calls are awaited."""

    __slots__ = ()

    def progress(self, done: float, total: float | None = None, note: str = "") -> None:
        """Say how far an asynchronous call is, for whoever waits for it: ``ctx.progress(3, 10, "resized")``.

        It never waits, and costs nothing where nobody could ask: in a call that is answered at once.
        """
        if self._around.progress is not None:
            self._around.progress(self.invocation, done, total, note)

    async def publish(self, type: str, data: Any = None, **attributes: Any) -> str:  # noqa: A002 - its name in CloudEvents
        """Publish a CloudEvent, and get its id: ``await ctx.publish("order.paid", {"id": 7}, subject="7")``.

        ``data`` is bytes, or whatever JSON can be made of, models included. ``attributes`` are ``subject``,
        ``source`` (``/functions/NAME`` unless told), ``id``, ``time``, ``datacontenttype``, ``dataschema`` and
        extensions. In a function that handles an event it is stored together with the end of that, or not at
        all; elsewhere it is stored when this returns.

        Raises:
            ValueError: it breaks the specification; every violation is named.
            NoEvents: routes.yaml has neither triggers nor an events section.
            StoreUnavailable, BacklogFull: it could not be stored.

        """
        from bff.sdk.publishing import event_of, publish

        return await publish(
            self.invocation, self._around.publish, event_of(self.invocation, type, data, attributes)
        )


class SyncContext(_AnyContext[SyncService]):
    """The context of a plain ``def`` handler, which runs in a thread. Its service calls block."""

    __slots__ = ()

    def progress(self, done: float, total: float | None = None, note: str = "") -> None:
        """The same as :meth:`Context.progress`, from a thread."""
        if self._around.progress is not None and self._around.loop is not None:
            said = (self.invocation, done, total, note)
            self._around.loop.call_soon_threadsafe(self._around.progress, *said)

    def publish(self, type: str, data: Any = None, **attributes: Any) -> str:  # noqa: A002 - its name in CloudEvents
        """The same as :meth:`Context.publish`; it blocks until the event is stored."""
        from bff.sdk.publishing import event_of, publish

        assert self._around.loop is not None
        event = event_of(self.invocation, type, data, attributes)
        publishing = publish(self.invocation, self._around.publish, event)
        return asyncio.run_coroutine_threadsafe(publishing, self._around.loop).result()
