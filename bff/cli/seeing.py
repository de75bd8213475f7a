"""The commands that show what a running gateway remembers, and their options."""

from __future__ import annotations

from typing import Annotated

import typer

from bff.cli.options import GATEWAY, ROUTES, ConfigOption, GatewayOption, JsonOption
from bff.cli.which import Which, about_some

LimitOption = Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="How many at most.")]

app = typer.Typer()


@app.command()
@about_some
def logs(
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with each that ends from now on.")
    ] = False,
    which: Which,
    limit: LimitOption = 20,
    admin: GatewayOption = GATEWAY,
    config: ConfigOption = ROUTES,
    json: JsonOption = False,
) -> None:
    """Print the last invocations of a running gateway, a line each, or with -f all as they end."""
    from bff.cli.following import logs

    logs(which, follows=follow, limit=limit, admin=admin, config=config, as_json=json)


@app.command()
@about_some
def calls(
    *,
    which: Which,
    limit: LimitOption = 20,
    admin: GatewayOption = GATEWAY,
    config: ConfigOption = ROUTES,
    json: JsonOption = False,
) -> None:
    """List remembered invocations, newest first: --slow, --errors, or those of one function."""
    from bff.cli.following import calls

    calls(which, limit=limit, admin=admin, config=config, as_json=json)


@app.command()
def explain(
    request_id: Annotated[str, typer.Argument(help="As X-Request-Id of the answer, or the log, has it.")],
    seq: Annotated[int | None, typer.Option("--seq", help="Which of several with this id.")] = None,
    admin: GatewayOption = GATEWAY,
    config: ConfigOption = ROUTES,
    json: JsonOption = False,
) -> None:
    """Show where the time of one invocation went, as a waterfall, and why it failed if it did."""
    from bff.cli.explaining import explain

    explain(request_id, seq=seq, admin=admin, config=config, as_json=json)


@app.command()
def top(
    once: Annotated[bool, typer.Option("--once", help="Print it once and end.")] = False,
    window: Annotated[int, typer.Option("--window", min=1, max=300, help="Seconds to look back.")] = 10,
    admin: GatewayOption = GATEWAY,
    config: ConfigOption = ROUTES,
    json: JsonOption = False,
) -> None:
    """Watch the functions: calls and errors a second, times, instances, who waits."""
    from bff.cli.top import top

    top(is_once=once or json, window=window, admin=admin, config=config, as_json=json)
