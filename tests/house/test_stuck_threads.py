"""Synchronous handlers that do not end, behind a real gateway: told, counted, replaced, then refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import eventually, write

FILES = {
    "routes.yaml": """
        functions:
          stuck: {threads: 1, timeout: 60s}
        routes:
          - {path: /stuck, function: stuck}
          - {path: /hurried, function: stuck, timeout: 150ms}
          - {path: /other, function: other}
    """,
    "functions/other.py": "async def handle(): return 'fine'\n",
}
SLEEPS = (
    "import time\ndef handle(hang: bool = False) -> str:\n    if hang: time.sleep(600)\n    return 'ok'\n"
)
LOOPS = "def handle(hang: bool = False) -> str:\n    while hang: pass\n    return 'ok'\n"


@pytest.mark.parametrize("source", [SLEEPS, LOOPS], ids=["waits for ever", "loops for ever"])
def test_a_thread_that_does_not_end_is_replaced(
    tmp_path: Path, gateway: Callable[..., Any], source: str
) -> None:
    """504 for its caller, service for the next one a second later, a count for operators; others never wait,
    and neither does the end of the gateway.
    """
    served = gateway(write(tmp_path, {**FILES, "functions/stuck.py": source}), "serve")
    with httpx.Client(base_url=served.public, timeout=60, trust_env=False) as caller:
        assert caller.get("/stuck").status_code == 200
        assert caller.get("/hurried", params={"hang": "true"}).status_code == 504
        assert caller.get("/other").status_code == 200
        eventually(lambda: caller.get("/stuck").status_code == 200)
        assert told(served)["stuck_threads"] == 1
        metrics = httpx.get(f"{served.admin}/metrics", trust_env=False, timeout=60).text
        assert 'bff_stuck_threads{function="stuck",revision="stuck-00001"} 1.0' in metrics
    assert served.stop() == 0
    assert "threads that nobody waits for" in served.output


def test_past_the_bound_calls_are_refused(tmp_path: Path, gateway: Callable[..., Any]) -> None:
    """One thread and eight that replaced it: then 503 with Retry-After, at once, and it is the function's."""
    served = gateway(write(tmp_path, {**FILES, "functions/stuck.py": SLEEPS}), "serve")
    with httpx.Client(base_url=served.public, timeout=60, trust_env=False) as caller:
        for count in range(1, 10):
            assert caller.get("/hurried", params={"hang": "true"}).status_code == 504
            eventually(lambda expected=count: told(served)["stuck_threads"] == expected)
        refused = caller.get("/stuck")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert (refused.json()["code"], refused.json()["fault"]) == ("function-stuck", "function")
        assert caller.get("/other").status_code == 200


def told(served: Any) -> dict[str, Any]:
    listed = httpx.get(f"{served.admin}/v1/functions", trust_env=False, timeout=60).json()
    return next(each for each in listed if each["name"] == "stuck")
