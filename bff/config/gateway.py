"""The gateway's own settings: limits of the public listener, CORS, and what it tells about itself."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from bff.config.cors import CorsConfig
from bff.config.fieldnames import HeaderName
from bff.config.recorder import RecorderConfig, RecorderSetting
from bff.config.section import Count, Flag, NoDoubles, OneOrMany, Secret, Section, wrong
from bff.config.traces import Style, TracesSetting
from bff.config.units import Duration, Share, Size


def _network(value: Any) -> IPv4Network | IPv6Network:
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    if not isinstance(value, str):
        raise wrong("is not a network; write an address or a range such as 10.0.0.0/8")
    try:
        return ip_network(value)
    except ValueError:
        pass
    try:
        whole = ip_network(value, strict=False)
    except ValueError:
        raise wrong("is not a network; write an address or a range such as 10.0.0.0/8") from None
    raise wrong("has bits set beyond its prefix", hint=f"; did you mean {whole}?")


Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network), WithJsonSchema({"type": "string"})]


class GatewayConfig(Section):
    """Limits of the public listener, each with the default of a server people know."""

    trusted_proxies: Annotated[tuple[Network, ...], OneOrMany] = Field(
        default=(), description="Addresses and networks whose X-Forwarded-For and Forwarded are believed."
    )
    allow_faults: Flag = Field(
        default=False, description="Whether services may have faults, which are made on purpose."
    )
    timeout_header: HeaderName = Field(
        default="x-envoy-expected-rq-timeout-ms",
        description="Header that tells services how many milliseconds they have, and that trusted proxies set (Envoy).",
    )
    max_body: Size = Field(default=2**20, description="Largest request body (nginx client_max_body_size).")
    max_head: Size = Field(
        default=32 * 2**10,
        description="Largest request line and header fields together (nginx large_client_header_buffers).",
    )
    max_target: Size = Field(
        default=8 * 2**10,
        description="Longest path and query together (RFC 9110 §4.1 asks for 8,000 bytes at least).",
    )
    head_timeout: Duration = Field(default=15.0, description="How long a request's head may take to arrive.")
    body_timeout: Duration = Field(
        default=60.0,
        description="How long a request's body may be silent on its way (nginx client_body_timeout).",
    )
    write_timeout: Duration = Field(
        default=30.0,
        description="How long a caller may take nothing of a finished answer (nginx send_timeout).",
    )
    max_connections: Count = Field(
        default=0,
        ge=0,
        description="Most connections of the public listener; 0: as many as the system lets us.",
    )
    max_connections_per_address: Count = Field(
        default=0,
        ge=0,
        description="Most connections from one address, IPv6 by /64; 0: no limit. Trusted proxies have none.",
    )
    keep_alive_timeout: Duration = Field(
        default=75.0, description="How long an idle connection stays open (nginx keepalive_timeout)."
    )
    drain_timeout: Duration = Field(
        default=30.0,
        description="How long shutdown waits for requests (Kubernetes terminationGracePeriodSeconds).",
    )
    watchdog: Duration = Field(
        default=10.0,
        description="How long one function may keep the event loop until the gateway ends itself with exit code 70.",
    )
    max_warm: Count = Field(
        default=1000,
        ge=1,
        description="Most functions warm at a time; the one called longest ago goes first.",
    )
    max_processes: Count | None = Field(
        default=None,
        ge=1,
        description="Most processes of functions at a time, over all of them; unsaid, four for each processor and eight at least.",
    )
    cache_size: Size = Field(default=64 * 2**20, description="Bytes that all kept answers may take together.")
    cors: CorsConfig | None = Field(default=None, description="Absent: pages of other origins cannot call.")


Timing = Literal["none", "own", "services"]
"""What Server-Timing tells callers."""


class TelemetryConfig(Section):
    """What the gateway tells about itself."""

    access_log: Flag = Field(default=True, description="One line for each request.")
    metrics: Flag = Field(default=True, description="Prometheus metrics on the admin listener.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least severe log lines that are written."
    )
    log_sample: Share = Field(
        default=1.0,
        description="Share of the lines of requests that went well; all others are written always.",
    )
    log_key: Secret | None = Field(
        default=None,
        description="Makes hashes of callers comparable between gateways and starts; unsaid, one is made at each start.",
    )
    log_format: Literal["auto", "json", "pretty"] = Field(
        default="auto", description="auto: pretty on a terminal, json elsewhere."
    )
    recorder: RecorderSetting = Field(
        default=RecorderConfig.plain(), description="What is remembered of the last invocations."
    )
    traces: TracesSetting = Field(
        default=None, description="Spans to a collector; absent: none, and OpenTelemetry is not imported."
    )
    server_timing: Timing | None = Field(
        default=None,
        description="What Server-Timing tells callers: none, own times, services too; unsaid, services in dev and own elsewhere.",
    )
    trace_headers: Annotated[tuple[Style, ...], OneOrMany, NoDoubles] = Field(
        default=(), description="How services are told their trace besides W3C's way: b3, b3multi, jaeger."
    )
