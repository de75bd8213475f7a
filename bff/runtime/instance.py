"""One warmed handler: it binds an invocation's arguments, runs the handler, and encodes what it returns."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from bff.errors import BffError, CallerLeft, FunctionFailed, NotAcceptable, UpgradeRequired
from bff.revisions.loader import Package
from bff.runtime.lifespan import Lifespan
from bff.runtime.threads import Threads
from bff.sdk import accept
from bff.sdk.binding import Binder, binder_of
from bff.sdk.context import Surroundings
from bff.sdk.failures import Problem
from bff.sdk.farewells import Farewells
from bff.sdk.handler import Handler, Kind, read_hints
from bff.sdk.invocation import OFFER_KEY, Incoming, Invocation
from bff.sdk.reply import Answer, Encoder, compile_encoder
from bff.sdk.sources import SOCKET

_EXHAUSTED = object()


class Instance:
    """Mutable state: ``_binders`` (one per route, made when first met), ``_run`` (another for the first call
    than for all later ones), who hears that the instance is let go (``farewells``), and what the handler keeps itself. ``on_first_call`` is told how many seconds
    the first call took to its answer; a stream's, to its beginning.
    """

    __slots__ = (
        "_around",
        "_binders",
        "_encoder",
        "_hints",
        "_run",
        "_says_json",
        "farewells",
        "function",
        "handler",
        "lifespan",
        "on_first_call",
        "package",
        "threads",
    )

    def __init__(
        self,
        *,
        function: str,
        handler: Handler,
        package: Package,
        around: Surroundings,
        threads: Threads | None,
    ) -> None:
        self.function = function
        self.handler = handler
        self.package = package
        self.threads = threads
        self.lifespan = Lifespan(handler.call) if handler.kind is Kind.ASGI else None
        self._around = around
        self._binders: dict[str, Binder] = {}
        self._encoder: Encoder | None = None
        self._says_json = False
        self._hints: Mapping[str, Any] = {}
        if handler.kind is not Kind.ASGI:
            self._hints = read_hints(handler.call)
            self._encoder = compile_encoder(function, handler.call, self._hints)
            self._says_json = self._encoder.says_json and not handler.streams
        runs: dict[Kind, Callable[[Invocation], Any]] = {
            Kind.ASYNC: self._connect
            if handler.is_socket
            else self._stream
            if handler.streams
            else self._run_async,
            Kind.SYNC: self._run_sync,
            Kind.ASGI: self._run_asgi,
        }
        self.farewells = Farewells()
        self.on_first_call: Callable[[Invocation, float], None] | None = None
        self._run = self._first_of(runs[handler.kind])

    def prepare(self, route: str, path_parameters: tuple[str, ...]) -> Binder | None:
        """Compile the binder of a route, so that contract breaks show at load.

        Raises:
            ContractBroken: the handler does not fit the route.

        """
        binder = self.check(path_parameters)
        if binder is not None:
            self._binders[route] = binder
        return binder

    def check(self, path_parameters: tuple[str, ...]) -> Binder | None:
        """The binder for such a route, or None for an application, which binds nothing.

        Raises:
            ContractBroken: the handler does not fit the route.

        """
        if self._encoder is None:
            return None
        return binder_of(self.handler, path_parameters, self._hints)

    def reads(self, route: str) -> tuple[bytes, ...]:
        """The request's fields that the handler's arguments are made of, as a cache's selecting fields; of an
        application, which sees all of them, the credentials.
        """
        binder = self._binders.get(route)
        if binder is None:
            return (b"authorization", b"cookie")
        return tuple(
            b"cookie:" + each.key.encode() if each.source == "cookie" else each.key.encode()
            for each in binder.parameters
            if each.source in ("header", "cookie")
        )

    async def call(self, invocation: Invocation) -> Answer:
        """Run the handler.

        Raises:
            BffError: the caller's values do not fit, the handler failed, or a service it needs did.

        """
        try:
            if self._says_json and invocation.incoming is not None:
                _refuse_unacceptable(invocation.incoming)
            answer: Answer = await self._run(invocation)
        except BffError:
            raise
        except HTTPException as error:
            headers = dict(error.headers or {})
            if error.status_code < 400:  # Starlette's way out with a redirect or a 304
                return Answer(response=Response(status_code=error.status_code, headers=headers))
            raise Problem(error.status_code, str(error.detail)).with_headers(headers) from error
        except ClientDisconnect:
            raise CallerLeft from None
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise FunctionFailed(self.function, "was cancelled by itself") from error
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:  # SystemExit among them: it would end the loop
            raise FunctionFailed(self.function) from error
        return answer

    def _first_of(self, run: Callable[[Invocation], Any]) -> Callable[[Invocation], Any]:
        async def run_first(invocation: Invocation) -> Answer:
            self._run = run  # who comes meanwhile is not the first
            began = invocation.clock.now()
            try:
                answer: Answer = await run(invocation)
            except BaseException:
                self._tell_first(invocation, began)
                raise
            if self.lifespan is not None and answer.response is not None:
                answer.response = self._first_run_of(answer.response, invocation, began)
            else:
                self._tell_first(invocation, began)
            return answer

        return run_first

    def _first_run_of(
        self, app: Callable[..., Any], invocation: Invocation, began: float
    ) -> Callable[..., Any]:
        """An application answers while it is sent."""

        async def serve(scope: Any, receive: Any, send: Any) -> None:
            try:
                await app(scope, receive, send)
            finally:
                self._tell_first(invocation, began)

        return serve

    def _tell_first(self, invocation: Invocation, began: float) -> None:
        if self.on_first_call is not None:
            self.on_first_call(invocation, invocation.clock.now() - began)

    def _binder(self, invocation: Invocation) -> Binder:
        binder = self._binders.get(invocation.route)
        if binder is None:
            incoming = invocation.incoming
            binder = self.prepare(invocation.route, tuple(incoming.path_params) if incoming else ())
            assert binder is not None
        return binder

    async def _arguments(self, invocation: Invocation) -> tuple[list[Any], dict[str, Any]]:
        return await self._binder(invocation).bind(invocation, self._around)

    async def _run_async(self, invocation: Invocation) -> Answer:
        assert self._encoder is not None
        invocation.page = self._encoder.page
        binder = self._binders.get(invocation.route) or self._binder(invocation)
        if binder.reading.waits:
            args, named = await binder.bind(invocation, self._around)
        else:
            args, named = binder.bind_now(invocation, self._around)
        returned = await self.handler.call(*args, **named)
        invocation.returned = invocation.clock.now()
        return self._encoder.encode(returned)

    async def _stream(self, invocation: Invocation) -> Answer:
        assert self._encoder is not None
        args, named = await self._arguments(invocation)
        return self._encoder.encode(self.handler.call(*args, **named))

    async def _run_sync(self, invocation: Invocation) -> Answer:
        assert self._encoder is not None
        assert self.threads is not None
        args, named = await self._arguments(invocation)
        result = await self.threads.run(partial(_call, self.handler.call, *args, **named))
        invocation.returned = invocation.clock.now()
        if inspect.isgenerator(result) or (
            isinstance(result, Iterator) and not isinstance(result, str | bytes)
        ):
            result = _from_thread(result, self.threads)
        return self._encoder.encode(result)

    async def _run_asgi(self, _invocation: Invocation) -> Answer:
        assert self.lifespan is not None
        return Answer(response=self.lifespan.serve, farewells=self.farewells)

    async def _connect(self, invocation: Invocation) -> Answer:
        """Bind what there is to bind; the conversation itself is the answer."""
        if invocation.incoming is None or OFFER_KEY not in invocation.incoming.scope:
            raise UpgradeRequired("Here is a WebSocket: offer to speak it (RFC 6455).")
        args, named = await self._arguments(invocation)
        return Answer(response=partial(self._speak, args, named), farewells=self.farewells)

    async def _speak(
        self, args: list[Any], named: dict[str, Any], scope: Any, receive: Any, send: Any
    ) -> None:
        """An ASGI application for one WebSocket: the handler, once it is connected."""
        socket = WebSocket(scope, receive, send)
        await receive()  # websocket.connect: the arguments were bound, so it may begin
        socket.client_state = WebSocketState.CONNECTED
        filled = [socket if each is SOCKET else each for each in args]
        given = {name: socket if each is SOCKET else each for name, each in named.items()}
        try:
            await self.handler.call(*filled, **given)
        except WebSocketDisconnect:
            return  # the other end has left, which is nobody's failure
        except HTTPException as error:
            raise Problem(error.status_code, str(error.detail)) from error

    def __repr__(self) -> str:
        return f"<Instance of {self.package.revision.name}: {self.handler.shape}, {self.handler.kind}>"


def _refuse_unacceptable(incoming: Incoming) -> None:
    """Before anything is done: an answer that is thrown away would have had its effects all the same."""
    if not accept.takes_json(incoming.scope["headers"]):
        raise NotAcceptable


async def _from_thread(items: Iterator[Any], threads: Threads) -> AsyncIterator[Any]:
    """A synchronous generator's items, each fetched in a thread, and its end there too."""
    try:
        while (item := await threads.run(partial(_call, next, items, _EXHAUSTED))) is not _EXHAUSTED:
            yield item
    except BaseException:
        close = getattr(items, "close", None)
        if close is not None:
            with suppress(RuntimeError):  # the threads are closed
                # Not awaited: the one who leaves need not hear how it went, nor wait for a thread.
                threads.submit(partial(_close_quietly, close))
        raise


def _call(call: Callable[..., Any], *args: Any, **named: Any) -> Any:
    """In a thread. A GeneratorExit that came through a future would close the whole request's coroutines."""
    try:
        return call(*args, **named)
    except GeneratorExit as error:
        raise RuntimeError("GeneratorExit was raised") from error


def _close_quietly(close: Callable[[], object]) -> None:
    with suppress(Exception):  # "generator already executing": it goes once that thread lets go of it
        close()
