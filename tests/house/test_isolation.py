"""Process functions through a real gateway: killable, limited, restarted, and gone when idle."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from tests.conftest import eventually, write

FILES = {
    "routes.yaml": """
        functions:
          work: {isolation: process, timeout: 60s, memory: 200MiB, scale: {idle: 60s, max: 2, target: 1, window: 6s}}
        routes:
          - {path: /work, function: work}
          - {path: /hurried, function: work, timeout: 1s}
          - {path: /other, function: other}
    """,
    "functions/work.py": """
        import asyncio, ctypes, os
        from pathlib import Path
        async def handle(do: str = ""):
            match do:
                case "loop":
                    while True: pass
                case "exit": os._exit(3)
                case "segfault": ctypes.string_at(0)
                case "hog": return len(bytearray(1_000_000_000))
                case "raise": raise ValueError("no")
                case "stay":
                    while not Path("@/go").exists(): await asyncio.sleep(0.01)
            return {"pid": os.getpid()}
    """,
    "functions/other.py": "import os\nasync def handle(): return {'pid': os.getpid()}\n",
}


def is_running(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_whatever_a_process_function_does_the_gateway_goes_on(
    tmp_path: Path, gateway: Callable[..., Any]
) -> None:
    """An infinite loop is 504 and really killed, a crash 502, too much memory 507; the next call is served."""
    files = {name: text.replace("@", str(tmp_path)) for name, text in FILES.items()}
    served = gateway(write(tmp_path, files), "serve")
    with httpx.Client(base_url=served.public, timeout=60, trust_env=False) as caller:
        first = caller.get("/work").json()["pid"]
        assert first != caller.get("/other").json()["pid"]
        assert caller.get("/work").json()["pid"] == first
        for what, status in (("raise", 500), ("exit", 502), ("segfault", 502), ("hog", 507)):
            answer = caller.get("/work", params={"do": what})
            assert (answer.status_code, answer.json()["fault"]) == (status, "function"), what
            assert caller.get("/other").status_code == 200
            assert eventually(lambda: caller.get("/work").status_code == 200), what
        pid = caller.get("/work").json()["pid"]
        assert caller.get("/hurried", params={"do": "loop"}).status_code == 504
        eventually(lambda: not is_running(pid))
        assert caller.get("/work").json()["pid"] != pid


def test_processes_follow_the_load_and_give_their_memory_back(
    tmp_path: Path, gateway: Callable[..., Any]
) -> None:
    """From none to as many as ``max`` allows while calls are inside; after ``idle`` no process is left,
    `/v1/functions` says how many bytes came back, and the next call is served by a fresh one.
    """
    files = {
        name: text.replace("idle: 60s", "idle: 1s").replace("@", str(tmp_path))
        for name, text in FILES.items()
    }
    served = gateway(write(tmp_path, files), "serve")

    def work() -> Any:
        listed = httpx.get(f"{served.admin}/v1/functions", trust_env=False, timeout=60).json()
        return next(each for each in listed if each["name"] == "work")

    def stay() -> Any:
        return httpx.get(f"{served.public}/work", params={"do": "stay"}, timeout=100, trust_env=False).json()

    with httpx.Client(base_url=served.public, timeout=60, trust_env=False) as caller:
        with ThreadPoolExecutor(3) as beside:
            staying = [beside.submit(stay) for _ in range(3)]
            eventually(lambda: work()["instances"] == 2)
            pids = {caller.get("/work").json()["pid"]}  # the least busy one, which came last
            (tmp_path / "go").touch()
            pids |= {each.result()["pid"] for each in staying}
        assert len(pids) == 2
        eventually(lambda: not any(map(is_running, pids)))
        told = eventually(lambda: work() if work()["state"] == "cold" and work()["evictions"] == 2 else None)
        assert told["instances"] == 0
        assert told["bytes_returned"] > 2_000_000
        assert told["warm_up"]["count"] == 2
        assert caller.get("/work").json()["pid"] not in pids
