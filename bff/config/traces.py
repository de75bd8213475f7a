"""Where spans go, and of which calls."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from bff.config.fieldnames import HeaderName
from bff.config.headerrules import HeaderValue
from bff.config.section import FROZEN, Count, Flag, OrEmpty, Present, Section, no_entries, wrong
from bff.config.units import Duration, Share

Style = Literal["b3", "b3multi", "jaeger"]
"""How a trace is told besides W3C's way; the names are those of OTEL_PROPAGATORS."""


def _endpoint(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise wrong("is not the URL of a collector; write http://collector:4318/v1/traces")
    return text if parts.path.strip("/") else f"{text.rstrip('/')}/v1/traces"


class TracesConfig(Section):
    """Spans by OTLP over HTTP, made of the record of a call once it has ended; needs the extra `otel`."""

    endpoint: Annotated[str, AfterValidator(_endpoint)] | None = Field(
        default=None,
        description="Where the collector takes OTLP over HTTP; absent: what the variables OTEL_EXPORTER_OTLP_… say, or localhost:4318.",
    )
    headers: Annotated[Mapping[HeaderName, HeaderValue], OrEmpty, *FROZEN] = Field(
        default_factory=no_entries, description="Fields of every request to it, such as a token."
    )
    service_name: str = Field(
        default="bff", min_length=1, max_length=200, description="What this gateway is called there."
    )
    sample: Share = Field(default=0.01, description="Share of the traces that begin here which are sent.")
    honour_callers: Flag = Field(
        default=True, description="Whether callers who decided about their trace are obeyed."
    )
    errors: Flag = Field(
        default=True, description="Whether calls that failed are sent whatever was decided about their trace."
    )
    slow: Duration = Field(default=1.0, description="And those that took so long.")
    most: Count = Field(
        default=100, ge=1, le=10_000, description="Calls of which spans are sent, per second at most."
    )

    @model_validator(mode="after")
    def _is_installed(self) -> TracesConfig:
        if find_spec("opentelemetry") is None or find_spec("opentelemetry.sdk") is None:
            raise wrong("needs OpenTelemetry's SDK; run: pip install 'bff-gateway[otel]'")
        return self


TracesSetting = Annotated[TracesConfig | None, Present]
