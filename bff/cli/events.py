"""``bff events``: what came in, where it went and why; sent, begun anew, thrown away."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import typer

from bff.cli.gateway import asking
from bff.cli.moments import moment
from bff.cli.output import fail, print_table, say, show, tell
from bff.telemetry.plain import one_line

LISTED = ("accepted", "key", "type", "id", "deliveries")
EVENT = "application/cloudevents+json"


def path_of(key: str, *more: str) -> str:
    """The path of an event, or of something below it."""
    return "/".join(("/v1/events", *(quote(part, safe="") for part in (key, *more))))


def send(
    kind: str, data: str | None, attributes: dict[str, str], *, admin: str, config: Path, as_json: bool
) -> None:
    """Take in an event and print its key."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    event: dict[str, Any] = {"specversion": "1.0", "id": uuid.uuid4().hex, "source": "/bff/cli", "time": now}
    event |= {"type": kind, **attributes}
    if data is not None:
        event["data"] = _parsed(data, as_json=as_json)
    with asking(admin, config, as_json=as_json) as gateway:
        body = json.dumps(event).encode()
        sent = gateway.write("POST", "/v1/events", content=body, headers={"content-type": EVENT}).value
    if as_json:
        show(sent)
        return
    typer.echo(sent["key"])
    if not sent["new"]:
        say("this event was there already; nobody gets it twice")


def _parsed(data: str, *, as_json: bool) -> Any:
    text = sys.stdin.read() if data == "-" else data
    try:
        return json.loads(text)
    except ValueError as error:
        fail(f"--data is not JSON: {error}", code=2, as_json=as_json)


def list_events(sought: dict[str, Any], *, admin: str, config: Path, as_json: bool) -> None:
    """Print a table, or the same for programs."""
    with asking(admin, config, as_json=as_json) as gateway:
        found = gateway.get("/v1/events", **{name: value or None for name, value in sought.items()}).value
    if as_json:
        show(found)
    elif not found:
        say("there is no such event")
    else:
        rows = (
            [moment(each["accepted"]), each["key"], each["type"], each["id"], _went(each)] for each in found
        )
        print_table(LISTED, rows)


def _went(event: dict[str, Any]) -> str:
    said = [
        f"{each['trigger']}: {each['state']}" + (f" ({each['attempts']})" if each["attempts"] > 1 else "")
        for each in event["deliveries"]
    ]
    nothing = "the run before had not ended" if event["type"] == "bff.schedule" else "no trigger matched"
    return ", ".join(said) or nothing


def show_event(key: str, *, admin: str, config: Path, as_json: bool) -> None:
    """Print the event itself, and every attempt."""
    with asking(admin, config, as_json=as_json) as gateway:
        found = gateway.get(path_of(key)).value
    if as_json:
        show(found)
        return
    show(found["event"])
    for delivery in found["deliveries"]:
        say("\n".join(map(one_line, told_of(delivery))))


def told_of(delivery: dict[str, Any]) -> Iterator[str]:
    """A delivery and its attempts, in lines. Pure."""
    letter = ", a dead letter" if delivery["dead_letter"] else ""
    again = f", again not before {moment(delivery['not_before'])}" if delivery["not_before"] else ""
    yield f"{delivery['trigger']} -> {delivery['function']}{letter}: {delivery['state']}{again}"
    for each in delivery["tries"]:
        how = f"{each['status']} {each['code']}".strip() if each["ended"] else "no end is known"
        why = f": {each['detail']}" if each["detail"] else ""
        on = f" on {each['revision']}" if each["revision"] else ""
        yield f"  {each['number']}. {moment(each['began'])}{on} {how}{why}"


def explain(key: str, *, admin: str, config: Path, as_json: bool) -> None:
    """Print for every trigger whether it matched, or which clause failed, and what came of it."""
    with asking(admin, config, as_json=as_json) as gateway:
        found = gateway.get(path_of(key, "explain")).value
    if as_json:
        show(found)
        return
    tell(one_line(f"{found['type']} {found['id']} of {found['source']}, {moment(found['accepted'])}"))
    if not found["as_then"]:
        say("routes.yaml has other triggers now than when it came: this is what those of now say")
    for each in found["triggers"]:
        tell("\n".join(map(one_line, _explained(each))))


def _explained(decision: dict[str, Any]) -> Iterator[str]:
    paused = ", paused" if decision["paused"] else ""
    if decision["delivery"] is None:
        why = decision["why_not"] or "it matches now, and did not when the event came"
        yield f"{decision['trigger']}{paused}: no delivery; {why}"
    else:
        told = list(told_of(decision["delivery"]))
        yield f"{told[0]}{paused}"
        yield from told[1:]


def change(verb: str, key: str, body: dict[str, str], *, admin: str, config: Path, as_json: bool) -> None:
    """Cancel, redrive or purge, and say how many it were."""
    path = path_of(key, verb) if key else f"/v1/events/{verb}"
    options: dict[str, Any] = {} if key else {"json": body}
    with asking(admin, config, as_json=as_json) as gateway:
        told = gateway.write("POST", path, **options).value
    if as_json:
        show(told)
    else:
        what = "events are forgotten" if verb == "purge" else f"deliveries: {verb}"
        say(f"{told['count']} {what}")
        if not told["count"] and body.get("trigger"):
            say(f"nothing of trigger {body['trigger']} is so; `bff triggers list` shows their names")


def schedules(*, admin: str, config: Path, as_json: bool) -> None:
    """Print the schedules, when they ran and when they will."""
    with asking(admin, config, as_json=as_json) as gateway:
        found = gateway.get("/v1/schedules").value
    if as_json:
        show(found)
        return
    rows = (
        [
            *(each["name"], each["function"], each["cron"], each["time_zone"]),
            *(moment(each["last"]) if each["last"] else "", moment(each["next"])),
        ]
        for each in found
    )
    print_table(("schedule", "function", "cron", "time zone", "last", "next"), rows)


def run(name: str, *, admin: str, config: Path, as_json: bool) -> None:
    """Run a schedule now, and print the key of its event."""
    with asking(admin, config, as_json=as_json) as gateway:
        sent = gateway.write("POST", f"/v1/schedules/{quote(name, safe='')}/run").value
    if as_json:
        show(sent)
    else:
        typer.echo(sent["key"])


def triggers(*, admin: str, config: Path, as_json: bool) -> None:
    """Print the triggers, and how their deliveries stand."""
    with asking(admin, config, as_json=as_json) as gateway:
        found = gateway.get("/v1/triggers").value
    if as_json:
        show(found)
        return
    states = ("waiting", "running", "delivered", "dead", "cancelled")
    rows = (
        [each["name"], each["function"], f"by {each['paused_by']}" if each["paused"] else ""]
        + [str(each[state]) for state in states]
        for each in found
    )
    print_table(("trigger", "function", "paused", *states), rows)


def stay(name: str, verb: str, *, admin: str, config: Path, as_json: bool) -> None:
    """Pause or resume a trigger."""
    with asking(admin, config, as_json=as_json) as gateway:
        gateway.write("POST", f"/v1/triggers/{quote(name, safe='')}/{verb}")
    if as_json:
        show({"ok": True})
    else:
        say(f"trigger {name} is {'paused: what matches is stored' if verb == 'pause' else 'resumed'}")
