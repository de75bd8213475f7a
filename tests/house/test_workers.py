"""Workers beside a gateway: what they take, what becomes of it when they are stopped, killed or silent, and their names."""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import GatewayFactory, Running, eventually, save

Write = Callable[[Mapping[str, str | bytes]], Path]
LONG = 60.0
ROUTES = """\
state: "STATE"
events: {concurrency: 4}
gateway: {drain_timeout: 5m}
functions: {resize: {queue: images, timeout: 5m}}
pipelines:
  images:
    steps:
      - {function: probe}
      - {function: resize, each: $.files, delivery: {backoffDelay: PT0.1S}}
      - {function: report}
"""
RESIZE = """\
import asyncio, json, os
from pathlib import Path
from typing import Annotated
from bff import Body, Context

HERE = Path("FOLDER")

def note(**said):
    with (HERE / "notes").open("a") as notes:
        notes.write(json.dumps({**said, "by": os.getpid()}) + "\\n")

async def handle(ctx: Context, body: Annotated[str, Body()]) -> str:
    note(began=body, key=ctx.request.headers["idempotency-key"])
    while body.startswith("held") and not (HERE / "go").exists():
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.02)
    note(ended=body)
    return body + SUFFIX
"""


REPORT = """\
from typing import Annotated
from bff import Body

async def handle(body: Annotated[list, Body()]) -> list:
    return body
"""


class Project:
    """A project with a pipeline, and what its functions wrote down."""

    def __init__(self, folder: Path, write: Write, state: str) -> None:
        self.folder = folder
        self.resize = RESIZE.replace("FOLDER", str(folder))
        write(
            {
                "routes.yaml": ROUTES.replace("STATE", state),
                "functions/probe.py": "async def handle(body: dict) -> dict:\n    return body\n",
                "functions/resize.py": self.resize.replace("SUFFIX", '".small"'),
                "functions/report.py": REPORT,
            }
        )

    def notes(self, word: str) -> list[dict[str, Any]]:
        file = self.folder / "notes"
        said = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        return [each for each in said if word in each]

    def counted(self, word: str) -> Counter[str]:
        return Counter(each[word] for each in self.notes(word))


class Admin:
    """The admin API of a process that runs."""

    def __init__(self, running: Running, folder: Path) -> None:
        token = (folder / ".bff/admin-token").read_text().strip()
        headers = {"authorization": f"Bearer {token}"}
        self._client = httpx.Client(base_url=running.admin, headers=headers, timeout=20.0, trust_env=False)
        running.clients.append(self._client)

    def start(self, files: list[str]) -> str:
        answer = self._client.post("/v1/pipelines/images/runs", json={"data": {"files": files}})
        assert answer.status_code < 300, answer.text
        return str(answer.json()["key"])

    def run(self, key: str) -> dict[str, Any]:
        answer = self._client.get(f"/v1/runs/{key}")
        return dict(answer.json()) if answer.status_code == 200 else {"state": "not begun"}

    def succeeded(self, key: str) -> dict[str, Any]:
        def ended() -> dict[str, Any] | None:
            run = self.run(key)
            assert run["state"] not in ("failed", "cancelled"), run
            return run if run["state"] == "succeeded" else None

        return dict(eventually(ended, within=LONG, every=0.1))


@pytest.fixture
def on_file(tmp_path: Path, write_project: Write) -> Project:
    return Project(tmp_path, write_project, "sqlite:///.bff/state.db")


@pytest.mark.timeout(180)
def test_a_worker_takes_what_is_in_its_queues_and_its_name_is_its_own(
    on_file: Project, gateway: GatewayFactory
) -> None:
    """The gateway takes the rest. A second one of the name is refused while the first lives; killed and started again it
    goes on at once with what it had.
    """
    serving = gateway(on_file.folder, "serve", "--queues", "default")
    worker = gateway(on_file.folder, "worker", "--queues", "images", "--name", "w-1")
    admin = Admin(serving, on_file.folder)
    run = admin.succeeded(admin.start(["a", "b"]))
    assert run["answer"] == ["a.small", "b.small"]
    holders = {part["function"]: part["tries"][0]["gateway"] for part in run["parts"]}
    assert holders["resize"].endswith(f"/{worker.process.pid}/w-1")
    assert f"/{serving.process.pid}/" in holders["report"]

    twin = Running(on_file.folder, "worker", "--name", "w-1")
    eventually(lambda: twin.process.poll() is not None, within=LONG, every=0.1)
    assert twin.wait() == 1
    assert "another process is named w-1 and is alive" in twin.output

    key = admin.start(["held"])
    eventually(lambda: on_file.counted("began")["held"] == 1, within=LONG)
    worker.signal(signal.SIGKILL)
    worker.wait()
    (on_file.folder / "go").touch()
    gateway(on_file.folder, "worker", "--queues", "images", "--name", "w-1")
    run = admin.succeeded(key)
    assert on_file.counted("began")["held"] == 2
    assert len({each["key"] for each in on_file.notes("began") if each["began"] == "held"}) == 1


