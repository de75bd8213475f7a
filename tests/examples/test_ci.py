"""The pipelines of examples/ci, run as their runners would, against a real gateway with visitors."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from ruamel.yaml import YAML

from tests.conftest import GatewayFactory, Running, save

EXAMPLES = Path(__file__).parents[2] / "examples/ci"
ROUTES = """
functions:
  home: {release: {strategy: canary, steps: [50, 100], interval: 1s, min_requests: 30}}
routes: [{path: /home, function: home}]
"""
GOOD = 'async def handle() -> str:\n    return "good"\n'
BAD = 'async def handle() -> str:\n    raise ValueError("bad")\n'
BROKEN = "async def handle(:\n"
LASTS = 90.0


@dataclass
class Runner:
    """A machine of a CI service with the project checked out. ``ran`` are the lines that it ran, in order."""

    folder: Path
    env: dict[str, str]
    ran: list[tuple[str, int]] = field(default_factory=list)
    said: str = ""

    def bash(self, script: str, **more: str) -> int:
        """One script, as both services run it: it ends with the first command that fails."""
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", script],
            cwd=self.folder,
            env={**self.env, **more},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LASTS,
            check=False,
        )
        self.said += f"$ {script}\n{done.stdout}{done.stderr}\n"
        self.ran.append((script, done.returncode))
        return done.returncode


def github(runner: Runner, *, leaves_out: str = "") -> bool:
    """Run the workflow's steps; whether the job succeeded. ``leaves_out`` names a step at which it is cancelled."""
    workflow = YAML(typ="safe").load(EXAMPLES / "github-actions/deploy.yml")
    values = runner.folder / "github-env"
    values.touch()
    runner.env |= {"GITHUB_ENV": str(values), "GITHUB_SHA": "c0ffee"}
    for name, text in workflow["env"].items():
        runner.env[name] = re.sub(r"\$\{\{ \w+\.(\w+) \}\}", lambda found: runner.env[found[1]], text)
    is_well = True
    for step in workflow["jobs"]["deploy"]["steps"]:
        if "run" not in step:
            assert re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"])
            continue
        runs_after_failure = step.get("if") == "${{ failure() || cancelled() }}"
        if step["name"] == leaves_out:
            is_well = False
        elif runs_after_failure is not is_well:
            is_well = runner.bash(step["run"]) == 0 and is_well
            written = [line.split("=", 1) for line in values.read_text().splitlines()]
            runner.env |= dict(written)
    return is_well


def gitlab(runner: Runner, *, leaves_out: str = "") -> bool:
    """The same of the GitLab pipeline: its script in one shell, after_script in another."""
    pipeline = YAML(typ="safe").load(EXAMPLES / ".gitlab-ci.yml")
    before = pipeline["default"]["before_script"]
    runner.env |= pipeline["variables"] | {"CI_COMMIT_SHA": "c0ffee"}
    if runner.bash("\n".join([*before, *pipeline["check"]["script"]])):
        return False
    job = pipeline["deploy"]
    lines = job["script"]
    if leaves_out:
        lines = lines[: next(at for at, line in enumerate(lines) if leaves_out.lower() in line)]
    is_well = runner.bash("\n".join([*before, *lines])) == 0 and not leaves_out
    status = "success" if is_well else "canceled" if leaves_out else "failed"
    assert runner.bash("\n".join(job["after_script"]), CI_JOB_STATUS=status) == 0
    return is_well


PIPELINES = [github, gitlab]


@pytest.fixture
def site(gateway: GatewayFactory, write_project: Callable[..., Path]) -> Iterator[Running]:
    """A gateway that serves ``one``, under visitors, and a place where their failures are counted."""
    folder = write_project(
        {"routes.yaml": ROUTES, "functions/home.py": 'async def handle() -> str:\n    return "one"\n'}
    )
    running = gateway(folder)
    assert running.get("/home").text == "one"
    is_over = threading.Event()

    def visit() -> None:
        with httpx.Client(base_url=running.public, trust_env=False, timeout=60) as client:
            while not is_over.wait(0.005):
                client.get("/home")

    visitors = [threading.Thread(target=visit) for _ in range(2)]
    for each in visitors:
        each.start()
    yield running
    is_over.set()
    for each in visitors:
        each.join(60)


