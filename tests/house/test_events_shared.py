"""Events on PostgreSQL: a database that goes away is waited for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests import postgres
from tests.conftest import GatewayFactory, Running, eventually

Write = Callable[[Mapping[str, str | bytes]], Path]
EVENTS = 60
WORK = """\
import asyncio, json, os
from pathlib import Path
from bff import CloudEvent

NOTES = Path("HERE/notes")

async def handle(event: CloudEvent) -> None:
    with NOTES.open("a") as notes:
        notes.write(json.dumps({"began": event.id, "by": os.getpid()}) + "\\n")
    await asyncio.sleep(0.05)
    with NOTES.open("a") as notes:
        notes.write(json.dumps({"ended": event.id, "by": os.getpid()}) + "\\n")
"""


def send(running: Running, number: int) -> int:
    attributes = {"id": str(number), "source": "/tests", "type": "t", "specversion": "1.0"}
    headers = {f"ce-{name}": value for name, value in attributes.items()}
    return running.client.post("/events", headers=headers).status_code


@pytest.fixture
def files(tmp_path: Path, postgres_url: str) -> dict[str, str]:
    return {
        "routes.yaml": f'state: "{postgres_url}"\nevents: {{path: /events, concurrency: 3}}\n'
        "triggers: {work: {function: work, delivery: {backoffDelay: PT0.1S}}}\n",
        "functions/work.py": WORK.replace("HERE", str(tmp_path)),
    }


def notes(folder: Path) -> list[dict[str, Any]]:
    file = folder / "notes"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@pytest.mark.timeout(180)
def test_a_database_that_goes_away_is_waited_for(
    write_project: Write, gateway: GatewayFactory, tmp_path: Path, files: dict[str, str]
) -> None:
    """Events are refused with 503 meanwhile; what was taken in before is delivered after."""
    with postgres.server() as server:
        first, rest = files["routes.yaml"].split("\n", 1)
        assert first.startswith("state")
        files["routes.yaml"] = f'state: "{server.database()}"\n{rest}'
        running = gateway(write_project(files))
        assert send(running, 1) == 202
        eventually(lambda: any("ended" in each for each in notes(tmp_path)))
        assert send(running, 2) == 202
        server.stop()
        assert send(running, 3) == 503
        server.start()
        eventually(lambda: send(running, 3) == 202, within=30.0, every=0.2)

        def ended() -> set[str]:
            return {each["ended"] for each in notes(tmp_path) if "ended" in each}

        eventually(lambda: ended() == {"1", "2", "3"}, within=60.0, every=0.1)
