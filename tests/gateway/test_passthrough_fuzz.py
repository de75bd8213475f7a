"""Requests with a few bytes changed: what reaches a service is well-formed, and is what a second reader finds in them."""

from __future__ import annotations

import os
import random
import re
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import h11
import pytest

from tests.conftest import GatewayFactory, Running, eventually
from tests.gateway.test_passthrough_smuggling import AMBIGUOUS, BAD_CHUNKS, CHUNKED, POST

CASES = int(os.environ.get("BFF_FUZZ", "100"))
SEED = int(os.environ.get("BFF_SEED", "0"))
HIDDEN = b"GET /c/hidden HTTP/1.1\r\nhost: bff\r\n\r\n"
"""A request in a body: nobody asks for it."""

GOOD = (
    POST + b"content-length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
    CHUNKED + b"\r\n%x\r\n" % len(HIDDEN) + HIDDEN + b"\r\n0\r\n\r\n",
    CHUNKED + b"\r\n5\r\nhello\r\n0\r\nx-t: 1\r\n\r\n",
    b"GET /c/x HTTP/1.1\r\nhost: bff\r\nconnection: keep-alive\r\n\r\n",
    POST + b"expect: 100-continue\r\ncontent-length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
)
SEEDS = (*AMBIGUOUS.values(), *(CHUNKED + b"\r\n" + body for body in BAD_CHUNKS.values()), *GOOD * 6)
PIECES = (
    *(b"\r\n", b"\n", b"\r", b" ", b"\t", b"\x00", b":", b";", b",", b"0", b"5", b"\xff", b"\x0b"),
    *(b"transfer-encoding: chunked\r\n", b"content-length: 0\r\n", b"Content-Length: 5\r\n", b"chunked"),
    *(b"HTTP/1.1", b"\r\n\r\n", b"connection: content-length\r\n", b"upgrade: x\r\nconnection: upgrade\r\n"),
)
LINE = re.compile(rb"[A-Z-]+ /[^\x00-\x20\x7f]* HTTP/1\.1")
FRAMING = (b"content-length:", b"transfer-encoding:")
FIELD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[ \t]*[^\x00-\x08\x0a-\x1f\x7f]*")
ROUTES = """\
services:
  strict: {{url: "{url}", retries: {{attempts: 0}}, outlier_detection: {{consecutive_5xx: 0}}}}
routes:
- {{path: "/c/{{rest:path}}", service: strict, timeout: 60s}}
"""


class Strict(socketserver.ThreadingTCPServer):
    """A service that reads no more than RFC 9112 says. Mutable state: the ``lines`` it has read, and what was ``wrong``."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Connection)
        self.lines: list[bytes] = []
        self.wrong: list[bytes] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Connection(socketserver.StreamRequestHandler):
    """One connection to it."""

    server: Strict

    def handle(self) -> None:
        with suppress(OSError, EOFError, ValueError):
            while True:
                self.take()
                self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

    def take(self) -> None:
        head = self.line()
        while not head.endswith(b"\r\n\r\n"):
            head += self.line()
        line, *fields = head[:-4].split(b"\r\n")
        framing = [each.lower() for each in fields if each.lower().startswith(FRAMING)]
        if not LINE.fullmatch(line) or not all(map(FIELD.fullmatch, fields)) or len(framing) > 1:
            self.server.wrong.append(head)
        self.server.lines.append(line)
        if framing and framing[0].startswith(b"content-length"):
            self.whole(int(framing[0].partition(b":")[2]))
        elif framing:
            while size := int(self.line(), 16):
                self.whole(size + 2)
            if (end := self.line()) != b"\r\n":
                self.server.wrong.append(end)

    def line(self) -> bytes:
        return self.rfile.readline() or self.whole(1)

    def whole(self, size: int) -> bytes:
        """So many bytes; a connection may end before."""
        read = self.rfile.read(size)
        if len(read) < size:
            raise EOFError
        return read


@pytest.fixture(scope="module")
def strict() -> Iterator[Strict]:
    with Strict() as service:
        serving = threading.Thread(target=service.serve_forever, args=(0.01,))
        serving.start()
        yield service
        service.shutdown()
        serving.join()


@pytest.fixture(scope="module")
def gateway(module_gateway: GatewayFactory, module_project: Callable[..., Path], strict: Strict) -> Running:
    return module_gateway(module_project({"routes.yaml": ROUTES.format(url=strict.url)}))


def edited(choose: random.Random) -> bytes:
    said = choose.choice(SEEDS)
    for _ in range(choose.randint(0, 3)):
        at, piece = choose.randrange(len(said) + 1), choose.choice(PIECES)
        how = choose.choice(("insert", "delete", "replace", "repeat"))
        if how == "delete":
            said = said[:at] + said[at + choose.randint(1, 3) :]
        else:
            piece = said[at : at + 20] if how == "repeat" else piece
            said = said[:at] + piece + said[at + (how == "replace") :]
    return said


def found_by_h11(said: bytes) -> list[bytes] | None:
    """The targets of the requests that it reads; None where it gives up over a Host field that is not there, behind which
    we go on: whose request it is is not told, but where it ends is.
    """
    reader, targets = h11.Connection(h11.SERVER), []
    try:
        reader.receive_data(said.lstrip(b"\r\n"))  # RFC 9112 §2.2
        while True:
            event = reader.next_event()
            if event is h11.NEED_DATA:
                return targets
            if event is h11.PAUSED:
                if reader.our_state is not h11.SEND_RESPONSE:
                    return targets
                reader.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
                reader.send(h11.EndOfMessage())
                reader.start_next_cycle()
            elif isinstance(event, h11.Request):
                targets.append(event.target)
    except h11.RemoteProtocolError as error:
        return None if "Host" in str(error) else targets
    except h11.LocalProtocolError:
        return targets


def send(gateway: Running, said: bytes, cut: int) -> None:
    """In two pieces, and what is heard of it for a moment: what comes late is counted late."""
    with gateway.wire() as caller, suppress(OSError):
        caller.socket.settimeout(0.05)
        caller.say(said[:cut])
        caller.say(said[cut:])
        # It closes the connection behind what was sent, or is part of a body that never ends.
        caller.say(b"GET /nowhere HTTP/1.1\r\nhost: bff\r\nconnection: close\r\n\r\n")
        caller.hear_all()


def test_what_reaches_a_service_is_what_was_asked_for(gateway: Running, strict: Strict) -> None:
    """Cut anywhere, on a connection of its own. A failing case comes again with ``BFF_SEED``."""
    sent: list[bytes] = []
    for number in range(CASES):
        choose = random.Random(SEED + number)
        said = edited(choose).replace(b"/hidden", b"/h%05d" % number)  # as long as it was
        sent.append(said)
        send(gateway, said, choose.randrange(len(said) + 1))
    assert eventually(lambda: len(strict.lines) > CASES / 20)
    assert strict.wrong == []
    for number, said in enumerate(sent):
        mark, wanted = b"/h%05d" % number, found_by_h11(said)
        heard = sum(mark in line for line in list(strict.lines))
        assert wanted is None or heard <= sum(mark in each for each in wanted), (SEED + number, said)
