"""The forkserver's own process: it has imported everything, runs nothing, and forks a child when asked.

Asked for a child, it is sent 8 bytes (the memory limit) and with them the child's end of a socketpair; it
answers ``+ pid`` (or ``! errno``) and later, once that child has ended, ``- pid exit code``. It ends when the
gateway has.
"""

from __future__ import annotations

import contextlib
import gc
import os
import selectors
import signal
import socket
import struct
import sys
import traceback

ASK = struct.Struct("!Q")
TELL = struct.Struct("!cqi")


def main(fd: int) -> None:
    """Entry point: ``fd`` is the connection to the gateway."""
    gc.disable()  # until all is there: what is imported stays
    from bff.runtime.isolation import child

    child.preload()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    # What is here now is shared with all children: no collection of theirs shall touch, and so copy it.
    gc.collect()
    gc.freeze()
    gc.enable()
    with socket.socket(fileno=fd) as gateway:
        Server(gateway).run()


class Server:
    """Mutable state: ``_children``, the ids of those that have not ended."""

    def __init__(self, gateway: socket.socket) -> None:
        self._gateway = gateway
        self._children: set[int] = set()
        self._woken, self._wake = socket.socketpair()

    def run(self) -> None:
        """Fork and reap until the gateway is gone."""
        self._hear_signals()
        with contextlib.suppress(OSError), selectors.DefaultSelector() as selector:
            selector.register(self._gateway, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select()}
                if self._woken in ready:
                    self._woken.recv(4096)
                    self._reap()
                if self._gateway in ready and not self._serve():
                    return

    def _hear_signals(self) -> None:
        # A handler, and not SIG_IGN: that would be inherited by whatever the function's code executes.
        # Ctrl-C and a supervisor's SIGTERM to the whole group are for the gateway, which tells us by closing.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, _heard)
        self._wake.setblocking(False)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)

    def _serve(self) -> bool:
        asked, fds, _, _ = socket.recv_fds(self._gateway, ASK.size, 1)
        if not asked:
            return False
        with socket.socket(fileno=fds[0]) as end:
            end.set_inheritable(False)
            try:
                pid = self._fork(end, ASK.unpack(asked)[0])
            except OSError as error:  # no memory, or too many processes
                self._gateway.sendall(TELL.pack(b"!", 0, error.errno or 0))
                return True
        self._children.add(pid)
        self._gateway.sendall(TELL.pack(b"+", pid, 0))
        return True

    def _fork(self, end: socket.socket, memory: int) -> int:
        server = os.getpid()
        pid = os.fork()
        if pid == 0:
            try:
                self._leave()
                from bff.runtime.isolation import child

                child.main(end, memory, server)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(1)
        return pid

    def _leave(self) -> None:
        """In the child: let go of what is the server's."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for each in (self._gateway, self._woken, self._wake):
            each.close()

    def _reap(self) -> None:
        for pid in list(self._children):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                self._children.discard(pid)
                self._gateway.sendall(TELL.pack(b"-", pid, os.waitstatus_to_exitcode(status)))


def _heard(_number: int, _frame: object) -> None: ...
