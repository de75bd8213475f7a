"""A service's end of the connections that a gateway opens, scripted byte by byte by the test."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ANSWERS_WITHIN, Heard, Running, Wire
from tests.gateway.byhand import ByHand

ROUTES = """\
gateway:
  max_body: 1MiB
  trusted_proxies: [{trusted}]
services:
  ruled:
    url: "http://127.0.0.1:{port}"
    keep_alive: 60s
    timeout: 60s
    headers: {{x-own: s3cret}}
    request_headers: {{remove: [x-b], set: {{x-set: service}}}}
    response_headers: {{remove: [x-internal], set: {{server: hidden}}}}
  # They are broken by one test after the other, on purpose.
  up: {{url: "http://127.0.0.1:{port}", timeout: 60s, stream_idle_timeout: 60s, keep_alive: 60s, {never}}}
  below: {{url: "http://127.0.0.1:{port}/base/v1", headers: {{x-key: s3cret}}, timeout: 60s, {never}}}
  hurried: {{url: "http://127.0.0.1:{port}", timeout: 500ms, stream_idle_timeout: 300ms, {never}}}
  nobody: {{url: "http://127.0.0.1:{closed}", {never}}}
routes:
- {{path: "/c/{{rest:path}}", service: up}}
- {{path: "/big/{{rest:path}}", service: up, max_body: 1GiB}}
- {{path: "/b/{{rest:path}}", service: below, forward_cookies: [theme]}}
- {{path: "/r/{{id}}/{{rest:path}}", service: up, rewrite: "/v2/{{rest}}/of/{{id}}"}}
- path: "/ruled/{{rest:path}}"
  service: ruled
  forward_cookies: [theme]
  request_headers: {{allow: [accept, x-a, x-secret], remove: [x-secret], set: {{x-set: route}}, add: {{x-a: route}}}}
  response_headers: {{allow: [etag, x-a, x-internal, location], add: {{x-frame: deny}}}}
- {{path: "/exact", service: up}}
- {{path: "/hurried/{{rest:path}}", service: hurried}}
- {{path: "/nobody/{{rest:path}}", service: nobody}}
- {{path: "/hello", function: hello}}
"""
HELLO = "async def handle(name: str = 'world') -> dict[str, str]:\n    return {'hello': name}\n"


class End(Wire):
    """The service's end of one connection."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(ANSWERS_WITHIN)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = connection
        self.heard = b""

    def hear_request(self) -> Request:
        """One head; what follows it is heard by the test."""
        return Request.parse(self.hear_until(b"\r\n\r\n"))

    def answer(self, body: bytes = b"", status: str = "200 OK", fields: str = "") -> End:
        """A whole answer, after which the connection is closed by both."""
        head = f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n{fields}\r\n"
        self.say(head.encode("latin-1") + body)
        return self


@dataclass(frozen=True)
class Request:
    """A request's head as a service hears it. Names are in lower case."""

    line: str
    fields: list[tuple[str, str]]

    @classmethod
    def parse(cls, head: bytes) -> Request:
        line, *fields = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        pairs = [field.split(": ", 1) if ": " in field else [field.rstrip(":"), ""] for field in fields]
        return cls(line, [(name.lower(), value) for name, value in pairs])

    def all(self, name: str) -> list[str]:
        return [value for each, value in self.fields if each == name]

    def get(self, name: str) -> str | None:
        found = self.all(name)
        assert len(found) <= 1, f"{name} stands {len(found)} times"
        return found[0] if found else None


class Upstream:
    """Where the gateway's services are."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._listening.settimeout(ANSWERS_WITHIN)
        self.port: int = self._listening.getsockname()[1]

    @contextlib.contextmanager
    def accept(self) -> Iterator[End]:
        """The next connection."""
        connection, _ = self._listening.accept()
        with End(connection) as end:
            yield end

    def is_left_alone(self, seconds: float = 0.2) -> bool:
        """Whether nobody connects within that time."""
        self._listening.settimeout(seconds)
        try:
            self._listening.accept()[0].close()
        except TimeoutError:
            return True
        finally:
            self._listening.settimeout(ANSWERS_WITHIN)
        return False

    def close(self) -> None:
        self._listening.close()


class Passing(Running):
    """A gateway whose routes pass through to ``upstream``."""

    upstream: Upstream

    def exchange(
        self, request: bytes | str, *, body: bytes = b"", status: str = "200 OK", fields: str = ""
    ) -> tuple[Request, Heard]:
        """What a service hears of a request, and what the caller hears of its answer. Neither has a body to
        speak of.
        """
        return _exchanged(self, request, body, status, fields)


class PassingByHand(ByHand):
    """The same with a clock that the test moves."""

    upstream: Upstream

    def exchange(
        self, request: bytes | str, *, body: bytes = b"", status: str = "200 OK", fields: str = ""
    ) -> tuple[Request, Heard]:
        return _exchanged(self, request, body, status, fields)


def _exchanged(
    gateway: Passing | PassingByHand, request: bytes | str, body: bytes, status: str, fields: str
) -> tuple[Request, Heard]:
    with gateway.wire() as caller:
        caller.say(request)
        with gateway.upstream.accept() as service:
            heard = service.hear_request()
            service.answer(body, status, fields)
            is_head = request[:4] in (b"HEAD", "HEAD")
            return heard, caller.hear_answer(head_only=is_head)


def unused_port() -> int:
    """One that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port: int = unused.getsockname()[1]
        return port


def lay_out(folder: Path, upstream: Upstream, *, trusted: str = "") -> Path:
    """A project whose services are all at ``upstream``, but one that nobody is at."""
    closed = unused_port()
    (folder / "functions").mkdir(parents=True)
    (folder / "functions" / "hello.py").write_text(HELLO)
    never = "outlier_detection: {consecutive_5xx: 0}"
    text = ROUTES.format(port=upstream.port, closed=closed, trusted=trusted, never=never)
    (folder / "routes.yaml").write_text(text)
    return folder
