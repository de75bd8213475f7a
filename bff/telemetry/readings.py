"""How things are at the moment of a scrape, as those who know tell it: nobody keeps count of it on the way of a
request. The composition root hands in whom to ask.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from bff.frozen import frozen


@frozen
class RevisionNow:
    """One revision in this gateway: its ``instances`` by state, calls inside and in line, and the bytes of its
    processes, if it has any. The revision is empty for those who wait for a function's first one.
    """

    function: str
    revision: str
    instances: Mapping[str, int]
    in_flight: int = 0
    waiting: int = 0
    process_ids: tuple[int, ...] = ()


@frozen
class EndpointNow:
    """One endpoint of a service: where its breaker stands, and calls on their way."""

    service: str
    endpoint: str
    state: str
    active: int


@frozen
class GatewayNow:
    """Of the gateway as a whole."""

    connections: int = 0
    cache_entries: int = 0
    cache_bytes: int = 0
    cache_max_bytes: int = 0
    deliveries: int = 0


def _none(*_: object) -> tuple[()]:
    return ()


@frozen
class Sources:
    """Whom to ask: ``known`` gives the names of a function's revisions that calls could still come from."""

    revisions: Callable[[], Iterable[RevisionNow]] = _none
    endpoints: Callable[[], Iterable[EndpointNow]] = _none
    gateway: Callable[[], GatewayNow] = GatewayNow
    known: Callable[[str], Collection[str]] | None = None
