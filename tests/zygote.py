"""A process that has imported the program already, and forks whenever a test wants to run it.

Half of the suite's time was starting interpreters: a gateway or a command is up in a tenth of the second that
``python -m bff.cli`` takes to import everything. What comes of the fork is a process like any other, with arguments,
environment, folder and streams of its own. Where the start of the program itself is the promise, tests start it anew.

The upper half is the zygote's own program, the lower one the side that asks it.
"""

from __future__ import annotations

import atexit
import gc
import io
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NoReturn

ROOT = Path(__file__).parents[1]
PROGRAM = "bff.cli"
KEPT = frozenset({"PYTHONPATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"})
"""Variables that mean something to an interpreter and that a fork can heed as well."""


# ---- the zygote --------------------------------------------------------------------------------------------------


def _imported() -> None:
    """Import what the commands and ``bff serve`` do, and read a configuration: models are completed by their first use."""
    import pkgutil
    from importlib import import_module

    import httpx  # noqa: F401
    import uvloop  # noqa: F401

    import bff.cli
    import bff.listeners
    from bff.config import load

    for module in pkgutil.iter_modules(bff.cli.__path__, "bff.cli."):
        if module.name != f"{PROGRAM}.__main__":
            import_module(module.name)
    with tempfile.TemporaryDirectory() as folder:
        routes = Path(folder) / "routes.yaml"
        (Path(folder) / "functions").mkdir()
        (Path(folder) / "functions/a.py").write_text("async def handle() -> None: ...\n")
        routes.write_text("services: {a: {url: 'http://a'}}\nroutes: [{path: /a, function: a}]\n")
        load(routes)
    gc.collect()
    gc.freeze()


def _serve(asked: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Fork for whoever asks, and tell of each child's end. Returns in the child, with what it is to run."""
    children: dict[int, int] = {}
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(woken, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    while True:
        ready, _, _ = select.select([asked, woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            _reap(children)
        if asked in ready:
            said, fds, _, _ = socket.recv_fds(asked, 1, 5)
            if not said:
                os._exit(0)  # whoever asked is gone
            request, told = fds[0], fds[1]
            pid = os.fork()
            if not pid:
                signal.set_wakeup_fd(-1)
                for each in (*children.values(), woken, wake, told, asked.detach()):
                    os.close(each)
                with open(request, "rb") as wanted:
                    return json.load(wanted), fds[2:]
            for each in (request, *fds[2:]):
                os.close(each)
            children[pid] = told
            os.write(told, b"%d\n" % pid)


def _reap(children: dict[int, int]) -> None:
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        told = children.pop(pid)
        with suppress(BrokenPipeError):  # nobody wants to know
            os.write(told, b"%d\n" % os.waitstatus_to_exitcode(status))
        os.close(told)


def _become(wanted: dict[str, Any], streams: list[int]) -> NoReturn:
    """Be the program, as ``python -m`` would have made it."""
    for number, each in enumerate(streams):
        os.dup2(each, number)
    for each in set(streams) - {0, 1, 2}:
        os.close(each)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(wanted["env"])
    os.chdir(wanted["cwd"])
    main = sys.modules["__main__"]
    main.__package__ = PROGRAM
    module = str(ROOT / PROGRAM.replace(".", "/") / "__main__.py")
    sys.argv[:] = [module, *wanted["args"]]
    sys.orig_argv[:] = [sys.executable, "-m", PROGRAM, *wanted["args"]]
    given = [each for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each]
    sys.path[:] = [wanted["cwd"], *given, *(each for each in sys.path[1:] if each not in given)]
    at_once = bool(os.environ.get("PYTHONUNBUFFERED"))
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", closefd=False)  # type: ignore[misc]  # noqa: SIM115
    sys.stdout = sys.__stdout__ = _writer(1, at_once=at_once)  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _writer(2, at_once=at_once, errors="backslashreplace")  # type: ignore[misc]
    from bff.cli import main as run

    run()
    raise SystemExit(0)


def _writer(fd: int, *, at_once: bool, errors: str = "strict") -> io.TextIOWrapper:
    raw = io.FileIO(fd, "w", closefd=False)
    buffer: Any = raw if at_once else io.BufferedWriter(raw)
    lines = fd == 2 or os.isatty(fd)
    return io.TextIOWrapper(
        buffer, encoding="utf-8", errors=errors, line_buffering=lines, write_through=at_once
    )


# ---- who asks ----------------------------------------------------------------------------------------------------


class Process:
    """A child of the zygote's, with the face of :class:`subprocess.Popen` as far as tests look at it."""

    def __init__(self, args: Sequence[str], told: int) -> None:
        self.args = list(args)
        self.returncode: int | None = None
        self.stdout: IO[str] | None = None
        self._told = open(told, "rb", buffering=0)  # noqa: SIM115
        self._heard = b""
        self._lock = threading.Lock()
        while b"\n" not in self._heard:
            piece = self._told.read(64)
            assert piece, "the zygote has died"
            self._heard += piece
        pid, _, self._heard = self._heard.partition(b"\n")
        self.pid = int(pid)

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, negative for a signal.

        Raises:
            subprocess.TimeoutExpired: it has not ended within so many seconds.

        """
        with self._lock:
            while self.returncode is None:
                if not select.select([self._told], [], [], timeout)[0]:
                    raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
                piece = self._told.read(64)
                self._heard += piece
                if not piece:
                    self._told.close()
                    self.returncode = int(self._heard)
            return self.returncode

    def poll(self) -> int | None:
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Zygote:
    """The way to one, which is started when it is first needed."""

    def __init__(self) -> None:
        self._asking: socket.socket | None = None
        self._lock = threading.Lock()

    def _ask(self) -> socket.socket:
        if self._asking is None:
            self._asking, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with other:
                command = [sys.executable, "-X", "utf8", __file__, str(other.fileno())]
                process = subprocess.Popen(
                    command, pass_fds=[other.fileno()], cwd=ROOT, stdin=subprocess.DEVNULL
                )
            atexit.register(self._close, process)
        return self._asking

    def _close(self, process: subprocess.Popen[bytes]) -> None:
        assert self._asking is not None
        self._asking.close()
        process.wait(60)

    def start(
        self, args: Sequence[str], *, cwd: Path, env: Mapping[str, str], streams: tuple[int, int, int]
    ) -> Process:
        """``bff`` with these arguments. The streams are its standard input, output and error, and stay the caller's."""
        told, tell = os.pipe()
        with tempfile.TemporaryFile() as wanted:
            wanted.write(json.dumps({"args": list(args), "cwd": str(cwd), "env": dict(env)}).encode())
            wanted.seek(0)
            with self._lock:
                socket.send_fds(self._ask(), [b"!"], [wanted.fileno(), tell, *streams])
        os.close(tell)
        return Process(["bff", *args], told)


ZYGOTE = Zygote()


def can_fork(env: Mapping[str, str]) -> bool:
    """Whether nothing in that environment is for the interpreter's start."""
    own = {name for name in env if name.startswith("PYTHON") and env[name] != os.environ.get(name)}
    return own <= KEPT


if __name__ == "__main__":
    _imported()
    _become(*_serve(socket.socket(fileno=int(sys.argv[1]))))
