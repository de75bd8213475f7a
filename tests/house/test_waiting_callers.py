"""Callers who leave before their turn: their places are free, and what they asked for is never done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import eventually, write

FILES = {
    "routes.yaml": """
        functions: {narrow: {concurrency: 1}}
        routes:
          - {path: /cold, methods: [GET, POST], function: cold}
          - {path: /narrow, methods: [GET, POST], function: narrow}
    """,
    "functions/cold.py": """
        import asyncio
        from pathlib import Path
        class Handler:
            def __init__(self): self.calls = 0
            async def start(self):
                while not Path("@/go").exists(): await asyncio.sleep(0.01)
            async def handle(self):
                self.calls += 1
                return self.calls
        def new(): return Handler()
    """,
    "functions/narrow.py": """
        import asyncio
        from pathlib import Path
        calls = 0
        async def handle():
            global calls
            calls += 1
            while not Path("@/go").exists(): await asyncio.sleep(0.01)
            return calls
    """,
}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/cold", "/narrow"])
def test_a_caller_who_leaves_the_line_frees_its_place(
    tmp_path: Path, gateway: Callable[..., Any], path: str, method: str
) -> None:
    """Before a warm-up and before a full instance, whatever the method: the handler runs for those who stayed."""
    files = {name: text.replace("@", str(tmp_path)) for name, text in FILES.items()}
    served = gateway(write(tmp_path, files), "serve")

    def waiting() -> int:
        listed = httpx.get(f"{served.admin}/v1/functions", trust_env=False, timeout=60).json()
        return int(next(each["waiting"] for each in listed if f"/{each['name']}" == path))

    request = f"{method} {path} HTTP/1.1\r\nhost: bff\r\ncontent-length: 0\r\n\r\n"
    with served.wire() as stays, served.wire() as leaves:
        stays.say(request)
        expected = 1 if path == "/cold" else 0
        if path == "/narrow":
            eventually(lambda: served_inside(served, path) == 1)
        eventually(lambda: waiting() == expected)
        leaves.say(request)
        eventually(lambda: waiting() == expected + 1)
        leaves.close()
        eventually(lambda: waiting() == expected)
        (tmp_path / "go").touch()
        assert stays.hear_answer().body == b"1"
        stays.say(request)
        assert stays.hear_answer().body == b"2"


def served_inside(served: Any, path: str) -> int:
    listed = httpx.get(f"{served.admin}/v1/functions", trust_env=False, timeout=60).json()
    return int(next(each["in_flight"] for each in listed if f"/{each['name']}" == path))
