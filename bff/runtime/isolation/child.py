"""The process side: one instance of one revision, served over the channel until it closes.

It runs the same loader, binder, handler and encoder as the gateway does inline; what it may not do itself,
calling services, logging, reading the request's body, it asks of the gateway.
"""

from __future__ import annotations

import asyncio
import ctypes
import importlib
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bff.clock import SystemClock
from bff.errors import BffError, FunctionFailed, FunctionNotLoaded, OutOfMemory
from bff.revisions.loader import Loader
from bff.revisions.revision import Revision
from bff.runtime import approval, hooks, warmup
from bff.runtime.instance import Instance
from bff.runtime.isolation import limits, parcel
from bff.runtime.isolation.contract import refuse_streaming
from bff.runtime.isolation.exchange import Exchange, Reply
from bff.runtime.isolation.frames import BlockingChannel, Head
from bff.runtime.isolation.remote import (
    RemoteInvocation,
    RemoteRecords,
    RemoteSenders,
    logger_for,
    progress_for,
    publisher_for,
)
from bff.runtime.isolation.threads import PatientThreads, TellingThreads
from bff.runtime.isolation.whole import replied
from bff.runtime.warmup import Workshop
from bff.sdk.handler import ContractBroken
from bff.sdk.invocation import current
from bff.telemetry.identity import Callers
from bff.telemetry.printed import Printed
from bff.telemetry.standardlogs import StandardLogs

_PR_SET_PDEATHSIG = 1


def preload() -> None:
    """Import what every function may need, so that it is there before the first fork."""
    from bff.services import lean_httpx

    lean_httpx.load()
    importlib.import_module("bff.services.response")
    _loop_factory()
    parcel.settings_adapter()
    parcel.warm_up_adapter()
    for name in ("structlog", "bff.sdk.aggregate", "starlette.responses", "bff.sdk.request"):
        importlib.import_module(name)


def main(end: socket.socket, memory: int, forkserver: int) -> None:
    """Be one process instance, and end with the gateway or when it says so. Never returns."""
    if not _dies_with(forkserver):
        threading.Thread(target=_watch, args=(end.dup(),), name="bff-watch", daemon=True).start()
    if memory:
        limits.limit_memory(memory)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_live(end, memory))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Uvloop where there is one, as in the gateway."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _dies_with(forkserver: int) -> bool:
    """Whether the kernel kills us when the forkserver ends, which ends with the gateway (Linux does)."""
    if sys.platform != "linux" or ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        return False
    if os.getppid() != forkserver:
        os._exit(1)  # it has ended already
    return True


def _watch(end: socket.socket) -> None:
    """End this process when the gateway hangs up, even while a handler holds the loop."""
    poll = select.poll()
    poll.register(end, 0)  # POLLHUP is always told
    poll.poll()
    os._exit(0)


async def _live(end: socket.socket, memory: int) -> None:
    with Loader() as loader:
        child = Child(loader, memory)
        await child.exchange.channel.open(end)
        records = RemoteRecords(child.exchange, child.whose)
        with StandardLogs(records), Printed(records, Callers()):
            await asyncio.get_running_loop().create_future()


