"""Endpoints by Nacos 3's client API over HTTP, asked every few seconds: it has no subscriptions over HTTP.

https://nacos.io/docs/v3.0/manual/user/open-api: ``GET /nacos/v3/client/ns/instance/list``; every answer is
``{"code": 0, "message": "success", "data": …}``. Disabled instances are not in it; unhealthy ones are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bff.clock import Clock
from bff.services.discovery.registry import Registry, whole
from bff.services.resolver import Address, Found, NotResolved, Question

LIST = "/nacos/v3/client/ns/instance/list"
LOGIN = "/nacos/v3/auth/user/login"
EARLY = 60.0
"""Seconds before its end a token is replaced."""


def resolver(question: Question) -> Nacos:
    """``type: nacos``; ``name`` is the service's there, ``server`` such as ``http://nacos:8848``.

    Options: ``namespace`` (public), ``group`` (DEFAULT_GROUP), ``cluster``, ``username`` and ``password``.
    """
    return Nacos(question)


class Login:
    """A name and a password as what proves them. Mutable state: ``_token`` and until when it is good."""

    def __init__(self, registry: Registry, user: str, password: str, *, clock: Clock) -> None:
        self._registry, self._user, self._password, self._clock = registry, user, password, clock
        self._token = ""
        self._until = 0.0

    async def headers(self) -> dict[str, str]:
        """What a request carries; nothing where nobody has to log in.

        Raises:
            NotResolved: Nacos does not let them in.

        """
        if not self._user:
            return {}
        now = self._clock.now()
        if now >= self._until:
            answer, _ = await self._registry.ask(
                "POST", LOGIN, form={"username": self._user, "password": self._password}
            )
            self._token, seconds = token_of(answer)
            self._until = now + max(seconds - EARLY, seconds / 2)
        return {"accesstoken": self._token}

    def forget(self) -> None:
        """Log in anew the next time: perhaps the token was withdrawn."""
        self._until = 0.0


class Nacos:
    """One service. Immutable but for connections and login."""

    timeout = 10.0

    def __init__(self, question: Question) -> None:
        self._registry = Registry(question.server or "http://127.0.0.1:8848")
        self._refresh = question.refresh
        user, password = question.option("username"), question.option("password")
        self._login = Login(self._registry, user, password, clock=question.clock)
        asked = {
            "serviceName": question.name,
            "groupName": question.option("group", "DEFAULT_GROUP"),
            "namespaceId": question.option("namespace", "public"),
            "clusterName": question.option("cluster"),
        }
        self._asked = {name: value for name, value in asked.items() if value}

    async def resolve(self) -> Found:
        """See :class:`bff.services.resolver.Resolver`."""
        headers = await self._login.headers()
        try:
            body, _ = await self._registry.ask("GET", LIST, params=self._asked, headers=headers)
        except NotResolved:
            self._login.forget()
            raise
        return Found(addresses=addresses(data_of(body)), ttl=self._refresh)

    async def aclose(self) -> None:
        """Close its connections."""
        await self._registry.aclose()


def token_of(answer: Any) -> tuple[str, float]:
    """The token of a login's answer, and the seconds it is good for.

    Raises:
        NotResolved: there is none.

    """
    try:
        inner = answer.get("data", answer)
        return str(inner["accessToken"]), float(inner["tokenTtl"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NotResolved("Nacos gave no token") from error


def data_of(body: Any) -> Any:
    """What is inside Nacos's envelope.

    Raises:
        NotResolved: its code says that it failed.

    """
    if not isinstance(body, dict) or "code" not in body:
        raise NotResolved("what answered is not Nacos 3")
    if body["code"] != 0:
        raise NotResolved(f"Nacos answered with code {body['code']}")
    return body.get("data")


def addresses(data: Any) -> tuple[Address, ...]:
    """The instances that may be called: enabled, healthy, and with a weight above nothing.

    Raises:
        NotResolved: it is not an answer of that API.

    """
    return tuple(
        _address(each)
        for each in whole(data, "Nacos's answer")
        if each.get("healthy", True) and each.get("enabled", True) and each.get("weight", 1.0) != 0
    )


def _address(entry: Mapping[str, Any]) -> Address:
    try:
        labels = entry.get("metadata") or {}
        return Address(
            host=str(entry["ip"]),
            port=int(entry["port"]),
            weight=float(entry.get("weight", 1.0)),
            labels={str(name): str(value) for name, value in labels.items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NotResolved("an instance in Nacos's answer has no address or port") from error
