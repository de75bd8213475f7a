"""How often somebody may call: policies by name, and where they are counted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from bff.config.section import FROZEN, Also, Count, NoDoubles, OneOrMany, OrEmpty, Section, no_entries, wrong
from bff.config.units import Duration

MEMORY = "memory"
_REDIS = re.compile(r"(redis|rediss|unix)://.+")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,49}")


def _store(text: str) -> str:
    if text == MEMORY:
        return text
    if not _REDIS.fullmatch(text):
        raise wrong("is neither memory nor an address redis://HOST, rediss://HOST or unix:///SOCKET")
    if find_spec("redis") is None:
        raise wrong("needs the library redis; run: pip install 'bff-gateway[redis]'")
    return text


class LimitConfig(Section):
    """So many calls in so long, for each of those whom it tells apart."""

    requests: Count = Field(ge=1, le=1_000_000_000, description="Calls that are let in within one window.")
    window: Duration = Field(default=60.0, description="The time they are spread over.")
    burst: Count | None = Field(
        default=None,
        ge=1,
        le=1_000_000_000,
        description="Calls at once after a rest; all of `requests` unless told.",
    )
    per: Annotated[tuple[Literal["route", "caller", "address"], ...], OneOrMany, NoDoubles] = Field(
        default=("caller",),
        description="Whom it tells apart: callers (nobody in particular by address), addresses, routes.",
    )
    claim: str = Field(
        default="", description="A claim of the caller's token that it tells apart too, such as tenant."
    )

    @model_validator(mode="after")
    def _can_be_told(self) -> LimitConfig:
        if self.window < 1:
            raise wrong(
                "has a window under a second, which no caller could be told (RateLimit counts seconds)"
            )
        return self


def limit_names(names: Mapping[str, LimitConfig]) -> Mapping[str, LimitConfig]:
    """The policies, if their names can be."""
    for name in names:
        if name == "none" or not _NAME.fullmatch(name):
            raise wrong(
                "a limit's name is lower-case letters, digits, _ and -, and not none", hint=f": {name}"
            )
    return names


class LimitsConfig(Section):
    """Rate limits: what routes can ask for by name, and where calls are counted."""

    store: Annotated[str, AfterValidator(_store)] = Field(
        default=MEMORY,
        description="Where calls are counted: memory, or redis://… for many gateways together.",
    )
    timeout: Duration = Field(default=0.1, description="How long Redis may take to answer.")
    when_away: Literal["open", "closed"] = Field(
        default="open", description="What happens to calls while Redis does not answer: let in, or 503."
    )
    most_kept: Count = Field(
        default=100_000, ge=1, description="Most callers and addresses that are remembered in memory."
    )
    policies: Annotated[Mapping[str, LimitConfig], AfterValidator(limit_names), OrEmpty, *FROZEN] = Field(
        default_factory=no_entries, description="The limits by name."
    )

    @model_validator(mode="after")
    def _hides_password(self) -> LimitsConfig:
        if self.store != MEMORY:
            self.hide("store")
        return self


def _none(value: Any) -> Any:
    return () if value == "none" else (value,) if isinstance(value, str) else value


LimitNames = Annotated[tuple[str, ...], Also(_none, "string"), NoDoubles]
"""Names of policies; ``none`` is no limit, whatever the default is."""
