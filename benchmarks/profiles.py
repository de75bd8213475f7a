"""Where the time of a page with three service calls goes: python -m benchmarks.profiles [--out docs/profile.md].

Two views of the same server under the same load: which share of its CPU time each function takes itself
(sampled.py), and how often a request enters each (counted.py). Once with as many callers as the benchmarks have, and
once with one; each sends all three calls of his page himself.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import catalogue as who
from benchmarks import documents
from benchmarks.aggregate import behind
from benchmarks.budget import SAYS, row_of
from benchmarks.load import CONNECTIONS, Plan
from benchmarks.machine import facts
from benchmarks.outcome import Table
from benchmarks.report import titled
from benchmarks.servers import Server
from benchmarks.upstream import upstream
from benchmarks.watched import COUNTER, SAMPLER, watched

SHOWN = 25
SECONDS = 8
ROOMS = {
    **SAYS,
    "transport": "the transport below service calls",
    "protocol": "the server, the protocol, the loop",
}
CALLERS = {CONNECTIONS: f"{CONNECTIONS} callers", 1: "one caller"}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profiles", description=__doc__)
    parser.add_argument("--out", type=Path, help="the page to write; printed if not given")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="of load for each view")
    chosen = parser.parse_args(argv)
    page = render(chosen.seconds)
    if chosen.out is None:
        print(page)
    else:
        chosen.out.write_text(page)
    return 0


def render(seconds: int) -> str:
    with upstream(documents.bodies()) as services:
        server = behind(who.BFF_AGGREGATE, services.url)
        plan = Plan(seconds=seconds, helpers=services.pids)
        parts = [
            text for callers in CALLERS for table in tables(server, plan, callers) for text in titled(table)
        ]
    known = ", ".join(f"{what} {which}" for what, which in facts().items())
    opening = (__doc__ or "").partition("\n\n")[2].strip()
    head = ["# Where the time goes", f"Measured on {datetime.now(UTC):%Y-%m-%d}: {known}.", opening, HOW]
    return "\n\n".join([*head, *parts]) + "\n"


HOW = """\
To repeat: `python -m benchmarks.profiles --out docs/profile.md` (Linux, with what `make bench` needs). Shares say
more than microseconds, which are this machine's, and counts do not depend on the machine at all. Instructions are
counted by `python -m benchmarks.instructions` (with valgrind). What was tried to make it less, with instructions before
and after, is in [ADR 46](adr/0046-what-made-a-page-of-three-calls-cheaper-and-what-did-not.md) and
[ADR 115](adr/0115-a-plain-call-takes-a-fast-path.md)."""


def tables(server: Server, plan: Plan, callers: int) -> list[Table]:
    seen, stacks = watched(SAMPLER, server, 0, plan, callers)
    total, cpu = sum(count for _, count in stacks), seen.cpu * 1e6
    own, rooms = Counter[str](), Counter[str]()
    for stack, count in stacks:
        own[stack[0] if stack else "the loop"] += count
        rooms[row_of(stack)] += count
    counted, entered = watched(COUNTER, server, 0, plan, callers)
    entries = {f"{file}:{name}": count / counted.requests for file, name, count, _ in entered}
    return [by_room(rooms, total, cpu, callers), by_function(own, total, entries, callers)]


def by_room(rooms: Mapping[str, int], total: int, cpu: float, callers: int) -> Table:
    rows = sorted(rooms.items(), key=lambda pair: -pair[1])
    return Table(
        title=f"By room: {CALLERS[callers]}",
        head=("what", "share", "CPU µs a request"),
        rows=[(ROOMS[room], f"{n / total:.1%}", f"{cpu * n / total:.1f}") for room, n in rows],
        note=f"{cpu:.0f} µs a request in all; {total} samples.",
    )


def by_function(own: Mapping[str, int], total: int, entries: Mapping[str, float], callers: int) -> Table:
    rows = sorted(own.items(), key=lambda pair: -pair[1])[:SHOWN]
    return Table(
        title=f"By function: {CALLERS[callers]}",
        head=("function", "share, itself", "entered, a request"),
        rows=[(short(name), f"{n / total:.1%}", f"{entries.get(name, 0):.1f}") for name, n in rows],
        note=f"The first {SHOWN}. A request enters {sum(entries.values()):.0f} Python functions; a coroutine"
        " counts once for each of its steps.",
    )


def short(place: str) -> str:
    """``bff/sdk/call.py:Call.run``: the last folder, the file and the function."""
    return f"`{'/'.join(place.split('/')[-2:])}`"


if __name__ == "__main__":
    sys.exit(main())
