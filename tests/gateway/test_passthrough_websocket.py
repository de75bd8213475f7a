"""WebSocket is agreed on by the two ends; between them the gateway carries bytes and looks at none of them."""

from __future__ import annotations

import base64
import hashlib
import os
import struct

import pytest

from tests.conftest import Wire
from tests.gateway.test_passthrough_streams import LARGE, SLACK, gone, stuck_after
from tests.gateway.upstream import End, Passing, PassingByHand, Request

KEY = base64.b64encode(bytes(16)).decode()
OFFER = (
    "GET /c/socket?room=1 HTTP/1.1\r\nhost: bff\r\nconnection: keep-alive, Upgrade\r\nupgrade: websocket\r\n"
    f"sec-websocket-version: 13\r\nsec-websocket-key: {KEY}\r\nsec-websocket-protocol: chat\r\n\r\n"
)
HELLO = "GET /hello HTTP/1.1\r\nhost: bff\r\n\r\n"
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


def accept_of(key: str) -> str:
    """RFC 6455 §4.2.2."""
    digest = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
    return base64.b64encode(digest).decode()


def frame(kind: int, payload: bytes, *, masked: bool) -> bytes:
    """One unfragmented frame (RFC 6455 §5.2)."""
    size, bit = len(payload), 128 if masked else 0
    head = bytes([128 | kind, bit | size]) if size < 126 else struct.pack("!BBH", 128 | kind, bit | 126, size)
    if not masked:
        return head + payload
    mask = os.urandom(4)
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def hear_frame(end: Wire) -> tuple[int, bytes]:
    first, second = end.hear_bytes(2)
    size = second & 127
    if size == 126:
        (size,) = struct.unpack("!H", end.hear_bytes(2))
    mask = end.hear_bytes(4) if second & 128 else bytes(4)
    return first & 15, bytes(byte ^ mask[at % 4] for at, byte in enumerate(end.hear_bytes(size)))


def agree(service: End, first_words: bytes = b"") -> Request:
    request = service.hear_request()
    key = request.get("sec-websocket-key") or ""
    service.say(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept_of(key)}\r\nSec-WebSocket-Protocol: chat\r\n\r\n".encode()
        + first_words
    )
    return request


def test_a_conversation_from_the_handshake_to_the_end(passing: Passing) -> None:
    """Offer and agreement arrive whole, then echo, ping, pong and close pass as they are."""
    since = passing.lines_so_far
    with passing.wire() as caller:
        caller.say(OFFER)
        with passing.upstream.accept() as service:
            request = agree(service)
            assert request.line == "GET /socket?room=1 HTTP/1.1"
            assert (request.get("connection"), request.get("upgrade")) == ("upgrade", "websocket")
            assert request.get("sec-websocket-key") == KEY
            answer = caller.hear_answer(head_only=True)
            assert (answer.status, answer.headers["upgrade"]) == (101, "websocket")
            assert answer.headers["connection"].lower() == "upgrade"
            assert answer.headers["sec-websocket-accept"] == accept_of(KEY)
            assert answer.headers["sec-websocket-protocol"] == "chat"
            for text in (b"hello", b"x" * 5000):
                caller.say(frame(TEXT, text, masked=True))
                kind, heard = hear_frame(service)
                service.say(frame(kind, heard, masked=False))
                assert hear_frame(caller) == (TEXT, text)
            service.say(frame(PING, b"p", masked=False))
            assert hear_frame(caller) == (PING, b"p")
            caller.say(frame(PONG, b"p", masked=True))
            assert hear_frame(service) == (PONG, b"p")
            caller.say(frame(CLOSE, b"\x03\xe8", masked=True))
            assert hear_frame(service) == (CLOSE, b"\x03\xe8")
            service.say(frame(CLOSE, b"\x03\xe8", masked=False))
            assert hear_frame(caller) == (CLOSE, b"\x03\xe8")
        assert caller.is_closed()
    entry = passing.log(status=101, since=since)
    assert (entry["route"], [call["status"] for call in entry["services"]]) == ("/c/{rest:path}", [101])


def test_first_words_may_come_with_the_handshake(passing: Passing) -> None:
    """What either end says in the same breath is not lost, nor taken for HTTP."""
    with passing.wire() as caller:
        caller.say(OFFER.encode() + frame(TEXT, b"early", masked=True))
        with passing.upstream.accept() as service:
            agree(service, frame(TEXT, b"welcome", masked=False))
            caller.hear_answer(head_only=True)
            assert hear_frame(caller) == (TEXT, b"welcome")
            assert hear_frame(service) == (TEXT, b"early")


def test_a_service_that_does_not_agree_answers_as_usual(passing: Passing) -> None:
    """Its answer reaches the caller, and what the caller says next is HTTP."""
    with passing.wire() as caller:
        caller.say(OFFER)
        with passing.upstream.accept() as service:
            service.hear_request()
            service.answer(b"who are you?", "401 Unauthorized")
            answer = caller.hear_answer()
            assert (answer.status, answer.body) == (401, b"who are you?")
        assert caller.say(HELLO).hear_answer().json() == {"hello": "world"}


