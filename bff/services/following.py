"""One service's discovery as its client uses it: a task that follows, and the list to begin with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bff.clock import Clock
from bff.config import ServiceConfig
from bff.sdk.failures import NoHealthyEndpoint
from bff.services.discovery.follower import Failure, Follower
from bff.services.discovery.lastgood import LastGood
from bff.services.resolver import Address, NotResolved, Question, Resolver, find, kinds
from bff.signals import DiscoveryFailed, EndpointEjected, EndpointReturned, EndpointsChanged, Signal

if TYPE_CHECKING:
    from bff.services.endpoints import Moved

TIMEOUT_HEADER = "x-envoy-expected-rq-timeout-ms"
"""Tells a service how many milliseconds it has (Envoy's router sends it)."""

PATIENCE = 1.0
"""Seconds a resolver may take to close before it is cancelled once more."""

Obey = Callable[[Sequence[Address]], None]


def _nobody(_: Signal) -> None:
    """Nobody listens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What every service's client shares. ``folder`` is where last good lists are kept; None: nowhere.

    ``heeds_fault_header``: in dev, callers may ask for faults. ``is_real`` is False where tests hand in transports: they decide who answers, once for each call. Nothing is
    discovered, retried, hedged or ejected then.
    """

    random: Random = field(default_factory=Random)
    emit: Callable[[Any], None] = _nobody
    folder: Path | None = None
    timeout_header: str = TIMEOUT_HEADER
    is_real: bool = True
    heeds_fault_header: bool = False

    def moved(self, service: str, moved: Moved) -> None:
        """An endpoint was ejected, or is back."""
        if moved.seconds > 0:
            self.emit(EndpointEjected(service=service, endpoint=moved.endpoint, seconds=moved.seconds))
        else:
            self.emit(EndpointReturned(service=service, endpoint=moved.endpoint))

    def failed(self, failure: Failure) -> None:
        """A resolver did not answer."""
        self.emit(DiscoveryFailed(service=failure.service, why=failure.why, kept=failure.kept))


class Following:
    """Mutable state: ``_follower``, ``_obey``, ``_task``; made and ended on the loop."""

    def __init__(self, service: str, config: ServiceConfig, around: Surroundings, *, clock: Clock) -> None:
        assert config.discovery is not None
        self._service = service
        self._around = around
        self._obey: Obey | None = None
        asked = config.discovery
        kept = None
        if around.folder is not None:
            kept = LastGood(around.folder, service, identity_of(config))
        self._follower = Follower(
            service,
            make=lambda: _resolver(asked.type, question(service, config, clock)),
            obey=self._changed,
            tell=around.failed,
            clock=clock,
            random=around.random,
            kept=kept,
        )
        self._task = asyncio.get_running_loop().create_task(self._follower.run())

    async def first(self) -> Sequence[Address]:
        """The endpoints to begin with: what is known, or what the first answer says.

        Raises:
            NoHealthyEndpoint: nothing is known, and the last question failed.

        """
        if not self._follower.addresses:
            if self._follower.failures:
                raise NoHealthyEndpoint(self._service)
            await self._known_or_failed()
        return self._follower.addresses

    async def _known_or_failed(self) -> None:
        await self._follower.settled()
        if not self._follower.addresses:
            raise NoHealthyEndpoint(self._service)

    def lead(self, obey: Obey) -> None:
        """Hand every new list to ``obey`` from now on."""
        self._obey = obey
        obey(self._follower.addresses)

    def _changed(self, addresses: tuple[Address, ...]) -> None:
        self._around.emit(EndpointsChanged(service=self._service, endpoints=tuple(map(str, addresses))))
        if self._obey is not None:
            self._obey(addresses)

    async def aclose(self) -> None:
        """Stop. Told again where one telling was not enough: see :meth:`Follower.run`."""
        while not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=PATIENCE)


_CREDENTIALS = frozenset({"username", "password", "token"})
"""Options that say who asks, and not for what: they may change, and the answer be the same."""


def identity_of(config: ServiceConfig) -> str:
    """What tells a service's ``discovery`` from any other, so that the endpoints of another data centre, tag or port
    are never taken for its own. Options are secrets, and of these it has a digest only.
    """
    asked = config.discovery
    assert asked is not None
    told = {
        name: value.get_secret_value() for name, value in asked.options.items() if name not in _CREDENTIALS
    }
    digest = sha256(repr(sorted(told.items())).encode()).hexdigest()[:16]
    return f"{asked.type} {asked.name} {asked.server} {port_of(config.url)} {digest}"


def question(service: str, config: ServiceConfig, clock: Clock) -> Question:
    """A service's ``discovery`` as resolvers read it."""
    asked = config.discovery
    assert asked is not None
    return Question(
        service=service,
        name=asked.name,
        port=port_of(config.url),
        clock=clock,
        server=asked.server or "",
        refresh=asked.refresh,
        options={name: value.get_secret_value() for name, value in asked.options.items()},
    )


def port_of(url: str) -> int:
    """The port a URL names, or its scheme's own."""
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)


def _resolver(kind: str, asked: Question) -> Resolver:
    make = find(kind)
    if make is None:
        known = ", ".join(kinds())
        raise NotResolved(f"nobody brings the discovery type {kind}; there are {known}: install its package")
    return make(asked)
