"""A gateway in this process, without listeners, and calls through its one door."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bff.app import House, Options, compose
from bff.clock import Deadline, SystemClock
from bff.config import load
from bff.sdk.invocation import Incoming, Invocation
from bff.sdk.reply import Answer

SCOPE = {
    "type": "http",
    "http_version": "1.1",
    "method": "GET",
    "scheme": "http",
    "path": "/",
    "raw_path": b"/",
    "query_string": b"",
    "root_path": "",
    "headers": [(b"host", b"bench")],
    "server": ("127.0.0.1", 80),
    "client": ("127.0.0.1", 1),
}
CLOCK = SystemClock()


@asynccontextmanager
async def open_house(config: Path) -> AsyncIterator[House]:
    async with compose(load(config), Options(clock=CLOCK)) as house:
        yield house


def invocation(function: str) -> Invocation:
    now = CLOCK.now()
    made = Invocation(request_id="b-1", method="GET", clock=CLOCK, started=now)
    made.route, made.function, made.deadline = f"/{function}", function, Deadline(now + 10, 10)
    made.incoming = Incoming(SCOPE, _nothing, {}, 1000)
    return made


async def _nothing() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def sent(answer: Answer) -> None:
    assert answer.body == b'{"hello":"world"}', answer


async def evicted(house: House) -> None:
    """Let every function rest, and return when none is left."""
    for function in house.invoker.functions.values():
        function.rest()
    ends = time.monotonic() + 60
    while any(each.state != "evicted" for f in house.invoker.functions.values() for each in f.lives.retired):
        assert time.monotonic() < ends, "not every function was evicted"
        await asyncio.sleep(0.01)
