"""``bff dev`` on what ``bff init`` wrote: a save is live, a broken one changes nothing."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import eventually

if TYPE_CHECKING:
    from tests.cli.conftest import Shell

Gateway = Callable[..., Any]


def test_a_save_is_live_and_a_broken_one_keeps_the_last(bff: Shell, gateway: Gateway, tmp_path: Path) -> None:
    """Edit, see it; break it, read file and line, and the last good revision goes on; mend it, see it."""
    bff("init")
    hello = tmp_path / "functions/hello.py"
    running = gateway(tmp_path, "dev")
    assert running.get("/api/hello").json() == {"hello": "world"}

    hello.write_text("async def handle():\n    return 'second'\n")
    _until(running, "second")
    since = running.lines_so_far
    hello.write_text("async def handle():\n    return (\n")
    broken = running.wait_for(lambda line: "load failed" in line, since=since)
    assert "functions/hello.py:2:12: SyntaxError: '(' was never closed" in broken
    assert "goes on serving" in broken
    assert running.get("/api/hello").text == "second"

    hello.write_text("async def handle():\n    return 'third'\n")
    _until(running, "third")


def _until(running: Any, text: str) -> None:
    """Ask until the save is seen."""
    eventually(lambda: running.get("/api/hello").text == text)


def test_new_is_served_without_a_restart(bff: Shell, gateway: Gateway, tmp_path: Path) -> None:
    """``bff new`` beside a running ``bff dev``: the route appears."""
    bff("init")
    running = gateway(tmp_path, "dev")
    assert running.get("/api/about").status_code == 404
    since = running.lines_so_far
    assert bff("new", "about").code == 0
    running.wait_for(lambda line: "routes.yaml applied" in line and '"routes":2' in line, since=since)
    assert running.get("/api/about").json() == {"hello": "world"}


def test_the_address_is_printed_with_a_line_that_works(bff: Shell, gateway: Gateway, tmp_path: Path) -> None:
    """``--json`` gives both addresses; SIGTERM ends it with 0."""
    bff("init")
    running = gateway(tmp_path, "dev")
    assert running.public.startswith("http://127.0.0.1:")
    assert running.admin != running.public
    running.signal(signal.SIGTERM)
    assert running.wait() == 0


@pytest.mark.parametrize("mode", ["dev", "serve"])
def test_a_taken_port_is_one_sentence(bff: Shell, mode: str) -> None:
    """Who else listens cannot be known; which address it is can."""
    bff("init")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = bff(mode, "--port", str(port), "--admin", "127.0.0.1:0")
    assert ran.code == 1
    assert f"cannot listen on 127.0.0.1:{port}: " in ran.err


@pytest.mark.parametrize("admin", ["nonsense", "127.0.0.1", "127.0.0.1:http", "127.0.0.1:99999"])
def test_a_wrong_admin_address_is_one_sentence(bff: Shell, admin: str) -> None:
    """It says what to write."""
    bff("init")
    ran = bff("serve", "--admin", admin)
    assert ran.code == 1
    assert "write an address and a port, such as 127.0.0.1:8001" in ran.err


@pytest.mark.parametrize("mode", ["dev", "serve"])
def test_with_json_a_failed_start_is_json(bff: Shell, mode: str) -> None:
    """A program that starts the gateway reads the reason where it would have read the addresses."""
    bff("init")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = bff(mode, "--json", "--port", str(port), "--admin", "127.0.0.1:0")
    assert ran.code == 1
    assert ran.json["ok"] is False
    assert ran.json["error"].startswith(f"cannot listen on 127.0.0.1:{port}: ")
    ran = bff(mode, "--json", "--admin", "nonsense")
    assert ran.code == 1
    assert ran.json == {
        "ok": False,
        "error": "--admin nonsense: write an address and a port, such as 127.0.0.1:8001",
    }


@pytest.mark.parametrize("port", ["http", "-1", "65536"])
def test_a_wrong_port_is_a_usage_error(bff: Shell, port: str) -> None:
    """From ``PORT`` as from ``--port``: exit 2, before anything starts."""
    assert bff("serve", "--port", port).code == 2
    assert bff("serve", PORT=port).code == 2


def test_serving_needs_a_routes_yaml_without_mistakes(bff: Shell, project: Callable[..., Path]) -> None:
    """It does not begin with half of what was meant."""
    assert "`bff init` writes one" in bff("serve").err
    project("routes:\n  - {path: /a}\n")
    ran = bff("dev")
    assert ran.code == 1
    assert ran.err.startswith("routes.yaml:2:5: routes[0].function: is missing")
