"""``bff deploy``: the files of a function, as they lie here, become a revision of a running gateway."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from bff.cli.adminclient import AdminClient
from bff.cli.gateway import asking, function_path
from bff.cli.moments import traffic
from bff.cli.output import config_at, fail, say, show
from bff.cli.releasing import told
from bff.config import Config
from bff.config.names import suggest
from bff.errors import FunctionNotLoaded
from bff.revisions.archive import packed
from bff.revisions.snapshot import take
from bff.runtime.settings import routes_by_function, settings_of

ARCHIVE = "application/vnd.bff.archive"


def deploy(
    name: str | None,
    *,
    note: str,
    tag: str,
    has_traffic: bool,
    again: bool,
    admin: str,
    config: Path,
    as_json: bool,
) -> None:
    """Publish one function, or every one of the folder; what was published before stays what it is."""
    read = config_at(config, as_json=as_json)
    if name is not None and name not in read.functions_found:
        fail(f"there is no function {name}{suggest(name, read.functions_found)}", as_json=as_json)
    archives = {
        each: _archive(read, each, as_json=as_json) for each in ([name] if name else read.functions_found)
    }
    if not archives:
        fail(f"there are no functions in {read.folder}; `bff new NAME` writes one", as_json=as_json)
    query = {
        "note": note,
        "tag": tag,
        "traffic": "" if has_traffic else "false",
        "again": "true" if again else "",
    }
    asked = {key: value for key, value in query.items() if value}
    with asking(admin, config, as_json=as_json) as gateway:
        made = []
        for each, content in archives.items():
            made.append(_sent(gateway, each, content, asked))
            if not as_json:
                _tell(made[-1], _way(read, each) if has_traffic else "")
    if as_json:
        show(made[0] if name else made)


def _way(config: Config, name: str) -> str:
    """How a revision that is kept already comes to have calls."""
    settings = config.functions.get(name)
    if settings is not None and settings.release.strategy == "canary":
        return f"`bff deploy {name} --again` releases it"
    return f"`bff promote {name}` gives it all of them"


def _sent(gateway: AdminClient, name: str, content: bytes, query: Mapping[str, str]) -> dict[str, Any]:
    path, kind = function_path(name, "revisions"), {"content-type": ARCHIVE}
    made: dict[str, Any] = gateway.write("POST", path, content=content, params=query, headers=kind).value
    return made


def _archive(config: Config, name: str, *, as_json: bool) -> bytes:
    settings = settings_of(config, name, routes_by_function(config)).frozen()
    try:
        return packed(take(config.folder.resolve(), name, settings))
    except FunctionNotLoaded as failure:
        if as_json:
            show({"ok": False, "error": failure.report()})
        else:
            say(failure.report())
        raise typer.Exit(1) from None


def _tell(made: dict[str, Any], way: str) -> None:
    """The name alone on standard output, where scripts take it from. Of the release what it says of this revision, or
    goes on saying.
    """
    revision, release = made["revision"], made["release"]
    typer.echo(revision["name"])
    what = "published" if made["new"] else "published before; nothing is new"
    say(f"{what}; traffic: {traffic(made['traffic']['traffic'])}")
    is_running = release is not None and release["state"] in ("running", "paused")
    if is_running or (release is not None and release["canary"] == revision["name"]):
        say(told({"function": revision["name"], "release": release}))
    if revision["taken_back"] and not is_running:
        name = made["traffic"]["function"]
        say(f"a release took it back before: `bff deploy {name} --again` releases it once more")
    elif way and not revision["percent"]:
        say(f"{revision['name']} has no calls: {way}")
