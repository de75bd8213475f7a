"""The gateway in Nacos 3, as an ephemeral instance that it keeps alive itself.

https://nacos.io/docs/v3.0/manual/user/open-api: ``POST /nacos/v3/client/ns/instance`` enters, the same with
``heartBeat=true`` renews, ``DELETE`` takes out. Who is silent for 15 s is unhealthy, for 30 s removed; both can be
said in the metadata.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from bff.clock import Clock
from bff.services.bridge.entry import Entry
from bff.services.discovery.nacos import Login, data_of
from bff.services.discovery.registry import Registry
from bff.services.resolver import NotResolved

INSTANCE = "/nacos/v3/client/ns/instance"


class NacosEntry:
    """See :class:`bff.services.bridge.entry.Registry`. Immutable but for the connections and the login."""

    def __init__(self, entry: Entry, server: str, options: Mapping[str, str], *, clock: Clock) -> None:
        self._registry = Registry(server or "http://127.0.0.1:8848")
        self._login = Login(
            self._registry, options.get("username", ""), options.get("password", ""), clock=clock
        )
        milliseconds = int(1000 * entry.ttl)
        self._where = {
            "serviceName": entry.name,
            "groupName": options.get("group", "DEFAULT_GROUP"),
            "namespaceId": options.get("namespace", "public"),
            "clusterName": options.get("cluster", "DEFAULT"),
            "ip": entry.host,
            "port": str(entry.port),
            "ephemeral": "true",
        }
        self._what = {
            "weight": f"{entry.weight:g}",
            "enabled": "true",
            "healthy": "true",
            "metadata": json.dumps(
                {
                    **entry.labels,
                    "preserved.heart.beat.interval": str(milliseconds // 3),
                    "preserved.heart.beat.timeout": str(milliseconds),
                    "preserved.ip.delete.timeout": str(2 * milliseconds),
                }
            ),
        }

    async def enter(self) -> None:
        await self._ask("POST", {**self._where, **self._what})

    async def renew(self) -> None:
        await self._ask("POST", {**self._where, **self._what, "heartBeat": "true"})

    async def leave(self) -> None:
        await self._ask("DELETE", self._where)

    async def _ask(self, method: str, form: Mapping[str, str]) -> None:
        headers = await self._login.headers()
        try:
            sent = {"params": form} if method == "DELETE" else {"form": form}
            answer, _ = await self._registry.ask(method, INSTANCE, headers=headers, **sent)
        except NotResolved:
            self._login.forget()  # perhaps the token was withdrawn
            raise
        data_of(answer)

    async def aclose(self) -> None:
        await self._registry.aclose()
