"""What /proc tells about a process tree: its members, its CPU seconds, its memory."""

import os
import time
from contextlib import suppress
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
KIBIBYTE = 1024


def stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat after the command name (proc(5) counts them from 3)."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()


def tree(root: int) -> list[int]:
    """The process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with suppress(OSError):
                children.setdefault(int(stat(int(entry))[1]), []).append(int(entry))
    found = [root]
    for pid in found:  # grows while it is walked
        found += children.get(pid, [])
    return found


def cpu_seconds(pids: list[int]) -> float:
    """User and system time of all of them, all threads."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            fields = stat(pid)
            total += int(fields[11]) + int(fields[12])
    return total / TICKS


def at_rest(root: int, *, quiet: float = 0.3, within: float = 20.0) -> None:
    """Return once the tree has used no CPU for a while: what follows a start by itself is over then.

    Raises:
        TimeoutError: it goes on and on.

    """
    ends, used = time.monotonic() + within, -1.0
    while (now := cpu_seconds(tree(root))) != used:
        if time.monotonic() > ends:
            raise TimeoutError(f"process {root} is still busy after {within:g} s")
        used = now
        time.sleep(quiet)


def resident_bytes(pids: list[int]) -> int:
    """VmRSS of all of them; pages shared between them count once each, against us."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    total += int(line.split()[1]) * KIBIBYTE
    return total


def busy_seconds(core: int) -> float:
    """Seconds that core has worked for anybody since boot; stolen ones count, idle ones do not."""
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith(f"cpu{core} "):
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, line.split()[1:9])
            return (user + nice + system + irq + softirq + steal) / TICKS
    return 0.0
