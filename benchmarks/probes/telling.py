"""Requests through the whole gateway of this process, without sockets, with logs and metrics on or off:
python -m benchmarks.probes.telling on|off hello|page COUNT. Prints the CPU microseconds of one.

A page has three service calls, answered at once by a stub, so that what is told of calls is told too. Under
callgrind the difference of two counts is what so many requests cost, whatever else the machine does.
"""

import asyncio
import os
import sys
import time
from collections.abc import MutableMapping
from typing import Any

import httpx

from benchmarks.probes.house import CLOCK, SCOPE
from benchmarks.projects import HELLO, lay_out, project
from bff.app import Options, compose
from bff.config import load
from bff.telemetry.lines import Lines

PAGE = """\
from bff import Context, gather


async def handle(ctx: Context) -> list[str]:
    of = ctx.services
    return list(await gather(of.a.get("/a", into=str), of.b.get("/b", into=str), of.c.get("/c", into=str)))
"""
SERVICES = "services: {a: {url: 'http://a'}, b: {url: 'http://b'}, c: {url: 'http://c'}}\n"
ON, OFF = "telemetry: {access_log: true, metrics: true}\n", ""
WARM = 20


async def _nothing() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _answered(message: MutableMapping[str, Any]) -> None:
    assert message.get("status", 200) == 200


async def microseconds(settings: str, which: str, count: int) -> float:
    with project({"hello": HELLO, "page": PAGE}, SERVICES) as file:
        if settings:
            file.write_text(settings + file.read_text().partition("\n")[2])
        answer = httpx.MockTransport(lambda _: httpx.Response(200, json="x"))
        with open(os.devnull, "w") as nowhere:
            lines = Lines(nowhere, pretty=False, level="info")
            options = Options(clock=CLOCK, lines=lines, make_transport=lambda *_: answer)
            async with compose(load(file), options) as house:
                scope = {**SCOPE, "path": f"/{which}", "raw_path": f"/{which}".encode()}

                async def some(number: int) -> float:
                    began = time.process_time()
                    for _ in range(number):
                        await house.gateway(dict(scope), _nothing, _answered)
                    house.lines.flush()
                    return 1e6 * (time.process_time() - began) / number

                await some(WARM)
                return await some(count)


if __name__ == "__main__":
    assert lay_out
    told, which, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    print(asyncio.run(microseconds(ON if told == "on" else OFF, which, count)))
