"""``bff traffic``, ``tag``, ``rollback``, ``promote``, ``pause`` and ``resume``: who gets a function's calls."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from bff.cli.gateway import asking, function_path
from bff.cli.moments import traffic as as_line
from bff.cli.output import fail, print_table, say, show
from bff.cli.releasing import told as told_release

LATEST = "latest"


def most(name: str, *, admin: str, config: Path, as_json: bool) -> None:
    """Print the name of the revision with most of the calls, nothing where there is none."""
    with asking(admin, config, as_json=as_json) as gateway:
        shares = _shares(gateway.get(function_path(name, "traffic")).value)
    first = max(shares, key=lambda each: shares[each], default="")
    if as_json:
        show({"revision": first or None})
    elif first:
        typer.echo(first)


def _shares(now: dict[str, Any]) -> dict[str, int]:
    """Percent by revision, of those that have any."""
    shares: dict[str, int] = {}
    for target in now["traffic"]:
        revision = target.get("revisionName") or now["latest"]
        if revision and target["percent"]:
            shares[revision] = shares.get(revision, 0) + target["percent"]
    return shares


def traffic(name: str, shares: Sequence[str], *, why: str, admin: str, config: Path, as_json: bool) -> None:
    """Show who gets the calls, or give them to these."""
    wanted = [_share(text, as_json=as_json) for text in shares]
    with asking(admin, config, as_json=as_json) as gateway:
        path = function_path(name, "traffic")
        now = gateway.get(path)
        if wanted:
            body = {"traffic": _with_tags(wanted, now.value["traffic"]), "why": why}
            now = gateway.write("PUT", path, json=body, headers={"if-match": now.etag})
    _tell(now.value, as_json=as_json, is_new=bool(wanted))


def _share(text: str, *, as_json: bool) -> dict[str, Any]:
    """``home-00002=90`` or ``latest=10`` as a target."""
    revision, equals, percent = text.partition("=")
    percent = percent.removesuffix("%")
    if not equals or not revision or not percent.isascii() or not percent.isdigit() or len(percent) > 3:
        fail(f"{text}: write REVISION=PERCENT, such as home-00002=90 or latest=10", code=2, as_json=as_json)
    named = {"latestRevision": True} if revision == LATEST else {"revisionName": revision}
    return {**named, "percent": int(percent)}


def _with_tags(wanted: list[dict[str, Any]], before: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The shares, and every tag where it was: a tag is an address that somebody has."""
    block = [dict(target) for target in wanted]
    for tagged in (target for target in before if target.get("tag")):
        name = tagged.get("revisionName")
        home = next((each for each in block if each.get("revisionName") == name and "tag" not in each), None)
        if home is None:
            home = {**tagged, "percent": 0}
            block.append(home)
        home["tag"] = tagged["tag"]
    return block


def tag(
    name: str,
    tag: str,
    revision: str | None,
    *,
    is_gone: bool,
    why: str,
    admin: str,
    config: Path,
    as_json: bool,
) -> None:
    """Let a tag lead to a revision, or take it away."""
    if (revision is None) != is_gone:
        fail("name a revision, or take the tag away with --delete", code=2, as_json=as_json)
    body = {"tag": tag, "revision": revision, "why": why}
    _post(name, "tags", body, admin=admin, config=config, as_json=as_json)


def rollback(
    name: str,
    *,
    to: str | None,
    only_from: str | None,
    why: str,
    admin: str,
    config: Path,
    as_json: bool,
) -> None:
    """Give all calls to a revision, or to what had them before; with ``only_from`` only if that one has some."""
    with asking(admin, config, as_json=as_json) as gateway:
        headers = {}
        if only_from is not None:
            now = gateway.get(function_path(name, "traffic"))
            if only_from not in _shares(now.value):
                if not as_json:
                    say(f"{only_from} has no calls; nothing to do")
                _tell(now.value, as_json=as_json, is_new=True)
                return
            headers["if-match"] = now.etag
        body = {"to": to, "why": why}
        answer = gateway.write("POST", function_path(name, "rollback"), json=body, headers=headers)
    _tell(answer.value, as_json=as_json, is_new=True)


def promote(name: str, revision: str | None, *, why: str, admin: str, config: Path, as_json: bool) -> None:
    """End the release: its revision gets all calls, or the one that is named."""
    body = {"why": why} if revision is None else {"why": why, "revision": revision}
    _post(name, "promote", body, admin=admin, config=config, as_json=as_json)


def stay(name: str, verb: str, *, why: str, admin: str, config: Path, as_json: bool) -> None:
    """Let the release stay where it is (``pause``), or go on (``resume``)."""
    with asking(admin, config, as_json=as_json) as gateway:
        answer = gateway.write("POST", function_path(name, verb), json={"why": why})
    if as_json:
        show(answer.value)
    else:
        say(told_release(answer.value))


def _post(name: str, verb: str, body: dict[str, Any], *, admin: str, config: Path, as_json: bool) -> None:
    with asking(admin, config, as_json=as_json) as gateway:
        answer = gateway.write("POST", function_path(name, verb), json=body)
    _tell(answer.value, as_json=as_json, is_new=True)


def _tell(now: dict[str, Any], *, as_json: bool, is_new: bool) -> None:
    if as_json:
        show(now)
    elif is_new:
        say(f"{now['function']}: {as_line(now['traffic'])}")
    else:
        rows = [
            [
                target.get("revisionName") or f"latest ({now['latest'] or 'none yet'})",
                f"{target['percent']} %",
                target.get("tag", ""),
            ]
            for target in now["traffic"]
        ]
        print_table(("revision", "traffic", "tag"), rows)
