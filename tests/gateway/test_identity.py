"""Who calls: request ids, traces and addresses, and that nobody can talk us into another one."""

from __future__ import annotations

import re
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.gateway.client import TrustedProxies
from tests.gateway.conftest import Served, ServeSamples

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"


# --- request ids and traces ------------------------------------------------------------------------------


@pytest.mark.parametrize("said", ["abc-123", "A" * 128, "01HQ.x_y~z+/=:@", "7", "..."])
def test_a_sane_request_id_is_kept(served: Served, said: str) -> None:
    """The id a proxy or page gave is the one in the answer, in the function and in the log."""
    answer = served.get("/whoami", headers={"x-request-id": said})
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == said
    assert served.log(request_id=said)["route"] == "/whoami"


@pytest.mark.parametrize(
    "said", ["", "A" * 129, "two words", 'quo"te', "<script>", "ü", "a,b", "a;b", ".", ".."]
)
def test_an_id_that_could_do_harm_is_replaced(served: Served, said: str) -> None:
    """Ids end up in logs, pages and other services: what is long or not a plain word is not kept."""
    answer = served.get("/whoami", headers=[(b"x-request-id", said.encode())])
    minted = answer.headers["x-request-id"]
    assert re.fullmatch(r"[0-9a-f]{16}-[0-9a-f]+", minted)
    assert answer.json()["request_id"] == minted


def test_every_answer_has_its_own_id(served: Served) -> None:
    """Errors too: the id a user reads off a problem page is the one in the operator's log."""
    paths = ["/hello", "/nowhere", "/fails?kind=raises", "/site/where", "/stream/sync", "/health/liveness"]
    ids = [served.get(path).headers["x-request-id"] for path in paths]
    assert len(set(ids)) == len(paths)
    problem = served.get("/nowhere")
    assert problem.json()["instance"] == f"urn:request:{problem.headers['x-request-id']}"
    assert served.log(request_id=problem.headers["x-request-id"])["status"] == 404


def test_a_trace_is_continued(served: Served) -> None:
    headers = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
    said = served.get("/whoami", headers=headers).json()
    assert (said["trace_id"], said["parent_id"]) == (TRACE, SPAN)


