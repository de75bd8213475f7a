"""One request and its answer, as uvicorn's protocol keeps them: made with every request, so with little in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


class Cycle(RequestResponseCycle):
    """uvicorn's, whose state is on the class until it changes. ``message_event`` is made for who waits on it: most
    requests are answered before anybody asks for their body.

    Mutable state: uvicorn's; ``_event``, and ``_is_heard``, what it would say before it is there.
    """

    access_log = False
    body: Any = b""
    more_body = True
    disconnected = response_started = response_complete = False
    chunked_encoding: bool | None = None
    expected_content_length = 0
    _event: asyncio.Event | None = None
    _is_heard = False

    def __init__(
        self, protocol: Any, scope: Any, on_response: Callable[[], None], keep_alive: bool, expects_100: bool
    ) -> None:
        self.scope = scope
        self.transport = protocol.transport
        self.flow = protocol.flow
        self.logger = protocol.logger
        self.default_headers = protocol.server_state.default_headers
        self.on_response = on_response
        self.keep_alive = keep_alive
        self.waiting_for_100_continue = expects_100

    @property
    def message_event(self) -> asyncio.Event:  # type: ignore[override]
        """Set when there is something to :meth:`receive`."""
        if self._event is None:
            self._event = asyncio.Event()
            if self._is_heard:
                self._event.set()
        return self._event

    def hear(self) -> None:
        """There is something to receive: of the body, or that the caller hears no more."""
        if self._event is None:
            self._is_heard = True
        else:
            self._event.set()
