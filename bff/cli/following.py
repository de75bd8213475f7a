"""``bff logs`` and ``bff calls``: invocations that a running gateway remembers, as lines or in a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from bff.cli.adminclient import AdminClient
from bff.cli.gateway import asking
from bff.cli.moments import moment
from bff.cli.output import as_json_text, print_table, say, show, tell
from bff.cli.which import Which

PATH = "/v1/invocations"
COLUMNS = ("when", "request", "status", "ms", "answered by", "calls", "what", "request id")

Told = Mapping[str, Any]


def logs(which: Which, *, follows: bool, limit: int, admin: str, config: Path, as_json: bool) -> None:
    """Print the last ones, the oldest first, and go on where that is wanted; Ctrl-C ends it."""
    with asking(admin, config, as_json=as_json) as gateway, suppress(KeyboardInterrupt):
        found = gateway.get(PATH, **which, limit=limit).value
        for told in reversed(found):
            tell(_line(told, as_json=as_json))
        if follows:
            newest = {} if not found else {"after": max(told["seq"] for told in found)}
            _follow(gateway, {**which, **newest}, as_json=as_json)


def _follow(gateway: AdminClient, query: Mapping[str, Any], *, as_json: bool) -> None:
    for kind, batch in gateway.events(f"{PATH}?{urlencode(query)}"):
        if kind != "invocations":
            continue
        for told in batch["invocations"]:
            tell(_line(told, as_json=as_json))
        if batch["missed"]:
            say(f"… {batch['missed']} more came too fast to be shown")
    say("the gateway broke off, or shuts down")


def _line(told: Told, *, as_json: bool) -> str:
    if as_json:
        return as_json_text(told)
    whom = told["revision"] or told["function"] or "-"
    notes = ", ".join(_notes(told))
    route = told["route"] or "(no route)"
    return (
        f"{moment(told['at'])}  {told['status']}  {told['ms']:>9.2f} ms  {told['method']} {route}"
        f"  {whom}  {told['request_id']}" + (f"  {notes}" if notes else "")
    )


def _notes(told: Told) -> Iterator[str]:
    """What is worth a word."""
    if told["error"]:
        yield f"{told['error']} ({told['fault']})"
    if told["cold"]:
        yield "cold"
    if told["slow"]:
        yield "slow"
    if told["missing"]:
        yield f"without {', '.join(told['missing'])}"


def calls(which: Which, *, limit: int, admin: str, config: Path, as_json: bool) -> None:
    """Print a table, newest first."""
    with asking(admin, config, as_json=as_json) as gateway:
        found = gateway.get(PATH, **which, limit=limit).value
    if as_json:
        show(found)
    elif not found:
        say("no such invocation is remembered")
    else:
        print_table(COLUMNS, map(_row, found))


def _row(told: Told) -> list[str]:
    return [
        moment(told["at"]),
        f"{told['method']} {told['route']}",
        str(told["status"]),
        f"{told['ms']:.2f}",
        told["revision"] or told["function"],
        str(told["calls"] or ""),
        ", ".join(_notes(told)),
        told["request_id"],
    ]
