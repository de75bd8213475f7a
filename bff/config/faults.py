"""Faults made on purpose, to see what a page does without a service (Envoy's fault filter, Istio's HTTPFaultInjection)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from bff.config.fieldnames import HeaderName
from bff.config.section import FROZEN, Count, OrEmpty, Section, no_entries, wrong
from bff.config.units import Duration, Share

Kind = Literal["delay", "abort", "reset", "cut-body", "slow-body"]


def _matched(values: Mapping[str, str]) -> Mapping[str, str]:
    if any(not value for value in values.values()):
        raise wrong("has an empty value; write the whole value that the header must have")
    return values


class FaultConfig(Section):
    """One kind of fault, for a share of the attempts at a service."""

    type: Kind = Field(
        description="delay: before it is sent; abort: answered instead; reset: the answer is lost; cut-body: it breaks "
        "off; slow-body: it takes longer."
    )
    percent: Share = Field(default=1.0, description="Share of the attempts that have it.")
    delay: Duration | None = Field(default=None, description="How long, for delay and slow-body.")
    status: Count | None = Field(default=None, ge=200, le=599, description="What abort answers; absent: 503.")
    match: Annotated[Mapping[HeaderName, str], AfterValidator(_matched), OrEmpty, *FROZEN] = Field(
        default_factory=no_entries, description="Headers, by name and whole value, that the call must carry."
    )

    @model_validator(mode="after")
    def _fits_its_type(self) -> FaultConfig:
        needs_delay = self.type in ("delay", "slow-body")
        if needs_delay and self.delay is None:
            raise wrong("is missing its delay; write how long, such as 2s")
        if not needs_delay and self.delay is not None:
            raise wrong("has a delay, which only delay and slow-body have; remove it")
        if self.type != "abort" and self.status is not None:
            raise wrong("has a status, which only abort has; remove it")
        return self
