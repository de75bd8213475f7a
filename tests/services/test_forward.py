"""What travels upstream with a call: who asks, the service's own credentials, and what the route allows."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.sdk.failures import BadServiceCall, ServiceAnswered
from bff.sdk.headerrules import HeaderRules
from bff.sdk.invocation import Incoming, Invocation
from bff.sdk.service import Service
from bff.services import forward

pytestmark = pytest.mark.anyio

MakeUpstream = Callable[..., Awaitable[Any]]
MakeService = Callable[..., Service]
MakeInvocation = Callable[..., Invocation]

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
INBOUND = f"00-{TRACE}-00f067aa0ba902b7-01"
CALLER = [
    ("authorization", "Bearer caller"),
    ("cookie", "session=gateway; theme=dark; cart=7"),
    ("accept-language", "nl"),
    ("x-tenant", "t1"),
    ("x-tenant", "t2"),
    ("user-agent", "browser"),
    ("accept", "text/html"),
    ("referer", "http://page"),
    ("traceparent", INBOUND),
    ("x-request-id", "forged"),
    ("x-forwarded-for", "forged"),
]
SENT_ALWAYS = {
    "host",
    "accept",
    "accept-encoding",
    "connection",
    "user-agent",
    "traceparent",
    "x-request-id",
    "x-forwarded-for",
    "x-envoy-expected-rq-timeout-ms",
}


async def test_identity_travels_and_nothing_else(
    upstream: MakeUpstream, service: MakeService, invocation: MakeInvocation
) -> None:
    """Trace, request id and client address; no other field of the caller's, unless the route allows it."""
    good = await upstream()
    await service(good.url, invocation(headers=CALLER, traceparent=INBOUND)).get("/")
    headers = good.requests[0].headers
    assert set(headers) == SENT_ALWAYS
    assert len(good.requests[0].fields) == len(headers), "no field twice"
    assert (headers["x-request-id"], headers["x-forwarded-for"]) == ("r-1", "203.0.113.9")
    assert (headers["user-agent"], headers["accept"]) == ("bff-gateway", "*/*")


async def test_every_call_is_a_span_of_the_callers_trace(
    upstream: MakeUpstream, service: MakeService, invocation: MakeInvocation
) -> None:
    """The inbound trace id and sampling go on, with a span id of each call's own."""
    good = await upstream()
    users = service(good.url, invocation(traceparent=INBOUND))
    for _ in range(2):
        await users.get("/")
    seen = [request.headers["traceparent"] for request in good.requests]
    parts = [re.fullmatch(r"00-([0-9a-f]{32})-([0-9a-f]{16})-01", each) for each in seen]
    assert all(part is not None and part[1] == TRACE for part in parts)
    spans = {part[2] for part in parts if part is not None}
    assert len(spans) == 2
    assert "00f067aa0ba902b7" not in spans


@pytest.mark.parametrize("inbound", [None, "garbage", f"00-{'0' * 32}-00f067aa0ba902b7-01"])
async def test_without_a_valid_trace_one_begins_here(
    upstream: MakeUpstream, service: MakeService, invocation: MakeInvocation, inbound: str | None
) -> None:
    """All calls of an invocation share it; it is not sampled."""
    good = await upstream()
    users = service(good.url, invocation(traceparent=inbound))
    for _ in range(2):
        await users.get("/")
    traces = {request.headers["traceparent"].split("-")[1] for request in good.requests}
    assert len(traces) == 1
    assert traces != {"0" * 32}
    assert all(request.headers["traceparent"].endswith("-02") for request in good.requests)


