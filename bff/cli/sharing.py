"""What of the work offline a process does, as its command line says."""

from __future__ import annotations

import re

from bff.cli.output import fail
from bff.config import Config
from bff.config.names import suggest
from bff.events.queues import known
from bff.listeners import Share

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


def share_of(config: Config, *, queues: str | None, name: str, as_json: bool) -> Share:
    """What ``--queues a,b`` and ``--name x`` say, or the end of the command; ``--queues ""`` is no queue at all."""
    if name and not _NAME.fullmatch(name):
        fail(f"--name {name}: letters, digits, dots, - and _, at most 63", code=2, as_json=as_json)
    if queues is None:
        return Share(name=name)
    wanted = tuple(each.strip() for each in queues.split(",") if each.strip())
    there = known(config.functions)
    for each in wanted:
        if each not in there:
            hint = suggest(each, there) or f": there are {', '.join(sorted(there))}"
            fail(f"--queues {each}: no function of routes.yaml is in it{hint}", code=2, as_json=as_json)
    return Share(queues=wanted, name=name)
