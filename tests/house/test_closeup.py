"""One function from close by: its instances where they run, what their processes hold, and what warming them cost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bff.runtime.closeup import closeups
from tests.house.inside import inside

pytestmark = pytest.mark.anyio

FILES = {
    "routes.yaml": """\
        defaults: {timeout: 60s, warm_up_timeout: 60s}
        functions: {apart: {isolation: process, scale: {max: 3}}}
        routes:
        - {path: /home, function: home}
        - {path: /apart, function: apart}
        """,
    "functions/home.py": "async def handle() -> int:\n    return 1\n",
    "functions/apart.py": "import os\nasync def handle() -> int:\n    return os.getpid()\n",
}


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


async def test_instances_are_told_where_they_run_with_their_memory_and_warm_up(tmp_path: Path) -> None:
    """Nothing of a function that nobody has called; of one that sleeps its revision, without instances."""
    async with inside(tmp_path, FILES) as served:
        functions = served.house.invoker.functions
        assert list(closeups(functions["home"])) == []
        await served.client.get("/home")
        pid = (await served.client.get("/apart")).json()
        (home,), (apart,) = closeups(functions["home"]), closeups(functions["apart"])
        assert (home.isolation, sum(home.states.values()), home.processes) == ("inline", 1, ())
        assert home.warm_up is not None
        assert {"read", "imports", "start"} <= set(home.warm_up.phases)
        (process,) = apart.processes
        assert process.pid == pid != os.getpid()
        assert process.memory > 2**20
        assert (apart.isolation, apart.scale.max, apart.retired) == ("process", 3, False)
