"""No byte of a caller's body ever becomes a request: what could be read in two ways is refused, the rest framed anew."""

from __future__ import annotations

import re

import pytest

from tests.gateway.upstream import Passing

POST = b"POST /c/x HTTP/1.1\r\nhost: bff\r\n"
CHUNKED = POST + b"transfer-encoding: chunked\r\n"
INNER = b"GET /c/admin HTTP/1.1\r\nhost: bff\r\n\r\n"

AMBIGUOUS = {
    "CL.TE": POST + b"content-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + INNER,
    "TE.CL": CHUNKED + b"content-length: 4\r\n\r\n5c\r\n" + INNER + b"\r\n0\r\n\r\n",
    "two equal lengths": POST + b"content-length: 3\r\ncontent-length: 3\r\n\r\nabc",
    "two lengths": POST + b"content-length: 3\r\ncontent-length: 0\r\n\r\nabc",
    "a list of lengths": POST + b"content-length: 3, 3\r\n\r\nabc",
    "a signed length": POST + b"content-length: +3\r\n\r\nabc",
    "a negative length": POST + b"content-length: -1\r\n\r\nabc",
    "a hexadecimal length": POST + b"content-length: 0x3\r\n\r\nabc",
    "an endless length": POST + b"content-length: 99999999999999999999999\r\n\r\nabc",
    "an empty length": POST + b"content-length:\r\n\r\nabc",
    "two codings": POST + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "a coding twice": POST + b"transfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "another coding first": POST + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "another coding last": POST + b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "a coding of that sound": POST + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    "identity": POST + b"transfer-encoding: identity\r\n\r\n",
    "a coding behind a vertical tab": POST + b"transfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "a coding in quotes": POST + b'transfer-encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "a folded coding": POST + b"transfer-encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "a coding in HTTP/1.0": b"POST /c/x HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + INNER,
    "a folded field": POST + b"x-a: b\r\n c\r\n\r\n",
    "a space before the colon": POST + b"content-length : 3\r\n\r\nabc",
    "a tab before the colon": POST + b"transfer-encoding\t: chunked\r\n\r\n0\r\n\r\n",
    "a space before the name": POST + b" content-length: 3\r\n\r\nabc",
    "a bare LF in the head": b"POST /c/x HTTP/1.1\r\nhost: bff\ncontent-length: 3\r\n\r\nabc",
    "a bare LF ends the line": b"GET /c/x HTTP/1.1\nhost: bff\n\n",
    "a bare CR in the head": b"GET /c/x HTTP/1.1\r\nhost: bff\rx-a: b\r\n\r\n",
    "a NUL in a value": POST + b"x-a: b\x00c\r\n\r\n",
    "a NUL in a name": POST + b"x\x00a: b\r\n\r\n",
    "an empty name": POST + b": chunked\r\n\r\n",
    "no Host": b"GET /c/x HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET /c/x HTTP/1.1\r\nhost: bff\r\nhost: other\r\n\r\n",
    "two targets": b"GET /c/x /c/y HTTP/1.1\r\nhost: bff\r\n\r\n",
    "a fragment": b"GET /c/x#/../admin HTTP/1.1\r\nhost: bff\r\n\r\n",
    "another version": b"GET /c/x HTTP/1.2\r\nhost: bff\r\n\r\n",
    "HTTP/2's preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "an unknown method": b"BREW /c/x HTTP/1.1\r\nhost: bff\r\n\r\n",
    "a method in lower case": b"get /c/x HTTP/1.1\r\nhost: bff\r\n\r\n",
    "a tunnel": b"CONNECT bff:80 HTTP/1.1\r\nhost: bff\r\n\r\n",
}


