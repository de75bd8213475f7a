"""The admin listener: health, metrics and a read-only look at the functions. Never public.

It checks ``Host``, so that a page in a browser cannot be turned against it by DNS rebinding.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from pydantic_core import to_json

from bff.errors import BadRequest, BffError, MethodNotAllowed, NotFound, problem
from bff.runtime.invoker import Invoker

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Page = tuple[int, str, bytes]


class Admin:
    """An ASGI application. Immutable; what it shows is read when asked."""

    def __init__(
        self,
        *,
        invoker: Invoker,
        is_ready: Callable[[], bool],
        metrics: Callable[[], tuple[bytes, str]] | None,
        host: str,
    ) -> None:
        self._invoker = invoker
        self._is_ready = is_ready
        self._metrics = metrics
        self._host = host
        self._pages: dict[str, Callable[[], Page]] = {
            "/health/liveness": lambda: _json(200, {"status": "alive"}),
            "/health/readiness": self._readiness,
            "/metrics": self._exposition,
            "/v1/functions": self._functions,
        }

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Send) -> None:
        if scope["type"] != "http":
            return
        allow: list[tuple[bytes, bytes]] = []
        try:
            status, kind, body = self._page(scope)
        except BffError as error:
            status, kind, body = error.status, "application/problem+json", to_json(problem(error))
            allow = [(name.encode(), value.encode()) for name, value in error.headers().items()]
        fields = [
            (b"content-type", kind.encode()),
            (b"content-length", b"%d" % len(body)),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
            *allow,
        ]
        await send({"type": "http.response.start", "status": status, "headers": fields})
        await send({"type": "http.response.body", "body": body})

    def _page(self, scope: MutableMapping[str, Any]) -> Page:
        self._check_host(scope)
        page = self._pages.get(scope["path"])
        if page is None:
            raise NotFound("The admin listener has no such page.")
        if scope["method"] not in ("GET", "HEAD"):
            raise MethodNotAllowed(scope["method"], "GET, HEAD")
        return page()

    def _check_host(self, scope: MutableMapping[str, Any]) -> None:
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        if len(hosts) != 1 or not self._is_ours(hosts[0]):
            raise BadRequest("The Host field is not this listener's; use its address or localhost.")

    def _is_ours(self, host: str) -> bool:
        name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
        name = name.strip("[]").lower()
        return name in ("localhost", self._host.lower()) or _is_address(name)

    def _readiness(self) -> Page:
        return _json(200, {"status": "ready"}) if self._is_ready() else _json(503, {"status": "draining"})

    def _exposition(self) -> Page:
        if self._metrics is None:
            raise NotFound("Metrics are off (telemetry.metrics in routes.yaml).")
        body, kind = self._metrics()
        return 200, kind, body

    def _functions(self) -> Page:
        return _json(200, [function.status() for function in self._invoker.functions.values()])


def _is_address(host: str) -> bool:
    """A literal address cannot be rebound: DNS had no part in it."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _json(status: int, value: Any) -> Page:
    return status, "application/json", to_json(value)
