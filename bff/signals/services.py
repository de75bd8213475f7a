"""What happens to services' endpoints, and to the gateway's own place in registries."""

from __future__ import annotations

from bff.frozen import frozen
from bff.signals.hub import Signal


@frozen
class EndpointEjected(Signal):
    """An endpoint of a service failed so often that it is left alone for so many seconds."""

    service: str
    endpoint: str
    seconds: float


@frozen
class EndpointReturned(Signal):
    """An endpoint that had been ejected answers again."""

    service: str
    endpoint: str


@frozen
class EndpointsChanged(Signal):
    """Discovery found other endpoints of a service than before."""

    service: str
    endpoints: tuple[str, ...]


@frozen
class DiscoveryFailed(Signal):
    """Nobody told where a service is; ``kept`` endpoints that were known go on being used."""

    service: str
    why: str
    kept: int


@frozen
class Registered(Signal):
    """A registry knows this gateway by a name, at an address."""

    name: str
    address: str


@frozen
class Deregistered(Signal):
    """The gateway was taken out of a registry."""

    name: str


@frozen
class RegistrationFailed(Signal):
    """A registry did not take what the gateway told of itself; it is told again."""

    name: str
    why: str