@pytest.mark.parametrize(
    "said",
    [
        [f"00-{'0' * 32}-{SPAN}-01"],
        [f"00-{TRACE}-{'0' * 16}-01"],
        [f"ff-{TRACE}-{SPAN}-01"],
        [f"00-{TRACE.upper()}-{SPAN}-01"],
        [f"00-{TRACE}-{SPAN}-01-more"],
        ["garbage"],
        [""],
        [f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-01"],
    ],
)
def test_a_broken_traceparent_starts_a_new_trace(served: Served, said: list[str]) -> None:
    """W3C Trace Context §3.2: what is invalid is as good as absent; the request itself is fine."""
    answer = served.get("/whoami", headers=[("traceparent", each) for each in said])
    assert answer.status_code == 200
    assert re.fullmatch(r"[0-9a-f]{32}", answer.json()["trace_id"])
    assert answer.json()["trace_id"] != TRACE
    assert answer.json()["parent_id"] is None


# --- addresses: the pure half ----------------------------------------------------------------------------

PROXIES = TrustedProxies([ip_network("10.0.0.0/8"), ip_network("fd00::/8")])


def seen(peer: str, *fields: tuple[str, str], proxies: TrustedProxies = PROXIES) -> str:
    return proxies.client(peer, [(name.encode(), value.encode("latin-1")) for name, value in fields])


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([], "10.0.0.1"),
        ([("x-forwarded-for", "1.2.3.4")], "1.2.3.4"),
        ([("x-forwarded-for", "6.6.6.6, 1.2.3.4")], "1.2.3.4"),
        ([("x-forwarded-for", "6.6.6.6, 1.2.3.4, 10.9.9.9")], "1.2.3.4"),
        ([("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "1.2.3.4")], "1.2.3.4"),
        ([("x-forwarded-for", "10.1.1.1, 10.2.2.2")], "10.1.1.1"),
        ([("x-forwarded-for", "1.2.3.4:5678")], "1.2.3.4"),
        ([("x-forwarded-for", "[2001:db8::1]:443")], "2001:db8::1"),
        ([("x-forwarded-for", "2001:DB8::1")], "2001:db8::1"),
        ([("x-forwarded-for", "::ffff:1.2.3.4")], "1.2.3.4"),
        ([("x-forwarded-for", "1.2.3.4, garbage")], "10.0.0.1"),
        ([("x-forwarded-for", "1.2.3.4, garbage, 10.2.2.2")], "10.2.2.2"),
        ([("x-forwarded-for", "unknown")], "10.0.0.1"),
        ([("x-forwarded-for", ", ,")], "10.0.0.1"),
        ([("x-forwarded-for", "1.2.3.4,")], "1.2.3.4"),
        ([("x-forwarded-for", "1.2.3.4' OR 1=1")], "10.0.0.1"),
        ([("x-forwarded-for", "1.2.3.4\u00ff")], "10.0.0.1"),
        ([("x-forwarded-for", "fe80::1%eth0")], "10.0.0.1"),
        ([("forwarded", "for=1.2.3.4")], "1.2.3.4"),
        ([("forwarded", "for=6.6.6.6, for=1.2.3.4;proto=https;by=10.0.0.1")], "1.2.3.4"),
        ([("forwarded", 'For="[2001:db8::1]:443";proto=https')], "2001:db8::1"),
        ([("forwarded", "proto=https;for=1.2.3.4, for=10.2.2.2")], "1.2.3.4"),
        ([("forwarded", "for=_hidden")], "10.0.0.1"),
        ([("forwarded", "for=unknown, for=10.2.2.2")], "10.2.2.2"),
        ([("forwarded", "proto=https")], "10.0.0.1"),
        ([("forwarded", 'for="6.6.6.6, for=1.2.3.4')], "1.2.3.4"),
        ([("forwarded", "for=6.6.6.6, proto=https")], "10.0.0.1"),
        ([("forwarded", "for=1.2.3.4,")], "1.2.3.4"),
        ([("forwarded", "for=6.6.6.6"), ("x-forwarded-for", "1.2.3.4")], "10.0.0.1"),
        ([("forwarded", "for=1.2.3.4"), ("x-forwarded-for", "6.6.6.6")], "10.0.0.1"),
        ([("forwarded", "for=1.2.3.4"), ("x-forwarded-for", "6.6.6.6, 1.2.3.4")], "1.2.3.4"),
        ([("forwarded", 'for="1.2.3.4,6.6.6.6"')], "10.0.0.1"),
        ([("forwarded", "notfor=6.6.6.6;for=1.2.3.4")], "1.2.3.4"),
    ],
)
def test_addresses_are_read_from_the_right(fields: list[tuple[str, str]], expected: str) -> None:
    """Each trusted hop vouches for the one before it; what a caller wrote further left decides nothing."""
    assert seen("10.0.0.1", *fields) == expected


def test_a_stranger_is_believed_nothing() -> None:
    for name in ("x-forwarded-for", "forwarded"):
        value = "for=10.0.0.1" if name == "forwarded" else "10.0.0.1"
        assert seen("8.8.8.8", (name, value)) == "8.8.8.8"
        assert seen("10.0.0.1", (name, value), proxies=TrustedProxies([])) == "10.0.0.1"


@pytest.mark.parametrize(
    ("peer", "said", "patience"),
    [
        ("10.0.0.1", [b"250"], 0.25),
        ("10.0.0.1", [b"250", b"40"], 0.04),
        ("10.0.0.1", [b"soon", b"-1", b"9" * 10], None),
        ("10.0.0.1", [], None),
        ("203.0.113.9", [b"250"], None),
        ("", [b"250"], None),
    ],
)
def test_only_a_declared_proxy_says_how_long_it_waits(
    peer: str, said: list[bytes], patience: float | None
) -> None:
    """In milliseconds, the least of what it says; whoever else is beside it is not heard."""
    fields = [(b"x-other", b"1"), *((b"x-left-ms", value) for value in said)]
    assert PROXIES.patience(peer, fields, b"x-left-ms") == patience


def test_a_proxy_reached_over_a_mapped_address_is_still_trusted() -> None:
    """A listener on ``::`` sees its IPv4 peers as ``::ffff:10.0.0.1``."""
    assert seen("::ffff:10.0.0.1", ("x-forwarded-for", "1.2.3.4")) == "1.2.3.4"


@given(
    st.lists(st.tuples(st.sampled_from(["x-forwarded-for", "forwarded"]), st.text(max_size=40)), max_size=4)
)
def test_no_field_can_break_the_reading(fields: list[tuple[str, str]]) -> None:
    """Whatever stands in those fields, the answer is an address, and the peer's own if nothing is usable."""
    from ipaddress import ip_address

    raw = [(name.encode(), value.encode()) for name, value in fields]
    ip_address(PROXIES.client("10.0.0.1", raw))


@given(st.lists(st.ip_addresses(v=4).map(str), max_size=5), st.text('abc.:,[]"; 123=', max_size=30))
def test_what_a_caller_writes_cannot_change_what_a_proxy_adds(listed: list[str], forged: str) -> None:
    """The proxy appends the true address on the right: no prefix a caller sends moves it."""
    value = ", ".join([*listed, forged, "1.2.3.4"])
    assert seen("10.0.0.1", ("x-forwarded-for", value)) == "1.2.3.4"


# --- addresses: over the wire ----------------------------------------------------------------------------


def test_without_declared_proxies_nobody_is_believed(served: Served) -> None:
    """The default is safe: the address of the connection counts, whatever fields say."""
    headers = {"x-forwarded-for": "1.2.3.4", "forwarded": "for=1.2.3.4", "x-real-ip": "1.2.3.4"}
    assert served.get("/whoami", headers=headers).json()["client"] == "127.0.0.1"


def test_a_declared_proxy_is_believed(samples: ServeSamples) -> None:
    """Function and access log both see the browser's address, not the load balancer's."""
    running = samples("serve", section='  trusted_proxies: ["127.0.0.1"]')
    headers = {"x-forwarded-for": "6.6.6.6, 1.2.3.4", "x-request-id": "proxied"}
    assert running.get("/whoami", headers=headers).json()["client"] == "1.2.3.4"
    assert running.log(request_id="proxied")["client"] == "1.2.3.4"
    assert running.get("/whoami").json()["client"] == "127.0.0.1"
