"""What the router finds: a route with everything about it worked out beforehand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from bff.config import Config, Pattern, RouteConfig
from bff.config.pattern import Kind
from bff.gateway.auth.guard import Guard
from bff.gateway.auth.schemes import Schemes
from bff.gateway.client import TrustedProxies
from bff.gateway.cors import Cors
from bff.gateway.router import Router
from bff.sdk.invocation import NO_FORWARDING, Forwarding
from bff.sdk.reply import Answer

OwnHandler = Callable[[Any], Awaitable[Answer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A route's function and limits; seconds and bytes. ``own`` is set for the gateway's own paths."""

    template: str
    function: str = ""
    timeout: float = 10.0
    max_body: int = 0
    forwarding: Forwarding = NO_FORWARDING
    cancel_on_disconnect: bool = False
    stream_idle_timeout: float = 300.0
    stream_timeout: float = 3600.0
    mount: str = ""
    tells_errors: bool = False
    guard: Guard | None = None
    own: OwnHandler | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One whole routing configuration; a reload swaps it in one assignment."""

    router: Router[Target]
    cors: Cors | None
    proxies: TrustedProxies
    timeout_header: bytes = b""


def compile_table(config: Config, own: dict[str, OwnHandler], schemes: Schemes | None = None) -> Table:
    """The table of a configuration, with the gateway's own paths added where no route has them.

    Without ``schemes`` nobody is asked who calls: for tools that call functions directly.
    """
    routes = [
        (pattern := Pattern.parse(route.path), route.methods, _target(config, route, pattern, schemes))
        for route in config.routes
    ]
    taken = {pattern.shape for pattern, methods, _ in routes if "GET" in methods}
    routes += [
        (pattern, ("GET",), Target(template=path, own=handler))
        for path, handler in own.items()
        if (pattern := Pattern.parse(path)).shape not in taken
    ]
    return Table(
        router=Router.compiled(routes),
        cors=Cors(config.gateway.cors) if config.gateway.cors else None,
        proxies=TrustedProxies(config.gateway.trusted_proxies),
        timeout_header=config.gateway.timeout_header.encode(),
    )


def _target(config: Config, route: RouteConfig, pattern: Pattern, schemes: Schemes | None) -> Target:
    function = config.function(route.function)
    forwarding = Forwarding(
        headers=tuple(name.encode() for name in route.forward_headers), cookies=tuple(route.forward_cookies)
    )
    return Target(
        template=route.path,
        function=route.function,
        timeout=config.timeout_of(route),
        max_body=config.max_body_of(route),
        forwarding=forwarding if forwarding != Forwarding() else NO_FORWARDING,
        cancel_on_disconnect=function.cancel_on_disconnect,
        stream_idle_timeout=function.stream_idle_timeout,
        stream_timeout=function.stream_timeout,
        mount=_mount(pattern),
        tells_errors=route.errors,
        guard=schemes.guard(config.auth_of(route)) if schemes is not None else None,
    )


def _mount(pattern: Pattern) -> str:
    """The prefix an ASGI application is mounted at: the static text before the wildcard."""
    last = pattern.segments[-1]
    if last.kind is not Kind.WILDCARD or len(pattern.parameters) > 1:
        return ""
    return pattern.template[: pattern.template.rindex("/")]
