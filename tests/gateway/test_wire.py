"""What callers may do to a connection, well- and ill-behaved, over bare sockets."""

from __future__ import annotations

import re
import socket
import threading

import pytest

from bff.gateway.timed import LINGER
from tests.conftest import ANSWERS_WITHIN, Heard, Wire, eventually
from tests.gateway.byhand import ByHand
from tests.gateway.conftest import Served

GET = b"GET /hello HTTP/1.1\r\nhost: bff\r\n\r\n"
HEAD_LIMIT = 16 * 1024
MEGABYTE = 1024 * 1024


def is_problem(heard: Heard, status: int, code: str) -> bool:
    assert heard.status == status, heard.body
    assert heard.headers["content-type"] == "application/problem+json"
    document = heard.json()
    assert document["type"] == f"/problems/{code}"
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    return True


# --- heads -----------------------------------------------------------------------------------------------


def test_a_request_may_come_byte_by_byte(served: Served) -> None:
    """Slow networks split requests anywhere: head, body and chunk sizes included."""
    body = b'4\r\n{"a"\r\n3;x=y\r\n:1}\r\n0\r\n\r\n'
    request = (
        b"POST /anything HTTP/1.1\r\nhost: bff\r\ncontent-type: application/json\r\n"
        b"transfer-encoding: chunked\r\n\r\n" + body
    )
    with served.wire() as wire:
        for at in range(len(request)):
            wire.say(request[at : at + 1])
        answer = wire.hear_answer()
    assert (answer.status, answer.json()) == (200, {"keys": ["a"]})


def test_pipelined_requests_are_answered_in_order(served: Served) -> None:
    """Requests sent without waiting get their own answers, in order, none lost and none mixed up."""
    requests = [
        b"GET /greet/one HTTP/1.1\r\nhost: bff\r\n\r\n",
        b"HEAD /hello HTTP/1.1\r\nhost: bff\r\n\r\n",
        b"GET /nowhere HTTP/1.1\r\nhost: bff\r\n\r\n",
        b"POST /raw HTTP/1.1\r\nhost: bff\r\ncontent-length: 3\r\n\r\nabc",
        b"GET /hello?name=five HTTP/1.1\r\nhost: bff\r\n\r\n",
    ]
    with served.wire() as wire:
        wire.say(b"".join(requests))
        assert wire.hear_answer().body == b"one"
        assert wire.hear_answer(head_only=True).status == 200
        assert wire.hear_answer().status == 404
        assert wire.hear_answer().json() == {"size": 3}
        assert wire.hear_answer().json() == {"hello": "five"}


def test_five_hundred_pipelined_requests_all_come_back(served: Served) -> None:
    """A burst on one connection is queued, not dropped: every request id comes back once, in order."""
    requests = [
        b"GET /hello HTTP/1.1\r\nhost: bff\r\nx-request-id: r%d\r\n\r\n" % number for number in range(500)
    ]
    with served.wire() as wire:
        wire.say(b"".join(requests))
        ids = [wire.hear_answer().headers["x-request-id"] for _ in requests]
    assert ids == [f"r{number}" for number in range(500)]


def test_a_broken_off_answer_does_not_touch_the_next_request(served: Served) -> None:
    """When a pipelined stream breaks, the caller sees it cut; the request behind it is not half answered."""
    with served.wire() as wire:
        wire.say(b"GET /stream?kind=breaks&tag=pipe HTTP/1.1\r\nhost: bff\r\n\r\n" + GET)
        said = wire.hear_all()
    assert said.count(b"HTTP/1.1 ") == 1
    assert not said.endswith(b"0\r\n\r\n")


def test_one_connection_serves_many_requests(served: Served) -> None:
    """Keep-alive is the default of HTTP/1.1, and an error answer does not end it."""
    with served.wire() as wire:
        for _ in range(3):
            assert wire.say(GET).hear_answer().status == 200
            missing = wire.say(b"GET /nowhere HTTP/1.1\r\nhost: bff\r\n\r\n").hear_answer()
            assert missing.status == 404
        assert "connection" not in missing.headers


