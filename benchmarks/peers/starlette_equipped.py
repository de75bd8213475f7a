"""Starlette with what a service in production wears, the way a competent engineer writes it.

Pure ASGI (BaseHTTPMiddleware is slow and would flatter us): a request id honoured or minted and
echoed, one JSON line per request on stdout by structlog (orjson renders it if installed), a
Prometheus counter and a duration histogram by route, method and status, served on /metrics.
"""

import json
import logging
from time import perf_counter
from typing import Any
from uuid import uuid4

import prometheus_client
import structlog
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

try:
    from orjson import dumps
except ImportError:

    def dumps(line: Any, **_: Any) -> bytes:
        return json.dumps(line, default=repr).encode()


structlog.configure(  # structlog's own advice for speed: bytes, cached loggers, level filtered at birth
    cache_logger_on_first_use=True,
    wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    processors=[
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.JSONRenderer(serializer=dumps),
    ],
    logger_factory=structlog.BytesLoggerFactory(),
)
log = structlog.get_logger()
LABELS = ("route", "method", "status")
REQUESTS = prometheus_client.Counter("http_requests_total", "Requests answered.", LABELS)
SECONDS = prometheus_client.Histogram("http_request_duration_seconds", "Time to the last byte.", LABELS)


def route_of(scope: dict[str, Any]) -> str:
    """The template, never the path: labels stay bounded."""
    route = scope.get("route")
    return route.path if route else "unmatched"


class RequestId:
    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        inbound = next((value for name, value in scope["headers"] if name == b"x-request-id"), None)
        scope["request_id"] = request_id = inbound.decode("latin-1") if inbound else uuid4().hex

        async def echo(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).append("x-request-id", request_id)
            await send(message)

        await self.app(scope, receive, echo)


class AccessLog:
    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = perf_counter(), 500

        async def watch(message: dict[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watch)
        finally:
            log.info(
                "request",
                request_id=scope["request_id"],
                method=scope["method"],
                path=scope["path"],
                route=route_of(scope),
                status=status,
                duration_ms=round((perf_counter() - began) * 1000, 3),
                client=scope["client"][0] if scope["client"] else None,
            )


class Metrics:
    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = perf_counter(), "500"

        async def watch(message: dict[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        try:
            await self.app(scope, receive, watch)
        finally:
            labels = (route_of(scope), scope["method"], status)
            REQUESTS.labels(*labels).inc()
            SECONDS.labels(*labels).observe(perf_counter() - began)


async def hello(request: Request) -> JSONResponse:
    return JSONResponse({"hello": "world"})


async def metrics(request: Request) -> Response:
    return Response(prometheus_client.generate_latest(), media_type=prometheus_client.CONTENT_TYPE_LATEST)


app = Starlette(
    routes=[Route("/hello", hello), Route("/metrics", metrics)],
    middleware=[Middleware(RequestId), Middleware(AccessLog), Middleware(Metrics)],
)
