"""Programs that are run by themselves, and their instructions as valgrind's callgrind counts them: no other load on the
machine can change those.
"""

import ctypes
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.servers import BenchmarkError

_COUNTING = ("valgrind", "--tool=callgrind")
_ONLY_WORK = ("--instr-atstart=no", "--toggle-collect=qsort*")
_COLLECTED = re.compile(r"Collected : (\d+)")
WITHIN = 900.0
"""Seconds: what is counted takes fifty times as long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """``instructions`` is 0 where they were not counted."""

    said: str
    instructions: int


def run(
    module: str,
    *arguments: object,
    is_counted: bool,
    is_work: bool = False,
    out: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Ran:
    """What a module of ours says when it is run as a program. Where ``is_work`` only what it does in :func:`work` counts;
    ``out`` is callgrind's own file, for callgrind_annotate.

    Raises:
        BenchmarkError: there is no valgrind, it counted nothing, or the program failed.

    """
    if is_counted and shutil.which("valgrind") is None:
        raise BenchmarkError("instructions are counted by valgrind; install it: apt-get install valgrind")
    done = subprocess.run(
        [
            *((*_COUNTING, f"--callgrind-out-file={out or os.devnull}") if is_counted else ()),
            *(_ONLY_WORK if is_counted and is_work else ()),
            *(sys.executable, "-X", "frozen_modules=on", "-m", module, *map(str, arguments)),
        ],
        capture_output=True,
        text=True,
        timeout=WITHIN,
        check=False,
        env={"PYTHONHASHSEED": "0", "PATH": "/usr/bin:/bin", **(env or {})},
    )
    if done.returncode:
        raise BenchmarkError(f"{module} ended with {done.returncode}: {done.stderr[-800:]}")
    found = _COLLECTED.search(done.stderr)
    if is_counted and found is None:
        raise BenchmarkError(f"callgrind counted nothing: {done.stderr[-500:]}")
    return Ran(said=done.stdout, instructions=0 if found is None else int(found[1]))


def work(does: Callable[[], None]) -> None:
    """Do it where callgrind collects: inside the C library's ``qsort``, which calls back once to compare two bytes.
    Until here the program is not looked at, which is ten times as fast.
    """
    compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    two = ctypes.create_string_buffer(2)

    def call(_one: object, _other: object) -> int:
        does()
        return 0

    subprocess.run(["callgrind_control", "-i", "on", str(os.getpid())], capture_output=True, check=False)
    ctypes.CDLL(None).qsort(two, ctypes.c_size_t(2), ctypes.c_size_t(1), compare(call))
