"""Pages of other origins: exactly the declared ones may call, as browsers ask for it."""

from __future__ import annotations

import httpx
import pytest

from tests.gateway.conftest import Served, ServeSamples

VITE = "http://localhost:5173"
CORS = """\
  cors:
    origins: ["http://localhost:5173", "https://shop.example.com"]
    credentials: true
    headers: [content-type, x-csrf]
    max_age: 5m
"""


@pytest.fixture(scope="module")
def open_to_vite(module_samples: ServeSamples) -> Served:
    return module_samples("serve", section=CORS)


def preflight(running: Served, origin: str, method: str = "POST", path: str = "/item") -> httpx.Response:
    """As a browser asks before a JSON POST with cookies."""
    return running.client.options(
        path,
        headers={
            "origin": origin,
            "access-control-request-method": method,
            "access-control-request-headers": "content-type",
        },
    )


def test_a_vite_page_may_call_and_read(open_to_vite: Served) -> None:
    """A front end on another port sends its cookies, gets its answer, and may read the fields we add."""
    answer = preflight(open_to_vite, VITE)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == VITE
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert "POST" in answer.headers["access-control-allow-methods"].split(", ")
    assert "content-type" in answer.headers["access-control-allow-headers"]
    assert answer.headers["access-control-max-age"] == "300"
    answer = open_to_vite.client.post(
        "/item", json={"name": "lamp"}, headers={"origin": VITE, "cookie": "session=1"}
    )
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == VITE
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert "bff-missing" in answer.headers["access-control-expose-headers"]
    assert "origin" in answer.headers["vary"].lower()


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/fails?kind=raises",
        "/sleepy",
        "/stream/sync",
        "/site/where",
        "/site/nowhere",
        "/health/liveness",
    ],
)
def test_a_page_may_read_every_answer_errors_included(open_to_vite: Served, path: str) -> None:
    """Else a developer sees a CORS error in the console where a 404 or 500 is the truth."""
    answer = open_to_vite.get(path, headers={"origin": VITE})
    assert answer.headers.get_list("access-control-allow-origin") == [VITE]


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost:5174",
        "http://localhost",
        "https://localhost:5173",
        "http://localhost:5173.evil.com",
        "http://evil.com",
        "HTTP://LOCALHOST:5173",
        "http://localhost:5173/",
        "null",
        "*",
        "",
    ],
)
def test_any_other_origin_gets_no_leave(open_to_vite: Served, origin: str) -> None:
    """Origins are compared exactly; the answer says that it depends on them, so that no cache mixes them up."""
    for answer in (
        preflight(open_to_vite, origin),
        open_to_vite.get("/hello", headers={"origin": origin}),
    ):
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        assert "origin" in answer.headers["vary"].lower()


def test_answers_without_an_origin_vary_too(open_to_vite: Served) -> None:
    """A cache that stored the answer to a plain request must not hand it to a page."""
    assert open_to_vite.get("/hello").headers["vary"] == "Origin"


def test_a_preflight_for_nothing_is_404(open_to_vite: Served) -> None:
    answer = preflight(open_to_vite, VITE, path="/nowhere")
    assert answer.status_code == 404
    assert answer.headers["access-control-allow-origin"] == VITE


def test_options_that_is_no_preflight_is_a_plain_options(open_to_vite: Served) -> None:
    answer = open_to_vite.client.options("/item", headers={"origin": VITE})
    assert (answer.status_code, answer.headers["allow"]) == (204, "OPTIONS, POST, PUT")


def test_without_cors_no_page_is_given_leave(served: Served) -> None:
    """The default is the browser's: same origin only."""
    for answer in (preflight(served, VITE), served.get("/hello", headers={"origin": VITE})):
        assert answer.is_success
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        assert "vary" not in answer.headers
