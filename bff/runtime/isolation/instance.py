"""One warmed handler in a process of its own, with the face of :class:`bff.runtime.instance.Instance`.

What the handler does is the process's (:mod:`bff.runtime.isolation.child`), what it asks for is done at the
desk; here are its calls, and its end: asked for, by its own hand, or by ours when a handler does not stop.
"""

from __future__ import annotations

import asyncio
import linecache
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress

from bff.clock import Expiry
from bff.errors import FunctionCrashed, FunctionFailed, GatewayDraining, OutOfMemory
from bff.measured import WarmUp
from bff.revisions.loader import Package
from bff.revisions.revision import Revision
from bff.runtime import hooks
from bff.runtime.isolation import birth, remote, whole
from bff.runtime.isolation.desk import Desk
from bff.runtime.isolation.exchange import Exchange, Question, Reply
from bff.runtime.isolation.failures import rebuilt
from bff.runtime.isolation.forkserver import Forkserver
from bff.runtime.isolation.frames import Channel, ChannelClosed, Head
from bff.runtime.isolation.inquiry import KILLED_WITHIN, Inquiry
from bff.runtime.isolation.leavers import Leavers
from bff.runtime.isolation.limits import ProcessLimits
from bff.runtime.isolation.process import Process
from bff.runtime.settings import Settings
from bff.runtime.warmup import Workshop
from bff.sdk.invocation import Invocation
from bff.sdk.reply import Answer

TICK = 0.002
"""Seconds that a timer may come too early: libuv counts in whole milliseconds."""
LAST_WORDS = 0.2
"""Seconds for what a process that has ended said before, where something else holds its channel open."""


