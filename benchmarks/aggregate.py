"""Three services called at once for one answer, under load: the whole gateway beside its peers."""

from collections.abc import Sequence
from dataclasses import replace

from benchmarks import catalogue as who
from benchmarks import documents, node
from benchmarks.figures import Series, paired_ratios
from benchmarks.load import CONNECTIONS, Plan, Window, by_round, disturbances, quietest, rounds, scaled
from benchmarks.outcome import Effort, Outcome, Table, spread
from benchmarks.servers import Server
from benchmarks.upstream import upstream

ALONE = 1
RATIOS = {
    "aggregate.fastify": who.FASTIFY,
    "aggregate.starlette": who.STARLETTE_HTTPX,
    "aggregate.fastapi": who.FASTAPI_AGGREGATE,
    "aggregate.pool": who.POOL,
    "aggregate.telemetry": who.BFF_AGGREGATE_QUIET,
}
HEAD = (
    *("server", "requests/s", "ours ÷ theirs", "p50 ms", "p99 ms"),
    *("CPU µs/request", "RSS MB", "p50 ms, one caller"),
)


def measure(effort: Effort, servers: Sequence[Server] = who.AGGREGATORS) -> Outcome:
    if any(server.argv[0] == "node" for server in servers):
        node.install()
    with upstream(documents.bodies()) as services:
        plan = Plan(seconds=effort.seconds, connections=(CONNECTIONS, ALONE), helpers=services.pids)
        ready = [behind(server, services.url) for server in servers]
        taken = rounds(ready, count=effort.rounds, spare=effort.spare_rounds, plan=plan, say=effort.say)
    windows = quietest(taken, effort.rounds)
    return Outcome(
        figures=figures(windows, servers),
        tables=[table(windows, servers, f"{effort.rounds} of {len(disturbances(taken))}")],
        rows=[{"benchmark": "aggregate", "kept": seen in windows, **seen.row()} for seen in taken],
    )


def behind(server: Server, url: str) -> Server:
    """The contender with its services at this address, and the one answer it owes."""
    return replace(server, env={**server.env, "UPSTREAM": url}, expected=documents.merged())


def figures(windows: Sequence[Window], servers: Sequence[Server]) -> dict[str, Series]:
    """The ratios whose both sides were measured."""
    if who.BFF_AGGREGATE not in servers:
        return {}
    ours = by_round(windows, who.BFF_AGGREGATE, "rps")
    found = {
        key: paired_ratios(ours, by_round(windows, peer, "rps"))
        for key, peer in RATIOS.items()
        if peer in servers
    }
    if who.FASTIFY in servers:
        lone = (by_round(windows, each, "p50", ALONE) for each in (who.BFF_AGGREGATE, who.FASTIFY))
        found["aggregate.latency"] = paired_ratios(*lone)
    return found


def table(windows: Sequence[Window], servers: Sequence[Server], kept: str) -> Table:
    disturbed = max(disturbances(windows).values())
    return Table(
        title="Three service calls, one answer",
        head=HEAD,
        rows=[row(windows, server) for server in servers],
        note=f"Median (lowest to highest round). {CONNECTIONS} callers, then one; three GETs of 1 KB each"
        f" from nginx, which shares the load's core. All of them are sent for every page, but by “{who.BFF_AGGREGATE_SHARED.name}”,"
        " which is no contender: there, as by default, what callers ask for at the same time is asked for once."
        " Every contender's answer was compared with the one it owes"
        f" before it was measured. Rounds kept: {kept}; in the worst window kept, others used {disturbed:.0%}"
        " of a core.",
    )


def row(windows: Sequence[Window], server: Server) -> tuple[str, ...]:
    ours = by_round(windows, who.BFF_AGGREGATE, "rps")
    ratio = spread(paired_ratios(ours, by_round(windows, server, "rps")), 2) if ours else ""
    return (
        server.name,
        spread(scaled(windows, server, "rps", 1)),
        ratio,
        spread(scaled(windows, server, "p50", 1e3), 2),
        spread(scaled(windows, server, "p99", 1e3), 2),
        spread(scaled(windows, server, "cpu", 1e6)),
        spread(scaled(windows, server, "rss", 1e-6)),
        spread(scaled(windows, server, "p50", 1e3, ALONE), 2),
    )
