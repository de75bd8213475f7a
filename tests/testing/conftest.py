"""A project to test with the testing kit, and the loop its asynchronous tests run on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

FILES = {
    "routes.yaml": """
        services:
          users: {url: "http://users.internal/v1", timeout: 300ms, headers: {x-key: "${KEY:-none}"}}
          notices: {url: "http://notices.internal", timeout: 200ms}
        routes:
          - {path: "/api/hello", function: hello}
          - {path: "/api/home/{user_id}", function: home, timeout: 1s}
          - {path: "/api/orders", methods: [POST], function: order}
          - {path: "/api/breaks", function: breaks}
        """,
    "functions/hello.py": "async def handle(name: str = 'world'):\n    return {'hello': name}\n",
    "functions/home.py": """
        from bff import Context, gather, optional

        async def handle(ctx: Context, user_id: int) -> dict[str, object]:
            user, notices = await gather(
                ctx.services.users.get(f"/users/{user_id}", into=dict[str, str]),
                optional(ctx.services.notices.get("/notices", params={"for": user_id}, into=list[str])),
            )
            return {"name": user["name"], "notices": notices}
        """,
    "functions/order.py": """
        from bff import SyncContext

        def handle(ctx: SyncContext, order: dict[str, int]) -> dict[str, object]:
            made = ctx.services.users.post("/orders", json=order)
            return {"made": made.json(), "left": round(ctx.remaining(), 3)}
        """,
    "functions/forgiving.py": """
        async def handle(ctx):
            try:
                await ctx.services.users.get("/gone")
            except Exception:
                return "all is well"
        """,
    "functions/breaks.py": "async def handle():\n    yield 'half'\n    raise ValueError('late')\n",
    "functions/sleeps.py": "import asyncio\n\nasync def handle():\n    await asyncio.sleep(600)\n",
}


@pytest.fixture
def project(write_project: Callable[..., Path]) -> Path:
    return write_project(FILES)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