@pytest.mark.parametrize("request_", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_what_can_be_read_in_two_ways_is_refused(passing: Passing, request_: bytes) -> None:
    """400, one answer and no more, and no service hears of it."""
    with passing.wire() as caller:
        said = caller.say(request_).hear_until(b"\r\n\r\n")
        assert said.startswith(b"HTTP/1.1 400 "), said
        rest = caller.hear_all() if b"connection: close" in said else b""
    assert not re.search(rb"HTTP/1.1 \d", rest)
    assert passing.upstream.is_left_alone(0.02)


BAD_CHUNKS = {
    "a size in another base": b"0x3\r\nabc\r\n0\r\n\r\n",
    "a size that overflows": b"fffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    "a signed size": b"+3\r\nabc\r\n0\r\n\r\n",
    "a bare LF after the size": b"3\nabc\r\n0\r\n\r\n",
    "a bare LF after the data": b"3\r\nabc\n0\r\n\r\n",
    "a bare LF in an extension": b"3;a\nb\r\nabc\r\n0\r\n\r\n",
    "a space after the size": b"3 \r\nabc\r\n0\r\n\r\n",
    "more data than said": b"3\r\nabcd\r\n0\r\n\r\n",
    "no size": b"\r\nabc\r\n0\r\n\r\n",
    "a length among the trailers": b"3\r\nabc\r\n0\r\ncontent-length: 7\r\n\r\n",
}


@pytest.mark.parametrize("body", BAD_CHUNKS.values(), ids=BAD_CHUNKS)
def test_a_malformed_chunk_ends_the_exchange_on_both_sides(passing: Passing, body: bytes) -> None:
    """The caller hears 400, and the service a request that is never completed."""
    with passing.wire() as caller:
        caller.say(CHUNKED + b"\r\n")
        with passing.upstream.accept() as service:
            service.hear_request()
            caller.say(body)
            assert caller.hear_all().startswith(b"HTTP/1.1 400 ")
            assert b"0\r\n\r\n" not in service.hear_all()


def test_chunks_are_written_anew(passing: Passing) -> None:
    """Sizes in capitals, leading zeros, extensions and trailers are the caller's; the service sees our framing."""
    with passing.wire() as caller:
        caller.say(CHUNKED + b'trailer: x-sum\r\n\r\n00003;a="b\\"";c\r\nabc\r\n')
        with passing.upstream.accept() as service:
            request = service.hear_request()
            assert service.hear_bytes(8) == b"3\r\nabc\r\n"
            caller.say(b"0A\r\n0123456789\r\n000;last\r\nx-sum: 9\r\n\r\n")
            assert service.hear_bytes(20) == b"a\r\n0123456789\r\n0\r\n\r\n"
            service.answer(b"ok")
            assert caller.hear_answer().body == b"ok"
    assert request.get("transfer-encoding") == "chunked"
    assert request.get("content-length") is None
    assert request.get("trailer") is None


def test_a_body_that_looks_like_a_request_is_a_body(passing: Passing) -> None:
    """What follows a head within its length belongs to it, and the next request begins after it."""
    with passing.wire() as caller:
        caller.say(POST + b"content-length: %d\r\n\r\n" % len(INNER) + INNER)
        with passing.upstream.accept() as service:
            assert service.hear_request().get("content-length") == str(len(INNER))
            assert service.hear_bytes(len(INNER)) == INNER
            service.answer(b"first")
        assert caller.hear_answer().body == b"first"
        assert caller.say(b"GET /hello HTTP/1.1\r\nhost: bff\r\n\r\n").hear_answer().json() == {
            "hello": "world"
        }
    assert passing.upstream.is_left_alone(0.05)


@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS"])
def test_a_body_goes_along_whatever_the_method(passing: Passing, method: str) -> None:
    """RFC 9110 §9.3.1 gives such a body no meaning, but it has to be framed, else it is the next request."""
    with passing.wire() as caller:
        caller.say(
            f"{method} /c/x HTTP/1.1\r\nhost: bff\r\ncontent-length: {len(INNER)}\r\n\r\n".encode() + INNER
        )
        with passing.upstream.accept() as service:
            assert service.hear_request().get("content-length") == str(len(INNER))
            assert service.hear_bytes(len(INNER)) == INNER
            service.answer(b"ok")
            assert caller.hear_answer().body == b"ok"


HOSTILE_ANSWERS = {
    "two lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 2\r\n\r\nabc",
    "length and coding": b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "a folded field": b"HTTP/1.1 200 OK\r\nx-a: b\r\n c\r\ncontent-length: 0\r\n\r\n",
    "a bare LF": b"HTTP/1.1 200 OK\ncontent-length: 0\n\n",
    "a space before the colon": b"HTTP/1.1 200 OK\r\ncontent-length : 0\r\n\r\n",
    "a NUL": b"HTTP/1.1 200 OK\r\nx-a: \x00\r\ncontent-length: 0\r\n\r\n",
    "no HTTP": b"220 ready\r\n",
    "a status that is none": b"HTTP/1.1 999 Odd\r\ncontent-length: 0\r\n\r\n",
    "a switch nobody asked for": b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    "a head without an end": b"HTTP/1.1 200 OK\r\nx-a: " + b"b" * 80_000,
    "nothing": b"",
}


@pytest.mark.parametrize("said", HOSTILE_ANSWERS.values(), ids=HOSTILE_ANSWERS)
def test_an_answer_that_is_no_http_is_a_bad_gateway(passing: Passing, said: bytes) -> None:
    """502, the service's fault, and not a byte of it reaches the caller."""
    with passing.wire() as caller:
        caller.say(POST + b"content-length: 0\r\n\r\n")
        with passing.upstream.accept() as service:
            service.hear_request()
            service.say(said).close()
        answer = caller.hear_answer()
    assert (answer.status, answer.json()["fault"]) == (502, "service")
    assert answer.json()["code"] == "service-connection-lost"


def test_what_follows_an_answer_is_nobodys(passing: Passing) -> None:
    """Bytes behind an answer do not become the next one: that connection is not used again."""
    with passing.wire() as caller:
        caller.say(b"GET /c/one HTTP/1.1\r\nhost: bff\r\n\r\n")
        with passing.upstream.accept() as service:
            service.hear_request()
            service.say(
                b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\noneHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil"
            )
            assert caller.hear_answer().body == b"one"
            caller.say(b"GET /c/two HTTP/1.1\r\nhost: bff\r\n\r\n")
            with passing.upstream.accept() as another:
                another.hear_request()
                another.answer(b"two")
                assert caller.hear_answer().body == b"two"
