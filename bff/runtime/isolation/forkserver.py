"""Where process instances come from: a process of its own that has imported what every child needs, and forks.

It is ours and not multiprocessing's: that one needs a resource tracker process beside it, imports the main
module again in every child, pickles what children are given, and cannot be closed.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from bff.runtime.isolation.server import ASK, TELL
from bff.runtime.threads import Threads

_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]);"
    "from bff.runtime.isolation.server import main; main(int(sys.argv[2]))"
)

Ended = Callable[[int], None]
"""Called with a child's exit code, negative for a signal, as :mod:`subprocess` has it."""


def default_most() -> int:
    """Four for each processor this process may use, and eight at least: functions wait more than they compute."""
    return max(8, 4 * len(os.sched_getaffinity(0)))


class ForkFailed(Exception):
    """The forkserver is gone, or could not be started."""


class Forkserver:
    """Started with the first fork, and again should it ever end; closed by who made it.

    Mutable state: ``most`` (children there shall be, for those who can wait), ``_process``, ``_socket``,
    ``_heard``, ``_asked`` (forks that wait for the forkserver), ``_waiting`` (forks whose answer is out, in order),
    ``_children`` (who hears of which child's end), ``_starting``.
    """

    def __init__(self, *, most: int = 0) -> None:
        self.most = most or default_most()
        self._asked = 0
        self._threads = Threads("bff-forkserver", 1)
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._heard = bytearray()
        self._waiting: deque[tuple[asyncio.Future[int], Ended]] = deque()
        self._children: dict[int, Ended] = {}
        self._starting = asyncio.Lock()

    @property
    def pid(self) -> int:
        """The forkserver's process id; 0 while there is none."""
        return self._process.pid if self._process is not None else 0

    @property
    def room(self) -> int:
        """How many children more there may be."""
        return max(0, self.most - len(self._children) - len(self._waiting) - self._asked)

    async def start(self) -> None:
        """Start it, unless it runs. Its imports need not be waited for: it forks when it is done with them."""
        async with self._starting:
            if self._socket is not None:
                return
            ours, theirs = socket.socketpair()
            try:
                self._process = await self._threads.run(lambda: _started(theirs))
            except BaseException:
                ours.close()
                raise
            finally:
                theirs.close()
            ours.setblocking(False)
            self._socket = ours
            asyncio.get_running_loop().add_reader(ours, self._readable)

    async def fork(self, end: socket.socket, *, memory: int, ended: Ended) -> int:
        """The process id of a new child that speaks over ``end``, which stays the caller's to close.

        Whoever stops waiting closes the other end; the child then ends by itself.

        Raises:
            ForkFailed: there will be none.

        """
        self._asked += 1
        try:
            await self.start()
        finally:
            self._asked -= 1
        assert self._socket is not None
        forked: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        try:
            socket.send_fds(self._socket, [ASK.pack(memory)], [end.fileno()])
        except BlockingIOError:
            raise ForkFailed("too many forks at once") from None
        except OSError as error:
            self._lost()
            raise ForkFailed(str(error)) from error
        self._waiting.append((forked, ended))
        return await forked

    async def rehearse(self) -> None:
        """Return when it has done its imports, and a child that found nobody has come and gone.

        Raises:
            ForkFailed: there will be none.

        """
        ended = asyncio.Event()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            await self.fork(theirs, memory=0, ended=lambda _code: ended.set())
        await ended.wait()

    def _readable(self) -> None:
        assert self._socket is not None
        try:
            data = self._socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lost()
            return
        self._heard += data
        while len(self._heard) >= TELL.size:
            said, pid, status = TELL.unpack_from(self._heard)
            del self._heard[: TELL.size]
            self._hear(said, pid, status)

    def _hear(self, said: bytes, pid: int, status: int) -> None:
        if said == b"-":
            ended = self._children.pop(pid, None)
            if ended is not None:
                ended(status)
            return
        forked, ended = self._waiting.popleft()
        if said == b"+":
            self._children[pid] = ended
        if forked.done():
            return
        if said == b"+":
            forked.set_result(pid)
        else:
            forked.set_exception(ForkFailed(os.strerror(status)))

    def _lost(self) -> None:
        """It is gone, and with it every child: each is killed when its parent ends."""
        if self._socket is None:
            return
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        self._socket = None
        self._heard.clear()
        waiting, self._waiting = self._waiting, deque()
        children, self._children = self._children, {}
        for forked, _ in waiting:
            if not forked.done():
                forked.set_exception(ForkFailed("the forkserver ended"))
        for pid, ended in children.items():
            _kill(pid)
            ended(-signal.SIGKILL)
        process, self._process = self._process, None
        if process is not None:
            self._threads.submit(lambda: _reaped(process))

    async def close(self) -> None:
        """End it and every child there still is; nothing is left when this returns."""
        async with self._starting:
            process = self._process
            self._lost()
            if process is not None:
                await self._threads.run(lambda: _reaped(process))
            self._threads.close()

    def __repr__(self) -> str:
        return f"<Forkserver {self.pid}: {len(self._children)} children>"


def _started(theirs: socket.socket) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-c", _BOOT, json.dumps(sys.path), str(theirs.fileno())]
    # Functions' prints are lines; what code in C writes goes where the gateway's own complaints go.
    return subprocess.Popen(  # noqa: S603 - ourselves
        command, stdin=subprocess.DEVNULL, stdout=2, pass_fds=(theirs.fileno(),)
    )


def _reaped(process: subprocess.Popen[bytes]) -> None:
    """End it, whatever it does (it may still be importing), and wait: it leaves no zombie."""
    process.kill()
    process.wait()


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
