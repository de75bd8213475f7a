"""A function whose import hangs, behind a real gateway: it fails alone, and is served again once it is mended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from tests.conftest import GatewayFactory, eventually, save, write

HANGS = "import threading\nthreading.Event().wait()\nasync def handle() -> str: return 'never'\n"
FINE = "async def handle() -> str: return 'fine'\n"
FUNCTIONS = {"hung": HANGS, **{f"fine{at}": FINE for at in range(3)}}


def test_a_hanging_import_does_not_end_cold_starts(tmp_path: Path, gateway: GatewayFactory) -> None:
    """However often it is called: 503 with the reason for operators, and everybody else starts as ever."""
    routes = "".join(f"  - {{path: /{name}, function: {name}}}\n" for name in FUNCTIONS)
    files = {f"functions/{name}.py": text for name, text in FUNCTIONS.items()}
    settings = "functions:\n  hung: {warm_up_timeout: 100ms}\nroutes:\n"
    served = gateway(write(tmp_path, {**files, "routes.yaml": settings + routes}), "serve", "--watch")
    assert served.get("/hung").json()["code"] == "function-not-loaded"
    assert served.get("/fine0").text == "fine"
    refused = eventually(lambda: refusal(served))
    assert (refused.status_code, refused.json()["fault"]) == (503, "function")
    for _ in range(20):
        assert served.get("/hung").status_code == 503
    assert (told(served)["stuck_threads"], served.get("/fine1").text) == (2, "fine")
    assert "importing it does not end: 2 threads run its module" in told(served)["failure"]
    save(tmp_path / "functions/hung.py", FINE)
    assert eventually(lambda: served.get("/hung").text == "fine")
    assert served.get("/fine2").text == "fine"


def refusal(served: Any) -> httpx.Response | None:
    """Its answer, once it is not tried any more."""
    answer: httpx.Response = served.get("/hung")
    return answer if answer.json()["code"] == "load-hangs" else None


def told(served: Any) -> dict[str, Any]:
    listed: list[dict[str, Any]] = httpx.get(
        f"{served.admin}/v1/functions", trust_env=False, timeout=60
    ).json()
    return next(each for each in listed if each["name"] == "hung")