async def test_allow_listed_headers_and_cookies_travel_as_they_came(
    upstream: MakeUpstream, service: MakeService, invocation: MakeInvocation
) -> None:
    """Repeated fields are joined (RFC 9110 §5.3), cookies keep their order, the others stay here."""
    good = await upstream()
    call = invocation(
        headers=[*CALLER, ("cookie", "theme=light")],
        forwarding={"headers": ["authorization", "x-tenant", "x-absent"], "cookies": ["cart", "theme"]},
    )
    await service(good.url, call).get("/")
    headers = good.requests[0].headers
    assert set(headers) == SENT_ALWAYS | {"authorization", "x-tenant", "cookie"}
    assert (headers["authorization"], headers["x-tenant"]) == ("Bearer caller", "t1, t2")
    assert headers["cookie"] == "theme=dark; cart=7; theme=light"


@pytest.mark.parametrize(
    ("sent", "travels"),
    [
        ('theme="a\\073 admin=1"', 'theme="a\\073 admin=1"'),
        ('theme="x\\012y"', 'theme="x\\012y"'),
        ("theme=a=b==", "theme=a=b=="),
        ("theme=", "theme="),
        (" theme = dark ;session=1", "theme = dark"),
        ("theme", None),
        ("=theme", None),
        ("xtheme=1; themex=2", None),
        ("theme=\xfc\xff", "theme=\xfc\xff"),
    ],
)
async def test_a_cookie_cannot_smuggle_another(
    upstream: MakeUpstream, service: MakeService, invocation: MakeInvocation, sent: str, travels: str | None
) -> None:
    """A pair travels byte for byte: quoting in a value is never undone on the way."""
    good = await upstream()
    call = invocation(headers=[("cookie", sent)], forwarding={"cookies": ["theme"]})
    await service(good.url, call).get("/")
    assert good.requests[0].headers.get("cookie") == travels


async def test_bytes_beyond_ascii_travel_unchanged(
    upstream: MakeUpstream, service: MakeService, invocation: MakeInvocation
) -> None:
    """RFC 9110 §5.5 obs-text: an odd byte in an allowed header is no 500."""
    good = await upstream()
    call = invocation(headers=[("x-name", "J\xfcrgen \xff")], forwarding={"headers": ["x-name"]})
    await service(good.url, call).get("/")
    assert good.requests[0].headers["x-name"] == "J\xfcrgen \xff"


async def test_the_later_wins_caller_function_identity_service(
    upstream: MakeUpstream, service: MakeService, invocation: MakeInvocation
) -> None:
    """The function's own header beats the caller's, nobody fakes identity, the service's secret beats all.

    Whatever the case of the names: no field is sent twice.
    """
    good = await upstream()
    call = invocation(
        headers=CALLER, forwarding={"headers": ["authorization", "accept-language"], "cookies": ["theme"]}
    )
    users = service(good.url, call, headers={"Authorization": "Bearer own", "X-Api-Key": "k"})
    await users.get(
        "/",
        headers={
            "AUTHORIZATION": "Bearer function",
            "Accept-Language": "fr",
            "X-Request-Id": "forged",
            "TraceParent": INBOUND,
            "X-Forwarded-For": "forged",
            "Accept": "application/json",
            "Cookie": "mine=1",
        },
    )
    request = good.requests[0]
    assert len(request.fields) == len(request.headers)
    assert request.headers["authorization"] == "Bearer own"
    assert request.headers["x-api-key"] == "k"
    assert request.headers["accept-language"] == "fr"
    assert request.headers["x-request-id"] == "r-1"
    assert request.headers["x-forwarded-for"] == "203.0.113.9"
    assert TRACE not in request.headers["traceparent"]
    assert request.headers["accept"] == "application/json"
    assert request.headers["cookie"] == "mine=1"


async def test_without_a_client_address_none_is_made_up(
    upstream: MakeUpstream, service: MakeService, invocation: MakeInvocation
) -> None:
    """A Unix socket or an event has no caller address."""
    good = await upstream()
    await service(good.url, invocation(client="")).get("/")
    assert "x-forwarded-for" not in good.requests[0].headers


