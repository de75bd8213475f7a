"""New revisions under load: no call fails, and every answer is whole from one revision.

A sample in `make test`; `make soak` reloads a thousand times.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from tests.conftest import write
from tests.house.inside import inside

pytestmark = pytest.mark.anyio

RELOADS = 1000 if os.environ.get("BFF_SOAK") else 40
CLIENTS = 50

FUNCTION = """\
import asyncio
from . import _parts

NUMBER = {number}


async def handle() -> list[int]:
    first = NUMBER
    await asyncio.sleep(0.002)
    from . import _late
    return [first, _parts.NUMBER, _late.NUMBER, NUMBER]
"""
FILES = {
    "routes.yaml": "telemetry: {access_log: false}\nroutes:\n- {path: /home, function: home}\n",
    "functions/home.py": FUNCTION.format(number=0),
    "functions/_parts.py": "NUMBER = 0\n",
    "functions/_late.py": "NUMBER = 0\n",
}


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


class Client:
    """One connection that asks again and again. Mutable state: what it heard."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.heard: list[tuple[int, list[int], str]] = []

    async def ask_until(self, over: asyncio.Event) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            while not over.is_set():
                writer.write(b"GET /home HTTP/1.1\r\nhost: x\r\n\r\n")
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                fields = dict(line.split(": ", 1) for line in head.splitlines()[1:] if line)
                body = await reader.readexactly(int(fields["content-length"]))
                status = int(head.split(" ", 2)[1])
                self.heard.append(
                    (status, json.loads(body) if status == 200 else [], fields.get("bff-revision", ""))
                )
        finally:
            writer.close()


@pytest.mark.timeout(1800 if os.environ.get("BFF_SOAK") else 180)
async def test_reloads_under_fire(tmp_path: Path) -> None:
    """Under 50 clients, one reload after the other: 0 failed calls, 0 mixed answers, 0 revisions left behind."""
    async with inside(tmp_path, FILES, dev=True) as served:
        assert (await served.client.get("/home")).json() == [0, 0, 0, 0]
        function = served.house.invoker.functions["home"]
        over = asyncio.Event()
        clients = [Client(int(served.address.rpartition(":")[2])) for _ in range(CLIENTS)]
        asking = [asyncio.create_task(client.ask_until(over)) for client in clients]
        for number in range(1, RELOADS + 1):
            write(
                tmp_path,
                {
                    "functions/home.py": FUNCTION.format(number=number),
                    "functions/_parts.py": f"NUMBER = {number}\n",
                    "functions/_late.py": f"NUMBER = {number}\n",
                },
            )
            assert await function.refresh(), number
        over.set()
        await asyncio.gather(*asking)
        heard = [each for client in clients for each in client.heard]
        assert {status for status, _, _ in heard} == {200}
        assert [said for _, said, _ in heard if len(set(said)) != 1] == []
        assert all(revision == f"home-dev-{said[0] + 1}" for _, said, revision in heard)
        for client in clients:
            numbers = [said[0] for _, said, _ in client.heard]
            assert numbers == sorted(numbers), "nobody goes back to an older revision"
        assert set(function.lives) == {f"home-dev-{RELOADS + 1}"}
        await asyncio.wait_for(_drained(), 60)


async def _drained() -> None:
    """Until every older revision is evicted: one package of three modules is left."""
    while len([name for name in sys.modules if name.startswith("bff_functions_")]) > 4:
        await asyncio.sleep(0.01)
