"""An upstream domain service: where it is, what it is told, how long it may take."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from bff.config.cache import CacheSetting
from bff.config.conditions import Conditions
from bff.config.endpoints import NAMELESS, DiscoveryConfig, Endpoint, Labels
from bff.config.faults import FaultConfig
from bff.config.fieldnames import header_name
from bff.config.headerrules import HeaderRulesConfig, HeaderValue
from bff.config.names import HOP_BY_HOP
from bff.config.resilience import Balance, BalanceConfig, HedgeConfig, OutlierConfig, RetriesConfig
from bff.config.section import (
    FROZEN,
    Count,
    Flag,
    NoDoubles,
    OneOrMany,
    OrEmpty,
    OrNone,
    Secret,
    Section,
    no_entries,
    wrong,
)
from bff.config.traffic import Label
from bff.config.units import Duration

_UNPRINTABLE = re.compile(r"[\s\x00-\x1f\x7f\\]")


def service_url(text: str) -> str:
    """The base URL, without a trailing slash: paths of calls are appended to it."""
    if _UNPRINTABLE.search(text):
        raise wrong("a URL holds no spaces, backslashes or control characters")
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise wrong("is not a URL; write http://host or http://host:port/prefix") from None
    if url.scheme not in ("http", "https"):
        raise wrong("a service's URL begins with http:// or https://")
    if url.username is not None or url.password is not None:
        raise wrong("a URL holds no user or password; put credentials under headers")
    if not url.hostname or port == 0:
        raise wrong("a service's URL names a host; write http://host or http://host:port/prefix")
    if "?" in text or "#" in text:
        raise wrong("a service's URL has no query and no fragment; calls add their own params")
    return text.rstrip("/")


def _sent_header(text: str) -> str:
    name = header_name(text)
    if name.lower() in HOP_BY_HOP | {"content-length"}:
        raise wrong("belongs to a single connection or message; the client sets it itself")
    return name


def _one_spelling(headers: Mapping[str, SecretStr]) -> Mapping[str, SecretStr]:
    seen: set[str] = set()
    for name in headers:
        if name.lower() in seen:
            raise wrong("names the same header twice; headers are compared without case", hint=f": {name}")
        seen.add(name.lower())
    return headers


SentHeader = Annotated[str, AfterValidator(_sent_header)]


def _proxy_url(value: SecretStr) -> SecretStr:
    try:
        url = urlsplit(value.get_secret_value())
        has_host = bool(url.hostname) and url.port != 0
    except ValueError:
        has_host = False
    if not has_host or url.scheme not in ("http", "https"):
        raise wrong(
            "a proxy's URL begins with http:// or https:// and names a host; it may hold user:password@"
        )
    return value


ProxyUrl = Annotated[Secret, AfterValidator(_proxy_url)]


class SubsetConfig(Section):
    """Another place where a service is: a version of it (Istio's DestinationRule calls it a subset).

    A call goes to the first subset whose lane it travels in, else to the first whose rule it meets, else by weight.
    """

    url: Annotated[str, AfterValidator(service_url)] | None = Field(
        default=None, description="Base URL, as a service's; or else labels."
    )
    labels: Labels = Field(
        default_factory=no_entries,
        description="What its endpoints are told apart by, among those listed or discovered.",
    )
    lanes: Annotated[tuple[Label, ...], OneOrMany, NoDoubles] = Field(
        default=(), description="Lanes whose calls it gets, beside the one of its own name."
    )
    match: Annotated[tuple[Conditions, ...], OrNone] = Field(
        default=(), description="Conditions on the caller's request; meeting one of them is enough."
    )
    weight: Count = Field(
        default=0, ge=0, le=100, description="Percent of the other calls; what is left goes to `url`."
    )

    @model_validator(mode="after")
    def _is_somewhere(self) -> SubsetConfig:
        if (self.url is None) == (not self.labels):
            raise wrong("is told by its url, or by the labels of its endpoints: write one of them")
        return self


def _weights_fit(subsets: Mapping[str, SubsetConfig]) -> Mapping[str, SubsetConfig]:
    total = sum(subset.weight for subset in subsets.values())
    if total > 100:
        raise wrong("has weights over 100 percent together", hint=f": {total}")
    return subsets


class ServiceConfig(Section):
    """A domain service that functions call as ``ctx.services.NAME``."""

    url: Annotated[str, AfterValidator(service_url)] = Field(
        description="Base URL: http or https, a host, optionally a port and a path prefix."
    )
    timeout: Duration = Field(default=5.0, description="How long one call may take (httpx's default).")
    headers: Annotated[Mapping[SentHeader, HeaderValue], AfterValidator(_one_spelling), OrEmpty, *FROZEN] = (
        Field(default_factory=no_entries, description="Headers sent with every call; where credentials go.")
    )
    request_headers: HeaderRulesConfig | None = Field(
        default=None,
        description="Which of a caller's headers travel to it, and what is changed; absent: no rules.",
    )
    response_headers: HeaderRulesConfig | None = Field(
        default=None,
        description="Which headers of an answer that passes through reach the caller; absent: no rules.",
    )
    max_connections: Count = Field(
        default=100, ge=1, description="Most connections open at once (httpx's default)."
    )
    max_pending: Count = Field(
        default=1024,
        ge=0,
        description="Most calls that may wait for a connection (Envoy's max_pending_requests).",
    )
    max_websockets: Count = Field(
        default=1024,
        ge=0,
        description="Most WebSockets that pass through to it at once, beside its connections.",
    )
    transport: Literal["bff", "httpx"] = Field(
        default="bff",
        description="What speaks HTTP: bff's own HTTP/1.1, or stock httpx (HTTP/2, proxies).",
    )
    proxy: ProxyUrl | None = Field(
        default=None,
        description="The proxy that calls go through, always secret; with transport: httpx only.",
    )
    keep_alive: Duration = Field(
        default=4.0, description="How long an idle connection is kept (a second less than uvicorn and Node)."
    )
    cache: CacheSetting = Field(
        default=None,
        description="Whether answers to GET are kept, and what is stated beside their own words.",
    )
    coalesce: Flag = Field(
        default=True, description="Whether identical GETs at the same time, or of one request, are one call."
    )
    stream_idle_timeout: Duration = Field(
        default=300.0,
        description="Longest silence within what is passed through, either way (Envoy's stream_idle_timeout).",
    )
    stream_timeout: Duration = Field(
        default=3600.0, description="How long passing one answer or WebSocket through may take in all."
    )
    subsets: Annotated[Mapping[Label, SubsetConfig], AfterValidator(_weights_fit), OrEmpty, *FROZEN] = Field(
        default_factory=no_entries, description="Other versions of it, chosen by lane, rule or weight."
    )
    idempotent: Flag = Field(
        default=False, description="Whether every call of it may be sent twice, POST and the like included."
    )
    retries: Annotated[RetriesConfig, OrEmpty] = Field(
        default=RetriesConfig.plain(), description="Which failed calls are sent again."
    )
    hedge: HedgeConfig | None = Field(
        default=None, description="A second attempt beside an unusually slow one; absent: none."
    )
    outlier_detection: Annotated[OutlierConfig, OrEmpty] = Field(
        default=OutlierConfig.plain(), description="When an endpoint is left alone, and for how long."
    )
    balance: Annotated[Balance, OrEmpty] = Field(
        default=BalanceConfig.plain(), description="Which endpoint gets the next call."
    )
    faults: Annotated[tuple[FaultConfig, ...], OrNone] = Field(
        default=(), description="Faults made on purpose; refused unless gateway.allow_faults."
    )
    endpoints: Annotated[tuple[Endpoint, ...], OrNone] = Field(
        default=(), description="Its addresses, where the URL's host is not the one to connect to."
    )
    discovery: DiscoveryConfig | None = Field(
        default=None, description="What finds its endpoints; absent: the URL's host, or endpoints."
    )

    @model_validator(mode="after")
    def _one_way_to_find_them(self) -> ServiceConfig:
        if self.endpoints and self.discovery is not None:
            raise wrong("has both endpoints and discovery; remove one of them")
        names = [endpoint.address for endpoint in self.endpoints]
        if len(set(names)) != len(names):
            raise wrong("lists the same endpoint twice; give it a weight instead")
        return self

    @model_validator(mode="after")
    def _labels_are_known(self) -> ServiceConfig:
        told = [name for name, subset in self.subsets.items() if subset.labels]
        if not told:
            return self
        if self.discovery is None and not self.endpoints:
            raise wrong("tells subsets by labels, and has neither endpoints nor discovery that have some")
        if self.discovery is not None and self.discovery.type in NAMELESS:
            raise wrong(
                "tells subsets by labels, which DNS has none of; give each subset a url", hint=f": {told[0]}"
            )
        return self

    @model_validator(mode="after")
    def _proxies_need_httpx(self) -> ServiceConfig:
        if self.proxy is not None and self.transport != "httpx":
            raise wrong("a proxy needs transport: httpx")
        return self
