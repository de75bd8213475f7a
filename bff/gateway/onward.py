"""Which fields pass through: the caller's to a service, the service's back to the caller. Pure.

What belongs to one connection stays there (RFC 9110 §7.6.1), what frames a message is written anew, and
who asks is told by us alone. Names are in lower case, values the bytes that came.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from bff.config.names import HOP_BY_HOP
from bff.frozen import frozen
from bff.sdk.headerrules import HeaderRules
from bff.services.forward import cookies_of
from bff.services.passing import Fields
from bff.trace import TraceContext
from bff.trace.propagators import WRITTEN

PSEUDONYM = b"bff"
"""What we are called in ``Via`` (RFC 9110 §7.6.3): no host's name, which would tell of the network behind."""

_HOP = frozenset(name.encode() for name in HOP_BY_HOP) | {b"http2-settings"}
_FRAMING = frozenset({b"content-length", b"transfer-encoding", b"host", b"expect"})
# Always ours: what a caller claims in them nobody vouches for.
_TOLD_BY_US = frozenset(
    {b"forwarded", b"via", b"x-request-id", b"traceparent", b"tracestate", b"cookie", b"x-real-ip"}
)
_NOT_BACK = _HOP | {b"transfer-encoding", b"x-request-id", b"via"}
_HOPS_LEFT = b"max-forwards"
_NUMBER = re.compile(rb"[0-9]{1,9}")
COUNTED = frozenset({"OPTIONS", "TRACE"})
"""Methods whose way ``Max-Forwards`` bounds."""

_TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


@frozen
class Hop:
    """What the gateway knows of the caller. ``client`` is its address, ``peer`` the other end of the connection:
    a trusted proxy where the two differ. ``is_vouched`` tells whether the peer is one. The ``trace`` goes on under
    ``span_id``.
    """

    client: str
    peer: str
    is_vouched: bool
    scheme: str
    version: str
    request_id: str
    trace: TraceContext
    span_id: str


def onward(
    headers: Sequence[tuple[bytes, bytes]],
    hop: Hop,
    *,
    cookies: Collection[str],
    own: Mapping[str, str],
    withheld: frozenset[bytes] = frozenset(),
    rules: Sequence[HeaderRules | None] = (),
) -> Fields:
    """What goes on to the service: the caller's fields but for those that stay here, after the ``rules`` in their
    order, then ours, then the service's own, which win.
    """
    ours = {name.encode(): value.encode("latin-1") for name, value in own.items()}
    dropped = _HOP | _FRAMING | _TOLD_BY_US | withheld | nominated(headers) | ours.keys()
    dropped = dropped.union(*(WRITTEN[style] for style in hop.trace.writes))
    fields = [(name, value) for name, value in headers if not _is_withheld(name, dropped)]
    for each in rules:
        if each is not None:
            fields = each.passed(fields)
            cookies = () if "cookie" in each.remove else cookies
    if cookies and (kept := [pair for name, pair in cookies_of(headers) if name in cookies]):
        fields.append((b"cookie", "; ".join(kept).encode("latin-1")))
    fields += _of_the_caller(headers, hop)
    fields.append((b"x-request-id", hop.request_id.encode()))
    fields += _of_the_trace(hop)
    return [*(pair for pair in fields if pair[0] not in ours), *ours.items()]


def _is_withheld(name: bytes, dropped: Collection[bytes]) -> bool:
    """Whether a caller's field stays here. Many servers read ``_`` in a name as ``-`` (RFC 3875 §4.1.18), so
    ``X_Forwarded_For`` would be believed where ``X-Forwarded-For`` is ours to say.
    """
    plain = name.replace(b"_", b"-")
    return name in dropped or plain in dropped or plain.startswith((b"proxy-", b"x-forwarded-"))