@pytest.mark.timeout(240)
def test_a_rolling_deploy_neither_loses_nor_starts_anything_twice(
    tmp_path: Path, write_project: Write, postgres_url: str, gateway: GatewayFactory
) -> None:
    """On PostgreSQL: each worker in turn is replaced by one with new code while it works. It ends what it has begun,
    takes nothing more, and what it leaves is done by the others.
    """
    project = Project(tmp_path, write_project, postgres_url)
    serving = gateway(project.folder, "serve", "--queues", "default")
    workers = [gateway(project.folder, "worker", "--queues", "images") for _ in range(2)]
    admin = Admin(serving, project.folder)
    runs = {admin.start([f"{run}-{n}" for n in range(4)]) for run in range(5)}
    held = admin.start(["held-1", "held-2", "held-3"])
    eventually(
        lambda: sum(n for name, n in project.counted("began").items() if "held" in name) == 3, within=LONG
    )
    save(project.folder / "functions/resize.py", project.resize.replace("SUFFIX", '".new"'))
    for old in workers:
        old.signal(signal.SIGTERM)
    fresh = [gateway(project.folder, "worker", "--queues", "images") for _ in range(2)]
    runs |= {admin.start([f"late-{n}" for n in range(4)])}
    (project.folder / "go").touch()
    eventually(lambda: all(old.process.poll() is not None for old in workers), within=LONG, every=0.1)
    assert [old.wait() for old in workers] == [0, 0]
    for key in runs:
        admin.succeeded(key)
    run = admin.succeeded(held)
    assert {each.rpartition(".")[0] for each in run["answer"]} == {"held-1", "held-2", "held-3"}
    assert set(project.counted("began").values()) == {1}
    assert project.counted("began") == project.counted("ended")
    late = admin.succeeded(next(key for key in runs if "late" in str(admin.run(key)["answer"])))
    assert late["answer"] == [f"late-{n}.new" for n in range(4)]
    assert {
        part["tries"][0]["gateway"].split("/")[1] for part in late["parts"] if part["function"] == "resize"
    } <= {str(each.process.pid) for each in fresh}


@pytest.mark.timeout(240)
def test_a_machine_that_falls_silent_is_succeeded_within_its_lease_and_not_heard_again(
    on_file: Project, gateway: GatewayFactory
) -> None:
    """Stopped, its process still is, so that only the end of its lease tells; when it comes back, what it says of the part
    it had is not heard, and it goes on with others.
    """
    serving = gateway(on_file.folder, "serve", "--queues", "default")
    silent = gateway(on_file.folder, "worker", "--queues", "images")
    admin = Admin(serving, on_file.folder)
    key = admin.start(["held"])
    eventually(lambda: on_file.counted("began")["held"] == 1, within=LONG)
    silent.signal(signal.SIGSTOP)
    (on_file.folder / "go").touch()
    other = gateway(on_file.folder, "worker", "--queues", "images")
    try:
        run = admin.succeeded(key)
    finally:
        silent.signal(signal.SIGCONT)
    (part,) = [part for part in run["parts"] if part["function"] == "resize"]
    assert [each["gateway"].split("/")[1] for each in part["tries"]] == [
        str(each.process.pid) for each in (silent, other)
    ]
    assert part["tries"][0]["ended"] is None
    other.signal(signal.SIGTERM)
    assert other.wait() == 0
    assert admin.succeeded(admin.start(["next"]))["answer"] == ["next.small"]
    assert admin.run(key)["parts"] == run["parts"]
