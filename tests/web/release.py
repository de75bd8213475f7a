"""A gateway that serves, in the middle of a release and under load; for the pictures of it."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from bff.revisions import archive
from bff.revisions.snapshot import take
from tests.conftest import Running, running_gateways, write

ROUTES = """\
defaults: {timeout: 20s}
functions:
  home: {release: {strategy: canary, steps: [25, 50, 100], interval: 30m, min_requests: 50}}
  thumbnails: {isolation: process, scale: {max: 3}}
routes:
- {path: /api/home, function: home}
- {path: /api/checkout, function: checkout}
- {path: /api/thumbnails, function: thumbnails}
- {path: /api/search, function: search}
- {path: /api/profile, function: profile}
"""
HOME = '''\
"""Everything the home page shows."""
import asyncio
import random
from decimal import Decimal
%s
PRICE = Decimal("12.50")

async def handle(user_id: int = 1%s) -> dict[str, object]:
    await asyncio.sleep(random.random() * 0.006)
    return {"greeting": "%s", "user": user_id, "price": str(PRICE)}
'''
FILES = {
    "routes.yaml": ROUTES,
    "functions/home.py": HOME % ("", "", "Hello"),
    "functions/checkout.py": """\
        import random

        async def handle() -> dict[str, bool]:
            if random.random() < 0.05:
                raise LookupError("no such basket")
            return {"paid": True}
        """,
    "functions/thumbnails.py": "def handle() -> int:\n    return sum(range(20_000))\n",
    "functions/search.py": """\
        import asyncio
        import random

        async def handle(q: str = "") -> list[str]:
            await asyncio.sleep(random.expovariate(40))
            return [q]
        """,
    "functions/profile.py": "async def handle() -> str:\n    return 'Ann'\n",
}
DEPLOYS = (
    (HOME % ("", "", "Welcome back"), "Greets by what one did"),
    (
        HOME % ("from xmlrpc.client import ServerProxy\n", ", limit: int = 12", "Welcome back"),
        "Takes a limit, so that phones load less",
    ),
)


@contextmanager
def underway(seconds: float) -> Iterator[Running]:
    """It has been called for so long, by several at once, and goes on being called."""
    with running_gateways() as start, tempfile.TemporaryDirectory() as folder:
        running = start(write(Path(folder, "shop"), FILES), "serve")
        over = threading.Event()
        threads = [threading.Thread(target=call, args=(running.public, over, turn)) for turn in range(3)]
        for thread in threads:
            thread.start()
        try:
            over.wait(seconds / 2)
            for source, note in DEPLOYS:
                deploy(running, source, note)
            over.wait(seconds / 2)
            yield running
        finally:
            over.set()
            for thread in threads:
                thread.join()


def call(public: str, over: threading.Event, turn: int) -> None:
    """Ask for pages until it is over, now more and now less often."""
    paths = ["/api/home", "/api/home", "/api/search", "/api/checkout", "/api/profile", "/api/thumbnails"]
    with httpx.Client(base_url=public, trust_env=False, timeout=60) as client:
        count = turn
        while not over.wait(0.02 + 0.03 * (count // 40 % 2)):
            count += 1
            with suppress(httpx.HTTPError):
                client.get(paths[count % len(paths)])


def deploy(running: Running, source: str, note: str) -> None:
    """Another revision of the home page; the one before has all calls then."""
    root = write(running.folder / "elsewhere" / note / "functions", {"home.py": source})
    token = (running.folder / ".bff" / "admin-token").read_text().strip()
    frozen = b'{"timeout": 20.0, "isolation": "inline", "concurrency": 0}'
    headers = {"authorization": f"Bearer {token}"}
    with httpx.Client(base_url=running.admin, headers=headers, trust_env=False, timeout=60) as api:
        api.post("/v1/functions/home/promote", json={})
        made = api.post(
            "/v1/functions/home/revisions",
            params={"note": note},
            content=archive.packed(take(root, "home", frozen)),
            headers={"content-type": "application/vnd.bff.archive"},
        )
        assert made.status_code == 201, made.text
