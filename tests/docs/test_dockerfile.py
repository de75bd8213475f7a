"""The image: two stages, nobody's root, only runtime dependencies; what it runs and checks works here too."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions and their arguments, continued lines joined."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text("utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines if line)]


def stages() -> list[list[tuple[str, str]]]:
    """The same by stage."""
    found: list[list[tuple[str, str]]] = []
    for name, rest in instructions():
        if name == "FROM":
            found.append([])
        found[-1].append((name, rest))
    return found


def only(name: str) -> str:
    """The argument of an instruction the last stage has once."""
    [rest] = [rest for each, rest in stages()[-1] if each == name]
    return rest


def locked(name: str) -> dict[str, str]:
    """Package -> version of a lock."""
    return dict(re.findall(r"^([\w.-]+)==([^\s;]+)", (ROOT / name).read_text("utf-8"), re.MULTILINE))


def command() -> list[str]:
    """What the container runs, with this environment's ``bff``."""
    program, *arguments = json.loads(only("CMD"))
    assert program == "bff"
    return [str(Path(sys.executable).parent / "bff"), *arguments]


def health_check() -> list[str]:
    """What the container's health is asked with."""
    program, *arguments = json.loads(only("HEALTHCHECK").partition("CMD")[2])
    assert program == "python"
    return [sys.executable, *arguments]


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_last_stage_has_what_was_built_and_no_tools() -> None:
    """Two stages on one base; pip runs in the first only, and always by hash or from the wheel built there."""
    first, last = stages()
    assert first[0][1].partition(" ")[0] == last[0][1]
    assert not any("pip" in rest for name, rest in last if name == "RUN")
    assert ("COPY", "--from=build /venv /venv") in last
    installs = re.findall(r"pip install ([^&]+)", " && ".join(rest for name, rest in first if name == "RUN"))
    assert len(installs) == 3
    assert all("--require-hashes" in each or "--no-deps dist/" in each for each in installs)


def test_it_runs_as_nobody_in_particular_and_gets_its_signals_itself() -> None:
    """A user who is not root, set before CMD; exec forms, so that no shell stands before the gateway."""
    names = [name for name, _ in stages()[-1]]
    assert only("USER") not in ("root", "0")
    assert names.index("USER") < names.index("CMD")
    assert isinstance(json.loads(only("CMD")), list)
    assert isinstance(json.loads(only("HEALTHCHECK").partition("CMD")[2]), list)


def test_everything_it_copies_is_there_and_let_in() -> None:
    """Each source of COPY exists, and .dockerignore lets exactly those into the build."""
    copied = {
        source.rstrip("/")
        for name, rest in instructions()
        if name == "COPY" and "--from" not in rest
        for source in rest.split()[:-1]
    }
    assert all((ROOT / source).exists() for source in copied)
    let_in = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text("utf-8"), re.MULTILINE)
    assert set(let_in) == copied


def test_the_runtime_lock_holds_what_the_package_needs_and_nothing_for_developers() -> None:
    """All with hashes, in the very versions the tests run with."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    everything, runtime, build = map(
        locked, ("requirements.lock", "requirements-runtime.lock", "requirements-build.lock")
    )
    wanted = {re.match(r"[\w.-]+", each)[0].replace(".", "-") for each in project["project"]["dependencies"]}  # type: ignore[index]
    assert wanted <= {name.replace(".", "-") for name in runtime}
    assert not {"pytest", "mypy", "ruff", "uv", "hatchling", "fastapi"} & set(runtime)
    assert "hatchling" in build
    assert runtime.items() <= everything.items()
    assert build.items() <= everything.items()
    for name in ("requirements-runtime.lock", "requirements-build.lock"):
        entries = re.split(r"^(?=\S)", (ROOT / name).read_text("utf-8"), flags=re.MULTILINE)[1:]
        assert all("--hash=sha256:" in entry for entry in entries)


@pytest.fixture
def container(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, str]]]:
    """The image's command in a folder with what the image copies, listening on ``$PORT``."""
    for name in ("routes.yaml", "functions"):
        (tmp_path / name).symlink_to(ROOT / name)
    port, admin = free_port(), free_port()
    env = {**os.environ, "PORT": str(port), "http_proxy": "http://127.0.0.1:9"}
    arguments = [each.replace(":8001", f":{admin}") for each in command()]
    process = subprocess.Popen(
        arguments, cwd=tmp_path, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        yield process, env
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_its_command_listens_on_port_is_healthy_and_ends_on_sigterm(
    container: tuple[subprocess.Popen[bytes], dict[str, str]],
) -> None:
    """The health check fails before and after, passes in between past any proxy, and SIGTERM is exit code 0."""
    process, env = container
    until = time.monotonic() + PATIENCE
    asked: list[int] = []
    while not asked or asked[-1] != 0:
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < until, "never healthy"
        done = subprocess.run(health_check(), env=env, capture_output=True, timeout=PATIENCE, check=False)
        asked.append(done.returncode)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0
    after = subprocess.run(health_check(), env=env, capture_output=True, timeout=PATIENCE, check=False)
    assert after.returncode != 0
