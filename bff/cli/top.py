"""``bff top``: the functions of a running gateway as they do at the moment, once or again and again."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from bff.cli.adminclient import AdminClient
from bff.cli.gateway import asking
from bff.cli.output import print_table, show
from bff.telemetry.plain import one_line

EVERY = 1.0
"""Seconds between two looks."""
COLUMNS = (
    *("function", "calls/s", "errors/s", "p50 ms", "p99 ms", "max ms"),
    *("cold", "state", "instances", "in flight", "waiting"),
)

Told = Mapping[str, Any]


def top(*, is_once: bool, window: int, admin: str, config: Path, as_json: bool) -> None:
    """Print it, or show it until Ctrl-C."""
    with asking(admin, config, as_json=as_json) as gateway, suppress(KeyboardInterrupt):
        if as_json:
            show([each for each, _ in _looked(gateway, window)])
        elif is_once:
            print_table(COLUMNS, _rows(gateway, window))
        else:
            _watch(gateway, window)


def _watch(gateway: AdminClient, window: int) -> None:
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(markup=False, highlight=False), auto_refresh=False, screen=True) as live:
        while True:
            live.update(_table(_rows(gateway, window)), refresh=True)
            time.sleep(EVERY)


def _table(rows: Iterable[list[str]]) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(*COLUMNS, box=box.SIMPLE_HEAD, pad_edge=False, caption="Ctrl-C ends it")
    for row in rows:
        table.add_row(*map(one_line, row))
    return table


def _looked(gateway: AdminClient, window: int) -> Iterator[tuple[dict[str, Any], bool]]:
    """Each function with how it stands and how it does, those that are called first."""
    stands = {told["name"]: told for told in gateway.functions()}
    busy = gateway.get("/v1/live", window=window).value
    for told in busy:
        yield {**stands.pop(told["function"], {}), **told}, True
    for name in sorted(stands, key=lambda name: (stands[name]["state"] == "cold", name)):
        yield {"function": name, **stands[name]}, False


def _rows(gateway: AdminClient, window: int) -> Iterator[list[str]]:
    for told, is_busy in _looked(gateway, window):
        rates = ("rate", "errors", "p50_ms", "p99_ms", "max_ms", "cold")
        yield [
            str(told["function"]),
            *(f"{told[name]:g}" if is_busy else "" for name in rates),
            "failing" if told.get("failure") else _text(told.get("state")),
            *(_text(told.get(name)) for name in ("instances", "in_flight", "waiting")),
        ]


def _text(value: Any) -> str:
    return "" if value is None else str(value)
