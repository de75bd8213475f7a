"""Run a module as `python -m` would, and count which Python functions are entered: python counted.py MODULE [ARGUMENT …].

A coroutine is entered once for each of its steps, so that awaiting through many frames shows. SIGUSR1 begins anew,
SIGUSR2 writes the counts to the file that TOLD names. Counts do not depend on what else the machine does; the
times, which are written too, are distorted by the counting and good for an order only.
"""

import cProfile
import json
import os
import runpy
import signal
import sys
from pathlib import Path
from types import FrameType

profile = cProfile.Profile(builtins=False)


def begin(_number: int, _frame: FrameType | None) -> None:
    profile.disable()
    profile.clear()
    profile.enable()


def write(_number: int, _frame: FrameType | None) -> None:
    profile.disable()
    file = Path(os.environ["TOLD"])
    unfinished = file.with_suffix(".part")
    entered = [each for each in profile.getstats() if not isinstance(each.code, str)]
    rows = [
        (each.code.co_filename, each.code.co_qualname, each.callcount, each.inlinetime) for each in entered
    ]
    unfinished.write_text(json.dumps(rows))
    unfinished.replace(file)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, begin)
    signal.signal(signal.SIGUSR2, write)
    module, sys.argv = sys.argv[1], sys.argv[1:]
    sys.path[0] = os.getcwd()
    runpy.run_module(module, run_name="__main__", alter_sys=True)
