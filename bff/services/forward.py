"""Which header fields a service call carries: ours always, the caller's only by allow-list.

Pure. Hop-by-hop fields, the gateway's own cookies and everything unnamed stay here. Names are lower-case.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from bff import trace
from bff.sdk.headerrules import HeaderRules
from bff.sdk.invocation import NO_FORWARDING, Incoming, Invocation

CREDENTIALS = ("authorization", "proxy-authorization", "x-api-key", "cookie")


def derived(
    invocation: Invocation, given: Mapping[str, str], rules: HeaderRules | None = None
) -> dict[str, str]:
    """The fields of a call that may be a caller's: what the caller sent and the route allows, and what the
    function gives to this call, which wins. The route's rules change them, then the service's.
    """
    carried: dict[str, str] = {}
    incoming, of_route = invocation.incoming, None
    if incoming is not None and incoming.forwarding is not NO_FORWARDING:
        _add_allowed(carried, incoming)
        of_route = incoming.forwarding.rules
        if rules is not None:
            carried = rules.allowed(carried)
    for name, value in given.items():
        carried[name.lower()] = value
    if of_route is not None:
        carried = of_route.changed(carried)
    return carried if rules is None else rules.changed(carried)


def fields(invocation: Invocation, derived: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """The fields of one call, the later winning over the earlier: the derived ones, who asks (under a new span id),
    and the service's own.
    """
    carried = dict(derived)
    carried.pop("tracestate", None)  # whoever wrote it spoke of another parent (W3C Trace Context §3.3)
    invocation.trace.write(carried, trace.new_span_id())
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


def relays_credentials(
    invocation: Invocation, own: Mapping[str, str], rules: HeaderRules | None = None
) -> bool:
    """Whether the caller's own credential goes along: then a 401 from a service is the caller's business."""
    incoming = invocation.incoming
    if incoming is None or incoming.forwarding is NO_FORWARDING:
        return False
    shown: dict[str, str] = {}
    _add_allowed(shown, incoming)
    credentials = [name for name in CREDENTIALS if name in shown and name not in own]
    if not credentials:
        return False
    sent = derived(invocation, {}, rules)
    return any(sent.get(name) == shown[name] for name in credentials)


def cookies_of(headers: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[str, str]]:
    """Each cookie's name, and the whole pair as it came: unquoting a value could turn it into two cookies."""
    for field, value in headers:
        if field == b"cookie":
            for pair in value.decode("latin-1").split(";"):
                name, equals, _ = pair.partition("=")
                if equals:
                    yield name.strip(), pair.strip()
