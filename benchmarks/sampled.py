"""Run a module as `python -m` would, and count where its CPU time goes: python sampled.py MODULE [ARGUMENT …].

A profiling timer interrupts it each millisecond of CPU time; who runs then is looked up outward from the
innermost frame, as file:function. SIGUSR1 begins anew, SIGUSR2 writes the counts to the file that TOLD names. It costs
about 1 %, and unlike a tracing profiler it slows no function more than another.
"""

import json
import os
import runpy
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType

INTERVAL = 0.001
DEPTH = 12

stacks: Counter[tuple[str, ...]] = Counter()


def sample(_number: int, frame: FrameType | None) -> None:
    seen: list[str] = []
    while frame is not None and len(seen) < DEPTH:
        seen.append(f"{frame.f_code.co_filename}:{frame.f_code.co_qualname}")
        frame = frame.f_back
    stacks[tuple(seen)] += 1


def begin(_number: int, _frame: FrameType | None) -> None:
    stacks.clear()


def write(_number: int, _frame: FrameType | None) -> None:
    file = Path(os.environ["TOLD"])
    unfinished = file.with_suffix(".part")
    taken = list(stacks.items())  # in one step: the next sample may come while they are written
    unfinished.write_text(json.dumps([[list(stack), count] for stack, count in taken]))
    unfinished.replace(file)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, begin)
    signal.signal(signal.SIGUSR2, write)
    signal.signal(signal.SIGPROF, sample)
    signal.setitimer(signal.ITIMER_PROF, INTERVAL, INTERVAL)
    module, sys.argv = sys.argv[1], sys.argv[1:]
    sys.path[0] = os.getcwd()
    runpy.run_module(module, run_name="__main__", alter_sys=True)
