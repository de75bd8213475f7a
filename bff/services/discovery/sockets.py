"""The sockets that dnspython asks through, of which none is lost.

Whoever is cancelled while uvloop makes a datagram endpoint gets no transport, and nobody else has it: it stays open
until the collector finds it, and a loop on which one is open does not close.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine
from functools import cache
from typing import Any


@cache
def backend() -> Any:
    """What dnspython has for asyncio, but that a socket is made whole or not at all."""
    import dns.asyncbackend

    usual: Any = dns.asyncbackend.get_backend("asyncio")

    class Whole(type(usual)):  # type: ignore[misc]
        async def make_socket(self, af: int, socktype: int, *args: Any, **named: Any) -> Any:
            making = super().make_socket(af, socktype, *args, **named)
            return await (_whole(making) if socktype == socket.SOCK_DGRAM else making)

    return Whole()


async def _whole(making: Coroutine[Any, Any, Any]) -> Any:
    """What is made here is there within a turn or two of the loop: a cancellation can wait for it."""
    made = asyncio.ensure_future(making)
    try:
        return await asyncio.shield(made)
    except asyncio.CancelledError:
        made.add_done_callback(_close)
        await asyncio.wait({made})
        raise


def _close(made: asyncio.Future[Any]) -> None:
    if not made.cancelled() and made.exception() is None:
        made.result().transport.close()