def test_a_caller_who_wants_the_connection_closed_gets_that(served: Served) -> None:
    said = served.say(b"GET /hello HTTP/1.1\r\nhost: bff\r\nconnection: close\r\n\r\n")
    assert Heard.parse(said).headers["connection"] == "close"


def test_http_1_0_is_answered_and_closed(served: Served) -> None:
    """Old health checkers speak HTTP/1.0, without Host."""
    answer = Heard.parse(served.say(b"GET /hello HTTP/1.0\r\n\r\n"))
    assert (answer.status, answer.json()) == (200, {"hello": "world"})


@pytest.mark.parametrize("size", [HEAD_LIMIT + 1, 5 * MEGABYTE])
def test_a_header_over_the_limit_is_431(served: Served, size: int) -> None:
    """The caller is told, even while it is still sending; the gateway does not keep what it sends."""
    answer = Heard.parse(_say_in_spite(served, b"GET /hello HTTP/1.1\r\nhost: bff\r\nx-large: ", b"a", size))
    assert is_problem(answer, 431, "head-too-large")
    assert served.get("/hello").status_code == 200


def test_many_small_headers_are_431_too(served: Served) -> None:
    line = b"a: b\r\n"
    head = b"GET /hello HTTP/1.1\r\nhost: bff\r\n"
    answer = Heard.parse(_say_in_spite(served, head, line, HEAD_LIMIT // len(line) * 2))
    assert is_problem(answer, 431, "head-too-large")


@pytest.mark.parametrize("size", [8 * 1024, HEAD_LIMIT * 2, 5 * MEGABYTE])
def test_a_path_over_the_limit_is_414(served: Served, size: int) -> None:
    """Whole or still on its way."""
    tail = b" HTTP/1.1\r\nhost: bff\r\n\r\n"
    answer = Heard.parse(_say_in_spite(served, b"GET /hello?name=", b"a", size, tail))
    assert is_problem(answer, 414, "target-too-long")


def test_a_path_at_the_limit_is_answered(served: Served) -> None:
    assert served.get("/hello?name=" + "a" * (8 * 1024 - 12)).status_code == 200


def test_a_head_at_the_limit_is_answered(served: Served) -> None:
    """The limit counts what the caller sent; close below it everything works, in one piece or in many."""
    head = b"GET /hello HTTP/1.1\r\nhost: bff\r\nx-large: " + b"a" * (HEAD_LIMIT - 200) + b"\r\n\r\n"
    with served.wire() as wire:
        assert wire.say(head).hear_answer().status == 200
        for at in range(0, len(head), 1000):
            wire.say(head[at : at + 1000])
        assert wire.hear_answer().status == 200


def _say_in_spite(served: Served, start: bytes, unit: bytes, count: int, tail: bytes = b"") -> bytes:
    """Say a lot, whether or not the other side goes on listening, then hear what it said."""
    with served.wire() as wire:
        wire.say(start)
        block = unit * (65536 // len(unit))
        left = len(unit) * count
        try:
            while left > 0:
                wire.say(block[:left])
                left -= len(block)
            wire.say(tail)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return wire.hear_all()


def is_waited_for(wire: Wire) -> bool:
    """Whether nothing has come from the gateway, which has seen to everything by now."""
    wire.socket.setblocking(False)
    try:
        wire.socket.recv(1)
    except BlockingIOError:
        return True
    finally:
        wire.socket.settimeout(ANSWERS_WITHIN)
    return False


def test_a_head_that_dribbles_is_408_in_time(by_hand: ByHand) -> None:
    """However busily a caller sends a head that never ends, it holds a connection for head_timeout only: 300 ms here,
    on a clock that the test moves.
    """
    with by_hand.wire() as wire:
        wire.say(b"GET /hello HTTP/1.1\r\nhost: bff\r\n")
        for _ in range(29):
            by_hand.advance(0.01)
            wire.say(b"x: y\r\n")
        by_hand.advance(0.005)
        assert is_waited_for(wire)
        by_hand.advance(0.01)
        answer = Heard.parse(wire.hear_all())
    assert is_problem(answer, 408, "head-timed-out")


def test_the_second_head_of_a_connection_has_the_same_time(by_hand: ByHand) -> None:
    with by_hand.wire() as wire:
        wire.say(GET).hear_answer()
        by_hand.advance(1)
        wire.say(b"GET /hello HTTP/1.1\r\nhost:")
        by_hand.advance(0.29)
        assert is_waited_for(wire)
        by_hand.advance(0.02)
        assert wire.hear_answer().status == 408
        assert wire.is_closed()


@pytest.mark.parametrize("said", [b"", b"\r\n", b"\r\n\r\n"])
def test_a_silent_connection_is_closed(by_hand: ByHand, said: bytes) -> None:
    """Who connects and says nothing is not waited for longer than for a head."""
    with by_hand.wire() as wire:
        wire.say(said)
        by_hand.advance(0.29)
        assert is_waited_for(wire)
        by_hand.advance(0.02)
        assert wire.is_closed()


def test_idle_connections_are_closed_whatever_was_said_in_between(by_hand: ByHand) -> None:
    """After keep_alive_timeout, 75 s by default, an idle connection goes, even one that sent an empty line to stay."""
    with by_hand.wire() as idle, by_hand.wire() as crafty:
        idle.say(GET).hear_answer()
        crafty.say(GET).hear_answer()
        crafty.say(b"\r\n")
        by_hand.advance(74)
        assert is_waited_for(idle)
        by_hand.advance(2)
        assert idle.is_closed()
        assert crafty.is_closed()


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS to a plain port
        b"hello\r\n\r\n",
        b"GET /hello\r\n\r\n",
        b"GET /hello HTTP/9.9\r\nhost: bff\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"FROB /hello HTTP/1.1\r\nhost: bff\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nbad header\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nhost: bff\r\nx: a\x00b\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nhost: bff\r\n folded: x\r\n\r\n",
        b"GET /he\x00llo HTTP/1.1\r\nhost: bff\r\n\r\n",
        b"GET hello HTTP/1.1\r\nhost: bff\r\n\r\n",
        b"GET http:// HTTP/1.1\r\nhost: bff\r\n\r\n",
        b"CONNECT bff:443 HTTP/1.1\r\nhost: bff\r\n\r\n",
        b"GET /gr\xfc\xdfe HTTP/1.1\r\nhost: bff\r\n\r\n",
        b"\xff" * 1000,
        b"\x00" * 1000,
    ],
)
def test_what_is_not_http_is_400(served: Served, garbage: bytes) -> None:
    """The answer is a problem document, the connection is closed, and nobody else notices."""
    answer = Heard.parse(served.say(garbage))
    assert is_problem(answer, 400, "bad-request")
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize(
    "fields",
    [
        b"content-length: 5\r\ncontent-length: 6\r\n",
        b"content-length: 5\r\ntransfer-encoding: chunked\r\n",
        b"transfer-encoding: chunked\r\ncontent-length: 5\r\n",
        b"transfer-encoding: chunked, identity\r\n",
        b"transfer-encoding: xchunked\r\n",
        b"content-length: -1\r\n",
        b"content-length: +5\r\n",
        b"content-length: 5, 5\r\n",
        b"content-length: 0x5\r\n",
        b"content-length: 99999999999999999999999\r\n",
        b"content-length : 5\r\n",
        b"transfer-encoding : chunked\r\n",
    ],
)
def test_bodies_of_two_lengths_are_refused(served: Served, fields: bytes) -> None:
    """A message that a proxy and we could frame differently is never answered with 2xx (RFC 9112 §6.3)."""
    said = served.say(
        b"POST /raw HTTP/1.1\r\nhost: bff\r\n"
        + fields
        + b"\r\n0\r\n\r\nGET /hello HTTP/1.1\r\nhost: bff\r\n\r\n"
    )
    assert len(re.findall(rb"^HTTP/1.1 ", said, re.MULTILINE)) == 1
    assert is_problem(Heard.parse(said), 400, "bad-request")


@pytest.mark.parametrize("target", [b"http://elsewhere/hello", b"/hello?name=world", b"/h%65llo"])
def test_every_form_of_a_target_reaches_its_route(served: Served, target: bytes) -> None:
    """Proxies may send the absolute form (RFC 9112 §3.2.2)."""
    with served.wire() as wire:
        answer = wire.say(b"GET " + target + b" HTTP/1.1\r\nhost: bff\r\n\r\n").hear_answer()
    assert answer.json() == {"hello": "world"}


@pytest.mark.parametrize("target", [b"//hello", b"/hello/", b"/hello%2f", b"/hello;x=1", b"/HELLO"])
def test_a_target_that_only_looks_like_a_route_is_404(served: Served, target: bytes) -> None:
    with served.wire() as wire:
        answer = wire.say(b"GET " + target + b" HTTP/1.1\r\nhost: bff\r\n\r\n").hear_answer()
    assert is_problem(answer, 404, "not-found")


# --- bodies ----------------------------------------------------------------------------------------------


def test_a_body_announced_too_large_is_413_before_it_is_sent(served: Served) -> None:
    """The caller of a 100 MB upload hears 413 at once; with Expect it never gets to send a byte."""
    head = b"POST /raw HTTP/1.1\r\nhost: bff\r\ncontent-length: 104857600\r\nexpect: 100-continue\r\n\r\n"
    with served.wire() as wire:
        answer = wire.say(head).hear_answer()
        assert is_problem(answer, 413, "body-too-large")
        assert answer.headers["connection"] == "close"
        assert wire.is_closed()


def test_a_body_that_is_welcome_is_asked_for(served: Served) -> None:
    head = b"POST /raw HTTP/1.1\r\nhost: bff\r\ncontent-length: 3\r\nexpect: 100-continue\r\n\r\n"
    with served.wire() as wire:
        assert wire.say(head).hear_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert wire.say(b"abc").hear_answer().json() == {"size": 3}


def test_what_is_expected_and_not_known_is_417(served: Served) -> None:
    """With a page of its own that says what may be expected."""
    head = b"POST /raw HTTP/1.1\r\nhost: bff\r\ncontent-length: 3\r\nexpect: the-moon\r\n\r\n"
    with served.wire() as wire:
        answer = wire.say(head + b"abc").hear_answer()
        assert is_problem(answer, 417, "expectation-failed")
        assert served.get(answer.json()["type"]).status_code == 200


@pytest.mark.parametrize("route", ["/raw", "/anything", "/site/upload", "/nowhere", "/hello/posted"])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_hundred_megabytes_are_neither_kept_nor_read_to_the_end(
    served: Served, route: str, chunked: bool
) -> None:
    """Whoever sends 100 MB gets its answer although it goes on sending, and memory stays where it was."""
    served.get("/hello")
    before = served.rss()
    length = b"transfer-encoding: chunked" if chunked else b"content-length: 104857600"
    head = b"POST %b HTTP/1.1\r\nhost: bff\r\ncontent-type: application/json\r\n%b\r\n\r\n"
    block = b" " * MEGABYTE
    if chunked:
        block = b"%x\r\n%b\r\n" % (len(block), block)
    with served.wire() as wire:
        wire.say(head % (route.encode(), length))
        sent = threading.Thread(target=_pour, args=(wire.socket, block, 100), daemon=True)
        sent.start()
        answer = wire.hear_answer()
        peak = served.rss()
        assert wire.is_closed()
        sent.join(10)
    if route == "/nowhere":
        assert is_problem(answer, 404, "not-found")
    elif route == "/hello/posted":
        assert answer.status == 200  # the function takes no body, so it need not wait for one
    else:
        assert is_problem(answer, 413, "body-too-large")
    assert peak - before < 20 * MEGABYTE


def _pour(into: socket.socket, block: bytes, times: int) -> None:
    try:
        for _ in range(times):
            into.sendall(block)
    except OSError:
        pass  # the other side has had enough


def test_a_body_at_the_limit_is_taken(served: Served) -> None:
    assert served.client.post("/raw", content=b"x" * 65536).json() == {"size": 65536}
    assert served.client.post("/raw", content=b"x" * 65537).status_code == 413


def test_a_small_body_nobody_reads_does_not_cost_the_connection(served: Served) -> None:
    """A 404 for a small POST leaves the connection usable, although its body came late."""
    with served.wire() as wire:
        for _ in range(3):
            wire.say(b"POST /nowhere HTTP/1.1\r\nhost: bff\r\ncontent-length: 5\r\n\r\n")
            assert wire.hear_answer().status == 404
            wire.say(b"hello" + GET)
            assert wire.hear_answer().json() == {"hello": "world"}


def test_trailers_are_let_pass_but_not_without_end(served: Served) -> None:
    """Trailer fields are neither believed nor collected: 100 MB of them are refused."""
    head = b"POST /raw HTTP/1.1\r\nhost: bff\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"
    with served.wire() as wire:
        assert wire.say(head + b"x-forwarded-for: 1.2.3.4\r\n\r\n" + GET).hear_answer().json() == {"size": 1}
        assert wire.hear_answer().status == 200
    before = served.rss()
    for start, unit, count in ((b"x-large: ", b"a", 100 * MEGABYTE), (b"", b"a: b\r\n", 10 * MEGABYTE)):
        answer = Heard.parse(_say_in_spite(served, head + start, unit, count))
        assert is_problem(answer, 431, "head-too-large")
    assert served.rss() - before < 20 * MEGABYTE


def test_an_answered_caller_whose_body_never_comes_is_not_kept(by_hand: ByHand) -> None:
    """Once the answer is out, the rest of a body is waited for some seconds, however it dribbles."""
    with by_hand.wire() as wire:
        head = b"POST /bare/ok HTTP/1.1\r\nhost: bff\r\ncontent-length: 10\r\n\r\na"
        assert wire.say(head).hear_until(b"fine\r\n0\r\n\r\n")
        by_hand.advance(LINGER - 0.1)
        wire.say(b"b")
        by_hand.advance(0.05)
        assert is_waited_for(wire)
        by_hand.advance(0.1)
        assert wire.is_closed()


def test_the_operator_reads_of_what_was_refused(served: Served) -> None:
    """Requests refused before they reached a route have a line too: status, reason and peer."""
    since = served.lines_so_far
    served.say(b"nonsense\r\n\r\n")
    assert served.log("refused with 400", since=since)["level"] == "warning"
    served.say(b"GET /hello HTTP/1.1\r\nx: " + b"a" * 60_000)
    assert "127.0.0.1" in served.log("refused with 431", since=since)["event"]


# --- upgrades and leaving --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        b"upgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: eA==\r\n",
        b"upgrade: h2c\r\nconnection: Upgrade, HTTP2-Settings\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n",
    ],
)
def test_an_offer_to_upgrade_is_ignored(served: Served, fields: bytes) -> None:
    """A WebSocket handshake gets the route's plain answer; Java's HttpClient offers h2c on every call."""
    offer = b"GET /hello HTTP/1.1\r\nhost: bff\r\n" + fields + b"\r\n"
    with served.wire() as wire:
        wire.say(offer + offer + GET)
        for _ in range(3):
            assert wire.hear_answer().json() == {"hello": "world"}
        wire.say(offer)
        assert wire.hear_answer().json() == {"hello": "world"}
    assert "Unsupported upgrade" not in served.output
    for apart in (True, False):
        head = b"POST /raw HTTP/1.1\r\nhost: bff\r\ncontent-length: 3\r\n" + fields + b"\r\n"
        with served.wire() as wire:
            if apart:
                wire.say(head)
                for _ in range(2):  # once a later caller has been answered twice, the head was read
                    served.get("/hello")
                wire.say(b"abc")
            else:
                wire.say(head + b"abc")
            assert wire.hear_answer().json() == {"size": 3}
            assert wire.say(GET).hear_answer().status == 200


