"""What the router finds: a route with everything about it worked out beforehand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from bff.config import Config, LaneConfig, Pattern, RouteConfig
from bff.config.auth import DemandConfig
from bff.config.csrf import CsrfConfig
from bff.config.forms import FormsConfig
from bff.config.gateway import Timing
from bff.config.pattern import Kind
from bff.config.rewrite import Rewrite
from bff.errors import BffError
from bff.frozen import frozen
from bff.gateway import rawpath
from bff.gateway.auth.guard import Guard
from bff.gateway.auth.schemes import Schemes
from bff.gateway.client import TrustedProxies
from bff.gateway.door.carried import Carried, Ready
from bff.gateway.door.codings import Compression
from bff.gateway.door.csrf import Csrf
from bff.gateway.door.failures import CrossSite
from bff.gateway.door.limiting import Limiting, RouteLimits
from bff.gateway.lanes import Lanes
from bff.gateway.rawpath import Asks
from bff.gateway.router import Router
from bff.gateway.static import Respond, Static
from bff.sdk.formlimits import FORM_LIMITS, FormLimits
from bff.sdk.headerrules import HeaderRules, rules_of
from bff.sdk.invocation import NO_FORWARDING, Forwarding, Invocation
from bff.sdk.reply import Answer
from bff.services.freshness import Policy, policy_of

OwnHandler = Callable[[Any], Awaitable[Answer]]
Door = Callable[[Invocation], Awaitable[Answer]]
"""Answers a request that is not a function's: the whole of it, its body too."""


