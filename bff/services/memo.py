"""The memo of one invocation: a page that asks twice for the same has one answer, and one call.

It holds flights, under way or landed, until the invocation ends or its answer begins; a stream that asks
again wants news. A call that changes something ends the memo of its service. RFC 9111 §6 allows it even for
what may not be stored: it is one page load.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from bff.sdk.invocation import Invocation
from bff.services.coalesce import Flight

MOST = 200
"""GETs that one invocation remembers, as many as its record has lines for."""


def recalled(invocation: Invocation, service: str, key: Hashable) -> Flight[Any] | None:
    """The flight of an earlier GET of this invocation for the same; none that failed."""
    if invocation.memo is None:
        return None
    flight: Flight[Any] | None = invocation.memo.get((service, key))
    return None if flight is None or flight.is_abandoned or flight.failure is not None else flight


def remember(invocation: Invocation, service: str, key: Hashable, flight: Flight[Any]) -> None:
    """Keep a flight for whoever asks again."""
    memo = invocation.memo
    if memo is None:
        if not invocation.memoizes:
            return
        memo = invocation.memo = {}
    if len(memo) < MOST:
        memo[(service, key)] = flight


def forget(invocation: Invocation, service: str) -> None:
    """Something was changed there: what was read before may be out of date."""
    if invocation.memo:
        for key in [key for key in invocation.memo if key[0] == service]:
            del invocation.memo[key]


def end(invocation: Invocation) -> None:
    """From now on every GET asks anew."""
    invocation.memoizes, invocation.memo = False, None
