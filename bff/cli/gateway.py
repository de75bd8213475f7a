"""How commands talk to a running gateway: with which token, and what they say when it says no."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from bff.admin.localtoken import TokenFileUnusable, read
from bff.cli.adminclient import AdminClient, BrokeOff, NoGateway, Refused, is_this_machine
from bff.cli.output import config_file, fail

TOKEN = "BFF_ADMIN_TOKEN"  # noqa: S105 - the name of a variable

_REMEDIES = {
    401: f"run it in the project's folder or name it with --config, or put a token into {TOKEN}",
    403: f"put a token that may into {TOKEN}",
    409: "look at it again, then decide",
    412: "look at it again, then decide",
}


@contextmanager
def asking(admin: str, config: Path, *, as_json: bool) -> Iterator[AdminClient]:
    """A client for the gateway at ``admin``; whatever goes wrong ends the command with one sentence and its
    remedy.
    """
    try:
        with AdminClient(admin, token=token_for(admin, config)) as client:
            yield client
    except BrokeOff as why:
        fail(
            f"{why}: a change may have been made or not; `bff versions` and `bff history` tell",
            as_json=as_json,
        )
    except NoGateway as why:
        fail(
            f"{why}; start one with `bff serve`, or say with --admin or BFF_ADMIN where it is",
            as_json=as_json,
        )
    except TokenFileUnusable as why:
        fail(str(why), as_json=as_json)
    except Refused as no:
        remedy = _REMEDIES.get(no.status, "")
        report = f"\n{no.problem['report']}" if no.problem.get("report") else ""
        fail(f"{no}{report}" + (f"\n  remedy: {remedy}" if remedy else ""), as_json=as_json)


def function_path(name: str, *more: str) -> str:
    """The path of a function, or of something below it."""
    return "/".join(("/v1/functions", *(quote(part, safe="") for part in (name, *more))))


def token_for(admin: str, config: Path) -> str | None:
    """The one of the environment; else the one that lies in the state folder, for this machine only."""
    named = os.environ.get(TOKEN, "").strip()
    if named or not is_this_machine(admin):
        return named or None
    file = config_file(config)
    return read(file.parent / ".bff") or _elsewhere(file)


def _elsewhere(file: Path) -> str | None:
    """The token of a project whose `state` lies in another folder; reading its routes.yaml takes longer than
    all the rest.
    """
    if not file.exists():
        return None
    from bff.config import ConfigInvalid, load

    try:
        return read(load(file).state_folder)
    except ConfigInvalid:
        return None
