"""What is kept of a page is forgotten when whoever is on call asks for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import httpx

from tests.conftest import GatewayFactory, Running

WriteProject = Callable[[Mapping[str, str | bytes]], Path]


def ask(running: Running, token: str, **what: str) -> httpx.Response:
    headers = {"authorization": f"Bearer {token}"}
    return httpx.post(
        f"{running.admin}/v1/cache/purge", json=what, headers=headers, trust_env=False, timeout=60
    )


def test_a_kept_page_is_purged_by_url_and_by_tag(
    write_project: WriteProject, gateway: GatewayFactory
) -> None:
    """The function runs again, and only then."""
    count = "n = 0\nasync def handle() -> dict[str, int]:\n    global n\n    n += 1\n    return {'n': n}\n"
    routes = "routes:\n- {path: /page, function: page, cache: {ttl: 1h, tags: [pages]}}\n"
    folder = write_project({"routes.yaml": routes, "functions/page.py": count})
    running = gateway(folder, "serve")
    token = next((folder / ".bff").glob("*token*")).read_text().strip()
    assert [running.get("/page").json()["n"] for _ in range(3)] == [1, 1, 1]
    assert ask(running, token, url="/page").json() == {"purged": 1}
    assert [running.get("/page").json()["n"] for _ in range(2)] == [2, 2]
    assert ask(running, token, tag="pages").json() == {"purged": 1}
    assert running.get("/page").json()["n"] == 3
    assert ask(running, token, tag="others").json() == {"purged": 0}
    assert ask(running, "wrong", tag="pages").status_code == 401
