"""What a process instance may take: how much memory, how many calls, how long to let go of a call."""

from __future__ import annotations

import os
import resource
import threading
from pathlib import Path

from bff.frozen import frozen

STACK = 1024 * 1024
"""Bytes of a thread's stack where memory is limited: the usual 8 MiB would count in full once it is made."""
RESERVE = 16 * 1024 * 1024
"""Bytes above the limit, for telling that it was reached."""


@frozen
class ProcessLimits:
    """Of one process. Bytes and seconds; 0 is no limit.

    ``memory`` is what the function may take beyond what a process has when it is born. ``max_calls`` is
    after how many calls it is replaced, ``kill_after`` how long a handler that was cancelled may go on,
    ``pulse_within`` how long the event loop may stand still after a call's deadline.
    """

    memory: int = 0
    max_calls: int = 0
    kill_after: float = 0.1
    pulse_within: float = 2.0


def limit_memory(extra: int) -> None:
    """Let this process's private memory grow by so much; then allocations fail with MemoryError.

    Linux counts all private writable memory for this (RLIMIT_DATA in getrlimit(2), since 4.7), used or not.
    Elsewhere it counts less, and where nothing tells what is used now there is no limit.
    """
    try:
        used = int(Path("/proc/self/statm").read_text("ascii").split()[5]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return
    threading.stack_size(STACK)
    limit = used + extra
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit + RESERVE))


def open_reserve() -> None:
    """The limit was reached, and this process will be replaced: let it say so."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))


def private_bytes(pid: int) -> int:
    """Memory that only this process has, which comes back when it ends; 0 where nothing tells."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_"))
