"""``bff token``: who may use the admin listener."""

from __future__ import annotations

from pathlib import Path

import typer

from bff.cli.gateway import asking
from bff.cli.moments import moment
from bff.cli.output import print_table, say, show


def create(name: str, *, scopes: list[str], admin: str, config: Path, as_json: bool) -> None:
    """Make a token and print it, this once."""
    with asking(admin, config, as_json=as_json) as gateway:
        made = gateway.write("POST", "/v1/tokens", json={"name": name, "scopes": scopes}).value
    if as_json:
        show(made)
        return
    typer.echo(made["token"])
    say(f"token {made['id']} of {name} ({' '.join(made['scopes'])}); it is not shown again")


def list_tokens(*, admin: str, config: Path, as_json: bool) -> None:
    """Print those that may be used."""
    with asking(admin, config, as_json=as_json) as gateway:
        kept = gateway.get("/v1/tokens").value
    if as_json:
        show(kept)
    elif not kept:
        say("there are no tokens but that of the state folder and those of routes.yaml")
    else:
        rows = (
            [
                *(each["id"], each["name"], " ".join(each["scopes"]), moment(each["created"])),
                moment(each["used"]) if each["used"] else "never",
            ]
            for each in kept
        )
        print_table(("id", "name", "scopes", "created", "used"), rows)


def revoke(number: str, *, admin: str, config: Path, as_json: bool) -> None:
    """Take one away."""
    from urllib.parse import quote

    with asking(admin, config, as_json=as_json) as gateway:
        gateway.write("DELETE", f"/v1/tokens/{quote(number, safe='')}")
    if as_json:
        show({"ok": True})
    else:
        say(f"token {number} is revoked")
