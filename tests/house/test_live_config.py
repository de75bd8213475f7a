"""routes.yaml is live: a saved file is in force whole, or not at all."""

from __future__ import annotations

import threading
from pathlib import Path

import httpx
import pytest

from tests.conftest import GatewayFactory, Running, eventually, save

MODES = ["serve", "dev"]


def reroute(running: Running, text: str) -> None:
    """Save routes.yaml and wait until it was applied."""
    since = running.lines_so_far
    save(running.folder / "routes.yaml", text)
    running.log("routes.yaml applied", since=since)


@pytest.mark.parametrize("mode", MODES)
def test_a_saved_routes_file_is_live(gateway: GatewayFactory, project: Path, mode: str) -> None:
    """Paths come and go without a restart, in production too; warm functions stay warm."""
    running = gateway(project, mode)
    revision = running.get("/hello").headers["bff-revision"]
    reroute(running, "routes:\n- {path: /bonjour, function: hello}\n")
    assert running.get("/hello").status_code == 404
    answer = running.get("/bonjour")
    assert answer.json() == {"said": "one"}
    assert answer.headers["bff-revision"] == revision
    assert "cold" not in answer.headers["server-timing"]


def test_limits_times_and_origins_are_live_too(gateway: GatewayFactory, project: Path) -> None:
    running = gateway(project)
    assert running.get("/hello", headers={"x-large": "a" * 20_000}).status_code == 200
    reroute(
        running,
        """\
        gateway: {max_head: 8KiB, cors: {origins: "http://localhost:5173"}}
        routes:
        - {path: /hello, function: hello}
        - {path: /slow, function: slow, timeout: 100ms}
        """,
    )
    answer = running.get("/hello", headers={"origin": "http://localhost:5173"})
    assert answer.headers["access-control-allow-origin"] == "http://localhost:5173"
    assert running.get("/hello", headers={"x-large": "a" * 20_000}).status_code == 431
    assert running.get("/slow").status_code == 504
    with running.wire() as wire:  # open already, and so in no hurry before its next head begins
        assert wire.say("GET /hello HTTP/1.1\r\nhost: bff\r\n\r\n").hear_answer().status == 200
        reroute(running, "gateway: {head_timeout: 200ms}\nroutes: [{path: /hello, function: hello}]\n")
        wire.say("GET /hello HTTP/1.1\r\n")
        assert wire.hear_answer().status == 408


def test_settings_are_live_and_make_the_instance_anew(gateway: GatewayFactory, write_project) -> None:
    """A changed ``env`` reaches the function; calls in flight keep the instance they are in."""
    routes = "functions: {{told: {{env: {{WORD: {}}}}}}}\nroutes: [{{path: /told, function: told}}]\n"
    folder = write_project(
        {
            "routes.yaml": routes.format("one"),
            "functions/told.py": """\
                from bff import Context


                async def handle(ctx: Context) -> str:
                    return ctx.settings["WORD"]
                """,
        }
    )
    running = gateway(folder)
    assert running.get("/told").text == "one"
    reroute(running, routes.format("two"))
    eventually(lambda: running.get("/told").text == "two")


BROKEN = [
    ("routes:\n- {path: /hello, function: helo}\n", "routes.yaml:2:28", "hello"),
    ("routes:\n- {path: /hello, function: hello, tiemout: 1s}\n", "routes.yaml:2:35", "timeout"),
    ("routes:\n- {path: /hello, function: hello\n", "routes.yaml:", ""),
    ("gateway: {max_body: lots}\nroutes: []\n", "routes.yaml:1:", "lots|size"),
    (
        "routes:\n- {path: '/a/{x}', function: hello}\n- {path: '/a/{y}', function: hello}\n",
        "routes.yaml:3:",
        "",
    ),
]