@pytest.mark.parametrize(
    ("version", "connection"), [("1.1", "close, Upgrade"), ("1.0", "Upgrade"), ("1.0", "keep-alive, Upgrade")]
)
def test_an_offer_to_upgrade_keeps_what_else_was_said(served: Served, version: str, connection: str) -> None:
    """``Connection: close`` and HTTP/1.0 mean with an offer what they mean without: one answer, then the end."""
    offer = f"GET /stream?kind=text HTTP/{version}\r\nhost: bff\r\nupgrade: h2c\r\nconnection: {connection}\r\n\r\n"
    with served.wire() as wire:
        heard = Heard.parse(wire.say(offer).hear_all())
    assert (heard.status, heard.headers["connection"]) == (200, "close")
    assert b"piece 2" in heard.body


def test_callers_who_leave_at_any_point_leave_nothing_behind(served: Served) -> None:
    """Connections cut in the middle of a head, a body or an answer do not disturb the next caller."""
    fragments = [
        b"G",
        b"GET /hello HTTP/1.1\r\nho",
        b"POST /raw HTTP/1.1\r\nhost: bff\r\ncontent-length: 10\r\n\r\nabc",
        b"POST /anything HTTP/1.1\r\nhost: bff\r\ncontent-type: application/json\r\n"
        b"transfer-encoding: chunked\r\n\r\nff\r\n{",
        b"POST /site/upload HTTP/1.1\r\nhost: bff\r\ncontent-length: 10\r\n\r\nabc",
        GET,
        GET + GET[:10],
    ]
    for fragment in fragments:
        with served.wire() as wire:
            wire.say(fragment)
        with served.wire() as wire:
            wire.say(fragment)
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")  # a reset
    assert served.get("/hello").json() == {"hello": "world"}
    eventually(lambda: served.logs(status=499))
    assert not [entry for entry in served.logs() if entry["status"] >= 500 and entry["route"] != "/stream"]


