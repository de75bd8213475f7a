"""A shop whose pages need several services, and those services: one is fast, one is flaky, one is down."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.conftest import write

LONG = "a-name-of-which-nobody-thought-that-it-would-stand-in-a-narrow-column-of-a-table-one-day"

ROUTES = """
services:
  users: {{url: "{upstream}/users", timeout: 20s}}
  designs: {{url: "{upstream}/designs", timeout: 20s, retries: {{attempts: 2, backoff: 5ms}}}}
  prices: {{url: "{upstream}/prices", timeout: 20s, cache: {{ttl: 1h}}}}
  notices:
    url: "{upstream}/notices"
    timeout: 20s
    endpoints: ["127.0.0.1:{port}", "127.0.0.1:9"]
    retries: {{attempts: 0}}
    balance: {{policy: round_robin}}
    outlier_detection: {{consecutive_5xx: 1, max_ejection_percent: 100, base_ejection_time: 10m, max_ejection_time: 20m}}
defaults: {{timeout: 60s, warm_up_timeout: 60s}}
telemetry: {{recorder: {{bodies: 2KB}}}}
routes:
- {{path: "/api/home/{{user_id}}", methods: [GET], function: home}}
- {{path: /api/orders, methods: [POST], function: orders}}
- {{path: /api/broken, methods: [GET], function: broken}}
- {{path: /api/hello, function: hello}}
- {{path: "/api/{long}/{{section}}", function: {snake}}}
"""

FUNCTIONS = {
    "home": '''
        """Everything the home page shows, in one answer."""
        from bff import Context, gather, optional
        from pydantic import BaseModel

        class Home(BaseModel):
            name: str
            designs: list[str]
            price: float
            notices: list[str] | None

        async def handle(ctx: Context, user_id: int, limit: int = 12) -> Home:
            services = ctx.services
            user = (await services.users.get(f"/{user_id}")).json()
            designs, price, again, notices = await gather(
                services.designs.get("/", params={"owner": user_id, "limit": limit}),
                services.prices.get("/euro"),
                services.prices.get("/euro"),
                optional(services.notices.get("/"), default=None),
            )
            return Home(
                name=user["name"],
                designs=designs.json()["designs"],
                price=price.json()["price"] + 0 * again.json()["price"],
                notices=None if notices is None else notices.json(),
            )
        ''',
    "orders": '''
        """Takes an order."""
        from typing import Literal
        from pydantic import BaseModel, Field

        class Item(BaseModel):
            design: str = Field(examples=["oak-table"])
            count: int = Field(default=1, ge=1, le=99)

        class Order(BaseModel):
            items: list[Item]
            speed: Literal["normal", "express"] = "normal"

        async def handle(order: Order) -> dict[str, int]:
            return {"ordered": sum(item.count for item in order.items)}
        ''',
    "broken": '''
        """Fails, and says why."""

        def price_of(basket: dict[str, float]) -> float:
            # Nobody thought of empty baskets.
            return basket["total"] / len(basket)

        async def handle() -> float:
            return price_of({})
        ''',
    "hello": '''
        """Says hello."""

        async def handle(name: str = "world") -> dict[str, str]:
            return {"hello": name}
        ''',
    LONG.replace("-", "_"): '''
        """Has a long name."""

        async def handle(section: str) -> str:
            return section
        ''',
}


class Upstream(BaseHTTPRequestHandler):
    """All services. The designs fail every other time."""

    protocol_version = "HTTP/1.1"
    asked = 0

    def do_GET(self) -> None:
        service = self.path.split("/")[1]
        time.sleep({"users": 0.01, "designs": 0.03}.get(service, 0.004))
        status, body = 200, {"name": "Ann", "designs": ["oak", "elm"], "price": 12.5}
        if service == "designs":
            type(self).asked += 1
            status = 503 if type(self).asked % 2 else 200
        content = json.dumps([] if service == "notices" else body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@contextmanager
def upstream() -> Iterator[str]:
    """The services' address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def project(folder: Path, address: str, *, has_long_names: bool = True) -> Path:
    """The shop's project, over services at this address."""
    port, snake = address.rpartition(":")[2], LONG.replace("-", "_")
    routes = ROUTES.format(upstream=address, port=port, long=LONG, snake=snake)
    names = [name for name in FUNCTIONS if has_long_names or name != snake]
    if not has_long_names:
        routes = "\n".join(line for line in routes.splitlines() if snake not in line)
    functions = {f"functions/{name}.py": FUNCTIONS[name] for name in names}
    return write(folder, {"routes.yaml": routes, **functions})
