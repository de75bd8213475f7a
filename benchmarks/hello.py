"""Hello under load: our gateway beside its peers, bare beside bare, equipped beside equipped."""

from collections.abc import Sequence

from benchmarks import catalogue as who
from benchmarks.figures import Series, paired_budget, paired_differences, paired_extra, paired_ratios
from benchmarks.load import CONNECTIONS, Plan, Window, by_round, disturbances, quietest, rounds, scaled
from benchmarks.outcome import Effort, Outcome, Table, spread
from benchmarks.servers import Server

# Those that are compared stand next to each other.
SERVERS = (
    who.UVICORN,
    who.STARLETTE,
    who.BFF_BARE,
    who.FASTAPI,
    who.FUNCTIONS,
    who.BFF_EQUIPPED,
    who.STARLETTE_EQUIPPED,
)
RATIOS = {
    "hello.starlette": (who.BFF_BARE, who.STARLETTE),
    "hello.fastapi": (who.BFF_BARE, who.FASTAPI),
    "hello.functions": (who.BFF_BARE, who.FUNCTIONS),
    "hello.equipped": (who.BFF_EQUIPPED, who.STARLETTE_EQUIPPED),
}
BUDGETS = {"hello.budget_bare": who.BFF_BARE, "hello.budget_equipped": who.BFF_EQUIPPED}


def measure(effort: Effort, servers: Sequence[Server] = SERVERS) -> Outcome:
    plan = Plan(seconds=effort.seconds)
    taken = rounds(servers, count=effort.rounds, spare=effort.spare_rounds, plan=plan, say=effort.say)
    windows = quietest(taken, effort.rounds)
    return Outcome(
        figures=figures(windows, servers),
        tables=[table(windows, servers, f"{effort.rounds} of {len(disturbances(taken))}")],
        rows=[{"benchmark": "hello", "kept": seen in windows, **seen.row()} for seen in taken],
    )


def figures(windows: Sequence[Window], servers: Sequence[Server]) -> dict[str, Series]:
    """The ratios whose both sides were measured."""
    found: dict[str, Series] = {}
    for key, (ours, theirs) in RATIOS.items():
        if ours in servers and theirs in servers:
            found[key] = paired_ratios(by_round(windows, ours, "rps"), by_round(windows, theirs, "rps"))
    for key, ours in BUDGETS.items():
        if ours in servers and who.UVICORN in servers:
            found[key] = paired_budget(by_round(windows, ours, "cpu"), by_round(windows, who.UVICORN, "cpu"))
    if all(each in servers for each in (who.BFF_BARE, who.BFF_EQUIPPED, who.UVICORN)):
        found["hello.telemetry"] = paired_extra(
            *(by_round(windows, each, "cpu") for each in (who.BFF_EQUIPPED, who.BFF_BARE, who.UVICORN))
        )
    return found


def table(windows: Sequence[Window], servers: Sequence[Server], kept: str) -> Table:
    disturbed = max(disturbances(windows).values())
    return Table(
        title="Hello under load",
        head=("server", "requests/s", "p50 ms", "p99 ms", "CPU µs/request", "over bare uvicorn, µs"),
        rows=[row(windows, server) for server in servers],
        note=f"Median (lowest to highest round), {CONNECTIONS} connections. A round: every server fresh, one"
        f" window dropped, then two, there and back. Rounds kept: {kept}, those that other work on the"
        f" machine disturbed least; in the worst window kept, others used {disturbed:.0%} of a core."
        " Microseconds are this machine's own here.",
    )


def row(windows: Sequence[Window], server: Server) -> tuple[str, ...]:
    cpu, uvicorn = (by_round(windows, which, "cpu") for which in (server, who.UVICORN))
    over = [1e6 * value for value in paired_differences(cpu, uvicorn).values] if uvicorn else []
    return (
        server.name,
        spread(scaled(windows, server, "rps", 1)),
        spread(scaled(windows, server, "p50", 1e3), 2),
        spread(scaled(windows, server, "p99", 1e3), 2),
        spread(scaled(windows, server, "cpu", 1e6), 1),
        spread(Series.of(over), 1) if over else "",
    )
