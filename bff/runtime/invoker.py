"""The one door to every function: requests now, events later.

It finds the function, wakes it if it is cold, keeps the deadline, and holds the instance until the answer
has been sent, so that no revision is evicted under a stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from bff.clock import Clock, Expiry
from bff.errors import DeadlineExceeded, FunctionNotLoaded
from bff.runtime.entrance import Inside
from bff.runtime.firststep import Waiting, resume, step
from bff.runtime.function import Function
from bff.runtime.lives import Live
from bff.sdk.invocation import Invocation, current
from bff.sdk.reply import Answer

Respond = Callable[[Answer], Awaitable[None]]


class Invoker:
    """Mutable state: ``functions``, replaced whole when routes.yaml changes."""

    def __init__(self, *, clock: Clock) -> None:
        self.functions: Mapping[str, Function] = {}
        self._clock = clock

    async def invoke(self, invocation: Invocation, respond: Respond) -> None:
        """Run the function and hand its answer to ``respond``, which sends it.

        Raises:
            BffError: there is no answer; the error says what the caller should be told.

        """
        current.set(invocation)
        function = self.functions.get(invocation.function)
        if function is None:
            raise FunctionNotLoaded(invocation.function, "it is not known to this gateway")
        activator = function.lives.only or function.lives.of(invocation)
        shelf, chosen = invocation.shelf, activator
        if shelf is not None and chosen is not None and await shelf.answered(chosen):
            return
        # Of whichever kind its activator deals in: it goes back to that one only.
        instance: Any = activator.enter_now() if activator is not None else None
        if instance is None:
            activator, instance = await self._wait(function, activator, invocation)
        assert activator is not None
        try:
            # Not known before, or another by now: a page belongs to the revision that answers.
            if shelf is not None and activator is not chosen and await shelf.answered(activator):
                return
            await respond(await self._run(activator, instance, invocation))
        finally:
            activator.leave(instance, self._clock.now())

    async def invoke_revision(self, invocation: Invocation, revision: str, respond: Respond) -> None:
        """Run this revision of the function, whatever traffic says.

        Raises:
            OverrideUnknown: it is not kept, or no longer.
            BffError: there is no answer, as with :meth:`invoke`.

        """
        current.set(invocation)
        function = self.functions.get(invocation.function)
        if function is None:
            raise FunctionNotLoaded(invocation.function, "it is not known to this gateway")
        try:
            with Expiry(self._clock, invocation.deadline.at):
                activator, instance = await function.entrance.enter_revision(revision)
        except TimeoutError:
            raise DeadlineExceeded(allowed=invocation.deadline.allowed) from None
        try:
            await respond(await self._run(activator, instance, invocation))
        finally:
            activator.leave(instance, self._clock.now())  # type: ignore[arg-type]  # of the kind it deals in

    async def _wait(
        self, function: Function, live: Live | None, invocation: Invocation
    ) -> tuple[Live, Inside]:
        """Wait for the warm-up and for a place, but no longer than the caller does; not at all for what
        cannot come in time.
        """
        is_cold = live is None or live.instance is None
        invocation.queued = self._clock.now()
        allowed = invocation.deadline.allowed
        try:
            with Expiry(self._clock, invocation.deadline.at):
                activator, instance = await function.entrance.enter(invocation, live)
        except TimeoutError:
            raise DeadlineExceeded(allowed=allowed) from None
        if is_cold:
            invocation.phases = activator.last_phases
            invocation.warmed = activator.warm_since or 0.0
        return activator, instance

    async def _run(self, activator: Live, instance: Inside, invocation: Invocation) -> Answer:
        invocation.revision = activator.revision.name
        began = invocation.began = self._clock.now()
        running = instance.call(invocation)
        try:
            outcome = step(running)
            if isinstance(outcome, Waiting):
                with Expiry(self._clock, invocation.deadline.at):
                    outcome = await resume(running, outcome)
        except TimeoutError:
            raise invocation.too_late() from None
        finally:
            invocation.handler_seconds = self._clock.now() - began
        return outcome

    async def refresh(self, names: Iterable[str]) -> None:
        """Look at the disk again for these functions, side by side."""
        async with asyncio.TaskGroup() as group:
            for name in names:
                function = self.functions.get(name)
                if function is not None:
                    group.create_task(function.refresh())

    async def close(self) -> None:
        """End every instance, side by side: one that takes its time to stop must not take the others'."""
        await asyncio.gather(*(function.close() for function in self.functions.values()))
