"""Starlette's HTTPException in a handler: what it says reaches the caller."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.conftest import write

SOURCE = """
    from starlette.exceptions import HTTPException

    async def handle(status: int):
        raise HTTPException(status, "so it is", headers={"WWW-Authenticate": "Bearer", "Location": "/there"})
"""


def test_status_detail_and_headers_are_kept(tmp_path: Path, gateway: Callable[..., Any]) -> None:
    """Errors become problem documents with the author's fields; a redirect stays a redirect."""
    routes = "routes:\n  - {path: '/x/{status}', function: x}\n"
    served = gateway(write(tmp_path, {"routes.yaml": routes, "functions/x.py": SOURCE}), "serve")
    refused = served.get("/x/401")
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert (refused.json()["detail"], refused.json()["fault"]) == ("so it is", "caller")
    moved = served.get("/x/303")
    assert (moved.status_code, moved.headers["location"]) == (303, "/there")


def test_a_message_has_one_host(tmp_path: Path, gateway: Callable[..., Any]) -> None:
    """None or two Host fields in HTTP/1.1 are refused; HTTP/1.0 may leave it out (RFC 9112 §3.2)."""
    routes = "routes:\n  - {path: '/x/{status}', function: x}\n"
    served = gateway(write(tmp_path, {"routes.yaml": routes, "functions/x.py": SOURCE}), "serve")
    for head, status in (
        ("GET /health/liveness HTTP/1.1\r\n\r\n", 400),
        ("GET /health/liveness HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400),
        ("GET /health/liveness HTTP/1.1\r\nhost: a\r\n\r\n", 200),
        ("GET /health/liveness HTTP/1.0\r\n\r\n", 200),
    ):
        with served.wire() as wire:
            assert wire.say(head).hear_answer().status == status, head
