"""What the store costs: a hit beside the same hello run anew, CPU by CPU."""

from collections.abc import Sequence

from benchmarks import catalogue as who
from benchmarks.figures import Series, paired_differences
from benchmarks.hello import row
from benchmarks.load import CONNECTIONS, Plan, Window, by_round, disturbances, quietest, rounds
from benchmarks.outcome import Effort, Outcome, Table
from benchmarks.servers import Server

SERVERS = (who.BFF_BARE, who.BFF_KEPT)


def measure(effort: Effort, servers: Sequence[Server] = SERVERS) -> Outcome:
    plan = Plan(seconds=effort.seconds)
    taken = rounds(servers, count=effort.rounds, spare=effort.spare_rounds, plan=plan, say=effort.say)
    windows = quietest(taken, effort.rounds)
    return Outcome(
        figures=figures(windows),
        tables=[table(windows, servers, f"{effort.rounds} of {len(disturbances(taken))}")],
        rows=[{"benchmark": "cache", "kept": seen in windows, **seen.row()} for seen in taken],
    )


def figures(windows: Sequence[Window]) -> dict[str, Series]:
    """Microseconds of this machine that a hit takes beyond a hello."""
    hit, hello = (by_round(windows, server, "cpu") for server in (who.BFF_KEPT, who.BFF_BARE))
    more = paired_differences(hit, hello)
    return {"cache.hit": Series.of([value * 1e6 for value in more.values])}


def table(windows: Sequence[Window], servers: Sequence[Server], kept: str) -> Table:
    return Table(
        title="A kept page",
        head=("server", "requests/s", "p50 ms", "p99 ms", "CPU µs/request", "over bare uvicorn, µs"),
        rows=[row(windows, server) for server in servers],
        note=f"Median (lowest to highest round), {CONNECTIONS} connections. Rounds kept: {kept}.",
    )
