"""CPU microseconds of what is told of one request: its log line and its metrics, with a trace begun for them; of a hello,
and of a page that called three services.
"""

import asyncio
import json
import os
import sys
import time

from bff.clock import SystemClock
from bff.sdk.invocation import Invocation
from bff.signals import Signals
from bff.telemetry.accesslog import AccessLog
from bff.telemetry.identity import Callers
from bff.telemetry.lines import Lines
from bff.telemetry.metrics import Metrics

CLOCK = SystemClock()
PAGES = {"a hello": (), "a page of three calls": ("users", "designs", "notices")}


def ended(services: tuple[str, ...]) -> Invocation:
    """A request that went well."""
    made = Invocation(request_id="4c8a9a38538a463d-2", method="GET", clock=CLOCK, started=1.0)
    made.route, made.function, made.revision, made.status = "/home/{id}", "home", "home-00001", 200
    made.ended, made.client, made.handler_seconds = 1.0003, "127.0.0.1", 0.0002
    for service in services:
        call = made.open_call(service, "GET", "/", 1.0)
        call.ended, call.status, call.attempts, call.endpoint = 1.0002, 200, 1, "http://127.0.0.1:9001"
    return made


async def measure(rounds: int, calls: int) -> dict[str, list[float]]:
    with open(os.devnull, "w") as nowhere:
        lines, signals = Lines(nowhere, pretty=False, level="info"), Signals()
        signals.listen(Invocation, AccessLog(lines, Callers("k")))
        Metrics().listen(signals)
        found: dict[str, list[float]] = {name: [] for name in PAGES}
        for number in range(-1, rounds):  # the first is dropped
            for name, services in PAGES.items():
                took = timed(signals, lines, [ended(services) for _ in range(calls)])
                if number >= 0:
                    found[name].append(took)
        return found


def timed(signals: Signals, lines: Lines, requests: list[Invocation]) -> float:
    began = time.process_time()
    for each in requests:
        signals.emit(each)
    lines.flush()
    return 1e6 * (time.process_time() - began) / len(requests)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(int(sys.argv[1]), int(sys.argv[2])))))
