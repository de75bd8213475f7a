"""How a gateway starts, says how it is, and ends."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.conftest import GatewayFactory, Running, eventually

SLOW = "GET /slow HTTP/1.1\r\nhost: bff\r\n\r\n"


def admin(running: Running, path: str) -> httpx.Response:
    return httpx.get(running.admin + path, trust_env=False, timeout=60)


def refuses(running: Running) -> bool:
    try:
        running.wire().close()
    except ConnectionRefusedError:
        return True
    return False


def test_health_is_told_on_both_listeners(gateway: GatewayFactory, project: Path) -> None:
    """Load balancers ask the public listener, orchestrators the admin one; neither answer is cached."""
    running = gateway(project)
    for ask in (running.get, lambda path: admin(running, path)):
        for path, said in (("/health/liveness", "alive"), ("/health/readiness", "ready")):
            answer = ask(path)
            assert (answer.status_code, answer.json()) == (200, {"status": said})
            assert answer.headers["cache-control"] == "no-store"
    assert running.client.head("/health/readiness").status_code == 200
    assert running.client.post("/health/readiness").status_code == 405


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_in_flight_is_answered_before_the_end(
    gateway: GatewayFactory, project: Path, number: int
) -> None:
    """Deploys lose nothing: no new connection is taken, readiness says 503, who is inside is answered."""
    running = gateway(project)
    with running.wire() as wire, running.wire() as idle:
        idle.say("GET /hello HTTP/1.1\r\nhost: bff\r\n\r\n").hear_answer()
        wire.say(SLOW)
        eventually((project / "began").exists)
        running.signal(number)
        eventually(lambda: refuses(running))
        assert idle.is_closed()
        answer = admin(running, "/health/readiness")
        assert (answer.status_code, answer.json()) == (503, {"status": "draining"})
        assert admin(running, "/health/liveness").status_code == 200
        assert running.process.poll() is None
        (project / "go").touch()
        heard = wire.hear_answer()
        assert (heard.status, heard.body) == (200, b"done")
        assert heard.headers["connection"] == "close"
        assert wire.is_closed()
    assert running.wait() == 0
    assert running.logs(route="/slow", status=200)


def test_an_open_connection_hears_503_once_draining_began(gateway: GatewayFactory, project: Path) -> None:
    """Readiness on the public listener too, for who still has a connection with something in flight."""
    running = gateway(project)
    with running.wire() as wire:
        wire.say(SLOW + "GET /health/readiness HTTP/1.1\r\nhost: bff\r\n\r\n")
        eventually((project / "began").exists)
        running.signal(signal.SIGTERM)
        eventually(lambda: refuses(running))
        (project / "go").touch()
        assert wire.hear_answer().body == b"done"
        said = wire.hear_all()
    assert not said or said.startswith(b"HTTP/1.1 503 ")
    assert running.wait() == 0


def test_draining_does_not_take_for_ever(gateway: GatewayFactory, project: Path) -> None:
    """After drain_timeout a request that still runs is told 503, and the process ends with 0."""
    (project / "routes.yaml").write_text(
        (project / "routes.yaml").read_text().replace("drain_timeout: 10m", "drain_timeout: 1s")
    )
    running = gateway(project)
    with running.wire() as wire:
        wire.say(SLOW)
        eventually((project / "began").exists)
        running.signal(signal.SIGTERM)
        heard = wire.hear_answer()
        assert heard.status == 503
        assert heard.headers["retry-after"]
        assert heard.json()["type"] == "/problems/draining"
    assert running.wait() == 0


def test_a_second_signal_ends_it_at_once(gateway: GatewayFactory, project: Path) -> None:
    """Ctrl-C twice: nobody has to wait for a request that hangs, which might have taken another ten minutes."""
    running = gateway(project)
    with running.wire() as wire:
        wire.say(SLOW)
        eventually((project / "began").exists)
        running.signal(signal.SIGINT)
        eventually(lambda: refuses(running))
        running.signal(signal.SIGINT)
        assert running.wait() == 0
    running.check_calm()


def test_a_signal_right_after_the_start_is_not_lost(gateway: GatewayFactory, project: Path) -> None:
    running = gateway(project)
    assert running.stop() == 0


def test_a_sleeping_thread_does_not_hold_up_the_end(gateway: GatewayFactory, write_project) -> None:
    """A synchronous handler that never returns cannot keep the process alive."""
    folder = write_project(
        {
            "routes.yaml": "routes: [{path: /stuck, function: stuck, timeout: 100ms}]\n",
            "functions/stuck.py": "import time\n\ndef handle() -> str:\n    time.sleep(600)\n    return 'x'\n",
        }
    )
    running = gateway(folder)
    assert running.get("/stuck").status_code == 504
    assert running.stop() == 0


@pytest.mark.parametrize("option", ["--port", "--admin"])
def test_a_port_in_use_is_one_clear_sentence(project: Path, option: str) -> None:
    """Exit code 1, the address and the reason; no traceback."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        options = {"--port": "0", "--admin": "127.0.0.1:0"}
        options[option] = str(port) if option == "--port" else f"127.0.0.1:{port}"
        done = subprocess.run(
            [
                *(sys.executable, "-m", "bff.cli", "serve", "--config", str(project)),
                *(each for pair in options.items() for each in pair),
            ],
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}: " in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_a_host_that_is_not_ours_is_said_too(project: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "bff.cli",
            "serve",
            "--config",
            str(project),
            "--host",
            "192.0.2.1",
            "--port",
            "0",
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "cannot listen on 192.0.2.1:0: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_broken_routes_file_stops_the_start(project: Path) -> None:
    """A gateway that starts has a whole configuration: the first one cannot be 'the last good one'."""
    (project / "routes.yaml").write_text("routes:\n- {path: /x, function: nobody, timeout: soon}\n")
    done = subprocess.run(
        [sys.executable, "-m", "bff.cli", "serve", "--config", str(project), "--port", "0"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "routes.yaml:2:" in done.stderr
    assert "nobody" in done.stderr
    assert "soon" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_announcement_is_one_json_line_with_both_addresses(
    gateway: GatewayFactory, project: Path
) -> None:
    """Programs that start us read where we are; both addresses answer from that moment on."""
    running = gateway(project)
    said = json.loads(running.output.splitlines()[0])
    assert said == {"public": running.public, "admin": running.admin}


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_ipv6_addresses_are_served_and_announced(gateway: GatewayFactory, project: Path) -> None:
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(socket.socket(socket.AF_INET6)).bind(("::1", 0))
        except OSError:
            pytest.skip("no IPv6 loopback here")
    running = gateway(project, "serve", "--host", "::1")
    assert running.public.startswith("http://[::1]:")
    assert running.get("/hello").json() == {"said": "one"}


def test_a_reader_of_our_log_that_leaves_does_not_stop_us(project: Path) -> None:
    """`bff serve | head -1`: a closed pipe costs log lines, not the service."""
    serving = subprocess.Popen(
        [
            *(sys.executable, "-m", "bff.cli", "serve", "--config", str(project)),
            *("--port", "0", "--admin", "127.0.0.1:0", "--json"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert serving.stdout is not None
        public = json.loads(serving.stdout.readline())["public"]
        serving.stdout.close()
        with httpx.Client(base_url=public, trust_env=False, timeout=60) as client:
            until = time.monotonic() + 0.3  # several times as long as lines wait for company
            while time.monotonic() < until:
                assert client.get("/hello").status_code == 200
    finally:
        serving.send_signal(signal.SIGTERM)
        _, said = serving.communicate(timeout=60)
    assert serving.returncode == 0
    assert "Traceback" not in said


def test_one_address_is_not_listened_on_twice(project: Path) -> None:
    """``--port`` and ``--admin`` the same, or a second gateway in a race with this one: a sentence, exit 1."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "bff.cli", "serve", "--config", str(project)),
            *("--port", str(port), "--admin", f"127.0.0.1:{port}"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
