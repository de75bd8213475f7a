"""Programs that are run by themselves, and their instructions as valgrind's callgrind counts them: no other load on the
machine can change those.
"""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass

from benchmarks.servers import BenchmarkError

_COUNTING = ("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null")
_COLLECTED = re.compile(r"Collected : (\d+)")
WITHIN = 900.0
"""Seconds: what is counted takes fifty times as long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """``instructions`` is 0 where they were not counted."""

    said: str
    instructions: int


def run(module: str, *arguments: object, is_counted: bool) -> Ran:
    """What a module of ours says when it is run as a program.

    Raises:
        BenchmarkError: there is no valgrind, it counted nothing, or the program failed.

    """
    if is_counted and shutil.which("valgrind") is None:
        raise BenchmarkError("instructions are counted by valgrind; install it: apt-get install valgrind")
    done = subprocess.run(
        [
            *(_COUNTING if is_counted else ()),
            *(sys.executable, "-X", "frozen_modules=on", "-m", module, *map(str, arguments)),
        ],
        capture_output=True,
        text=True,
        timeout=WITHIN,
        check=False,
        env={"PYTHONHASHSEED": "0", "PATH": "/usr/bin:/bin"},
    )
    if done.returncode:
        raise BenchmarkError(f"{module} ended with {done.returncode}: {done.stderr[-800:]}")
    found = _COLLECTED.search(done.stderr)
    if is_counted and found is None:
        raise BenchmarkError(f"callgrind counted nothing: {done.stderr[-500:]}")
    return Ran(said=done.stdout, instructions=0 if found is None else int(found[1]))