@pytest.mark.parametrize(("text", "place", "hint"), BROKEN)
def test_a_broken_routes_file_keeps_the_last_good_one(
    gateway: GatewayFactory, project: Path, text: str, place: str, hint: str
) -> None:
    """The log names line and column, requests notice nothing, and the next good save is taken."""
    running = gateway(project)
    since = running.lines_so_far
    save(project / "routes.yaml", text)
    said = running.log("routes.yaml rejected", since=since)
    assert said["level"] == "error"
    assert place in said["event"]
    assert any(each in said["event"] for each in hint.split("|"))
    assert running.get("/hello").json() == {"said": "one"}
    reroute(running, "routes:\n- {path: /again, function: hello}\n")
    assert running.get("/again").status_code == 200


def test_a_routes_file_that_vanishes_keeps_the_last_good_one(gateway: GatewayFactory, project: Path) -> None:
    """Some editors and checkouts delete before they write."""
    running = gateway(project)
    text = (project / "routes.yaml").read_text()
    (project / "routes.yaml").unlink()
    running.log("routes.yaml rejected")
    assert running.get("/hello").status_code == 200
    reroute(running, text.replace("/hello", "/back"))
    assert running.get("/back").status_code == 200


def test_a_mounted_config_map_is_live_when_its_link_moves(gateway: GatewayFactory, project: Path) -> None:
    """Kubernetes swaps a link above the file: nothing in the file's own folder changes."""
    routes = project / "routes.yaml"
    for version, text in (("v1", routes.read_text()), ("v2", "routes:\n- {path: /v2, function: hello}\n")):
        (project / version).mkdir()
        (project / version / "routes.yaml").write_text(text)
    (project / "..data").symlink_to("v1")
    routes.unlink()
    routes.symlink_to("..data/routes.yaml")
    running = gateway(project, "serve")
    assert running.get("/hello").status_code == 200
    (project / "..new").symlink_to("v2")
    (project / "..new").rename(project / "..data")
    eventually(lambda: running.get("/v2").status_code == 200)
    assert running.get("/hello").status_code == 404


def test_a_route_that_does_not_fit_the_live_handler_is_refused(
    gateway: GatewayFactory, project: Path
) -> None:
    """A new route is checked against the revision that would answer it, before anybody calls it."""
    running = gateway(project)
    assert running.get("/hello").status_code == 200
    since = running.lines_so_far
    save(project / "routes.yaml", "routes:\n- {path: '/hello/{name}', function: hello}\n")
    said = running.log("routes.yaml rejected", since=since)
    assert "{name}" in said["event"]
    assert running.get("/hello").status_code == 200


def test_the_swap_is_whole_under_load(gateway: GatewayFactory, project: Path) -> None:
    """Hundreds of requests during a dozen swaps: none fails, and no two halves are ever live together.

    Every version has /a and /b answered by the same function; the label tells which version it was.
    """
    functions = project / "functions"
    for name in ("red", "blue"):
        (functions / f"{name}.py").write_text(f"async def handle() -> str:\n    return '{name}'\n")
    versions = {
        name: f"routes:\n- {{path: /a, function: {name}}}\n- {{path: /b, function: {name}}}\n"
        for name in ("red", "blue")
    }
    (project / "routes.yaml").write_text(versions["red"])
    running = gateway(project)
    failures: list[str] = []
    asked = [0]
    stop = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=running.public, trust_env=False, timeout=60) as client:
            while not stop.is_set():
                for path in ("/a", "/b"):
                    answer = client.get(path)
                    asked[0] += 1
                    if answer.status_code != 200 or answer.text not in versions:
                        failures.append(f"{answer.status_code} {answer.text}")

    callers = [threading.Thread(target=ask) for _ in range(4)]
    for caller in callers:
        caller.start()
    try:
        for number in range(12):
            name = ("blue", "red")[number % 2]
            reroute(running, versions[name])
            # From the moment it is said to be applied, every new request is answered by it.
            assert {running.get(path).text for path in ("/a", "/b")} == {name}
    finally:
        stop.set()
        for caller in callers:
            caller.join(60)
    assert not failures
    assert asked[0] > 200
