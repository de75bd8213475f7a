"""The origin of the conformance cases: it answers what it was told to answer next, and remembers what it was asked."""

from __future__ import annotations

import re
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import gmtime, strftime
from typing import Any

_DATE = re.compile(r"\{now([+-][0-9]+)?(?::([a-z0-9]+))?\}")
_BODILESS = ("1", "204", "304")


def dated(text: str, now: float) -> str:
    """The text with dates in the places of ``{now-60}``, also in the two old forms."""

    def written(match: re.Match[str]) -> str:
        at = now + int(match[1] or 0)
        forms = {"850": "%A, %d-%b-%y %H:%M:%S GMT", "asctime": "%a %b %e %H:%M:%S %Y"}
        return strftime(forms[match[2]], gmtime(at)) if match[2] else formatdate(at, usegmt=True)

    return _DATE.sub(written, text)


@dataclass(slots=True)
class Place:
    """One path: what it answers ``next``, and what it ``heard``: one mapping of fields for each
    request. ``then`` is what it answers from then on.
    """

    next: tuple[str, ...] | None = ("200",)
    is_cut: bool = False
    then: tuple[str, ...] | None = None
    heard: list[dict[str, str]] = field(default_factory=list)


class Origin:
    """Mutable state: its ``places`` by path."""

    def __init__(self) -> None:
        self.places: defaultdict[str, Place] = defaultdict(Place)
        self.now = float(int(time.time()))
        """The moment that dates are counted from."""

        self.url = ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    origin: Origin

    def _answer(self) -> None:
        place = self.origin.places[self.path.partition("?")[0].rpartition("/")[2]]
        self.rfile.read(int(self.headers.get("content-length") or 0))
        place.heard.append({name.lower(): value for name, value in self.headers.items()})
        if place.next is None:
            self.close_connection = True
            return
        body = str(len(place.heard)).encode()
        is_bare = self.command == "HEAD" or place.next[0].rpartition("+")[2].startswith(_BODILESS)
        head = self._head(place, body)
        if b"\r\ntransfer-encoding: chunked\r\n" in head:
            body = b"%x\r\n%b\r\n0\r\nx-trailer: 1\r\n\r\n" % (len(body), body)
        said = head + (b"" if is_bare else body)
        self.close_connection = place.is_cut
        place.next = place.then or place.next  # before it is heard: the test says then what comes next
        self.wfile.write(said)

    def _head(self, place: Place, body: bytes) -> bytes:
        assert place.next is not None
        status, *fields = place.next
        names = {each.partition(":")[0] for each in fields}
        lines = [dated(each, self.origin.now) for each in fields]
        early, _, status = status.rpartition("+")
        before = f"HTTP/1.1 {early} First\r\nlink: </early>\r\nx-early: 1\r\n\r\n" if early else ""
        if "date" not in names:
            lines.append(f"date: {formatdate(usegmt=True)}")
        if not status.startswith(_BODILESS) and names.isdisjoint({"content-length", "transfer-encoding"}):
            lines.append(f"content-length: {len(body) + place.is_cut}")
        return "\r\n".join((f"{before}HTTP/1.1 {status} As told", *lines, "", "")).encode("latin-1")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def log_message(self, *_: Any) -> None: ...


class _Server(ThreadingHTTPServer):
    daemon_threads = True


@contextmanager
def serving() -> Iterator[Origin]:
    """An origin that listens on loopback."""
    origin = Origin()
    handler = type("Handler", (_Handler,), {"origin": origin})
    server = _Server(("127.0.0.1", 0), handler)
    origin.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield origin
    finally:
        server.shutdown()
        server.server_close()