def test_a_request_behind_an_offer_that_came_to_nothing_is_answered(passing: Passing) -> None:
    """It was held until that was known, and comes next, whole."""
    with passing.wire() as caller:
        caller.say(OFFER + HELLO + HELLO)
        with passing.upstream.accept() as service:
            service.hear_request()
            service.answer(b"no", "400 Bad Request")
            assert caller.hear_answer().status == 400
        assert caller.hear_answer().json() == {"hello": "world"}
        assert caller.hear_answer().json() == {"hello": "world"}


def test_functions_never_see_an_offer(passing: Passing) -> None:
    """They answer as if there had been none (RFC 9110 §7.8), and the connection goes on."""
    with passing.wire() as caller:
        caller.say(OFFER.replace("/c/socket?room=1", "/hello") + HELLO)
        assert caller.hear_answer().json() == {"hello": "world"}
        assert caller.hear_answer().json() == {"hello": "world"}


@pytest.mark.parametrize(
    "offer",
    [
        OFFER.replace("GET", "POST"),
        OFFER.replace("upgrade: websocket", "upgrade: websocket, h2c"),
        OFFER.replace("HTTP/1.1", "HTTP/1.0"),
        OFFER.replace("upgrade: websocket", "upgrade: tls/1.0"),
        OFFER.replace("\r\n\r\n", "\r\ncontent-length: 3\r\n\r\nabc"),
    ],
    ids=["POST", "two protocols", "HTTP/1.0", "another protocol", "with a body"],
)
def test_what_is_no_offer_of_websocket_is_an_ordinary_request(passing: Passing, offer: str) -> None:
    with passing.wire() as caller:
        caller.say(offer)
        with passing.upstream.accept() as service:
            request = service.hear_request()
            assert (request.get("upgrade"), request.get("connection")) == (None, None)
            service.answer(b"ok")
            assert caller.hear_answer().body == b"ok"


def test_an_agreement_that_nobody_offered_is_a_bad_gateway(passing: Passing) -> None:
    with passing.wire() as caller:
        caller.say("GET /c/socket HTTP/1.1\r\nhost: bff\r\n\r\n")
        with passing.upstream.accept() as service:
            agree(service)
            assert caller.hear_answer().status == 502


@pytest.mark.parametrize("fields", ["", "upgrade: websocket\r\n", "connection: upgrade\r\n"])
def test_half_an_agreement_is_none(passing: Passing, fields: str) -> None:
    """A 101 that does not say to what: 502, and nobody speaks WebSocket with nobody."""
    with passing.wire() as caller:
        caller.say(OFFER)
        with passing.upstream.accept() as service:
            service.hear_request()
            service.say(f"HTTP/1.1 101 Switching Protocols\r\n{fields}\r\n")
            service.close()
            answer = caller.hear_answer()
    assert (answer.status, answer.json()["fault"]) == (502, "service")


def test_a_caller_who_leaves_ends_the_conversation(passing: Passing) -> None:
    since = passing.lines_so_far
    with passing.wire() as caller:
        caller.say(OFFER)
        with passing.upstream.accept() as service:
            agree(service)
            caller.hear_answer(head_only=True)
            caller.close()
            assert gone(service)
    passing.log(status=101, since=since)


def test_a_service_that_dies_ends_the_conversation(passing: Passing) -> None:
    with passing.wire() as caller:
        caller.say(OFFER)
        with passing.upstream.accept() as service:
            agree(service)
            caller.hear_answer(head_only=True)
        assert caller.is_closed()


def test_a_conversation_nobody_takes_part_in_is_ended(passing_by_hand: PassingByHand) -> None:
    """After stream_idle_timeout, 300 ms here; every word begins it anew."""
    with passing_by_hand.wire() as caller:
        caller.say(OFFER.replace("/c/", "/hurried/"))
        with passing_by_hand.upstream.accept() as service:
            agree(service)
            caller.hear_answer(head_only=True)
            for _ in range(3):
                passing_by_hand.advance(0.28)
                service.say(frame(PING, b"", masked=False))
                assert hear_frame(caller) == (PING, b"")
            passing_by_hand.advance(0.7)
            assert gone(caller)
            assert gone(service)


def test_an_end_that_does_not_read_stops_the_other(passing: Passing) -> None:
    """No more of a conversation waits here than of any stream."""
    with passing.wire() as caller:
        caller.say(OFFER)
        with passing.upstream.accept() as service:
            agree(service)
            caller.hear_answer(head_only=True)
            before = passing.rss()
            assert stuck_after(service) < LARGE / 2
            assert stuck_after(caller) < LARGE / 2
            assert passing.rss() - before < SLACK


def test_what_behind_an_offer_waits_is_bounded(passing: Passing) -> None:
    """A caller who sends on and on before the service has agreed fills its own socket, not our memory."""
    with passing.wire() as caller:
        caller.say(OFFER)
        with passing.upstream.accept() as service:
            service.hear_request()
            before = passing.rss()
            assert stuck_after(caller) < LARGE / 2
            assert passing.rss() - before < SLACK