@pytest.mark.parametrize(
    ("sent", "allowed", "own", "status"),
    [
        ([("authorization", "x")], {"headers": ["authorization"]}, {}, 401),
        ([("authorization", "x")], {"headers": ["authorization"]}, {"authorization": "own"}, 502),
        ([("authorization", "x")], {"headers": ["x-tenant"]}, {}, 502),
        ([], {"headers": ["authorization"]}, {}, 502),
        ([("x-api-key", "x")], {"headers": ["x-api-key"]}, {}, 401),
        ([("x-tenant", "x")], {"headers": ["x-tenant"]}, {}, 502),
        ([("cookie", "session=1")], {"cookies": ["session"]}, {}, 401),
        ([("cookie", "session=1")], {"cookies": ["other"]}, {}, 502),
        ([("cookie", "session=1")], {"cookies": ["session"]}, {"cookie": "own=1"}, 502),
        ([("cookie", "session=1")], {"cookies": ["session"]}, {"authorization": "own"}, 401),
    ],
)
async def test_a_refused_credential_is_the_callers_only_if_it_was_the_callers(
    upstream: MakeUpstream,
    service: MakeService,
    invocation: MakeInvocation,
    sent: Any,
    allowed: Any,
    own: Any,
    status: int,
) -> None:
    """401 goes through when the caller's credential was relayed; else it is our own that failed: 502."""
    shut = await upstream(lambda talk: talk.answer(401))
    users = service(shut.url, invocation(headers=sent, forwarding=allowed), headers=own)
    with pytest.raises(ServiceAnswered) as failure:
        await users.get("/")
    assert failure.value.status == status
    response = await users.get("/", check=False)
    with pytest.raises(ServiceAnswered) as failure:
        response.raise_for_status()
    assert failure.value.status == status


@pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "a\nb", "a\x00b", " leading", "a\r"])
async def test_a_header_cannot_break_out_of_its_line(
    upstream: MakeUpstream, service: MakeService, value: str
) -> None:
    """A function that puts a caller's text into a header sends it whole or not at all."""
    good = await upstream()
    try:
        await service(good.url).get("/", headers={"x-name": value})
    except BadServiceCall as refusal:
        assert value not in str(refusal)  # noqa: PT017
        assert good.requests == []
    else:
        assert len(good.requests) == 1
        assert "x-evil" not in good.requests[0].headers


@pytest.mark.parametrize("name", ["Content-Length", "Transfer-Encoding", "Connection", "Upgrade", "TE"])
async def test_framing_is_not_for_functions(upstream: MakeUpstream, service: MakeService, name: str) -> None:
    """No request can be smuggled by a length that does not fit its body, nor a connection be taken over."""
    good = await upstream()
    with pytest.raises(BadServiceCall, match=f"{name.lower()} is for the client itself"):
        await service(good.url).post("/", content=b"hello", headers={name: "3"})
    assert good.accepted == 0


def made(headers: list[tuple[bytes, bytes]], forwarding: Any) -> Incoming:
    return Incoming({"headers": headers}, None, {}, 0, forwarding)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"cookie", b"authorization", b"x-a", b"x-b", b"connection", b"host"]),
            st.binary(max_size=30).filter(lambda value: not set(value) & set(b"\r\n\x00")),
        ),
        max_size=6,
    )
)
def test_whatever_a_caller_sends_only_the_list_travels(headers: list[tuple[bytes, bytes]]) -> None:
    """No header value and no cookie, however odd, makes another name travel."""
    from bff.clock import SystemClock
    from bff.sdk.invocation import Forwarding

    call = Invocation(request_id="r-1", method="GET", clock=SystemClock(), started=0)
    call.incoming = made(headers, Forwarding(headers=(b"x-a",), cookies=("theme",)))
    carried = forward.fields(call, {}, {})
    assert set(carried) <= {"x-a", "cookie", "traceparent", "x-request-id"}
    for pair in carried.get("cookie", "").split("; "):
        assert not pair or pair.partition("=")[0].strip() == "theme"


ALLOWED = {"headers": ["authorization", "accept-language", "x-tenant"], "cookies": ["theme"]}


