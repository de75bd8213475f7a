"""Which holders are gone for certain, so that nobody has to wait for the end of their leases.

A holder is named ``machine/pid/name``. On the same machine, one whose process is no more, or whose process id is ours
by now, will not come back; of other machines only their silence tells. A name is one process's at a time, so that
another holder of ours has ended wherever it was: names that nobody gave are random.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable


def is_running(pid: int) -> bool:
    """Whether there is such a process, whoever's it is."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def gone(holders: Iterable[str], own: str, is_running: Callable[[int], bool] = is_running) -> list[str]:
    """Those of the holders that have ended; ``own`` is who asks."""
    machine, pid, _ = own.rsplit("/", 2)
    found = []
    for holder in holders:
        where, _, rest = holder.rpartition("/")[0].rpartition("/")
        if holder == own or where != machine or not rest.isdigit():
            continue
        if rest == pid or not is_running(int(rest)):
            found.append(holder)
    return found


def former(holders: Iterable[str], own: str) -> list[str]:
    """Those that had the name that is ours now."""
    name = own.rpartition("/")[2]
    return [
        each for each in holders if each != own and each.count("/") >= 2 and each.rpartition("/")[2] == name
    ]
