"""The admin listener: what operators and scrapers read, and that nobody else does."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import GatewayFactory, Heard, Running, Wire, eventually

ROUTES = """\
routes:
- {path: "/hello/{name}", function: hello}
- {path: /bad, function: bad}
"""


@pytest.fixture(scope="module")
def running(module_gateway: GatewayFactory, module_project) -> Running:
    folder: Path = module_project(
        {
            "routes.yaml": ROUTES,
            "functions/hello.py": "async def handle(name: str) -> str:\n    return name\n",
            "functions/bad.py": "async def handle() -> str:\n    raise ValueError('secret detail')\n",
        }
    )
    return module_gateway(folder)


def ask(running: Running, path: str, host: str | None, method: str = "GET") -> Heard:
    with Wire(running.admin) as wire:
        fields = "" if host is None else f"host: {host}\r\n"
        return wire.say(f"{method} {path} HTTP/1.1\r\n{fields}\r\n").hear_answer(head_only=method == "HEAD")


def samples(running: Running) -> dict[str, list[tuple[dict[str, str], float]]]:
    answer = httpx.get(f"{running.admin}/metrics", trust_env=False, timeout=60)
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:9", "localhost", "LocalHost:8001", "[::1]", "[::1]:8001"]
)
def test_its_own_names_are_answered(running: Running, host: str) -> None:
    """Loopback by name or number, with any port (a forwarded one, say)."""
    assert ask(running, "/health/liveness", host).status == 200


@pytest.mark.parametrize(
    "host",
    [
        *(None, "", "evil.com", "evil.com:8001", "localhost.evil.com", "127.0.0.1.evil.com", ":8001"),
        *("127.0.0.1@evil.com", "evil.com#localhost", "[::1].evil.com", "localhost:8001:evil", "0x7f.1.evil"),
    ],
)
def test_a_name_somebody_else_controls_is_refused(running: Running, host: str | None) -> None:
    """DNS rebinding: a page cannot make its own name point at this listener and read it."""
    for path in ("/v1/functions", "/metrics", "/health/liveness"):
        answer = ask(running, path, host)
        assert answer.status == 400
        assert answer.headers["content-type"] == "application/problem+json"


def test_two_hosts_are_refused(running: Running) -> None:
    with Wire(running.admin) as wire:
        wire.say("GET /v1/functions HTTP/1.1\r\nhost: localhost\r\nhost: evil.com\r\n\r\n")
        assert wire.hear_answer().status == 400


def test_a_declared_name_is_answered(gateway: GatewayFactory, write_project) -> None:
    """Whoever binds to a name may ask by that name."""
    folder = write_project({"routes.yaml": "routes: []\n", "functions/x.py": ""})
    named = gateway(folder, "serve", "--admin", "localhost:0")
    assert ask(named, "/health/readiness", "localhost").status == 200


def test_what_is_not_there_is_a_problem(running: Running) -> None:
    for path in ("/v1", "/v1/functions/", "/metrics/x", "/hello/you"):
        answer = ask(running, path, "localhost")
        assert (answer.status, answer.json()["type"]) == (404, "/problems/not-found")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_what_a_path_answers_is_said(running: Running, method: str) -> None:
    """``Allow`` names the methods; asking for them is allowed everywhere."""
    answer = ask(running, "/v1/functions", "localhost", method)
    assert (answer.status, answer.headers["allow"]) == (
        204 if method == "OPTIONS" else 405,
        "GET, HEAD, OPTIONS",
    )
    assert method == "OPTIONS" or answer.json()["type"] == "/problems/method-not-allowed"


def test_head_is_a_get_without_the_body(running: Running) -> None:
    with Wire(running.admin) as wire:
        wire.say("HEAD /v1/functions HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert int(wire.hear_answer(head_only=True).headers["content-length"]) > 0
        wire.say("GET /health/liveness HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert wire.hear_answer().json() == {"status": "alive"}


def test_it_keeps_limits_for_heads_too(running: Running) -> None:
    with Wire(running.admin) as wire:
        wire.say("GET / HTTP/1.1\r\nhost: localhost\r\nx: " + "a" * 100_000)
        assert Heard.parse(wire.hear_all()).status == 431


def test_a_websocket_handshake_is_just_a_request(running: Running) -> None:
    with Wire(running.admin) as wire:
        wire.say("GET /x HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
        assert wire.hear_answer().status == 404


def test_functions_are_listed_as_they_are(running: Running) -> None:
    """Name, revision, state and warm-up by phase; cold until somebody calls."""
    running.get("/hello/you")
    functions = httpx.get(f"{running.admin}/v1/functions", trust_env=False, timeout=60).json()
    listed = {each["name"]: each for each in functions}
    assert listed["hello"]["revision"] == "hello-00001"
    assert listed["hello"]["state"] == "idle"
    assert set(listed["hello"]["warm_up_ms"]) == {
        "queue",
        "read",
        "compile",
        "imports",
        "construct",
        "start",
        "first_call",
    }
    assert listed["hello"]["failure"] is None


def test_metrics_are_valid_and_their_labels_bounded(running: Running) -> None:
    """Routes are templates, unknown paths and methods have no label of their own: no caller makes series."""
    for number in range(30):
        running.get(f"/hello/{number}")
        running.get(f"/nowhere/{number}")
    for method in ("PROPFIND", "PURGE", "MKCOL"):
        running.client.request(method, "/hello/you")
    running.get("/bad")

    def counted() -> bool:
        routes = [labels["route"] for labels, _ in samples(running)["bff_request_duration_seconds_count"]]
        return "/bad" in routes

    eventually(counted)
    found = samples(running)["bff_request_duration_seconds_count"]
    assert {labels["route"] for labels, _ in found} <= {"", "/hello/{name}", "/bad"}
    assert {labels["method"] for labels, _ in found} <= {"GET", "HEAD", "OPTIONS", "POST", "other"}
    hello = [(labels, value) for labels, value in found if labels["route"] == "/hello/{name}"]
    assert {labels["revision"] for labels, _ in hello if labels["status"] == "200"} == {"hello-00001"}
    (bad,) = [labels for labels, _ in found if labels["route"] == "/bad"]
    assert (bad["status"], bad["function"]) == ("500", "bad")
    for labels, value in samples(running)["bff_request_duration_seconds_sum"]:
        assert value >= 0, labels


def test_metrics_can_be_off(gateway: GatewayFactory, write_project) -> None:
    folder = write_project({"routes.yaml": "telemetry: {metrics: false}\n", "functions/x.py": ""})
    quiet = gateway(folder)
    answer = ask(quiet, "/metrics", "localhost")
    assert answer.status == 404
    assert "telemetry.metrics" in answer.json()["detail"]


def test_it_is_not_on_the_public_listener(running: Running) -> None:
    for path in ("/metrics", "/v1/functions"):
        assert running.get(path).status_code == 404
