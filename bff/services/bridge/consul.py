"""The gateway at a Consul agent, alive by a TTL check that it passes itself.

https://developer.hashicorp.com/consul/api-docs/agent/service#register-service and
https://developer.hashicorp.com/consul/api-docs/agent/check#ttl-check-pass. A check's id is ``service:`` and the
service's. An entry whose gateway died without a word is removed by Consul after a minute, its least.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from bff.services.bridge.entry import Entry
from bff.services.discovery.registry import Registry

CRITICAL_FOR = 60.0
"""Seconds; Consul takes no less for DeregisterCriticalServiceAfter."""


class ConsulEntry:
    """See :class:`bff.services.bridge.entry.Registry`. Immutable but for the connections."""

    def __init__(self, entry: Entry, server: str, options: Mapping[str, str]) -> None:
        token = options.get("token", "")
        self._entry = entry
        self._registry = Registry(
            server or "http://127.0.0.1:8500", {"x-consul-token": token} if token else None
        )
        self._space = {"ns": options["namespace"]} if options.get("namespace") else {}
        self._tags = [tag.strip() for tag in options.get("tags", "").split(",") if tag.strip()]

    async def enter(self) -> None:
        entry = self._entry
        after = max(CRITICAL_FOR, 4 * entry.ttl)
        body = {
            "ID": entry.identity,
            "Name": entry.name,
            "Address": entry.host,
            "Port": entry.port,
            "Tags": self._tags,
            "Meta": dict(entry.labels),
            "Weights": {"Passing": max(1, round(entry.weight)), "Warning": 1},
            "Check": {
                "TTL": f"{entry.ttl:g}s",
                "Status": "passing",
                "DeregisterCriticalServiceAfter": f"{after:g}s",
            },
        }
        params = {"replace-existing-checks": "true", **self._space}
        await self._registry.ask("PUT", "/v1/agent/service/register", params=params, json=body)

    async def renew(self) -> None:
        check = quote(f"service:{self._entry.identity}", safe=":")
        await self._registry.ask("PUT", f"/v1/agent/check/pass/{check}", params=self._space)

    async def leave(self) -> None:
        identity = quote(self._entry.identity, safe="")
        await self._registry.ask("PUT", f"/v1/agent/service/deregister/{identity}", params=self._space)

    async def aclose(self) -> None:
        await self._registry.aclose()
