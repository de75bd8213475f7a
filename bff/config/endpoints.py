"""Where a service's endpoints are: listed here, or found by a resolver."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from bff.config.scale import Number
from bff.config.section import FROZEN, Also, OrEmpty, Secret, Section, no_entries, wrong
from bff.config.units import Duration

_HOST_AND_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
_KIND = re.compile(r"[a-z][a-z0-9_-]*")


def split_address(text: str) -> tuple[str, int | None]:
    """Host and port of ``10.0.0.1:8080``, ``[fd00::1]:8080`` or ``users.internal``; raises ValueError."""
    match = _HOST_AND_PORT.fullmatch(text)
    if match is None:
        raise ValueError("is not host:port")
    host, port = match[1].strip("[]"), match[2]
    if match[1].startswith("["):
        ip_address(host)
    if port is not None and not 0 < int(port) < 65536:
        raise ValueError("has no such port")
    return host, None if port is None else int(port)


def _address(text: str) -> str:
    try:
        split_address(text)
    except ValueError:
        raise wrong("is not an address; write host:port, such as 10.0.0.1:8080 or [fd00::1]:8080") from None
    return text


def _address_alone(value: Any) -> Any:
    return {"address": value} if isinstance(value, str) else value


def _kind(text: str) -> str:
    if not _KIND.fullmatch(text):
        raise wrong("is not a kind of discovery; write dns, srv, kubernetes, consul or nacos")
    return text


NAMELESS = frozenset({"dns", "srv", "kubernetes"})
"""Kinds of discovery that tell addresses and nothing else: all of them are DNS."""

Labels = Annotated[Mapping[str, str], OrEmpty, *FROZEN]


class EndpointConfig(Section):
    """One address of a service."""

    address: Annotated[str, AfterValidator(_address)] = Field(
        description="host:port; without a port, the one of the service's URL."
    )
    weight: Number = Field(default=1, gt=0, le=10_000, description="Its share, relative to the others'.")
    labels: Labels = Field(
        default_factory=no_entries, description="What tells it apart, for subsets; version: v2, say."
    )


Endpoint = Annotated[EndpointConfig, Also(_address_alone, "string"), BeforeValidator(_address_alone)]
"""``"10.0.0.1:8080"`` means ``{address: "10.0.0.1:8080"}``."""


class DiscoveryConfig(Section):
    """What is asked for a service's endpoints, and how."""

    type: Annotated[str, AfterValidator(_kind)] = Field(
        description="dns, srv, kubernetes, consul, nacos, or what an installed package brings."
    )
    name: str = Field(min_length=1, max_length=255, description="What the service is called there.")
    server: str | None = Field(
        default=None, description="Who is asked: a URL (consul, nacos) or a name server's address."
    )
    refresh: Duration = Field(
        default=5.0,
        description="How often it is asked where an answer does not say how long it holds (nacos).",
    )
    options: Annotated[Mapping[str, Secret], OrEmpty, *FROZEN] = Field(
        default_factory=no_entries, description="What the kind of discovery asks for besides; always secret."
    )
