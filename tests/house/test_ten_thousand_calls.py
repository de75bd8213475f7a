"""Ten thousand calls at once to one cold function, over as many connections to a real gateway."""

from __future__ import annotations

import asyncio
import resource
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import eventually, write

CALLS, BEYOND = 10_000, 20
FILES = {
    "routes.yaml": """
        defaults: {timeout: 50s, warm_up_timeout: 50s}
        functions:
          inline: {scale: {max: 1}, concurrency: 50}
          process: {isolation: process, scale: {max: 1}, concurrency: 50}
        routes:
          - {path: /inline, function: inline}
          - {path: /process, function: process}
          - {path: /other, function: other}
    """,
    "functions/other.py": "async def handle(): return 'fine'\n",
}
COLD = """
    import asyncio
    from pathlib import Path

    class Handler:
        def __init__(self): self.inside = self.most = 0
        async def start(self):
            while not Path({go!r}).exists():
                await asyncio.sleep(0.01)
        async def handle(self):
            self.inside += 1
            self.most = max(self.most, self.inside)
            await asyncio.sleep(0)
            self.inside -= 1
            return self.most

    def new(): return Handler()
"""


@pytest.fixture
def many_files() -> Iterator[None]:
    """A connection is a file, here and in the gateway, which inherits the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = CALLS + BEYOND + 500
    assert hard == resource.RLIM_INFINITY or hard >= needed, f"this needs {needed} open files: ulimit -Hn"
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("isolation", ["inline", "process"])
@pytest.mark.usefixtures("many_files")
def test_all_of_them_are_answered_by_one_instance(
    tmp_path: Path, gateway: Callable[..., Any], isolation: str
) -> None:
    """One warm-up, none lost, never more inside than may be; those beyond the line's end are told so at once,
    and other functions are served all the while.
    """
    go = tmp_path / "go"
    source = COLD.format(go=str(go))
    served = gateway(
        write(tmp_path, {**FILES, f"functions/{isolation}.py": source, **_other(isolation)}), "serve"
    )

    def told() -> dict[str, Any]:
        listed = httpx.get(f"{served.admin}/v1/functions", trust_env=False, timeout=30).json()
        return next(each for each in listed if each["name"] == isolation)

    async def story() -> Counter[str]:
        calls = [asyncio.create_task(ask(served.public, f"/{isolation}")) for _ in range(CALLS)]
        await asyncio.to_thread(eventually, lambda: told()["waiting"] == CALLS, 40, every=0.1)
        refused = await asyncio.gather(*(ask(served.public, f"/{isolation}") for _ in range(BEYOND)))
        assert {answer.split("\r\n")[0] for answer in refused} == {"HTTP/1.1 503 Service Unavailable"}
        assert all("retry-after: 1" in answer for answer in refused)
        assert (await ask(served.public, "/other")).endswith("fine")
        go.touch()
        answers = await asyncio.gather(*calls)
        assert max(int(answer.rpartition("\r\n")[2]) for answer in answers) <= 50
        return Counter(answer.split("\r\n")[0] for answer in answers)

    assert asyncio.run(story()) == {"HTTP/1.1 200 OK": CALLS}
    after = told()
    assert (after["warm_up"]["count"], after["instances"]) == (1, 1)
    assert (after["in_flight"], after["waiting"]) == (0, 0)


def _other(isolation: str) -> dict[str, str]:
    """Every function of routes.yaml has its file."""
    name = "process" if isolation == "inline" else "inline"
    return {f"functions/{name}.py": "async def handle(): ...\n"}


async def ask(public: str, path: str) -> str:
    """One request on a connection of its own; the whole answer."""
    url = httpx.URL(public)
    for attempt in range(5):
        try:
            reader, writer = await asyncio.open_connection(url.host, url.port)
            break
        except OSError:  # more came at once than the listener's queue holds
            await asyncio.sleep(0.05 * (attempt + 1))
    writer.write(f"GET {path} HTTP/1.1\r\nhost: bff\r\nconnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer.decode()