def _as_it_is(path: bytes) -> bytes:
    return path


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """What answers requests that are not a function's at once: events that come in, and asynchronous calls."""

    events: Door
    ask: Door
    status: Door
    result: Door
    cancel: Door


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A route's function and limits; seconds and bytes. ``own`` and ``door`` are set for the gateway's own paths,
    ``service``, ``asked``, ``withheld`` (fields that stay here), ``response_rules`` and ``space`` (apart from what other
    rules for requests keep) for what passes through. ``carried`` is set where it is not the whole table's.
    """

    template: str
    function: str = ""
    service: str = ""
    asked: Asks = _as_it_is
    withheld: frozenset[bytes] = frozenset()
    response_rules: HeaderRules | None = None
    space: str = ""
    timeout: float = 10.0
    max_body: int = 0
    forms: FormLimits = FORM_LIMITS
    length_required: bool = False
    forwarding: Forwarding = NO_FORWARDING
    cancel_on_disconnect: bool = False
    stream_idle_timeout: float = 300.0
    stream_timeout: float = 3600.0
    stream_heartbeat: float = 15.0
    max_message: int = 2**20
    max_frame: int = 2**20
    ping: float = 20.0
    handshake: Csrf | None = None
    mount: str = ""
    tells_errors: bool = False
    guard: Guard | None = None
    carried: Carried | None = None
    csrf: Csrf | None = None
    limits: RouteLimits | None = None
    compression: Compression | None = None
    own: OwnHandler | None = None
    door: Door | None = None
    later: Door | None = None
    cache: Policy | None = None
    static: Static | None = None

    is_watched: bool = field(init=False)
    """Whether anybody is asked who calls, or counted."""
    is_plain: bool = field(init=False)
    """Whether a function answers, and nothing stands between its answer and the caller."""

    def __post_init__(self) -> None:
        is_watched = self.limits is not None or self.guard is not None
        besides = (self.door, self.later, self.cache, self.static)
        is_plain = not self.service and all(each is None for each in besides)
        object.__setattr__(self, "is_watched", is_watched)
        object.__setattr__(self, "is_plain", is_plain)

    def with_static(self, respond: Respond, invocation: Invocation) -> Respond:
        """What hears the function's answer, the route's own data added to that."""
        return respond if self.static is None else self.static.before(respond, invocation)

    def instead_of(self, failure: BffError, invocation: Invocation) -> Answer | None:
        """What the route answers although this went wrong; mostly nothing."""
        return None if self.static is None else self.static.instead_of(failure, invocation)


NOWHERE = Target(template="")
"""What a request has before its route is found."""


@frozen
class Table:
    """One whole routing configuration; a reload swaps it in one assignment. ``keeps``: some route keeps answers;
    ``over_http`` is what every answer over plain http carries, where nothing else of the request makes a difference.
    """

    router: Router[Target]
    carried: Carried
    over_http: Ready | None = None
    proxies: TrustedProxies
    lanes: Lanes | None = None
    timeout_header: bytes = b""
    timing: Timing = "own"
    keeps: bool = False


Routed = tuple[Pattern, tuple[str, ...], Target]
"""A target with the path and the methods that lead to it."""


def compile_table(
    config: Config,
    own: dict[str, OwnHandler],
    schemes: Schemes | None = None,
    limiting: Limiting | None = None,
    *,
    doors: Doors | None = None,
    is_dev: bool = False,
) -> Table:
    """The table of a configuration, with the gateway's own paths added where no route has them.

    Without ``schemes`` nobody is asked who calls, without ``limiting`` nobody is counted: for tools that call
    functions directly.
    """
    routes = list(_declared(config, schemes, limiting, doors))
    taken = {pattern.shape for pattern, methods, _ in routes if "GET" in methods}
    routes += [
        (pattern, ("GET",), Target(template=path, own=handler))
        for path, handler in own.items()
        if (pattern := Pattern.parse(path)).shape not in taken
    ]
    if doors is not None:
        routes += doorways(config, doors, schemes)
    carried = Carried(config.gateway.cors, config.defaults.security_headers)
    proxies = TrustedProxies(config.gateway.trusted_proxies)
    depends = carried.cors is not None or proxies.are_any
    return Table(
        router=Router.compiled(routes),
        carried=carried,
        over_http=None if depends else carried.fields(None, is_https=False),
        proxies=proxies,
        lanes=Lanes(config.lanes) if config.lanes != LaneConfig.plain() else None,
        timeout_header=config.gateway.timeout_header.encode(),
        timing=_timing(config.telemetry.server_timing, is_dev),
        keeps=any(target.cache is not None for _, _, target in routes),
    )


def _timing(said: Timing | None, is_dev: bool) -> Timing:
    """What callers see in Server-Timing; unless something is said, services in dev only."""
    return said or ("services" if is_dev else "own")


def doorways(config: Config, doors: Doors, schemes: Schemes | None) -> Iterator[Routed]:
    """Where the public listener takes events and asynchronous calls, and tells how those stand."""
    events, calls = config.events_said, config.calls_said
    if events.path is not None:
        door = _doorway(config, doors.events, schemes, events.auth, events.path, events.max_body)
        yield Pattern.parse(events.path), ("POST",), door
    if not config.has_calls:
        return
    one = f"{calls.path}/{{id}}"
    ways = [(one, "GET", doors.status), (one, "DELETE", doors.cancel), (f"{one}/result", "GET", doors.result)]
    for path, method, way in ways:
        yield Pattern.parse(path), (method,), _doorway(config, way, schemes, calls.auth, path)
    for name in calls.functions:
        path = f"/async-function/{name}"
        target = _doorway(config, doors.ask, schemes, calls.auth, path, calls.max_body)
        yield Pattern.parse(path), ("POST",), replace(target, function=name)


def _doorway(
    config: Config,
    door: Door,
    schemes: Schemes | None,
    auth: DemandConfig | None,
    template: str,
    max_body: int | None = None,
) -> Target:
    demand = config.defaults.auth if auth is None else auth
    return Target(
        template=template,
        door=door,
        timeout=config.defaults.timeout,
        max_body=config.gateway.max_body if max_body is None else max_body,
        guard=schemes.guard(demand) if schemes is not None else None,
    )


def _declared(
    config: Config, schemes: Schemes | None, limiting: Limiting | None, doors: Doors | None
) -> Iterator[Routed]:
    """What routes.yaml says itself."""
    for route in config.routes:
        pattern, rules = Pattern.parse(route.path), _rules(config, route, schemes, limiting)
        if route.service:
            target = _passing(rules, config, route, pattern)
        else:
            later = doors.ask if doors is not None and route.respond_async else None
            target = _answering(rules, config, route, pattern, later)
        yield pattern, route.methods, target


def _rules(
    config: Config, route: RouteConfig, schemes: Schemes | None, limiting: Limiting | None
) -> dict[str, Any]:
    """What of a target is the same whether a function or a service is behind it."""
    return {
        "template": route.path,
        "timeout": config.timeout_of(route),
        "max_body": config.max_body_of(route),
        "length_required": route.length_required,
        "guard": schemes.guard(config.auth_of(route)) if schemes is not None else None,
        "carried": _carried(config, route),
        "csrf": _csrf(config, route),
        "limits": limiting.route(config.limits_of(route), route.path) if limiting is not None else None,
    }


def _forwarding(route: RouteConfig) -> Forwarding:
    return Forwarding(
        headers=tuple(name.encode() for name in route.forward_headers),
        cookies=tuple(route.forward_cookies),
        rules=rules_of(route.request_headers),
    )


def _answering(
    rules: dict[str, Any], config: Config, route: RouteConfig, pattern: Pattern, later: Door | None
) -> Target:
    function, forwarding = config.function(route.function), _forwarding(route)
    return Target(
        **rules,
        function=route.function,
        forms=_forms(config.forms_of(route)),
        forwarding=forwarding if forwarding != Forwarding() else NO_FORWARDING,
        cancel_on_disconnect=function.cancel_on_disconnect,
        stream_idle_timeout=function.stream_idle_timeout,
        stream_timeout=function.stream_timeout,
        stream_heartbeat=function.stream_heartbeat,
        max_message=function.websocket.max_message,
        max_frame=function.websocket.max_frame or function.websocket.max_message,
        ping=function.websocket.ping,
        handshake=_handshake(config, route),
        mount=_mount(pattern),
        cache=None if route.cache is None else policy_of(route.cache),
        tells_errors=route.errors,
        static=None if route.static is None else Static(route.static),
        later=later,
        compression=_compression(config, route),
    )


def _forms(said: FormsConfig) -> FormLimits:
    limits = FormLimits(**said.model_dump())
    return FORM_LIMITS if limits == FORM_LIMITS else limits


def _compression(config: Config, route: RouteConfig) -> Compression | None:
    said = config.compression_of(route)
    return Compression(said) if said is not None and said.enabled else None


def _passing(rules: dict[str, Any], config: Config, route: RouteConfig, pattern: Pattern) -> Target:
    service, forwarding = config.services[route.service], _forwarding(route)
    rewrite = None if route.rewrite is None else Rewrite.parse(route.rewrite)
    kept = route.cache if "cache" in route.model_fields_set else service.cache
    return Target(
        **rules,
        service=route.service,
        response_rules=rules_of(route.response_headers),
        forwarding=forwarding,
        space=_rules_space(forwarding.rules, rules_of(service.request_headers)),
        cache=None if kept is None else policy_of(kept),
        asked=rawpath.asked(pattern, rewrite),
        withheld=_read_here(config),
        cancel_on_disconnect=True,
        stream_idle_timeout=service.stream_idle_timeout,
        stream_timeout=service.stream_timeout,
    )


def _rules_space(*rules: HeaderRules | None) -> str:
    """A name for what changes requests on their way: a service may answer something else under other rules."""
    said = [
        (
            None if each.allow is None else sorted(each.allow),
            sorted(each.remove),
            sorted(each.set.items()),
            sorted(each.add.items()),
        )
        for each in rules
        if each is not None
    ]
    return sha256(repr(said).encode()).hexdigest() if said else ""


def _carried(config: Config, route: RouteConfig) -> Carried | None:
    if route.cors is None and route.security_headers is None:
        return None
    return Carried(config.cors_of(route), config.security_headers_of(route))


def _csrf(config: Config, route: RouteConfig) -> Csrf | None:
    said = config.csrf_of(route)
    if not said.enabled:
        return None
    schemes = [config.auth.get(name) for name in config.auth_of(route).any]
    is_ambient = any(scheme is not None and scheme.certificate is not None for scheme in schemes)
    return Csrf(said, config.cors_of(route), is_ambient=is_ambient)


def _handshake(config: Config, route: RouteConfig) -> Csrf:
    """Whose pages may open a WebSocket: cookies or not, no preflight asks for leave before it (RFC 6455 §10.2)."""
    cors = config.cors_of(route)
    origins = (*config.csrf_of(route).origins, *(cors.origins if cors is not None else ()))
    return Csrf(
        CsrfConfig(origins=tuple(dict.fromkeys(origins))), None, is_ambient=True, refusal=CrossSite.socket
    )


def _read_here(config: Config) -> frozenset[bytes]:
    """The fields that tell the gateway who calls: keys for its own door are nobody else's business."""
    ways = [way for scheme in config.auth.values() for way in (scheme.api_keys, scheme.certificate)]
    return frozenset(way.header.encode() for way in ways if way is not None)


def _mount(pattern: Pattern) -> str:
    """The prefix an ASGI application is mounted at: the static text before the wildcard."""
    last = pattern.segments[-1]
    if last.kind is not Kind.WILDCARD or len(pattern.parameters) > 1:
        return ""
    return pattern.template[: pattern.template.rindex("/")]