@pytest.fixture
def runner(site: Running, tmp_path: Path) -> Runner:
    """With a token of its own and the gateway's address, and ``pip`` that has installed us already."""
    tools = tmp_path / "tools"
    tools.mkdir()
    pip = tools / "pip"
    pip.write_text('#!/bin/sh\n[ "$*" = "install bff-gateway" ]\n')
    pip.chmod(0o755)
    own = (site.folder / ".bff/admin-token").read_text().strip()
    made = httpx.post(
        f"{site.admin}/v1/tokens",
        json={"name": "ci", "scopes": ["write"]},
        headers={"authorization": f"Bearer {own}"},
        trust_env=False,
    )
    path = os.pathsep.join([str(tools), str(Path(sys.executable).parent), os.environ["PATH"]])
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BFF", "CI", "GITHUB"))}
    env = {**kept, "PATH": path, "BFF_ADMIN": site.admin, "BFF_ADMIN_TOKEN": made.json()["token"]}
    return Runner(site.folder, env)


def traffic(site: Running) -> Mapping[str, Any]:
    found = httpx.get(f"{site.admin}/v1/functions/home/traffic", trust_env=False, timeout=60).json()
    return {
        each.get("revisionName") or found["latest"]: each["percent"]
        for each in found["traffic"]
        if each["percent"]
    }


@pytest.mark.timeout(200)
@pytest.mark.parametrize("pipeline", PIPELINES)
def test_a_good_revision_is_watched_to_its_end(
    site: Running, runner: Runner, pipeline: Callable[..., bool]
) -> None:
    """Deployed with the commit as its note, released step by step, promoted; the job is green."""
    save(site.folder / "functions/home.py", GOOD)
    assert pipeline(runner), runner.said
    assert traffic(site) == {"home-00002": 100}, runner.said
    assert site.get("/home").text == "good"
    newest = httpx.get(f"{site.admin}/v1/functions/home/revisions", trust_env=False, timeout=60).json()[0]
    assert (newest["note"], newest["author"], newest["tags"]) == ("c0ffee", "ci", ["candidate"])
    assert not any("rollback" in line and not line.startswith("if") for line, _ in runner.ran[:-1])


@pytest.mark.timeout(200)
@pytest.mark.parametrize("pipeline", PIPELINES)
def test_a_bad_revision_fails_the_job_and_is_gone(
    site: Running, runner: Runner, pipeline: Callable[..., bool]
) -> None:
    """The gateway takes it back by itself; what the job does then changes nothing."""
    save(site.folder / "functions/home.py", BAD)
    assert not pipeline(runner), runner.said
    assert traffic(site) == {"home-00001": 100}, runner.said
    assert "home-00002 was rolled back" in runner.said
    assert "home-00002 has no calls; nothing to do" in runner.said
    assert site.get("/home").text == "one"


@pytest.mark.timeout(200)
@pytest.mark.parametrize("pipeline", PIPELINES)
def test_a_job_that_is_cancelled_takes_its_revision_back(
    site: Running, runner: Runner, pipeline: Callable[..., bool]
) -> None:
    """Half of the visitors had it already."""
    save(site.folder / "functions/home.py", GOOD)
    assert not pipeline(runner, leaves_out="Watch"), runner.said
    assert traffic(site) == {"home-00001": 100}, runner.said
    history = httpx.get(f"{site.admin}/v1/functions/home/history", trust_env=False, timeout=60).json()
    assert (history[0]["what"], history[0]["who"], history[0]["why"]) == ("rollback", "ci", "c0ffee failed")


@pytest.mark.timeout(200)
@pytest.mark.parametrize("pipeline", PIPELINES)
def test_what_does_not_check_is_never_deployed(
    site: Running, runner: Runner, pipeline: Callable[..., bool]
) -> None:
    """The first command ends the job; no revision, no change."""
    save(site.folder / "functions/home.py", BROKEN)
    assert not pipeline(runner), runner.said
    assert "SyntaxError" in runner.said
    assert not any("bff deploy" in line for line, _ in runner.ran)
    assert traffic(site) == {"home-00001": 100}