class Child:
    """Mutable state: ``_instance``, ``_workshop`` and ``_revision``, there once the gateway has said what to load."""

    def __init__(self, loader: Loader, memory: int) -> None:
        self.exchange = Exchange(BlockingChannel, answer=self._answer, note=self._hear, lost=_end)
        self._loader = loader
        self._memory = memory
        self._clock = SystemClock()
        self._senders = RemoteSenders(self.exchange)
        self._instance: Instance | None = None
        self._workshop: Workshop | None = None
        self._revision: Revision | None = None
        self._answers: dict[str, Callable[[int, Head, bytes], Awaitable[Reply]]] = {
            "call": self._call,
            "load": self._load,
            "check": self._check,
            "alive": self._alive,
            "pulse": self._pulse,
            "approve": self._approve,
            "stop": self._stop,
        }

    def whose(self) -> Mapping[str, str]:
        """Function and revision, once they are known: what lines outside of any call carry."""
        if self._revision is None:
            return {}
        return {"function": self._revision.function, "revision": self._revision.name}

    async def _answer(self, number: int, kind: str, head: Head, body: bytes) -> Reply:
        return await self._answers[kind](number, head, body)

    def _hear(self, kind: str, head: Head) -> None:
        if kind == "services":
            self._senders.hear(head["names"])

    async def _load(self, _number: int, head: Head, body: bytes) -> Reply:
        self._senders.hear(head["services"])
        revision, settings = parcel.unpacked(head, body)
        self._revision = revision
        place = f"{revision.snapshot.root.name}/{revision.snapshot.modules[revision.function]}"
        thread = TellingThreads("bff-loader", 1, told=lambda: self.exchange.note("loaded", {}))
        self._workshop = Workshop(
            clock=self._clock,
            loader=self._loader,
            loader_thread=thread,
            reader_thread=thread,  # the gateway has read and compiled everything
            senders=lambda: self._senders.by_name,
            logger=logger_for(self.exchange),
            publish=publisher_for(self.exchange),
            progress=progress_for(self.exchange),
        )
        try:
            instance, warmed = await warmup.warm_up(
                revision, settings, self._workshop, real_paths=head["real_paths"]
            )
            try:
                refuse_streaming(revision.function, instance.handler, place)
            except FunctionNotLoaded:
                await warmup.stop(instance, self._workshop, settings.stop_timeout)
                raise
        except MemoryError as error:
            limits.open_reserve()
            why = f"needs more memory than its limit of {self._memory} bytes"
            remedy = "raise memory in routes.yaml"
            raise FunctionNotLoaded(revision.function, why, where=place, remedy=remedy) from error
        if instance.threads is not None:
            instance.threads = PatientThreads(revision.function, settings.threads)
        self._instance = instance
        has_alive = getattr(instance.handler.owner, "alive", None) is not None
        return Reply({"warm_up": parcel.warm_up_adapter().dump_python(warmed), "has_alive": has_alive})

    async def _call(self, number: int, head: Head, _body: bytes) -> Reply:
        assert self._instance is not None
        function = self._instance.function
        invocation = RemoteInvocation(number, head, self._clock, self.exchange)
        current.set(invocation)
        try:
            answer = await self._instance.call(invocation)
            reply = await replied(answer, invocation.incoming, function)
        except BffError as error:
            raise self._explained(error, function) from error.__cause__
        except MemoryError as error:
            raise self._explained(FunctionFailed(function), function, error) from error
        except (Exception, SystemExit, KeyboardInterrupt, GeneratorExit) as error:
            raise FunctionFailed(function) from error
        finally:
            if invocation.missing:
                self.exchange.note(
                    "missing", {"i": number, "parts": invocation.missing, "reasons": dict(invocation.reasons)}
                )
            if invocation.incoming is not None:
                await invocation.incoming.close()
        return reply

    def _explained(self, error: BffError, function: str, cause: BaseException | None = None) -> BffError:
        """The failure itself, unless it is that memory has run out."""
        if not self._memory or not isinstance(cause or error.__cause__, MemoryError):
            return error
        limits.open_reserve()
        return OutOfMemory(function, self._memory)

    async def _check(self, _number: int, head: Head, _body: bytes) -> Reply:
        assert self._instance is not None
        try:
            if head["route"] is None:
                self._instance.check(tuple(head["parameters"]))
            else:
                self._instance.prepare(head["route"], tuple(head["parameters"]))
        except ContractBroken as broken:
            return Reply({"broken": [str(broken), broken.line, broken.remedy]})
        return Reply({"broken": None})

    async def _alive(self, _number: int, head: Head, _body: bytes) -> Reply:
        assert self._instance is not None
        until = self._clock.now() + head["within"]
        try:
            said = await hooks.run(self._instance.handler.owner.alive, clock=self._clock, until=until)
            no = hooks.refusal("alive", said)
            why = None if no is None else no.removeprefix(": ")
        except hooks.HookOverran:
            why = f"it did not end within {head['within']:g} s"
        except Exception as error:
            why = f"it raised {hooks.told(error)}"
        return Reply({"is_alive": why is None, "why": why or ""})

    async def _pulse(self, _number: int, _head: Head, _body: bytes) -> Reply:
        """That this is answered is all there is to say."""
        return Reply()

    async def _approve(self, _number: int, head: Head, _body: bytes) -> Reply:
        assert self._instance is not None
        said = await approval.said_by(self._instance, self._clock, head["within"])
        return Reply({"said": said})

    async def _stop(self, number: int, head: Head, _body: bytes) -> Reply:
        """What went on after its answer may end first; then the handler's ``stop``, then the process."""
        assert self._instance is not None
        assert self._workshop is not None
        limit = head["limit"]
        until = self._clock.now() + limit
        await self.exchange.settle(limit / 2, but=number)
        why = await warmup.stop(self._instance, self._workshop, limit, until=until)
        return Reply({"why": why}, after=_ended)


async def _ended() -> None:
    _end()


def _end() -> Any:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)  # daemon threads of handlers that never return must not hold up the end
