"""What a process is asked about its handler beside calls: whether it fits a route, approves of itself, and is alive."""

from __future__ import annotations

from bff.clock import Clock, Expiry
from bff.runtime.isolation.exchange import Exchange
from bff.runtime.isolation.frames import ChannelClosed
from bff.sdk.handler import ContractBroken

GRACE = 1.0
"""Seconds beyond a limit that the process keeps itself, before it is not believed any more."""
KILLED_WITHIN = 5.0
"""Seconds the kernel may take to end a killed process."""


class Inquiry:
    """Mutable state: ``known``, the path parameters that are known to fit."""

    def __init__(self, exchange: Exchange, *, clock: Clock) -> None:
        self.known: set[tuple[str, ...]] = set()
        self._exchange = exchange
        self._clock = clock

    async def check(self, parameters: tuple[str, ...]) -> None:
        """Return if the handler fits a route with these.

        Raises:
            ContractBroken: it does not.

        """
        if parameters not in self.known:
            await self.compile(None, parameters)

    async def compile(self, route: str | None, parameters: tuple[str, ...]) -> None:
        """Have the route's binder compiled; None: only look whether there can be one.

        Raises:
            ContractBroken: the handler does not fit it.

        """
        try:
            reply = await self._exchange.ask("check", {"route": route, "parameters": parameters})
        except ChannelClosed:
            return  # whoever takes its place is asked
        if reply.head["broken"] is not None:
            why, line, remedy = reply.head["broken"]
            raise ContractBroken(why, line=line, remedy=remedy)
        self.known.add(parameters)

    async def approve(self, limit: float) -> tuple[str, int | None] | None:
        """Why the module's ``check()`` means no, and the line where it stands; None when it means yes.

        Raises:
            ChannelClosed: the process has ended.

        """
        try:
            with Expiry(self._clock, self._clock.now() + limit + GRACE):
                reply = await self._exchange.ask("approve", {"within": limit})
        except TimeoutError:
            return f"check() did not end within {limit:g} s", None
        why: tuple[str, int | None] | None = reply.head["said"] and tuple(reply.head["said"])
        return why

    async def alive(self) -> tuple[bool, str]:
        """What the handler's ``alive`` says, and why."""
        reply = await self._exchange.ask("alive", {"within": KILLED_WITHIN})
        return reply.head["is_alive"], reply.head["why"]