# --- answers ---------------------------------------------------------------------------------------------


def test_head_says_what_get_would(served: Served) -> None:
    """Same fields, same length, no body; the connection goes on."""
    with served.wire() as wire:
        got = wire.say(GET).hear_answer()
        wire.say(GET.replace(b"GET", b"HEAD", 1))
        head = wire.hear_answer(head_only=True)
        assert head.headers["content-length"] == got.headers["content-length"] == "17"
        assert head.headers.keys() == got.headers.keys()
        wire.say(b"HEAD /nowhere HTTP/1.1\r\nhost: bff\r\n\r\n")
        assert int(wire.hear_answer(head_only=True).headers["content-length"]) > 0
        assert wire.say(GET).hear_answer().status == 200


def test_204_has_neither_body_nor_length(served: Served) -> None:
    """Even where a function returns a body with it: the caller's next answer is not spoiled by it."""
    with served.wire() as wire:
        for kind in (b"none", b"204%20with%20a%20body"):
            wire.say(b"GET /fails?kind=" + kind + b" HTTP/1.1\r\nhost: bff\r\n\r\n" + GET)
            empty = wire.hear_answer()
            assert empty.status == 204
            assert "content-length" not in empty.headers
            assert "transfer-encoding" not in empty.headers
            assert wire.hear_answer().json() == {"hello": "world"}


