"""An instance's whole life over real HTTP with the real clock, once; tests/runtime has it with time by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from tests.conftest import eventually, save, write

FILES = {
    "routes.yaml": """
        functions:
          counter: {scale: {idle: 10m}}
          kept: {scale: {min: 1, idle: 1s}}
        routes:
          - {path: /counter, function: counter}
          - {path: /kept, function: kept}
    """,
    "functions/counter.py": """
        from pathlib import Path
        LOG = Path("@/log")
        class Counter:
            def __init__(self): self.calls = 0
            async def start(self): note("start")
            async def stop(self): note("stop")
            async def handle(self):
                self.calls += 1
                return self.calls
        def note(what):
            with LOG.open("a") as log: log.write(what + " ")
        def new(): return Counter()
    """,
    "functions/kept.py": "async def handle(): return 'kept'\n",
}


def test_from_cold_to_evicted_and_back(tmp_path: Path, gateway: Callable[..., Any]) -> None:
    """The first call pays and says for what; after ``idle`` its stop has run and nothing is left of it; the next
    call warms the same revision again, for less. What ``min`` keeps is warm before anybody called, and stays.
    """
    files = {name: text.replace("@", str(tmp_path)) for name, text in FILES.items()}
    served = gateway(write(tmp_path, files), "serve")

    def let_rest(idle: str) -> None:
        """It is short only while it is waited for: nobody knows how long the machine takes for two calls."""
        since = served.lines_so_far
        save(tmp_path / "routes.yaml", files["routes.yaml"].replace("idle: 10m", f"idle: {idle}"))
        served.log("routes.yaml applied", since=since)

    def told(name: str) -> dict[str, Any]:
        listed = httpx.get(f"{served.admin}/v1/functions", trust_env=False, timeout=60).json()
        return next(each for each in listed if each["name"] == name)

    eventually(lambda: told("kept")["state"] == "idle")
    assert told("counter") | {"state": "cold", "instances": 0, "last_used": None} == told("counter")
    cold, warm = served.get("/counter"), served.get("/counter")
    assert (cold.json(), warm.json()) == (1, 2)
    for phase in ("queue", "read", "compile", "imports", "construct", "start", "first_call"):
        assert phase in cold.headers["server-timing"]
    assert "cold" not in warm.headers.get("server-timing", "")
    assert (told("counter")["state"], told("counter")["instances"]) == ("idle", 1)
    let_rest("1s")
    eventually(lambda: told("counter")["state"] == "cold")
    eventually(lambda: (tmp_path / "log").read_text().split() == ["start", "stop"])
    let_rest("10m")
    again = served.get("/counter")
    assert (again.json(), again.headers["bff-revision"]) == (1, "counter-00001")
    after = told("counter")
    assert (after["warm_up"]["count"], after["evictions"], after["bytes_returned"]) == (2, 1, None)
    assert 0 < after["warm_up"]["p50_ms"] <= after["warm_up"]["p99_ms"]
    assert after["last_used"].endswith("Z")
    assert (after["in_flight"], after["waiting"]) == (0, 0)
    assert (told("kept")["state"], told("kept")["evictions"]) == ("idle", 0)
    reports = [line for line in served.logs(event="REPORT") if line["function"] == "counter"]
    assert [line["first_ever"] for line in reports] == [True, False]
    metrics = httpx.get(f"{served.admin}/metrics", trust_env=False, timeout=60).text
    labels = 'function="counter",phase="start",revision="counter-00001"'
    for first_ever in ("true", "false"):
        assert f'bff_warm_up_duration_seconds_count{{first_ever="{first_ever}",{labels}}} 1.0' in metrics
