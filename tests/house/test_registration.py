"""A gateway process that enters itself in a registry: found while it runs, and gone once it was told to end."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import GatewayFactory, eventually

ROUTES = """
    registrations:
      pages: {{type: consul, name: pages, server: "http://127.0.0.1:{port}", address: 10.0.0.7, ttl: 3s}}
    routes: [{{path: /hello, function: hello}}]
"""
HELLO = "async def handle() -> str:\n    return 'hello'\n"


class Agent(ThreadingHTTPServer):
    """A Consul agent, as far as a gateway that registers needs one."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Asked)
        self.services: dict[str, Any] = {}
        self.seen: list[str] = []


class Asked(BaseHTTPRequestHandler):
    server: Agent

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        path = self.path.partition("?")[0]
        self.server.seen.append(path.split("/")[4])
        status = 200
        if path.endswith("/register"):
            service = json.loads(body)
            self.server.services[service["ID"]] = service
        elif "/deregister/" in path:
            self.server.services.pop(path.rpartition("/")[2], None)
        elif path.rpartition(":")[2] not in self.server.services:
            status = 404
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Not on stderr."""


@pytest.fixture
def agent() -> Iterator[Agent]:
    with Agent() as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def test_a_gateway_is_found_while_it_runs(
    agent: Agent, gateway: GatewayFactory, write_project: Callable[[Mapping[str, str]], Path]
) -> None:
    """At the listener's port, with its routes; entered again by a registry that forgot it; taken out by SIGTERM."""
    port = agent.server_address[1]
    running = gateway(write_project({"routes.yaml": ROUTES.format(port=port), "functions/hello.py": HELLO}))
    listening = int(running.public.rpartition(":")[2])
    identity = f"pages-10.0.0.7-{listening}"
    eventually(lambda: identity in agent.services)
    assert agent.services[identity]["Meta"]["bff.routes"] == "GET /hello"
    running.log("registered", name="pages", address=f"10.0.0.7:{listening}")
    agent.services.clear()
    eventually(lambda: identity in agent.services)
    assert "check" not in agent.seen[:1]
    running.signal(signal.SIGTERM)
    assert running.wait() == 0
    assert agent.services == {}
    assert running.logs("deregistered")
