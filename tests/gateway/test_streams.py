"""Answers that come piece by piece."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from urllib.parse import quote

import httpx
import pytest

from tests.conftest import eventually
from tests.gateway.conftest import Served


def test_items_arrive_as_they_are_made(served: Served) -> None:
    """The first line is with the caller before the second one exists."""
    with served.client.stream("GET", "/stream?kind=stepwise&tag=steps") as answer:
        assert answer.headers["content-type"] == "application/x-ndjson"
        assert "bff-revision" in answer.headers
        lines = answer.iter_lines()
        for number in range(3):
            assert json.loads(next(lines)) == number
            served.let_go(f"steps.{number}")
        assert list(lines) == []


def test_text_is_sent_as_text_and_objects_as_lines(served: Served) -> None:
    answer = served.get("/stream?kind=text")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text == "piece 0 ü\npiece 1 ü\npiece 2 ü\n"
    answer = served.get("/stream/sync?count=2")
    assert [json.loads(line) for line in answer.iter_lines()] == [{"number": 0}, {"number": 1}]


@pytest.mark.parametrize("path", ["/stream?kind=empty", "/stream/sync?count=0"])
def test_a_stream_of_nothing_is_whole(served: Served, path: str) -> None:
    answer = served.get(path)
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("refused", 409, "function-problem"),
        ("broken", 500, "function-failed"),
        ("unserialisable", 500, "function-failed"),
    ],
)
def test_a_failure_before_the_first_item_is_a_proper_problem(
    served: Served, kind: str, status: int, code: str
) -> None:
    """Until something was sent, the caller can still be told."""
    answer = served.get(f"/stream?kind={kind}")
    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{code}")


@pytest.mark.parametrize("kind", ["breaks", "bad item"])
def test_a_failure_in_the_middle_is_a_cut_body(served: Served, kind: str) -> None:
    """What came is kept, but the caller can tell that it is not all; the operator reads why."""
    tag = f"cut-{kind.replace(' ', '-')}"
    with served.client.stream(
        "GET", f"/stream?kind={kind}&tag={tag}", headers={"x-request-id": tag}
    ) as answer:
        assert answer.status_code == 200
        pieces = answer.iter_bytes()
        got = next(pieces)
        while len(got) < len(b"0\n1\n"):
            got += next(pieces)
        with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
            next(pieces)
    assert got == b"0\n1\n"
    assert "raised" in served.log(request_id=tag)["error"]
    assert (served.notes / f"{tag}.closed").exists()


def test_head_on_a_stream_has_no_body_and_ends_the_generator(served: Served) -> None:
    with served.wire() as wire:
        wire.say("HEAD /stream?kind=stepwise&tag=headed HTTP/1.1\r\nhost: bff\r\n\r\n")
        head = wire.hear_answer(head_only=True)
        assert head.headers["content-type"] == "application/x-ndjson"
        wire.say("GET /hello HTTP/1.1\r\nhost: bff\r\n\r\n")
        assert wire.hear_answer().json() == {"hello": "world"}
    eventually((served.notes / "headed.closed").exists)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_caller_who_leaves_ends_a_get_and_lets_a_post_finish(served: Served, method: str) -> None:
    """A GET's generator is closed, its ``finally`` included; a POST's runs on to its end."""
    tag = f"leaves-{method}"
    with served.wire() as wire:
        wire.say(f"{method} /stream?kind=stepwise&tag={tag} HTTP/1.1\r\nhost: bff\r\n\r\n")
        wire.hear_until(b"0\n")
    if method == "GET":
        eventually((served.notes / f"{tag}.closed").exists)
        return
    for number in range(3):
        assert not (served.notes / f"{tag}.closed").exists()
        served.let_go(f"{tag}.{number}")
    eventually((served.notes / f"{tag}.closed").exists)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("kind", ["endless", "endless drops"])
def test_an_endless_stream_does_not_stop_the_others(served: Served, method: str, kind: str) -> None:
    """A generator that never waits still shares the loop: while its caller reads, and when it has left."""
    with served.wire() as wire:
        wire.say(f"{method} /stream?kind={quote(kind)} HTTP/1.1\r\nhost: bff\r\n\r\n")
        wire.hear_until(b"\r\n\r\n")
        reader = threading.Thread(target=_drain, args=(wire.socket,), daemon=True)
        reader.start()
        for _ in range(5):
            assert served.get("/hello").status_code == 200
        wire.socket.shutdown(socket.SHUT_RDWR)
        reader.join(10)
    assert served.get("/hello").status_code == 200


def _drain(source: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while source.recv(1 << 20):
            pass


def test_a_caller_who_does_not_read_holds_little(served: Served) -> None:
    """The generator waits for its caller: what was made and not read stays small."""
    served.get("/hello")
    before = served.rss()
    with served.wire() as wire:
        wire.say("GET /stream?kind=endless HTTP/1.1\r\nhost: bff\r\n\r\n")
        wire.hear_until(b"\r\n\r\n")
        for _ in range(20):
            assert served.get("/hello").status_code == 200
        assert served.rss() - before < 20_000_000


def test_http_1_0_gets_its_stream_until_the_end_of_the_connection(served: Served) -> None:
    """Such a caller knows no chunks (RFC 9112 §7.1): the bytes come as they are."""
    said = served.say("GET /stream?kind=text HTTP/1.0\r\n\r\n")
    assert b"transfer-encoding" not in said
    assert said.endswith("piece 2 ü\n".encode())
