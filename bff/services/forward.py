"""Which header fields a service call carries: ours always, the caller's only by allow-list.

Pure. Hop-by-hop fields, the gateway's own cookies and everything unnamed stay here. Names are lower-case.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from bff import trace
from bff.sdk.invocation import Incoming, Invocation

CREDENTIALS = frozenset({b"authorization", b"proxy-authorization", b"x-api-key"})


def derived(invocation: Invocation, given: Mapping[str, str]) -> dict[str, str]:
    """The fields of a call that may be a caller's: what the caller sent and the route allows, and what the
    function gives to this call, which wins.
    """
    carried: dict[str, str] = {}
    incoming = invocation.incoming
    if incoming is not None and (incoming.forwarding.headers or incoming.forwarding.cookies):
        _add_allowed(carried, incoming)
    for name, value in given.items():
        carried[name.lower()] = value
    return carried


def fields(invocation: Invocation, derived: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """The fields of one call, the later winning over the earlier: the derived ones, who asks (under a new span id),
    and the service's own.
    """
    carried = dict(derived)
    carried["traceparent"] = invocation.trace.child(trace.new_span_id())
    carried["x-request-id"] = invocation.request_id
    if invocation.client:
        carried["x-forwarded-for"] = invocation.client
    if invocation.lane:
        invocation.carrier.write(carried, invocation.lane)
    carried.update(own)
    return carried


def _add_allowed(carried: dict[str, str], incoming: Incoming) -> None:
    wanted = incoming.forwarding.headers
    for name, value in incoming.scope["headers"]:
        if name in wanted:
            key, text = name.decode("latin-1"), value.decode("latin-1")
            carried[key] = f"{carried[key]}, {text}" if key in carried else text
    if incoming.forwarding.cookies:
        kept = [
            pair
            for name, pair in cookies_of(incoming.scope["headers"])
            if name in incoming.forwarding.cookies
        ]
        if kept:
            carried["cookie"] = "; ".join(kept)


def relays_credentials(invocation: Invocation, own: Mapping[str, str]) -> bool:
    """Whether the caller's own credential goes along: then a 401 from a service is the caller's business."""
    incoming = invocation.incoming
    if incoming is None:
        return False
    allowed = incoming.forwarding
    replaced = {name.encode() for name in own}
    relayed = (CREDENTIALS & set(allowed.headers)) - replaced
    if relayed and any(name in relayed for name, _ in incoming.scope["headers"]):
        return True
    if not allowed.cookies or b"cookie" in replaced:
        return False
    return any(name in allowed.cookies for name, _ in cookies_of(incoming.scope["headers"]))


def cookies_of(headers: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[str, str]]:
    """Each cookie's name, and the whole pair as it came: unquoting a value could turn it into two cookies."""
    for field, value in headers:
        if field == b"cookie":
            for pair in value.decode("latin-1").split(";"):
                name, equals, _ = pair.partition("=")
                if equals:
                    yield name.strip(), pair.strip()
