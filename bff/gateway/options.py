"""OPTIONS where no route answers it: what is allowed here, and to which pages (the Fetch standard's preflight)."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from bff.errors import MethodNotAllowed, NotFound
from bff.gateway.door.carried import Carried, Ready
from bff.gateway.door.cors import ASKS_METHOD, ASKS_PRIVATE
from bff.gateway.onward import is_the_last
from bff.gateway.sender import Sender
from bff.gateway.target import Table, Target
from bff.sdk.reply import Answer
from bff.services.fields import first

Scope = MutableMapping[str, Any]


async def answer_options(scope: Scope, sender: Sender, table: Table, origin: bytes | None) -> None:
    """Say which methods the path has, and give a preflight the leave of the route that it asks about.

    Raises:
        NotFound: no route has the path.

    """
    if scope["path"] == "*":  # the gateway as a whole (RFC 9110 §9.3.7)
        await sender.whole(Answer(204, []))
        return
    allow = table.router.allowed(scope["path"], scope["raw_path"])
    if allow is None:
        raise NotFound
    carried = _carried_there(scope, table)
    if is_preflight(scope, carried, origin):
        assert carried.cors is not None
        assert origin is not None
        asks_private = first(scope["headers"], ASKS_PRIVATE) == b"true"
        sender.carry(carried.cors.preflight(origin, allow, asks_private=asks_private))
    await sender.whole(Answer(204, [(b"allow", allow.encode())]))


def is_ours(target: Target, scope: Scope, table: Table, origin: bytes | None) -> bool:
    """Whether an OPTIONS that a route takes is ours to answer for its service: a preflight, or one that may go no
    further (RFC 9110 §7.6.2).
    """
    if not target.service:
        return False
    return is_the_last(scope["headers"]) or is_preflight(scope, target.carried or table.carried, origin)


def is_preflight(scope: Scope, carried: Carried, origin: bytes | None) -> bool:
    """Whether a browser asks for leave that is ours to give; any other OPTIONS is the service's."""
    if carried.cors is None or origin is None:
        return False
    return any(name == ASKS_METHOD for name, _ in scope["headers"])


def carried_by(carried: Carried, scope: Scope, table: Table, origin: bytes | None) -> Ready:
    """What the answer to this request carries, once it is known whether it came over https."""
    if not carried.minds_https or (scope["scheme"] == "http" and not table.proxies.are_any):
        return carried.fields(origin, is_https=False)
    peer = scope.get("client") or ("",)
    is_https = table.proxies.is_https(scope["scheme"], peer[0], scope["headers"])
    return carried.fields(origin, is_https=is_https)


def _carried_there(scope: Scope, table: Table) -> Carried:
    """What answers of the route carry that a preflight asks about."""
    method = first(scope["headers"], ASKS_METHOD).decode("latin-1")
    try:
        target, _ = table.router.match(method, scope["path"], scope["raw_path"])
    except (NotFound, MethodNotAllowed):
        return table.carried
    return target.carried or table.carried
