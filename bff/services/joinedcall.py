"""A plain call that somebody else's flight answers: it waits without a coroutine, as one on the fast path does.

What the flight brings may not be for it, or nothing at all; then it goes on as any call that has joined, from where it
is: see :meth:`bff.services.sharing.Sharing.answer`.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from functools import partial
from typing import TYPE_CHECKING, Any

from bff.clock import Ringing
from bff.sdk.begun import Begun
from bff.sdk.call import Call, SendOptions
from bff.sdk.callrecord import CallRecord
from bff.sdk.invocation import Invocation

if TYPE_CHECKING:
    from bff.services.coalesce import Flight
    from bff.services.fastpath import FastPath
    from bff.services.introduction import Introduction
    from bff.services.question import Landed
    from bff.services.sharing import Sharing


class JoinedCall(Ringing):
    """See :class:`bff.sdk.begun.Begun`; it also rings when its time is over.

    Mutable state: ``told``, ``has_ended``, ``_value`` then, and whether it goes on otherwise (``_is_left``).
    """

    __slots__ = (
        "_call", "_context", "_flight", "_invocation", "_is_left", "_options", "_path", "_record", "_sharing", "_target",
        "_value", "_waiter", "_who", "has_ended", "told",
    )  # fmt: skip

    def __init__(
        self,
        path: FastPath,
        sharing: Sharing,
        flight: Flight[Landed],
        call: Call[Any],
        invocation: Invocation,
        options: SendOptions,
        record: CallRecord,
        who: Introduction,
        target: str,
    ) -> None:
        self._path = path
        self._sharing = sharing
        self._flight = flight
        self._call = call
        self._invocation = invocation
        self._options = options
        self._record = record
        self._who = who
        self._target = target
        self._context: Context | None = copy_context() if call.reads else None
        self.has_ended = self._is_left = False
        self.told: Callable[[Begun], object] = _nobody
        self._waiter = flight.join()
        self._waiter.add_done_callback(self._landed)
        path.clock.set(self, record.until)

    def result(self) -> Any:
        """See :class:`bff.sdk.begun.Begun`."""
        return self._value

    def ring(self) -> None:
        """Its time is over."""
        self._leave()

    def _landed(self, _: object) -> None:
        if self._is_left:
            return
        try:
            has_ended = self._ends()
        except BaseException:  # as it will once more, where somebody hears of it
            has_ended = False
        if has_ended:
            self.company.pop(self, None)
            self.told(self)
        else:
            self._leave()

    def _ends(self) -> bool:
        """Whether the flight has brought what this call is for."""
        path, call, record, invocation = self._path, self._call, self._record, self._invocation
        ask = partial(path.asked, record.method, self._target, self._who)
        response = self._sharing.shared(self._flight, invocation, ask)
        if response is None or not 200 <= response.status_code < 300:
            return False
        ended = path.clock.now()
        response.took(ended - record.started)
        context = self._context
        self._value = call.taken(response) if context is None else context.run(call.taken, response)
        path.client.note(invocation, response, record, self._options)
        record.status, record.ended, record.coalesced = response.status_code, ended, True
        record.cached = self._flight.outcome.cached
        self.has_ended = True
        return True

    def _leave(self) -> None:
        self._is_left = True
        self.company.pop(self, None)
        self.told(self)

    def rest(self) -> Coroutine[Any, Any, Any]:
        """See :class:`bff.sdk.begun.Begun`."""
        self._is_left = True
        self.company.pop(self, None)
        self._flight.part_from(self._waiter)
        self._waiter.remove_done_callback(self._landed)  # else the two would hold each other
        self._record.joined = self._flight
        return self._path.layers(self._call, self._invocation, self._record, self._options)

    def __repr__(self) -> str:
        return f"<JoinedCall {self._record.method} {self._record.path} to {self._record.service}>"


def _nobody(_: Begun) -> None:
    """Nobody is told."""