class ProcessInstance:
    """Mutable state: ``pid``, ``on_gone``, ``on_settled``, ``on_stuck``, ``on_first_call``, ``alive`` and ``bytes_returned``; ``_calls`` so
    far, ``_callers`` inside now, ``_leavers`` that were cancelled and have not ended, ``_going_on`` of answered calls
    that have not ended; ``_why_leaving``, set once; ``_exit``,
    ``_is_wanted``, ``_is_lifeless``, ``_is_lost`` and ``_has_ended``: how it ended, by whose will, and that it did.

    ``on_gone`` is told why when the process ends unasked, ``on_settled`` is called when a
    cancelled call has ended, ``on_stuck`` when it has not in time: no further call shall enter then. ``alive`` is there if the handler has such a hook.
    """

    def __init__(self, package: Package, workshop: Workshop, limits: ProcessLimits) -> None:
        self.function = package.revision.function
        self.package = package
        self.limits = limits
        self.bytes_returned = 0
        self.on_gone: Callable[[str], object] | None = None
        self.on_settled: Callable[[], object] | None = None
        self.on_stuck: Callable[[], object] | None = None
        self.on_first_call: Callable[[Invocation, float], None] | None = None
        self.alive: Callable[[], Awaitable[tuple[bool, str]]] | None = None
        loop = asyncio.get_running_loop()
        self.loaded: asyncio.Future[None] = loop.create_future()
        self._workshop = workshop
        self._clock = workshop.clock
        self._desk = Desk(workshop)
        self._exchange = Exchange(
            Channel, answer=self._desk.answer, note=self._hear, lost=self._lost, loader=package
        )
        self._services: list[str] = []
        self._inquiry = Inquiry(self._exchange, clock=self._clock)
        self._process = Process()
        self._calls = 0
        self._callers = 0
        self._leavers = Leavers(
            self._exchange,
            clock=self._clock,
            limits=limits,
            settled=self._settled,
            overstayed=self._overstayed,
            lifeless=self._lifeless,
        )
        self._going_on: dict[int, asyncio.Future[None]] = {}
        self._why_leaving = ""
        self._is_wanted = False
        self._is_lost = False
        self._has_ended = asyncio.Event()

    @classmethod
    async def start(
        cls,
        revision: Revision,
        settings: Settings,
        workshop: Workshop,
        *,
        forkserver: Forkserver,
        limits: ProcessLimits,
        real_paths: bool,
    ) -> tuple[ProcessInstance, WarmUp]:
        """A started instance in a new process, and what it cost to make it.

        Raises:
            FunctionNotLoaded: the module, the contract, ``start`` or ``ready`` failed, or there is no process;
                nothing is left behind.

        """
        instance: ProcessInstance | None = None

        def make(package: Package) -> ProcessInstance:
            nonlocal instance
            instance = cls(package, workshop, limits)
            return instance

        try:
            return await birth.give(
                revision, settings, workshop, make=make, forkserver=forkserver, real_paths=real_paths
            )
        except BaseException:
            if instance is not None:
                instance.kill()
            raise

    async def fork(self, forkserver: Forkserver) -> None:
        """Have a process.

        Raises:
            ForkFailed: there is none.

        """
        ours, theirs = socket.socketpair()
        with theirs:
            await self._exchange.channel.open(ours)
            self._process.pid = await forkserver.fork(theirs, memory=self.limits.memory, ended=self._exited)

    def load(self, head: Head, body: bytes, parameters: set[tuple[str, ...]]) -> Question:
        """Ask the process to load a parcel, whose routes have these path parameters."""
        self._services = list(self._workshop.senders())
        self._inquiry.known = parameters
        return self._exchange.question("load", {**head, "services": self._services}, body)

    def become_warm(self, reply: Reply) -> None:
        """The process has said that calls may enter."""
        if reply.head["has_alive"]:
            self.alive = self._inquiry.alive

    @property
    def pid(self) -> int:
        """The process's id; 0 until there is one."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it takes calls; once False it is to be stopped when the last one has left, and replaced."""
        return not self._why_leaving and not self._is_lost

    @property
    def lingering(self) -> int:
        """Calls that were cancelled and still go on: whoever made them is gone, their places are not free."""
        return len(self._leavers)

    async def check(self, path_parameters: tuple[str, ...]) -> None:
        """Return if the handler fits such a route.

        Raises:
            ContractBroken: it does not.

        """
        await self._inquiry.check(path_parameters)

    async def prepare(self, route: str, path_parameters: tuple[str, ...]) -> None:
        """Compile the binder of a route before its first call.

        Raises:
            ContractBroken: the handler does not fit it.

        """
        await self._inquiry.compile(route, path_parameters)

    async def approve(self, limit: float) -> tuple[str, int | None] | None:
        """Why the module's ``check()`` means no, and the line where it stands; None when it means yes."""
        try:
            return await self._inquiry.approve(limit)
        except ChannelClosed:
            await self._has_ended.wait()
            return f"its process {self.how_it_ended()} in check()", None

    async def call(self, invocation: Invocation) -> Answer:
        """Run the handler.

        Cancelling it cancels the handler; one that does not stop then costs the process its life, once no
        other caller is inside, or at once where it holds the event loop.

        Raises:
            BffError: the caller's values do not fit, the handler failed, or a service it needs did.
            FunctionCrashed: the process ended.
            OutOfMemory: it reached its limit.

        """
        self._tell_services()
        is_first = self._enter()
        began = self._clock.now()
        question = self._exchange.question("call", remote.told(invocation))
        self._desk.inside[question.number] = invocation
        goes_on = False
        try:
            reply = await self._replied(question, invocation)
            goes_on = reply.head.get("goes_on", False)
        finally:
            self._callers -= 1
            if not goes_on:
                self._desk.leave(question.number)
            self._end_if_stuck()
            if is_first and self.on_first_call is not None:
                self.on_first_call(invocation, self._clock.now() - began)
        return whole.answered(reply, self._rest_of(question.number) if goes_on else None)

    def _enter(self) -> bool:
        """Count one more call; whether it is the first one."""
        self._callers += 1
        self._calls += 1
        if self._calls == self.limits.max_calls:
            self._retire(f"it has had {self._calls} calls")
        return self._calls == 1

    async def _replied(self, question: Question, invocation: Invocation) -> Reply:
        """The process's answer to a call, or in words of ours why there is none."""
        try:
            return await question.reply
        except ChannelClosed:
            await self._has_ended.wait()
            if self._is_wanted:
                raise GatewayDraining from None
            raise FunctionCrashed(self.function, self.how_it_ended()) from None
        except OutOfMemory:
            self._retire("it has reached its memory limit")
            raise
        except asyncio.CancelledError as error:
            if not self._is_lost:
                self._leavers.let_go(question, is_late=invocation.remaining() < TICK)
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise FunctionFailed(self.function, "was cancelled by itself") from error

    def _tell_services(self) -> None:
        services = list(self._workshop.senders())
        if services != self._services:
            self._services = services
            self._exchange.note("services", {"names": services})

    def _rest_of(self, call: int) -> asyncio.Future[None]:
        """What goes on in the process after its answer: done when that is."""
        rest = self._going_on[call] = asyncio.get_running_loop().create_future()
        rest.add_done_callback(_heard)
        return rest

    def _settled(self) -> None:
        if self.on_settled is not None:
            self.on_settled()

    def _overstayed(self) -> None:
        self._retire("a handler did not stop when it was cancelled")
        if self.on_stuck is not None:
            self.on_stuck()
        self._end_if_stuck()

    def _end_if_stuck(self) -> None:
        if self._leavers.are_stuck and not self._callers:
            self._kill()

    def _lifeless(self) -> None:
        self._process.is_lifeless = True
        self._retire("a handler holds its event loop")
        self._kill()

    def _retire(self, why: str) -> None:
        self._why_leaving = self._why_leaving or why

    def _hear(self, kind: str, head: Head) -> None:
        if kind == "loaded":
            if not self.loaded.done():
                self.loaded.set_result(None)
        elif kind == "done":
            self._desk.leave(head["q"])
            rest = self._going_on.pop(head["q"], None)
            if rest is not None and not rest.done():
                if "error" in head:
                    rest.set_exception(rebuilt(head["error"], self.package))
                else:
                    rest.set_result(None)
        else:
            self._desk.hear(kind, head)

    async def stop(self, limit: float) -> str | None:
        """Let what goes on after its answer end, run the handler's ``stop``, both within ``limit``, and end the
        process, always; why ``stop`` failed, or None.
        """
        if self._has_ended.is_set():
            return None  # how it ended was told then
        self._is_wanted = True
        self._retire("it is stopped")
        self.bytes_returned = self.memory()
        why: str | None = None
        try:
            with Expiry(self._clock, self._clock.now() + limit + hooks.GRACE):
                why = (await self._exchange.ask("stop", {"limit": limit})).head["why"]
            await self._gone_within(LAST_WORDS)
        except TimeoutError:
            why = f"stop did not end within {limit:g} s"
        except ChannelClosed:
            await self._has_ended.wait()
            why = f"its process {self.how_it_ended()} in stop"
        finally:
            self._kill()
        await self._gone_within(KILLED_WITHIN)
        return why

    async def _gone_within(self, seconds: float) -> None:
        with suppress(TimeoutError), Expiry(self._clock, self._clock.now() + seconds):
            await self._has_ended.wait()

    def kill(self) -> None:
        """End the process at once; whoever is inside hears of it."""
        self._is_wanted = True
        self._retire("it was killed")
        self._kill()

    def _kill(self) -> None:
        if not self.pid:
            self._exchange.channel.close()  # its id is not known yet; it ends when it finds nobody there
        self._process.kill()

    def memory(self) -> int:
        """Bytes that only this process has; 0 where nothing tells."""
        return self._process.memory()

    def how_it_ended(self) -> str:
        """In words that go on from "its process"."""
        return self._process.how()

    def _exited(self, code: int) -> None:
        """The forkserver says so. What it said before it ended may still be on its way."""
        self._process.code = code
        if self._is_lost:
            self._end()
        else:
            self._clock.call_at(self._clock.now() + LAST_WORDS, self._exchange.channel.close)

    def _lost(self) -> None:
        """The channel has closed: everything that was said is heard."""
        self._is_lost = True
        if self._process.code is not None or not self.pid:
            self._end()
        else:
            self._kill()  # it may only have closed the channel
            self._clock.call_at(self._clock.now() + KILLED_WITHIN, self._end)

    def _end(self) -> None:
        if self._has_ended.is_set():
            return
        self._has_ended.set()
        self._retire(f"its process {self.how_it_ended()}")
        self._leavers.close()
        going_on, self._going_on = self._going_on, {}
        for rest in going_on.values():
            if not rest.done():
                rest.set_exception(FunctionCrashed(self.function, self.how_it_ended()))
        for filename in self.package.filenames():  # of tracebacks that were shown
            linecache.cache.pop(filename, None)
        if self.on_gone is not None and not self._is_wanted:
            self.on_gone(self._why_leaving)

    async def gone(self) -> None:
        """Return when the process has ended."""
        await self._has_ended.wait()

    def __repr__(self) -> str:
        state = self._why_leaving or "warm"
        return f"<ProcessInstance of {self.package.revision.name}, pid {self.pid}: {self._callers} inside, {state}>"


def _heard(rest: asyncio.Future[None]) -> None:
    """Perhaps nobody waits for it."""
    if not rest.cancelled():
        rest.exception()
