"""A project small enough to read at a glance, for stories about the whole house."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.house.receiver import Receiver

ROUTES = """\
gateway: {drain_timeout: 10m}
routes:
- {path: /hello, function: hello}
- {path: /slow, methods: [GET, POST], function: slow}
"""

HELLO = """\
async def handle() -> dict:
    return {"said": "one"}
"""

SLOW = """\
import asyncio
from pathlib import Path

HERE = Path("__HERE__")


async def handle() -> str:
    (HERE / "began").touch()
    while not (HERE / "go").exists():
        await asyncio.sleep(0.01)
    return "done"
"""


@pytest.fixture
def project(write_project: Callable[[Mapping[str, str | bytes]], Path], tmp_path: Path) -> Path:
    """routes.yaml, ``hello``, and ``slow`` that says ``began`` and waits for ``go``."""
    return write_project(
        {
            "routes.yaml": ROUTES,
            "functions/hello.py": HELLO,
            "functions/slow.py": SLOW.replace("__HERE__", str(tmp_path)),
        }
    )


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    yield server
    server.ends.set()
    server.shutdown()
    serving.join()
    server.server_close()
