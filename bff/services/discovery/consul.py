"""Endpoints by Consul's health API, with blocking queries: news arrive within a round trip.

https://developer.hashicorp.com/consul/api-docs/health#list-service-instances-for-service and
https://developer.hashicorp.com/consul/api-docs/features/blocking, whose rules for clients are in :func:`next_index`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from bff.services.discovery.registry import Registry, whole
from bff.services.resolver import Address, Found, NotResolved, Question

WAIT = 300.0
"""Seconds Consul holds a question back while nothing changes (its own default)."""
SPREAD = WAIT / 16
"""Seconds it may add to that, so that not everybody asks again at once."""


def resolver(question: Question) -> Consul:
    """``type: consul``; ``name`` is the service's there, ``server`` the agent's URL.

    Options: ``token``, ``tag``, ``datacenter``, ``namespace``.
    """
    return Consul(question)


class Consul:
    """One service at one agent. Mutable state: ``_index``, what was seen last."""

    timeout = WAIT + SPREAD + 15.0

    def __init__(self, question: Question) -> None:
        token = question.option("token")
        server = question.server or "http://127.0.0.1:8500"
        self._registry = Registry(server, {"x-consul-token": token} if token else None)
        self._path = f"/v1/health/service/{quote(question.name, safe='')}"
        asked = {
            "passing": "true",
            "tag": question.option("tag"),
            "dc": question.option("datacenter"),
            "ns": question.option("namespace"),
        }
        self._asked = {name: value for name, value in asked.items() if value}
        self._index = 0

    async def resolve(self) -> Found:
        """See :class:`bff.services.resolver.Resolver`. The first answer comes at once, others with news."""
        params = dict(self._asked)
        if self._index:
            params |= {"index": str(self._index), "wait": f"{WAIT:.0f}s"}
        try:
            body, headers = await self._registry.ask("GET", self._path, params=params)
            found = addresses(body)
        except NotResolved:
            self._index = 0  # what comes after a failure is asked for whole
            raise
        self._index = next_index(self._index, headers)
        return Found(addresses=found, ttl=0.0)

    async def aclose(self) -> None:
        """Close its connections."""
        await self._registry.aclose()


def next_index(last: int, headers: Mapping[str, str]) -> int:
    """The index to wait for: 0, asking at once, when it is missing, not positive or went backwards, which a
    restored snapshot does.
    """
    text = headers.get("x-consul-index", "")
    index = int(text) if text.isdecimal() and len(text) < 20 else 0
    return index if index >= last else 0


def addresses(body: Any) -> tuple[Address, ...]:
    """The instances of an answer. One without an address of its own has its node's.

    Raises:
        NotResolved: it is not an answer of that API.

    """
    return tuple(_address(each) for each in whole(body, "Consul's answer"))


def _address(entry: Mapping[str, Any]) -> Address:
    try:
        service = entry["Service"]
        weight = float((service.get("Weights") or {}).get("Passing", 1)) or 1.0
        meta = service.get("Meta") or {}
        return Address(
            host=str(service["Address"] or entry["Node"]["Address"]),
            port=int(service["Port"]),
            weight=weight,
            labels={str(name): str(value) for name, value in meta.items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NotResolved("an instance in Consul's answer has no address or port") from error
