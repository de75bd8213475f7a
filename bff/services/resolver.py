"""What finds a service's endpoints: the face of every resolver, and how one is made.

A package of one's own adds a kind by an entry point in the group ``bff.resolvers``: its name is what
``discovery: {type: …}`` says, its object is called with a :class:`Question` and gives a :class:`Resolver`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Protocol

from bff.clock import Clock

GROUP = "bff.resolvers"

OWN: Mapping[str, str] = MappingProxyType(
    {
        "dns": "bff.services.discovery.names:addresses",
        "srv": "bff.services.discovery.names:services",
        "kubernetes": "bff.services.discovery.kubernetes:resolver",
        "consul": "bff.services.discovery.consul:resolver",
        "nacos": "bff.services.discovery.nacos:resolver",
    }
)
"""Imported when a service asks for one: dnspython alone takes 60 ms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where one endpoint is. ``weight`` is relative to the others'; ``labels`` are the registry's own words."""

    host: str
    port: int
    weight: float = 1.0
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def key(self) -> tuple[str, int]:
        """What makes it the same endpoint as before, whatever its weight."""
        return (self.host, self.port)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An answer: every address there is now, and the seconds for which that holds."""

    addresses: tuple[Address, ...]
    ttl: float


class NotResolved(Exception):
    """A question that was not answered. It says nothing of the endpoints; they stay as they were."""


class Resolver(Protocol):
    """Answers where one service is, again and again."""

    timeout: float
    """Seconds one question may take; longer than any time it waits for news on purpose."""

    async def resolve(self) -> Found:
        """All addresses. It may wait until something has changed.

        Raises:
            NotResolved: nobody answered, or not with what was asked for. The text is for operators.

        """

    async def aclose(self) -> None:
        """Let go of connections."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A service's ``discovery`` as a resolver gets it. ``port`` is what the service's URL says."""

    service: str
    name: str
    port: int
    clock: Clock
    server: str = ""
    refresh: float = 5.0
    options: Mapping[str, str] = field(default_factory=dict)

    def option(self, name: str, default: str = "") -> str:
        """One of ``options``."""
        return self.options.get(name, default)


Make = Callable[[Question], Resolver]


def find(kind: str) -> Make | None:
    """What makes resolvers of a kind: ours, or an installed package's; None if nobody does."""
    if kind in OWN:
        module, _, name = OWN[kind].partition(":")
        made: Make = getattr(import_module(module), name)
        return made
    for each in entry_points(group=GROUP, name=kind):
        loaded: Make = each.load()
        return loaded
    return None


def kinds() -> list[str]:
    """Every kind there is, for whoever misspelt one."""
    return sorted({*OWN, *(each.name for each in entry_points(group=GROUP))})
