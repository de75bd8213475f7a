"""The budget of DESIGN §8, row by row: where a request's CPU time goes, by the rooms of the code.

Each server runs under a sampling profiler (sampled.py) with the usual load on it. A row's microseconds are
its share of the samples times the CPU time a request took, scaled to the machine where bare uvicorn costs 22.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks import catalogue as who
from benchmarks import documents
from benchmarks.aggregate import behind
from benchmarks.figures import UVICORN_MICROSECONDS, Series
from benchmarks.load import Plan, Window
from benchmarks.outcome import Effort, Outcome, Table, spread
from benchmarks.servers import Server
from benchmarks.upstream import upstream
from benchmarks.watched import SAMPLER, watched

CALLS = 3  # services the aggregate calls

# By file, the longest that fits; a file nobody names (asyncio's, a function's own) is its caller's.
ROOMS = {
    "/uvicorn/": "protocol",
    "/bff/gateway/": "protocol",
    "/bff/trace/": "protocol",
    "/bff/gateway/router.py": "router",
    "/bff/revisions/": "traffic",
    "/bff/runtime/": "activator",
    "/bff/runtime/instance.py": "bind",
    "/bff/sdk/": "bind",
    "/bff/sdk/reply.py": "encode",
    "/bff/gateway/sender.py": "encode",
    "/bff/sdk/invocation.py": "record",
    "/bff/signals/": "record",
    "/bff/telemetry/": "telemetry",
    "/bff/services/": "service",
    "/bff/sdk/call.py": "service",
    "/bff/sdk/aggregate.py": "service",
    "/bff/sdk/service.py": "service",
    **{
        f"/bff/services/{name}": "transport"
        for name in (
            "body",
            "composing",
            "connection",
            "decoding",
            "http1",
            "response",
            "transport",
            "upload",
            "wire",
        )
    },
    "/httpx/": "transport",
    "/httpcore/": "transport",
}
OF_HELLO = ("protocol", "router", "traffic", "activator", "bind", "encode", "record")
SAYS = {
    "protocol": "protocol, request id, address, trace, deadline (over bare uvicorn)",
    "router": "router",
    "traffic": "traffic",
    "activator": "activator and limiter, warm",
    "bind": "bind and call",
    "encode": "encode",
    "record": "record and signals",
    "telemetry": "logs and metrics",
    "service": "each service call, beyond the transport",
}

Shares = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Microseconds a request, by row."""

    rows: Shares
    whole: float


def measure(effort: Effort) -> Outcome:
    with upstream(documents.bodies()) as services:
        plan = Plan(seconds=2 * effort.seconds, helpers=services.pids)
        servers = (who.UVICORN, who.BFF_BARE, who.BFF_EQUIPPED, behind(who.BFF_AGGREGATE, services.url))
        found = []
        for number in range(effort.rounds):
            profiles = [profiled(server, number, plan) for server in servers]
            found.append(budget(*profiles))
            effort.say(f"  round {number + 1}: " + ", ".join(f"{k} {v:.1f}" for k, v in found[-1].items()))
    series = {key: Series.of([each[key] for each in found]) for key in SAYS}
    return Outcome(
        figures={f"budget.{key}": values for key, values in series.items()},
        tables=[table(series)],
        rows=[{"benchmark": "budget", "round": number, **each} for number, each in enumerate(found)],
    )


def profiled(server: Server, number: int, plan: Plan) -> Profile:
    seen, stacks = watched(SAMPLER, server, number, plan)
    counts: dict[str, int] = {}
    for stack, count in stacks:
        counts[row_of(stack)] = counts.get(row_of(stack), 0) + count
    return profile(seen, counts)


def row_of(stack: Sequence[str]) -> str:
    """The row of a stack of files and functions, innermost first; what nobody claims is the server's."""
    for file in stack:
        fitting = [part for part in ROOMS if part in file]
        if fitting:
            return ROOMS[max(fitting, key=len)]
    return "protocol"


def profile(seen: Window, counts: Mapping[str, int]) -> Profile:
    total, whole = sum(counts.values()), seen.cpu * 1e6
    return Profile(rows={row: whole * count / total for row, count in counts.items()}, whole=whole)


def budget(uvicorn: Profile, bare: Profile, equipped: Profile, aggregate: Profile) -> dict[str, float]:
    """The rows of one round: hello's own, what telemetry adds, and one service call of the aggregate."""
    found = {row: bare.rows.get(row, 0.0) for row in OF_HELLO}
    found["protocol"] -= uvicorn.whole
    found["telemetry"] = equipped.whole - bare.whole
    found["service"] = aggregate.rows.get("service", 0.0) / CALLS
    return {row: value * UVICORN_MICROSECONDS / uvicorn.whole for row, value in found.items()}


def table(series: Mapping[str, Series]) -> Table:
    return Table(
        title="The budget of one request",
        head=("row", "µs"),
        rows=[(SAYS[row], spread(values, 1)) for row, values in series.items()],
        note="Median (lowest to highest round), scaled to the machine where bare uvicorn costs 22 µs. Shares come"
        " from a sampling profiler under load; what no room claims is the protocol's.",
    )