def test_options_is_answered_without_a_route_for_it(served: Served) -> None:
    answer = served.client.options("/item")
    assert (answer.status_code, answer.headers["allow"]) == (204, "OPTIONS, POST, PUT")
    assert served.client.options("/nowhere").status_code == 404


def test_405_says_what_is_allowed(served: Served) -> None:
    answer = served.client.delete("/item")
    assert (answer.status_code, answer.headers["allow"]) == (405, "OPTIONS, POST, PUT")
    assert answer.json()["type"] == "/problems/method-not-allowed"
    assert served.client.request("PROPFIND", "/item").status_code == 405


def test_every_answer_has_a_date_and_hides_the_server(served: Served) -> None:
    for path in ("/hello", "/nowhere", "/site/cookies", "/stream/sync"):
        answer = served.get(path)
        assert answer.headers.get_list("date")[0].endswith(" GMT")
        assert len(answer.headers.get_list("date")) == 1
        assert "server" not in answer.headers


# --- what RFC 9110 and 9112 leave no choice about --------------------------------------------------------


@pytest.mark.parametrize(
    "host", [b"a b", b"a/b", b"user@host", b"a,b:x", b"bff:80:81", b"[::1", b"b\xc3\xa9", b"a\tb"]
)
def test_a_host_that_names_none_is_400(served: Served, host: bytes) -> None:
    """RFC 9112 §3.2: it goes into Forwarded, and is compared with Origin."""
    with served.wire() as wire:
        answer = wire.say(b"GET /hello HTTP/1.1\r\nhost: %b\r\n\r\n" % host).hear_answer()
    assert is_problem(answer, 400, "bad-request")


