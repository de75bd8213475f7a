"""``bff pipelines``: what runs, how far it is and where it stopped; begun, resumed, cancelled."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

import typer

from bff.cli.adminclient import AdminClient, Refused
from bff.cli.events import told_of
from bff.cli.gateway import asking
from bff.cli.moments import moment
from bff.cli.output import fail, print_table, say, show, tell
from bff.telemetry.plain import one_line

LOOKS_EVERY = 0.25
"""Seconds until a run that is not there yet is asked for again."""
BAR = 30


def list_pipelines(*, admin: str, config: Path, as_json: bool) -> None:
    """Print the pipelines and their steps."""
    with asking(admin, config, as_json=as_json) as gateway:
        found = gateway.get("/v1/pipelines").value
    if as_json:
        show(found)
    else:
        rows = ([each["name"], " -> ".join(" + ".join(step) for step in each["steps"])] for each in found)
        print_table(("pipeline", "steps"), rows)


def runs(name: str, *, limit: int, admin: str, config: Path, as_json: bool) -> None:
    """Print the runs of a pipeline, newest first."""
    with asking(admin, config, as_json=as_json) as gateway:
        found = gateway.get(f"/v1/pipelines/{quote(name, safe='')}/runs", limit=limit).value
    if as_json:
        show(found)
    else:
        rows = (
            [
                *(moment(each["created"]), each["key"], each["state"]),
                *(f"{each['step']}: {each['done']}/{each['total']}", each["why"]),
            ]
            for each in found
        )
        print_table(("begun", "run", "state", "step", "why"), rows)


def start(name: str, data: str | None, *, watches: bool, admin: str, config: Path, as_json: bool) -> None:
    """Begin a run and print its key; ``watches`` stays until it has ended."""
    text = sys.stdin.read() if data == "-" else data
    try:
        value = None if text is None else json.loads(text)
    except ValueError as error:
        fail(f"--data is not JSON: {error}", code=2, as_json=as_json)
    with asking(admin, config, as_json=as_json) as gateway:
        path = f"/v1/pipelines/{quote(name, safe='')}/runs"
        begun = gateway.write("POST", path, json={"data": value}).value
        if watches:
            _watched(gateway, begun["key"], as_json=as_json)
        elif as_json:
            show(begun)
        else:
            typer.echo(begun["key"])


def show_run(key: str, *, watches: bool, admin: str, config: Path, as_json: bool) -> None:
    """Print how a run stands and what became of each of its parts; ``watches`` stays until it has ended."""
    with asking(admin, config, as_json=as_json) as gateway:
        if watches:
            _watched(gateway, key, as_json=as_json)
            return
        found = gateway.get(f"/v1/runs/{quote(key, safe='')}").value
    if as_json:
        show(found)
        return
    tell(one_line(line_of(found)))
    for part in found["parts"]:
        say("\n".join(map(one_line, told_of(part))))


def _watched(gateway: AdminClient, key: str, *, as_json: bool) -> None:
    """A line for each change, until the run has ended; its answer then, or exit code 1."""
    path, last, missing = f"/v1/runs/{quote(key, safe='')}", "", 20
    while True:
        try:
            for kind, told in gateway.events(path):
                if (line := line_of(told)) != last and not as_json:
                    say(line)
                last = line
                if kind == "end":
                    _tell_end(gateway.get(path).value, as_json=as_json)
        except Refused as no:  # its beginning may be a moment away
            missing -= 1
            if missing < 0 or no.status != 404:
                raise
        time.sleep(LOOKS_EVERY)  # or the gateway leaves, and another one is there in a moment


def _tell_end(run: dict[str, Any], *, as_json: bool) -> NoReturn:
    show(run if as_json else run["answer"])
    raise typer.Exit(0 if run["state"] == "succeeded" else 1)


def line_of(run: dict[str, Any]) -> str:
    """A run in one line, with how far its step is. Pure."""
    filled = BAR if not run["total"] else BAR * run["done"] // run["total"]
    bar = "#" * filled + "." * (BAR - filled)
    why = f", {run['why']}" if run["why"] else ""
    return f"{run['pipeline']} {run['key']}: {run['state']}, step {run['step']} [{bar}] {run['done']}/{run['total']}{why}"


def change(key: str, verb: str, *, admin: str, config: Path, as_json: bool) -> None:
    """Resume or cancel a run, and say how many parts that concerned."""
    with asking(admin, config, as_json=as_json) as gateway:
        told = gateway.write("POST", f"/v1/runs/{quote(key, safe='')}/{verb}").value
    if as_json:
        show(told)
    else:
        say(f"{told['count']} parts: {verb}")