async def test_a_service_sees_what_its_own_list_allows_too(
    upstream: MakeUpstream, service: MakeService, invocation: MakeInvocation
) -> None:
    """Of what the route lets travel; a function's own words are not a caller's, and cookies have a list of their own."""
    good = await upstream()
    call = invocation(headers=CALLER, forwarding=ALLOWED)
    rules = {
        "allow": ["x-tenant"],
        "set": {"X-Fixed": "1"},
        "add": {"x-tenant": "added"},
        "remove": ["x-noise"],
    }
    await service(good.url, call, request_headers=rules, headers={"authorization": "Bearer own"}).get(
        "/", headers={"x-mine": "1", "x-noise": "1", "x-fixed": "mine"}
    )
    headers = good.requests[0].headers
    assert set(headers) == SENT_ALWAYS | {"x-tenant", "x-fixed", "x-mine", "cookie", "authorization"}
    assert (headers["x-tenant"], headers["x-fixed"]) == ("t1, t2, added", "1")
    assert (headers["cookie"], headers["authorization"]) == ("theme=dark", "Bearer own")


async def test_a_services_rules_may_keep_cookies_away(
    upstream: MakeUpstream, service: MakeService, invocation: MakeInvocation
) -> None:
    good = await upstream()
    call = invocation(headers=CALLER, forwarding=ALLOWED)
    await service(good.url, call, request_headers={"remove": "cookie"}).get("/")
    assert "cookie" not in good.requests[0].headers


async def test_a_routes_rules_go_before_the_services(
    upstream: MakeUpstream, service: MakeService, invocation: MakeInvocation
) -> None:
    """For every call the route's function makes, of whatever the function says itself too."""
    good = await upstream()
    call = invocation(headers=CALLER, forwarding=ALLOWED)
    assert call.incoming is not None
    rules = HeaderRules(remove=frozenset({"accept-language"}), set={"x-a": "route"}, add={"x-b": "route"})
    call.incoming.forwarding = replace(call.incoming.forwarding, rules=rules)
    await service(good.url, call, request_headers={"add": {"x-a": "service"}}).get(
        "/", headers={"x-b": "mine"}
    )
    headers = good.requests[0].headers
    assert (headers["x-a"], headers["x-b"]) == ("route, service", "mine, route")
    assert "accept-language" not in headers


@pytest.mark.parametrize(
    ("rules", "status"),
    [
        ({}, 401),
        ({"remove": ["authorization"]}, 502),
        ({"allow": []}, 502),
        ({"set": {"authorization": "x"}}, 502),
    ],
)
async def test_a_401_is_the_callers_where_its_credential_went_along(
    upstream: MakeUpstream, service: MakeService, invocation: MakeInvocation, rules: Any, status: int
) -> None:
    """And ours where the rules kept it here."""

    async def refuse(talk: Any) -> None:
        await talk.answer(401)

    call = invocation(headers=CALLER, forwarding={"headers": ["authorization"]})
    with pytest.raises(ServiceAnswered) as failure:
        await service((await upstream(refuse)).url, call, request_headers=rules).get("/")
    assert failure.value.status == status


NAMED = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.sampled_from(["1", "2"]))
NAMES = st.frozensets(st.sampled_from(["a", "b", "c"]))


@given(NAMED, st.none() | NAMES, NAMES, NAMED, NAMED)
def test_rules_mean_the_same_for_calls_and_for_what_passes(
    fields: dict[str, str], allow: frozenset[str] | None, remove: frozenset[str], fixed: Any, added: Any
) -> None:
    """As a mapping whose values are joined, or line by line."""
    rules = HeaderRules(allow=allow, remove=remove, set=fixed, add=added)
    joined: dict[str, str] = {}
    for name, value in rules.passed([(name.encode(), value.encode()) for name, value in fields.items()]):
        text = value.decode()
        joined[name.decode()] = f"{joined[name.decode()]}, {text}" if name.decode() in joined else text
    assert rules.changed(rules.allowed(fields)) == joined
    assert all(name in fixed or name in added for name in joined if name in remove)