@pytest.mark.parametrize(
    "host", [b"", b"bff", b"BFF:8000", b"127.0.0.1:1", b"[::1]:8000", b"xn--bcher-kva.example."]
)
def test_a_host_may_be_any_name_or_address(served: Served, host: bytes) -> None:
    with served.wire() as wire:
        assert wire.say(b"GET /hello HTTP/1.1\r\nhost: %b\r\n\r\n" % host).hear_answer().status == 200


def test_options_of_the_whole_gateway_is_answered(served: Served) -> None:
    """RFC 9110 §9.3.7: an asterisk is no path."""
    with served.wire() as wire:
        assert wire.say(b"OPTIONS * HTTP/1.1\r\nhost: bff\r\n\r\n").hear_answer().status == 204
    with served.wire() as wire:
        assert wire.say(b"GET * HTTP/1.1\r\nhost: bff\r\n\r\n").hear_answer().status == 404


def test_a_caller_of_http_1_0_is_not_told_to_continue(served: Served) -> None:
    """RFC 9110 §10.1.1: it would take the interim answer for the final one."""
    head = b"POST /raw HTTP/1.0\r\ncontent-length: 3\r\nexpect: 100-continue\r\n\r\n"
    with served.wire() as wire:
        assert wire.say(head + b"abc").hear_answer().json() == {"size": 3}


