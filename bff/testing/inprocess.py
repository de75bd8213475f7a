"""A gateway in the test's own process: everything is real but the sockets, the services and perhaps the time."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from bff.app import House, Options, compose
from bff.clock import Clock, SystemClock
from bff.config import Config, RouteConfig, load
from bff.config.names import suggest
from bff.gateway.endpoint import Gateway
from bff.gateway.target import compile_table
from bff.sdk.invocation import Invocation
from bff.telemetry.lines import open_lines
from bff.testing.clock import ManualClock
from bff.testing.stubs import StubServices

ORIGIN = "http://testserver"
MOST_INVOCATIONS = 10_000
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Whole:
    """An ASGI application whose answers are whole: one that breaks off fails as it does over a network."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Send) -> None:
        has_ended = False

        async def watched(message: MutableMapping[str, Any]) -> None:
            nonlocal has_ended
            has_ended = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        await self._app(scope, receive, watched)
        if not has_ended:
            raise httpx.RemoteProtocolError("the gateway broke off its answer")


class Insider(httpx.AsyncBaseTransport):
    """The way into a house without a listener. ``invocations`` are the records of what went through it.

    Paths below ``/functions/`` of the host ``functions`` reach every function by its name, routed or not.
    """

    def __init__(self, house: House, stubs: StubServices, clock: Clock) -> None:
        self.invocations: list[Invocation] = []
        self.clock = clock
        self._house = house
        self.functions = frozenset(house.config.functions_found)
        self._stubs = stubs
        self._public = httpx.ASGITransport(app=Whole(house.gateway))
        self._direct = httpx.ASGITransport(app=Whole(_by_name(house, clock)))
        house.signals.listen(Invocation, self._remember)

    def _remember(self, invocation: Invocation) -> None:
        if len(self.invocations) < MOST_INVOCATIONS:
            self.invocations.append(invocation)

    async def deliver(self, within: float) -> float:
        """See :meth:`AsyncClient.deliver`."""
        events = self._house.events
        if events is None:
            raise LookupError("routes.yaml has neither triggers nor an events section")
        passed = 0.0
        await events.scheduler.quiet()
        while (seconds := await events.dispatcher.quiet()) is not None and passed + seconds <= within:
            passed += seconds
            events.dispatcher.wake()
            if isinstance(self.clock, ManualClock):
                await self.clock.leap(seconds)
            else:
                await self.clock.sleep(seconds)
            events.dispatcher.wake()
        return passed

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        transport = self._direct if request.url.host == "functions" else self._public
        try:
            return await transport.handle_async_request(request)
        finally:
            # Over whatever else went wrong: it is the reason.
            self._stubs.raise_unstubbed()


def _by_name(house: House, clock: Clock) -> Gateway:
    """A second door to the same functions, with a route for each."""
    routes = tuple(
        RouteConfig(path=f"/{name}", methods=("GET", "POST"), function=name)
        for name in house.config.functions_found
    )
    table = compile_table(house.config.model_copy(update={"routes": routes}), {})
    return Gateway(
        table,
        invoker=house.invoker,
        services=lambda: house.services.clients,
        clock=clock,
        signals=house.signals,
    )


class AsyncClient(httpx.AsyncClient):
    """httpx's client for the gateway of a test."""

    def __init__(self, inside: Insider) -> None:
        # The gateway keeps the deadlines, on its own clock.
        super().__init__(transport=inside, base_url=ORIGIN, timeout=httpx.Timeout(None), trust_env=False)
        self._inside = inside

    @property
    def invocations(self) -> list[Invocation]:
        """The record of every call so far, in the order they ended: phases, service calls, what was missing."""
        return self._inside.invocations

    async def deliver(self, within: float = 30 * 86_400.0) -> float:
        """Have every event delivered that is stored, and every retry made: where the clock is a ManualClock, it leaps to
        each one's time, so that days of retries take milliseconds. Returns the seconds that passed on it once
        nothing is open any more, or nothing that becomes due ``within`` so many seconds.

        Raises:
            LookupError: routes.yaml has neither triggers nor an events section.

        """
        return await self._inside.deliver(within)

    async def call(self, function: str, **options: Any) -> httpx.Response:
        """Call a function by its name, whatever its routes: arguments as ``params``, a body as ``json``."""
        return await self.request(*direct(function, self._inside.functions, options), **options)


def direct(function: str, known: frozenset[str], options: Mapping[str, Any]) -> tuple[str, str]:
    """The method and URL that reach a function by its name."""
    if function not in known:
        raise LookupError(f"there is no function {function}{suggest(function, known)}")
    has_body = not {"json", "content", "data", "files"}.isdisjoint(options)
    return ("POST" if has_body else "GET"), f"http://functions/{function}"


def _loaded(config: Config | Path | str, environ: Mapping[str, str] | None) -> Config:
    if isinstance(config, Config):
        return config
    path = Path(config)
    return load(path / "routes.yaml" if path.is_dir() else path, environ=environ)


@asynccontextmanager
async def inside(
    config: Config | Path | str,
    *,
    stubs: StubServices | None = None,
    clock: Clock | None = None,
    environ: Mapping[str, str] | None = None,
) -> AsyncIterator[Insider]:
    """A composed house and the way into it; what both clients stand on."""
    stubs, clock = stubs if stubs is not None else StubServices(), clock or SystemClock()
    config = _loaded(config, environ)
    stubs.opened(config.services, clock)
    # Standard error: pytest keeps it, and shows it beside a test that fails.
    lines = open_lines(format="pretty", level="info", stream=sys.stderr)
    options = Options(dev=True, clock=clock, make_transport=stubs, lines=lines, environ=environ)
    async with compose(config, options) as house:
        yield Insider(house, stubs, clock)


@asynccontextmanager
async def client(
    config: Config | Path | str = "routes.yaml",
    *,
    stubs: StubServices | None = None,
    clock: Clock | None = None,
    environ: Mapping[str, str] | None = None,
) -> AsyncIterator[AsyncClient]:
    """A client of a gateway made for this block, for asynchronous tests.

        async with client("routes.yaml", stubs=stubs, clock=clock) as page:
            answer = await page.get("/api/home/7")

    ``config`` is a routes.yaml, its folder, or a loaded configuration. No service is reached but through
    ``stubs``. Without a ``clock`` time is real. ``environ`` is what ``${NAME}`` in routes.yaml reads.

    Raises:
        ConfigInvalid: routes.yaml has mistakes; all of them are in it.

    """
    async with inside(config, stubs=stubs, clock=clock, environ=environ) as way, AsyncClient(way) as opened:
        yield opened
