"""A service that reads whole bodies before it answers, which nginx on its own does not."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PIECE = 65536


class _Sink(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    taken: list[int]

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(PIECE)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        size = left = int(self.headers.get("content-length", 0))
        while left and (piece := self.rfile.read(min(left, PIECE))):
            left -= len(piece)
        self.taken.append(size - left)
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@contextmanager
def sink() -> Iterator[tuple[str, list[int]]]:
    """Its URL, and how many bytes of each request's body arrived."""
    taken: list[int] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Sink", (_Sink,), {"taken": taken}))
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", taken
    finally:
        server.shutdown()
        server.server_close()
        serving.join()
