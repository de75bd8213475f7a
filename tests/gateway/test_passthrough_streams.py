"""Bodies flow both ways as they come, no faster than they are taken, and end when one side ends them."""

from __future__ import annotations

import hashlib
import threading

import pytest

from bff.gateway.passthrough import EXPECTATION
from bff.gateway.timed import LINGER
from tests.conftest import ANSWERS_WITHIN, Wire
from tests.gateway.upstream import End, Passing, PassingByHand

MEGABYTE = 2**20
LARGE = 64 * MEGABYTE
SLACK = 12 * MEGABYTE  # what buffers and the allocator may take, of 64 MB that pass through
BLOCK = bytes(range(256)) * 1024


def gone(end: Wire) -> bool:
    """Whether the other side has hung up."""
    end.socket.settimeout(ANSWERS_WITHIN)  # longer than an unwanted body may linger
    try:
        while end.socket.recv(65536):
            pass
    except ConnectionResetError:
        pass
    return True


def send_blocks(end: Wire, size: int) -> str:
    digest = hashlib.sha256()
    for _ in range(size // len(BLOCK)):
        end.say(BLOCK)
        digest.update(BLOCK)
    return digest.hexdigest()


def take(end: Wire, size: int) -> str:
    digest, left = hashlib.sha256(end.heard), size - len(end.heard)
    end.heard = b""
    while left:
        piece = end.socket.recv(min(left, MEGABYTE))
        assert piece, f"closed {left} bytes too early"
        digest.update(piece)
        left -= len(piece)
    return digest.hexdigest()


def stuck_after(end: Wire) -> int:
    """How many bytes can be said before nobody takes any more."""
    end.socket.settimeout(0.5)
    sent = 0
    try:
        while sent < LARGE:
            sent += end.socket.send(BLOCK)
    except TimeoutError:
        pass
    return sent


# --- large bodies, flat memory -------------------------------------------------------------------------------


def test_a_large_upload_passes_in_flat_memory(passing: Passing) -> None:
    """64 MB go through; not many of them are ever here."""
    with passing.wire() as caller:
        caller.say(f"POST /big/x HTTP/1.1\r\nhost: bff\r\ncontent-length: {LARGE}\r\n\r\n")
        before = passing.rss()
        sent: list[str] = []
        sending = threading.Thread(target=lambda: sent.append(send_blocks(caller, LARGE)))
        sending.start()
        with passing.upstream.accept() as service:
            assert service.hear_request().get("content-length") == str(LARGE)
            assert [take(service, LARGE)] == (sending.join() or sent)
            assert passing.rss() - before < SLACK
            service.answer(b"taken")
        assert caller.hear_answer().body == b"taken"


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_a_large_download_passes_in_flat_memory(passing: Passing, framing: str) -> None:
    """However its end is told."""
    with passing.wire() as caller:
        caller.say("GET /c/x HTTP/1.1\r\nhost: bff\r\n\r\n")
        with passing.upstream.accept() as service:
            service.hear_request()
            before = passing.rss()
            sending = threading.Thread(target=send_large, args=(service, framing))
            sending.start()
            caller.hear_until(b"\r\n\r\n")
            if framing == "length":
                assert take(caller, LARGE) == hashlib.sha256(BLOCK * (LARGE // len(BLOCK))).hexdigest()
            else:
                assert chunked_size(caller) == LARGE
            assert passing.rss() - before < SLACK
            sending.join()


def send_large(service: End, framing: str) -> None:
    head = {
        "length": f"content-length: {LARGE}\r\n",
        "chunked": "transfer-encoding: chunked\r\n",
        "close": "",
    }
    service.say(f"HTTP/1.1 200 OK\r\n{head[framing]}\r\n")
    for _ in range(LARGE // len(BLOCK)):
        service.say(b"%x\r\n%b\r\n" % (len(BLOCK), BLOCK) if framing == "chunked" else BLOCK)
    if framing == "chunked":
        service.say(b"0\r\n\r\n")
    service.close()


def chunked_size(end: Wire) -> int:
    total = 0
    while size := int(end.hear_until(b"\r\n"), 16):
        end.hear_bytes(size + 2)
        total += size
    end.hear_until(b"\r\n")
    return total


# --- back-pressure -----------------------------------------------------------------------------------------


def test_a_service_that_does_not_read_stops_the_caller(passing: Passing) -> None:
    """The upload waits in the caller's own socket, not in our memory."""
    with passing.wire() as caller:
        caller.say(f"POST /big/x HTTP/1.1\r\nhost: bff\r\ncontent-length: {LARGE}\r\n\r\n")
        with passing.upstream.accept() as service:
            service.hear_request()
            before = passing.rss()
            assert stuck_after(caller) < LARGE / 2
            assert passing.rss() - before < SLACK


def test_a_caller_that_does_not_read_stops_the_service(passing: Passing) -> None:
    with passing.wire() as caller:
        caller.say("GET /c/x HTTP/1.1\r\nhost: bff\r\n\r\n")
        with passing.upstream.accept() as service:
            service.hear_request()
            service.say(f"HTTP/1.1 200 OK\r\ncontent-length: {LARGE}\r\n\r\n")
            before = passing.rss()
            assert stuck_after(service) < LARGE / 2
            assert passing.rss() - before < SLACK


def test_pieces_travel_as_they_come(passing: Passing) -> None:
    """Both ways at once, neither waiting for the other to be complete: nothing is gathered up here."""
    with passing.wire() as caller:
        caller.say("POST /c/x HTTP/1.1\r\nhost: bff\r\ntransfer-encoding: chunked\r\n\r\n")
        with passing.upstream.accept() as service:
            service.hear_request()
            service.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            assert caller.hear_until(b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")
            for letter in (b"a", b"b", b"c"):
                caller.say(b"1\r\n" + letter + b"\r\n")
                assert service.hear_bytes(6) == b"1\r\n" + letter + b"\r\n"
                service.say(b"1\r\n" + letter + b"\r\n")
                assert caller.hear_bytes(6) == b"1\r\n" + letter + b"\r\n"
            caller.say(b"0\r\n\r\n")
            assert service.hear_bytes(5) == b"0\r\n\r\n"
            service.say(b"0\r\n\r\n")
            assert caller.hear_bytes(5) == b"0\r\n\r\n"


def test_server_sent_events_are_not_held_back(passing: Passing) -> None:
    """The head before the first event, and each event when it happens."""
    with passing.wire() as caller:
        caller.say("GET /c/events HTTP/1.1\r\nhost: bff\r\naccept: text/event-stream\r\n\r\n")
        with passing.upstream.accept() as service:
            service.hear_request()
            service.say(
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n\r\n"
            )
            assert b"content-type: text/event-stream" in caller.hear_until(b"\r\n\r\n")
            for number in range(3):
                event = b"data: %d\n\n" % number
                service.say(event)
                assert caller.hear_bytes(len(event) + 5) == b"%x\r\n%b\r\n" % (len(event), event)
            service.close()
            assert caller.hear_bytes(5) == b"0\r\n\r\n"


# --- one side ends it -----------------------------------------------------------------------------------------


def test_a_caller_who_leaves_in_the_middle_of_the_body_ends_the_request(passing: Passing) -> None:
    """The service sees a request cut short, never one that looks whole; the log says that the caller left."""
    since = passing.lines_so_far
    with passing.wire() as caller:
        caller.say("POST /c/x HTTP/1.1\r\nhost: bff\r\ncontent-length: 10\r\n\r\nabc")
        with passing.upstream.accept() as service:
            service.hear_request()
            assert service.hear_bytes(3) == b"abc"
            caller.close()
            assert gone(service)
    assert passing.log(status=499, since=since)["fault"] == "caller"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_caller_who_leaves_while_the_service_works_ends_the_request(passing: Passing, method: str) -> None:
    since = passing.lines_so_far
    with passing.wire() as caller:
        caller.say(f"{method} /c/x HTTP/1.1\r\nhost: bff\r\ncontent-length: 0\r\n\r\n")
        with passing.upstream.accept() as service:
            service.hear_request()
            caller.close()
            assert gone(service)
    entry = passing.log(status=499, since=since)
    assert [call["error"] for call in entry["services"]] == ["cancelled"]


def test_a_caller_who_leaves_in_the_middle_of_the_answer_ends_it(passing: Passing) -> None:
    with passing.wire() as caller:
        caller.say("GET /c/x HTTP/1.1\r\nhost: bff\r\n\r\n")
        with passing.upstream.accept() as service:
            service.hear_request()
            service.say("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc")
            caller.hear_until(b"abc")
            caller.close()
            assert gone(service)


@pytest.mark.parametrize(
    "head",
    ["content-length: 10\r\n\r\nabc", "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"],
    ids=["length", "chunks"],
)
def test_a_service_that_dies_in_its_answer_cuts_the_callers(passing: Passing, head: str) -> None:
    """The caller must not take what it got for the whole."""
    since = passing.lines_so_far
    with passing.wire() as caller:
        caller.say("GET /c/x HTTP/1.1\r\nhost: bff\r\n\r\n")
        with passing.upstream.accept() as service:
            service.hear_request()
            service.say(f"HTTP/1.1 200 OK\r\n{head}")
            caller.hear_until(b"abc")
            service.close()
            rest = caller.hear_all()
    assert b"0\r\n\r\n" not in rest
    entry = passing.log(status=200, since=since)
    assert entry["fault"] == "service"
    told = [(call["error"], call["attempts"], call["bytes"]) for call in entry["services"]]
    assert told == [("service-connection-lost", 1, 3)]


def test_a_service_that_dies_in_the_upload_is_a_bad_gateway(passing: Passing) -> None:
    with passing.wire() as caller:
        caller.say("POST /c/x HTTP/1.1\r\nhost: bff\r\ncontent-length: 1000\r\n\r\nabc")
        with passing.upstream.accept() as service:
            service.hear_request()
            service.hear_bytes(3)
        answer = caller.hear_answer()
    assert (answer.status, answer.json()["fault"]) == (502, "service")


# --- answers that come early ----------------------------------------------------------------------------------


def test_an_answer_may_come_before_the_upload_is_done(passing_by_hand: PassingByHand) -> None:
    """413 from a service reaches a caller who is still sending; the rest of the upload goes nowhere."""
    with passing_by_hand.wire() as caller:
        caller.say(f"POST /big/x HTTP/1.1\r\nhost: bff\r\ncontent-length: {LARGE}\r\n\r\n").say(BLOCK)
        with passing_by_hand.upstream.accept() as service:
            service.hear_request()
            service.answer(b"too much", "413 Content Too Large")
            answer = caller.hear_answer()
            assert (answer.status, answer.body) == (413, b"too much")
            assert gone(service)
        passing_by_hand.advance(LINGER)
        assert gone(caller)


def test_after_an_early_answer_the_connection_is_of_use_again(passing_by_hand: PassingByHand) -> None:
    """If the rest of the body is short: it is let pass, and the next request is the next one."""
    with passing_by_hand.wire() as caller:
        caller.say("POST /c/x HTTP/1.1\r\nhost: bff\r\ncontent-length: 6\r\n\r\nabc")
        with passing_by_hand.upstream.accept() as service:
            service.hear_request()
            service.answer(b"no", "403 Forbidden")
            assert caller.hear_answer().status == 403
        caller.say(b"defGET /hello HTTP/1.1\r\nhost: bff\r\n\r\n")
        assert caller.hear_answer().json() == {"hello": "world"}


def test_too_large_a_body_is_refused_before_a_service_hears_of_it(passing: Passing) -> None:
    with passing.wire() as caller:
        caller.say(f"POST /c/x HTTP/1.1\r\nhost: bff\r\ncontent-length: {2 * MEGABYTE}\r\n\r\n")
        assert caller.hear_answer().status == 413
    assert passing.upstream.is_left_alone(0.05)


def test_a_body_that_grows_too_large_is_cut(passing: Passing) -> None:
    """Nobody announced it: 413 to the caller, and the service never sees its end."""
    with passing.wire() as caller:
        caller.say("POST /c/x HTTP/1.1\r\nhost: bff\r\ntransfer-encoding: chunked\r\n\r\n")
        with passing.upstream.accept() as service:
            service.hear_request()
            reading = threading.Thread(target=gone, args=(service,))
            reading.start()
            for _ in range(5):
                caller.say(b"%x\r\n%b\r\n" % (len(BLOCK), BLOCK))
            assert caller.hear_answer().status == 413
            reading.join()


# --- 100-continue -----------------------------------------------------------------------------------------

EXPECTING = "POST /c/x HTTP/1.1\r\nhost: bff\r\ncontent-length: 3\r\nexpect: 100-continue\r\n\r\n"


def test_the_service_decides_whether_a_body_is_sent(passing_by_hand: PassingByHand) -> None:
    """RFC 9110 §10.1.1: the expectation goes on, and 100 comes back when the service says so, once."""
    with passing_by_hand.wire() as caller:
        caller.say(EXPECTING)
        with passing_by_hand.upstream.accept() as service:
            assert service.hear_request().get("expect") == "100-continue"
            passing_by_hand.advance(EXPECTATION - 0.1)
            caller.socket.settimeout(0.01)
            with pytest.raises(TimeoutError):
                caller.hear_bytes(1)
            caller.socket.settimeout(ANSWERS_WITHIN)
            service.say("HTTP/1.1 100 Continue\r\n\r\n")
            assert caller.hear_answer(head_only=True).status == 100
            caller.say("abc")
            assert service.hear_bytes(3) == b"abc"
            service.answer(b"ok")
            assert caller.hear_answer().body == b"ok"


def test_a_service_that_refuses_never_gets_the_body(passing: Passing) -> None:
    """Whether the caller sends it all the same, nobody can tell: so the connection ends with the answer."""
    with passing.wire() as caller:
        caller.say(EXPECTING)
        with passing.upstream.accept() as service:
            service.hear_request()
            service.answer(b"no", "417 Expectation Failed")
            answer = caller.hear_answer()
            assert (answer.status, answer.headers["connection"]) == (417, "close")
            assert gone(service)
        assert gone(caller)


def test_a_service_that_says_nothing_gets_the_body_after_a_while(passing_by_hand: PassingByHand) -> None:
    """Servers that know no expectations wait for the body, as callers would for ever."""
    with passing_by_hand.wire() as caller:
        caller.say(EXPECTING)
        with passing_by_hand.upstream.accept() as service:
            service.hear_request()
            passing_by_hand.advance(EXPECTATION)
            assert caller.hear_answer(head_only=True).status == 100
            caller.say("abc")
            assert service.hear_bytes(3) == b"abc"
            service.answer(b"ok")
            assert caller.hear_answer().body == b"ok"