@pytest.mark.parametrize("coding", [b"gzip, chunked", b"deflate, chunked"])
def test_a_transfer_coding_that_cannot_be_undone_is_400(served: Served, coding: bytes) -> None:
    """RFC 9112 §6.1: the function would take the coded octets for the body."""
    head = b"POST /raw HTTP/1.1\r\nhost: bff\r\ntransfer-encoding: %b\r\n\r\n0\r\n\r\n" % coding
    with served.wire() as wire:
        assert is_problem(wire.say(head).hear_answer(), 400, "bad-request")


def test_white_space_around_a_value_is_none_of_it(served: Served) -> None:
    """RFC 9112 §5.1; in one piece, in two with the border inside of it, and where 100-continue is what it surrounds."""
    head = b"POST /raw HTTP/1.1\r\nhost: bff \t\r\nx-request-id:  mine \r\ncontent-length: 3\r\n"
    for pieces in (
        [head + b"\r\nabc"],
        [head[:-24], head[-24:], b"\r\nabc"],
        [head[:-22], head[-22:] + b"\r\nabc"],
    ):
        with served.wire() as wire:
            for piece in pieces:
                wire.say(piece)
            assert wire.hear_answer().headers["x-request-id"] == "mine"
    with served.wire() as wire:
        wire.say(head + b"expect: 100-continue \r\n\r\n")
        assert wire.hear_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert wire.say(b"abc").hear_answer().json() == {"size": 3}
