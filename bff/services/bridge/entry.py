"""One entry of the gateway in a registry, as a value, and the face of what keeps it there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

ROUTES = "bff.routes"
"""The metadata that names the gateway's routes."""
LONGEST = 512
"""Characters of one value of metadata that Consul takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a registry is told. ``ttl`` is seconds; ``labels`` hold the routes too."""

    name: str
    host: str
    port: int
    ttl: float
    weight: float = 1.0
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def identity(self) -> str:
        """Tells this gateway's entry from those of others: the same after a restart at the same address."""
        return f"{self.name}-{self.host}-{self.port}".replace(":", "-")


class Registry(Protocol):
    """One registry. Each of these asks it once, and raises NotResolved where it did not do as it was told."""

    async def enter(self) -> None:
        """Make the entry, or make it anew; it counts as alive from now on."""

    async def renew(self) -> None:
        """Say that it is still alive; fails where the registry knows nothing of it."""

    async def leave(self) -> None:
        """Take it out."""

    async def aclose(self) -> None:
        """Let go of connections."""


def routes_told(routes: Iterable[tuple[str, Iterable[str]]]) -> str:
    """Templates and their methods in a line, ``GET /api/home/{user_id}, POST /api/orders``, cut where it is too long."""
    told = ""
    for template, methods in routes:
        one = f"{'|'.join(methods)} {template}"
        longer = f"{told}, {one}" if told else one
        if len(longer) > LONGEST - 5:
            return f"{told}, …" if told else "…"
        told = longer
    return told
