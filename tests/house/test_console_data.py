"""What the console stands on, of a whole house: a failure with the lines that ran, a route tried, news of a bad save."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from bff.app import Options, compose
from bff.config import load
from tests.conftest import write

pytestmark = pytest.mark.anyio

FILES = {
    "functions/_prices.py": "def price():\n    # of nothing\n    raise KeyError('none')\n",
    "functions/cart.py": "from . import _prices\n\nasync def handle(count: int = 1) -> float:\n    return _prices.price() * count\n",
    "functions/hello.py": "async def handle(name: str = 'world') -> dict[str, str]:\n    return {'hello': name}\n",
    "functions/bad.py": "async def handle(:\n",
}
KEY = "a-key-that-is-long-enough-for-us"
LOCAL = "http://127.0.0.1:8001"


@pytest.mark.parametrize(("isolation", "dev"), [("inline", False), ("inline", True), ("process", False)])
async def test_a_failure_is_told_with_the_lines_that_ran(tmp_path: Path, isolation: str, dev: bool) -> None:
    """Of the function's own helper, wherever its code is loaded from and its handler runs."""
    routes = f"functions: {{cart: {{isolation: {isolation}, timeout: 60s, warm_up_timeout: 60s}}}}\nroutes: [{{path: /cart, function: cart}}]\n"
    write(tmp_path, {**FILES, "routes.yaml": routes})
    async with compose(load(tmp_path / "routes.yaml"), Options(dev=dev)) as house:
        transport = httpx.ASGITransport(house.office.app)
        async with httpx.AsyncClient(transport=transport, base_url=LOCAL, timeout=120) as admin:
            tried = (await admin.post("/v1/tries/reading", json={"path": "/cart?count=2"})).json()
            assert (tried["status"], tried["seq"]) == (500, 1)
            [cause] = (await admin.get("/v1/errors")).json()
            whole = (await admin.get(f"/v1/invocations/{tried['request_id']}")).json()
    assert (cause["place"], cause["line"], cause["in_function"]) == ("functions/_prices.py:3", 3, "price")
    assert [each["text"] for each in cause["excerpt"]] == FILES["functions/_prices.py"].splitlines()
    assert cause["examples"] == [{"request_id": tried["request_id"], "seq": 1}]
    assert whole["failure"]["excerpt"] == cause["excerpt"]


async def test_a_route_is_tried_by_its_own_rules_and_a_bad_save_is_news(tmp_path: Path) -> None:
    """Auth, validation and limits hold; what is broken is told until it is mended."""
    write(
        tmp_path,
        {
            **FILES,
            "routes.yaml": f"""
                auth: {{friends: {{api_keys: {{keys: {{ann: {{digest: "sha256:{sha256(KEY.encode()).hexdigest()}"}}}}}}}}}}
                gateway: {{trusted_proxies: ["127.0.0.1", "10.0.0.0/8"]}}
                routes:
                - {{path: "/hello/{{name}}", function: hello, auth: friends}}
                - {{path: /bad, function: bad}}
                """,
        },
    )
    async with compose(load(tmp_path / "routes.yaml"), Options(dev=True)) as house:
        house.public_url = "http://127.0.0.1:8000"
        transport = httpx.ASGITransport(house.office.app)
        async with httpx.AsyncClient(transport=transport, base_url=LOCAL, timeout=60) as admin:

            async def tried(path: str, **headers: str) -> httpx.Response:
                body = {
                    "path": path,
                    "headers": {name.replace("_", "-"): value for name, value in headers.items()},
                }
                return await admin.post("/v1/tries/reading", json=body)

            assert (await tried("/hello/ann")).json()["status"] == 401
            told = (await tried("/hello/ann", x_api_key=KEY)).json()
            assert (told["status"], told["body"]) == (200, '{"hello":"ann"}')
            spoof = {"x_forwarded_for": "10.1.2.3", "x_api_key": KEY}
            spoofed = (await tried("/hello/ann", **spoof)).json()
            whole = (await admin.get(f"/v1/invocations/{spoofed['request_id']}")).json()
            assert (spoofed["status"], whole["client"]) == (
                200,
                "",
            )  # no address, and so no trusted proxy's word
            assert told["curl"].endswith("http://127.0.0.1:8000/hello/ann")
            assert KEY not in told["curl"]
            routes = (await admin.get("/v1/routes/openapi.json")).json()
            assert sorted(routes["paths"]) == ["/bad", "/hello/{name}"]
            await house.invoker.refresh(["bad"])
            assert (await tried("/bad")).json()["status"] == 500
            [broken] = (await admin.get("/v1/broken")).json()
            assert (broken["subject"], broken["serving"]) == ("bad", None)
            assert "SyntaxError" in broken["report"]
            write(tmp_path, {"functions/bad.py": FILES["functions/hello.py"]})
            await house.invoker.refresh(["bad"])
            assert (await tried("/bad")).json()["status"] == 200
            assert (await admin.get("/v1/broken")).json() == []
            happened = [(each["what"], each["subject"]) for each in (await admin.get("/v1/journal")).json()]
            assert happened[0] == ("revision-ready", "bad")
            assert ("load-failed", "bad") in happened
