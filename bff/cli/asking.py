"""From the words of ``bff invoke`` to one HTTP request that reaches the function, or the reason why none does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from bff.cli.arguments import Misplaced, json_body, placed, reads_body
from bff.config import Config, RouteConfig
from bff.config.names import is_token
from bff.errors import BadRequest, BffError, MethodNotAllowed, NotFound
from bff.gateway.target import Target, compile_table
from bff.runtime.instance import Instance
from bff.sdk.handler import ContractBroken, Kind

ORIGIN: Final = "http://localhost"
ABSENT: Final[Any] = object()
"""What ``--data`` brought when it was not given: ``null`` is a value."""

_WITH_BODY = ("POST", "PUT", "PATCH", "DELETE")


class CannotAsk(Exception):
    """What was asked for on the command line makes no call; the sentence says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The request to make, in httpx's words. ``route`` is one made for it, when routes.yaml has none."""

    method: str
    path: str
    options: Mapping[str, Any] = field(default_factory=dict)
    route: RouteConfig | None = None


def on_a_route(config: Config, name: str, given: Any, path: str, method: str | None) -> Asked:
    """The request of a path in routes.yaml.

    Raises:
        CannotAsk: it is no path, no route has it, or it leads to another function.

    """
    whole, raw = _parsed(path)
    methods = [method.upper()] if method else ["GET"] if given is ABSENT else list(_WITH_BODY)
    table = compile_table(config, {})
    refusals: list[BffError] = []
    for option in methods:
        try:
            target: Target = table.router.match(option, whole, raw)[0]
        except (NotFound, MethodNotAllowed, BadRequest) as error:
            refusals.append(error)
            continue
        if target.function != name:
            raise CannotAsk(f"{option} {path} leads to function {target.function}, not to {name}")
        return Asked(method=option, path=path, options={} if given is ABSENT else json_body(given))
    own = [f"{','.join(route.methods)} {route.path}" for route in config.routes if route.function == name]
    instead = f"the routes of {name}: {'; '.join(own)}" if own else f"{name} has no route; leave --path out"
    raise CannotAsk(f"--path {path}: {refusals[0]} ({instead})")


def _parsed(path: str) -> tuple[str, bytes]:
    """The path decoded and raw, as a server would have it."""
    import httpx

    if not path.startswith("/") or path.startswith("//"):
        raise CannotAsk(f"--path {path}: a path begins with one /")
    try:
        url = httpx.URL(ORIGIN + path)
    except httpx.InvalidURL as error:
        raise CannotAsk(f"--path is not a path: {error}") from None
    return url.path, url.raw_path.partition(b"?")[0]


def without_route(name: str, instance: Instance, given: Any, method: str | None) -> Asked:
    """The request that brings a handler its arguments, on a route made for it.

    Raises:
        CannotAsk: the handler takes no such arguments, or none that could be given by name.

    """
    if method is not None and not is_token(method):
        raise CannotAsk(f"--method {method}: write GET, POST, PUT, PATCH or DELETE")
    if instance.handler.kind is Kind.ASGI:
        raise CannotAsk(f"{name} is an ASGI application: say with --path which of its paths is meant")
    try:
        binder = instance.check(())
        assert binder is not None
        options = placed(None if given is ABSENT else given, binder.parameters)
    except ContractBroken as broken:
        raise CannotAsk(f"{broken}; give a whole path with --path") from None
    except Misplaced as error:
        raise CannotAsk(f"--data: {error}") from None
    has_body = reads_body(binder.parameters) or not {"data", "files"}.isdisjoint(options)
    route = RouteConfig(path=f"/{name}", methods=(method or ("POST" if has_body else "GET"),), function=name)
    return Asked(method=route.methods[0], path=route.path, options=options, route=route)