def back(
    fields: Iterable[tuple[bytes, bytes]],
    *,
    status: int,
    has_cors: bool,
    cookies: Collection[str] = (),
    rules: Sequence[HeaderRules | None] = (),
) -> Fields:
    """What goes back to the caller, without the fields that only this connection's end may write, without cookies
    that are not named, and after the ``rules`` in their order.
    """
    lowered = [(name.lower(), value) for name, value in fields]
    dropped = _NOT_BACK | nominated(lowered)
    if status in (204, 304):
        dropped |= {b"content-length"}
    kept = [
        (name, value)
        for name, value in lowered
        if name not in dropped
        and not name.startswith(b"proxy-")
        and not (has_cors and name.startswith(b"access-control-"))
        and not (name == b"set-cookie" and _cookie_set(value) not in cookies)
    ]
    set_here = [pair for pair in kept if pair[0] == b"set-cookie"]
    for each in rules:
        if each is not None:
            kept = each.passed(kept)
            set_here = [] if "set-cookie" in each.remove else set_here
    if any(each is not None for each in rules):
        kept = [pair for pair in kept if pair[0] != b"set-cookie"] + set_here
    return [*kept, (b"via", _via(lowered, "1.1"))]


def _cookie_set(value: bytes) -> str:
    """The name of the cookie that a Set-Cookie sets (RFC 6265 §5.2)."""
    return value.partition(b";")[0].partition(b"=")[0].strip().decode("latin-1")


def nominated(headers: Iterable[tuple[bytes, bytes]]) -> set[bytes]:
    """The fields that ``Connection`` names: they are this connection's too (RFC 9110 §7.6.1)."""
    return {
        option.strip().lower()
        for name, value in headers
        if name == b"connection"
        for option in value.split(b",")
    }


def counted_down(fields: Fields) -> Fields:
    """With one hop less in ``Max-Forwards`` (RFC 9110 §7.6.2); one that is no number counts nothing."""
    return [
        (name, b"%d" % (int(value) - 1) if name == _HOPS_LEFT and _NUMBER.fullmatch(value) else value)
        for name, value in fields
    ]


def is_the_last(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a request may go no further than here."""
    return any(name == _HOPS_LEFT and _NUMBER.fullmatch(value) and not int(value) for name, value in headers)


def _of_the_caller(headers: Sequence[tuple[bytes, bytes]], hop: Hop) -> Fields:
    """``Forwarded`` (RFC 7239), ``X-Forwarded-*`` and ``Via``: only what is known here or vouched for."""
    said = dict(headers) if hop.is_vouched else {}
    host = said.get(b"x-forwarded-host") or _first(headers, b"host")
    scheme = _scheme(said.get(b"x-forwarded-proto"), hop.scheme)
    addresses = list(dict.fromkeys(address for address in (hop.client, hop.peer) if address))
    elements = [b"for=" + _node(address) for address in addresses] or [b"for=unknown"]
    elements[-1] += b";proto=" + scheme + (b";host=" + _quoted(host) if _is_host(host) else b"")
    fields: Fields = [(b"forwarded", b", ".join(elements)), (b"x-forwarded-proto", scheme)]
    if addresses:
        fields.append((b"x-forwarded-for", ", ".join(addresses).encode()))
    if _is_host(host):
        fields.append((b"x-forwarded-host", host))
    return [*fields, (b"via", _via(headers, hop.version))]


def _of_the_trace(hop: Hop) -> Iterable[tuple[bytes, bytes]]:
    written: dict[str, str] = {}
    hop.trace.write(written, hop.span_id)
    return [(name.encode(), value.encode()) for name, value in written.items()]


def _via(headers: Iterable[tuple[bytes, bytes]], version: str) -> bytes:
    passed = [value for name, value in headers if name == b"via" and value]
    return b", ".join([*passed, version.encode() + b" " + PSEUDONYM])


def _scheme(vouched: bytes | None, seen: str) -> bytes:
    told = (vouched or b"").rpartition(b",")[2].strip().lower()
    return told if told in (b"http", b"https") else seen.encode()


def _node(address: str) -> bytes:
    """RFC 7239 §6: an IPv6 address stands in brackets, and therefore in quotes."""
    return f'"[{address}]"'.encode() if ":" in address else address.encode()


def _is_host(host: bytes) -> bool:
    return bool(host) and all(each in _TOKEN or each in b"[]:" for each in host)


def _quoted(host: bytes) -> bytes:
    return host if all(each in _TOKEN for each in host) else b'"' + host + b'"'


def _first(headers: Sequence[tuple[bytes, bytes]], wanted: bytes) -> bytes:
    return next((value for name, value in headers if name == wanted), b"")
