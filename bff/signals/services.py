"""What happens to services' endpoints, and to the gateway's own place in registries."""

from __future__ import annotations

from dataclasses import dataclass

from bff.signals.hub import Signal


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointEjected(Signal):
    """An endpoint of a service failed so often that it is left alone for so many seconds."""

    service: str
    endpoint: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointReturned(Signal):
    """An endpoint that had been ejected answers again."""

    service: str
    endpoint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointsChanged(Signal):
    """Discovery found other endpoints of a service than before."""

    service: str
    endpoints: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoveryFailed(Signal):
    """Nobody told where a service is; ``kept`` endpoints that were known go on being used."""

    service: str
    why: str
    kept: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered(Signal):
    """A registry knows this gateway by a name, at an address."""

    name: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deregistered(Signal):
    """The gateway was taken out of a registry."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationFailed(Signal):
    """A registry did not take what the gateway told of itself; it is told again."""

    name: str
    why: str
