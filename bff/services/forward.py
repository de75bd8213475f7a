"""Which header fields a service call carries: ours always, the caller's only by allow-list.

Pure. Hop-by-hop fields, the gateway's own cookies and everything unnamed stay here.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import cookie_parser

from bff import trace
from bff.sdk.invocation import Incoming, Invocation

CREDENTIALS = frozenset({b"authorization", b"proxy-authorization", b"x-api-key"})


def fields(invocation: Invocation, own: Mapping[str, str], span_id: str) -> dict[str, str]:
    """The fields of one call made under ``span_id``: allow-listed, then identity, then the service's own."""
    carried: dict[str, str] = {}
    incoming = invocation.incoming
    if incoming is not None and (incoming.forwarding.headers or incoming.forwarding.cookies):
        _add_allowed(carried, incoming)
    context: trace.TraceContext = invocation.trace
    carried["traceparent"] = context.child(span_id)
    carried["x-request-id"] = invocation.request_id
    if invocation.client:
        carried["x-forwarded-for"] = invocation.client
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
            f"{name}={value}"
            for name, value in _cookies(incoming).items()
            if name in incoming.forwarding.cookies
        ]
        if kept:
            carried["cookie"] = "; ".join(kept)


def relays_credentials(invocation: Invocation) -> bool:
    """Whether the caller's own credential goes along: then a 401 from a service is the caller's business."""
    incoming = invocation.incoming
    if incoming is None:
        return False
    present = {name for name, _ in incoming.scope["headers"]}
    if present & CREDENTIALS & set(incoming.forwarding.headers):
        return True
    return bool(incoming.forwarding.cookies) and not _cookies(incoming).keys().isdisjoint(
        incoming.forwarding.cookies
    )


def _cookies(incoming: Incoming) -> dict[str, str]:
    header = "; ".join(
        value.decode("latin-1") for name, value in incoming.scope["headers"] if name == b"cookie"
    )
    return cookie_parser(header) if header else {}
