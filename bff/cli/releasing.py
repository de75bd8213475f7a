"""``bff release``: how far a function's release has come, or, with ``--watch``, how it goes until its end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from bff.cli.adminclient import AdminClient
from bff.cli.gateway import asking, function_path
from bff.cli.output import as_json_text, say, show, tell

Now = Mapping[str, Any]


def release(name: str, *, watches: bool, admin: str, config: Path, as_json: bool) -> None:
    """Print it; exit 1 where a watched release did not end with its revision having all calls."""
    path = function_path(name, "release")
    with asking(admin, config, as_json=as_json) as gateway:
        if not watches:
            now = gateway.get(path).value
            show(now) if as_json else tell(told(now))
            return
        last = _watched(gateway, path, as_json=as_json)
        if last is not None and not has_ended_well(last) and not as_json:
            _say_why(gateway, name)
    raise typer.Exit(0 if last is not None and has_ended_well(last) else 1)


def _watched(gateway: AdminClient, path: str, *, as_json: bool) -> Now | None:
    """Print every turn of the release that goes on now; how it ended, None if its end was not seen."""
    first: str | None = None
    for kind, now in gateway.events(path):
        canary = (now["release"] or {}).get("canary")
        first = first or canary
        if kind == "release":
            tell(as_json_text(now) if as_json else told(now))
        if canary != first:
            say(f"a newer revision has taken over the release of {first}")
            return None
        if kind == "end" and now["running"]:
            say("the gateway shuts down; the release goes on with the next one")
            return None
        if kind == "end":
            return dict(now)
    say("the gateway broke off")
    return None


def _say_why(gateway: AdminClient, name: str) -> None:
    """The verdict, from the history."""
    for entry in gateway.get(function_path(name, "history"), limit=1).value:
        if entry["why"]:
            say(entry["why"])


def told(now: Now) -> str:
    """A release in one line."""
    name, state = now["function"], now["release"]
    if state is None:
        return f"{name} has no release"
    canary, baseline = state["canary"], state["baseline"]
    match state["state"]:
        case "running" | "paused":
            step, steps = state["at"] + 1, state["steps"]
            is_paused = ", paused" if state["state"] == "paused" else ""
            return f"{canary} has {steps[state['at']]} % (step {step} of {len(steps)}), next to {baseline}{is_paused}"
        case "promoted":
            return f"{canary} was promoted"
        case "rolled-back":
            return f"{canary} was rolled back to {baseline}"
        case other:
            return f"the release of {canary} was {other}"


def has_ended_well(now: Now) -> bool:
    """Whether the new revision has the calls, or there was no release at all."""
    return now["release"] is None or now["release"]["state"] == "promoted"
