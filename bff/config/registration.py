"""The gateway's own entry in a registry, so that those who look there can call its routes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from bff.config.endpoints import split_address
from bff.config.scale import Number
from bff.config.section import FROZEN, OrEmpty, Secret, Section, no_entries, wrong
from bff.config.units import Duration


def _address(text: str) -> str:
    try:
        host, _ = split_address(text)
    except ValueError:
        raise wrong("is not an address; write a host, or host:port, such as 10.0.0.1:8080") from None
    if host in ("0.0.0.0", "::", "localhost") or host.startswith("127."):  # noqa: S104 (refused, not listened on)
        raise wrong("is no address that others can call; write this machine's own, ${HOST_IP} say")
    return text


def _renewable(seconds: float) -> float:
    if not 3.0 <= seconds <= 3600.0:
        raise wrong("is no time in which a registry could be told of life; write 3s to 1h")
    return seconds


class RegistrationConfig(Section):
    """One name in one registry under which this gateway is found."""

    type: Literal["consul", "nacos"] = Field(description="The registry: a Consul agent, or Nacos 3.")
    name: str = Field(min_length=1, max_length=128, description="What the gateway is called there.")
    server: str | None = Field(default=None, description="The registry's URL.")
    address: Annotated[str, AfterValidator(_address)] = Field(
        description="Where others reach this gateway: a host, or host:port where the port is not the listener's."
    )
    ttl: Annotated[Duration, AfterValidator(_renewable)] = Field(
        default=15.0,
        description="How long an entry is good without being renewed, which is done three times as often.",
    )
    weight: Number = Field(default=1, gt=0, le=10_000, description="Its share, relative to other gateways'.")
    labels: Annotated[Mapping[str, str], OrEmpty, *FROZEN] = Field(
        default_factory=no_entries,
        description="Metadata for those who choose by it; its routes are told too.",
    )
    options: Annotated[Mapping[str, Secret], OrEmpty, *FROZEN] = Field(
        default_factory=no_entries,
        description="What the registry asks for besides, as under discovery; always secret.",
    )
