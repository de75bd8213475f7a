"""``bff release``: how far a function's release has come, or, with ``--watch``, how it goes until its end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from bff.cli.gateway import asking, function_path
from bff.cli.output import say, show


def release(name: str, *, watches: bool, admin: str, config: Path, as_json: bool) -> None:
    """Print it; exit 1 where a watched release ended with the old revision."""
    path = function_path(name, "release")
    with asking(admin, config, as_json=as_json) as gateway:
        if not watches:
            now = gateway.get(path).value
            show(now) if as_json else typer.echo(told(now))
            return
        last: dict[str, Any] = {}
        for kind, now in gateway.events(path):
            last = now
            if kind == "release":
                _show_line(now) if as_json else typer.echo(told(now))
    if last.get("running"):
        say(f"the gateway shuts down; the release of {name} goes on with the next one")
        raise typer.Exit(1)
    raise typer.Exit(0 if has_gone_well(last) else 1)


def _show_line(now: Mapping[str, Any]) -> None:
    import json

    typer.echo(json.dumps(now, ensure_ascii=False))


def told(now: Mapping[str, Any]) -> str:
    """A release in one line."""
    state = now["release"]
    if state is None:
        return f"{now['function']} has no release"
    return f"{now['function']}: {state}"


def has_gone_well(now: Mapping[str, Any]) -> bool:
    """Whether the new revision has the calls, or there was nothing to do."""
    state = now.get("release")
    return state is None or state.get("status") in ("done", "promoted")
