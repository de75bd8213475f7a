"""uvicorn's httptools protocol, with nothing done for each request that can be done once for its connection.

What a request is, and what may be refused of it, is :mod:`bff.gateway.protocol`'s to say.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bff.gateway.cycle import Cycle

_AUTHORITY_END = re.compile(rb"[/?]")
SCOPE_KEY = "bff.protocol"
TARGET_KEY = "bff.target"
"""In the scope: the request's target, byte for byte."""


class LeanProtocol(HttpToolsProtocol):
    """Mutable state: uvicorn's; ``_running``, the cycle that is answered now (with pipelining ``cycle`` is a later
    one), by its ``_task``; ``_template``, a scope of this connection; ``_resting_since``, when its last answer
    was done (None while a request is under way), and the ``_rest_timer``. That is set once, and looks whether the
    connection has rested long enough when it rings: setting one for each request costs a twentieth of a hello.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._running: Cycle | None = None
        self._task: asyncio.Task[None] | None = None
        self._template: dict[str, Any] = {}
        self._resting_since: float | None = None
        self._rest_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._template = {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": "1.1",
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "root_path": self.root_path,
            "headers": [],
            "method": "GET",
            "path": "",
            "raw_path": b"",
            "query_string": b"",
            SCOPE_KEY: self,
            TARGET_KEY: b"",
        }

    def connection_lost(self, exc: Exception | None) -> None:
        self._template = {}  # which holds this connection
        if self._rest_timer is not None:
            self._rest_timer.cancel()
            self._rest_timer = None
        super().connection_lost(exc)

    def _begin(self, method: bytes, version: str) -> None:
        """The head is whole and good: run the application, or stand in line behind the answer before."""
        scope, url = self.scope, self.url
        scope["headers"] = self.headers if url.startswith(b"/") else hosted(self.headers, url)
        scope[TARGET_KEY] = url  # type: ignore[literal-required]
        if method != b"GET":
            scope["method"] = method.decode("ascii")
        if version != "1.1":
            scope["http_version"] = version
        raw_path, query = split(url)
        path = raw_path.decode("ascii")
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"], scope["query_string"] = raw_path, query
        before = self.cycle
        keeps_alive = version != "1.0" and self.parser.should_keep_alive()
        self.cycle = cycle = Cycle(
            self, scope, self.on_response_complete, keeps_alive, self.expect_100_continue
        )
        if before is None or before.response_complete:
            self._start_asgi_task(cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._running = cycle
        self._task = task = self.loop.create_task(cycle.run_asgi(app))
        self.tasks.add(task)
        task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if task is self._task:
            self._task = None  # its context would keep the invocation until the next one

    def _next_or_rest(self) -> None:
        """An answer is done: the next request may be waiting in line."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.flow.read_paused:
            self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self._rest()

    # Between requests.

    def _unset_keepalive_if_required(self) -> None:
        self._resting_since = None

    def _rest(self) -> None:
        self._resting_since = self.loop.time()
        if self._rest_timer is None:
            self._rest_timer = self.loop.call_later(self.timeout_keep_alive, self._look_at_rest)

    def _look_at_rest(self) -> None:
        self._rest_timer = None
        if self._resting_since is None:
            return  # the next answer that is done sets it anew
        left = self._resting_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._rest_timer = self.loop.call_later(left, self._look_at_rest)
        else:
            self.timeout_keep_alive_handler()


def split(url: bytes) -> tuple[bytes, bytes]:
    """Path and query of a request's target, both as they came. The usual form (RFC 9112 §3.2.1) needs no parser.

    Raises:
        httptools.HttpParserInvalidURLError: it is none of those that a request can have.

    """
    if url.startswith(b"/"):
        path, _, query = url.partition(b"?")
        return path, query
    parsed = httptools.parse_url(url)
    return parsed.path or b"/", parsed.query or b""


def hosted(fields: list[tuple[bytes, bytes]], url: bytes) -> list[tuple[bytes, bytes]]:
    """The fields with the host that an absolute target names: whatever ``Host`` says beside it is void (RFC 9112
    §3.2.2), for who looks at one must not be shown another's. That there is one such field is still asked for.
    """
    _, is_absolute, rest = url.partition(b"://")
    if not is_absolute or [name for name, _ in fields].count(b"host") != 1:
        return fields
    authority = _AUTHORITY_END.split(rest, maxsplit=1)[0].rpartition(b"@")[2]
    return [(name, authority if name == b"host" else value) for name, value in fields]
