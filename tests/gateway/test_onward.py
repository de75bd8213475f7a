"""Which fields pass, for any fields whatsoever: the pure half of passing through."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bff.config.names import HOP_BY_HOP
from bff.gateway import offers
from bff.gateway.onward import Hop, back, nominated, onward
from bff.trace import TraceContext

HOP = Hop(
    client="203.0.113.7",
    peer="203.0.113.7",
    is_vouched=False,
    scheme="http",
    version="1.1",
    request_id="id-1",
    trace=TraceContext("0af7651916cd43dd8448eb211c80319c", None, 1),
    span_id="b7ad6b7169203331",
)
OURS = {b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"via", b"x-request-id", b"traceparent"}
NAMES = st.sampled_from(
    [name.encode() for name in sorted(HOP_BY_HOP)]
    + [b"x-a", b"x-b", b"accept", b"host", b"cookie", b"content-length", b"expect", b"proxy-x", b"forwarded"]
    + [b"x-forwarded-for", b"x-forwarded-user", b"via", b"x-real-ip", b"authorization"]
)
VALUES = st.sampled_from(
    [b"", b"1", b"x-a", b"X-B , close", b"x-a, via, forwarded, host", b"a=b; c=d", b"\xe9"]
)
FIELDS = st.lists(st.tuples(NAMES, VALUES), max_size=12)


@settings(max_examples=200, deadline=None)
@given(FIELDS)
def test_nothing_of_one_connection_goes_on(headers: list[tuple[bytes, bytes]]) -> None:
    """Neither the known ones nor those that are nominated; ours are always there, each once."""
    names = [name for name, _ in onward(headers, HOP, cookies=(), own={})]
    assert not set(names) & {name.encode() for name in HOP_BY_HOP}
    assert not {name for name in names if name.startswith(b"proxy-")}
    assert not (set(names) - OURS - {b"x-forwarded-host"}) & nominated(headers)
    assert all(names.count(name) == 1 for name in OURS)
    assert b"cookie" not in names


@settings(max_examples=200, deadline=None)
@given(FIELDS)
def test_all_the_rest_goes_on_in_order(headers: list[tuple[bytes, bytes]]) -> None:
    kept = {b"x-a", b"x-b", b"accept", b"authorization"} - nominated(headers)
    sent = [pair for pair in headers if pair[0] in kept]
    assert [pair for pair in onward(headers, HOP, cookies=(), own={}) if pair[0] in kept] == sent
    assert [pair for pair in back(headers, status=200, has_cors=False) if pair[0] in kept] == sent


@settings(max_examples=100, deadline=None)
@given(FIELDS)
def test_a_services_own_fields_stand_once_and_last(headers: list[tuple[bytes, bytes]]) -> None:
    own = {"authorization": "service", "x-a": "own", "via": "own", "cookie": "own"}
    fields = onward(headers, HOP, cookies=("a",), own=own)
    assert fields[-4:] == [(name.encode(), value.encode()) for name, value in own.items()]
    assert all([name for name, _ in fields].count(each.encode()) == 1 for each in own)


@pytest.mark.parametrize(
    ("client", "peer", "element"),
    [
        ("203.0.113.7", "203.0.113.7", b"for=203.0.113.7;proto=http"),
        ("2001:db8::1", "10.0.0.1", b'for="[2001:db8::1]", for=10.0.0.1;proto=http'),
        ("", "", b"for=unknown;proto=http"),
    ],
)
def test_who_asks_is_written_as_rfc_7239_has_it(client: str, peer: str, element: bytes) -> None:
    fields = dict(onward([], replace(HOP, client=client, peer=peer), cookies=(), own={}))
    assert fields[b"forwarded"] == element
    assert fields.get(b"x-forwarded-for", b"").decode() == ", ".join(
        dict.fromkeys(filter(None, (client, peer)))
    )


@pytest.mark.parametrize("host", [b'a"b', b"a b", b"a;b", b"a,b", b"a\\b", b"\xe9", b"a/b", b"a@b"])
def test_a_host_that_is_none_is_not_told(host: bytes) -> None:
    """It could end the quotes it stands in, and begin an element of its own."""
    fields = dict(onward([(b"host", host)], HOP, cookies=(), own={}))
    assert fields[b"forwarded"] == b"for=203.0.113.7;proto=http"
    assert b"x-forwarded-host" not in fields


@pytest.mark.parametrize(
    ("told", "scheme"),
    [
        (b"https", b"https"),
        (b"http, HTTPS ", b"https"),
        (b"gopher", b"http"),
        (b"", b"http"),
        (b"https;x", b"http"),
    ],
)
def test_a_trusted_proxy_tells_the_scheme(told: bytes, scheme: bytes) -> None:
    headers = [(b"x-forwarded-proto", told)]
    assert (
        dict(onward(headers, replace(HOP, is_vouched=True), cookies=(), own={}))[b"x-forwarded-proto"]
        == scheme
    )
    assert dict(onward(headers, HOP, cookies=(), own={}))[b"x-forwarded-proto"] == b"http"


def test_an_offer_is_taken_out_and_nothing_else() -> None:
    headers = [
        *((b"connection", b"keep-alive, Upgrade, HTTP2-Settings, close"), (b"upgrade", b"websocket")),
        *((b"http2-settings", b"x"), (b"sec-websocket-key", b"k"), (b"x-upgrade", b"1")),
    ]
    assert offers.without(headers) == [
        (b"connection", b"keep-alive, close"),
        (b"sec-websocket-key", b"k"),
        (b"x-upgrade", b"1"),
    ]


@pytest.mark.parametrize(
    ("method", "version", "headers", "is_one"),
    [
        (b"GET", "1.1", [(b"upgrade", b" WebSocket ")], True),
        (b"GET", "1.1", [(b"upgrade", b"websocket"), (b"content-length", b"0")], True),
        (b"GET", "1.1", [(b"upgrade", b"websocket"), (b"content-length", b"1")], False),
        (b"GET", "1.1", [(b"upgrade", b"websocket"), (b"transfer-encoding", b"chunked")], False),
        (b"GET", "1.1", [(b"upgrade", b"websocket"), (b"upgrade", b"h2c")], False),
        (b"GET", "1.1", [(b"upgrade", b"h2c")], False),
        (b"GET", "1.1", [], False),
        (b"GET", "1.0", [(b"upgrade", b"websocket")], False),
        (b"POST", "1.1", [(b"upgrade", b"websocket")], False),
    ],
)
def test_websocket_alone_is_an_offer(
    method: bytes, version: str, headers: list[tuple[bytes, bytes]], is_one: bool
) -> None:
    assert offers.is_websocket(method, version, headers) is is_one


@pytest.mark.parametrize(
    "name",
    [b"x_forwarded_for", b"x-forwarded_proto", b"x_request_id", b"x_real_ip", b"x_api_key", b"proxy_user"],
)
def test_a_name_that_servers_read_as_one_of_ours_stays_here(name: bytes) -> None:
    """CGI and its heirs see no difference between a dash and an underscore (RFC 3875 §4.1.18)."""
    sent = [(name, b"spoofed"), (b"my_own", b"kept")]
    gone = onward(sent, HOP, cookies=(), own={"x-api-key": "secret"})
    assert name not in dict(gone)
    assert (b"my_own", b"kept") in gone
