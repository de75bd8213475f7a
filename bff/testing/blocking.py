"""The client for plain ``def`` tests: the gateway runs on a loop in a thread of its own."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal

from bff.clock import Clock
from bff.config import Config
from bff.sdk.invocation import Invocation
from bff.testing.clock import ManualClock
from bff.testing.inprocess import ORIGIN, Insider, direct, inside
from bff.testing.stubs import StubServices

T = TypeVar("T")

PATIENCE = 30.0
"""Real seconds after which an answer is given up: on a clock that stands still nothing else would end it."""


class NoAnswer(AssertionError):
    """The function waits for something that will not come."""

    def __init__(self, what: str, waited: float) -> None:
        super().__init__(
            f"{what} has no answer after {waited:g} real seconds: it waits for something that is neither "
            "a stubbed service nor the test's clock"
        )


class _Portal(httpx.BaseTransport):
    """httpx's synchronous way over to the gateway's loop."""

    def __init__(self, portal: BlockingPortal, way: Insider, patience: float) -> None:
        self._portal = portal
        self._way = way
        self._patience = patience

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        return self.wait(self._exchange, request, what=f"{request.method} {request.url.raw_path.decode()}")

    async def _exchange(self, request: httpx.Request) -> httpx.Response:
        response = await self._way.handle_async_request(request)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        content = b"".join([piece async for piece in response.stream])
        stream = httpx.ByteStream(content)  # as it was sent: content= would add its own length
        return httpx.Response(response.status_code, headers=response.headers, stream=stream)

    def wait(self, work: Callable[..., Awaitable[T]], *args: Any, what: str) -> T:
        """The result of work on the loop."""
        running = self._portal.start_task_soon(work, *args)
        try:
            return running.result(self._patience)
        except concurrent.futures.TimeoutError:
            if not running.cancel():
                raise
            raise NoAnswer(what, self._patience) from None


class Client(httpx.Client):
    """httpx's client for the gateway of a test."""

    def __init__(self, portal: BlockingPortal, way: Insider, *, patience: float = PATIENCE) -> None:
        self._way = way
        self._over = _Portal(portal, way, patience)
        super().__init__(transport=self._over, base_url=ORIGIN, timeout=httpx.Timeout(None), trust_env=False)

    @property
    def invocations(self) -> list[Invocation]:
        """The record of every call so far, in the order they ended: phases, service calls, what was missing."""
        return self._way.invocations

    def deliver(self, within: float = 30 * 86_400.0) -> float:
        """See :meth:`bff.testing.AsyncClient.deliver`."""
        return self._over.wait(self._way.deliver, within, what="deliver()")

    def call(self, function: str, **options: Any) -> httpx.Response:
        """Call a function by its name, whatever its routes: arguments as ``params``, a body as ``json``."""
        return self.request(*direct(function, self._way.functions, options), **options)

    def advance(self, seconds: float) -> None:
        """Let time pass on the test's ManualClock."""
        clock = self._way.clock
        assert isinstance(clock, ManualClock), "only a ManualClock can be moved"
        self._over.wait(clock.advance, seconds, what=f"advancing {seconds:g} s")


@contextmanager
def blocking_client(
    config: Config | Path | str = "routes.yaml",
    *,
    stubs: StubServices | None = None,
    clock: Clock | None = None,
    environ: Mapping[str, str] | None = None,
    patience: float = PATIENCE,
) -> Iterator[Client]:
    """A client of a gateway made for this block; see :func:`bff.testing.client` for what it takes.

    ``patience`` is how many real seconds an answer may take.

    with blocking_client("routes.yaml", stubs=stubs) as page:
        answer = page.get("/api/home/7")
    """
    with start_blocking_portal() as portal:
        opening = inside(config, stubs=stubs, clock=clock, environ=environ)
        with (
            portal.wrap_async_context_manager(opening) as way,
            Client(portal, way, patience=patience) as opened,
        ):
            yield opened
