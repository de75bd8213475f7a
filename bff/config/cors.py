"""Which pages of other origins may call and read the answers."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from bff.config.fieldnames import HeaderName
from bff.config.origins import NULL, Origin
from bff.config.section import Also, Flag, NoDoubles, OneOrMany, Section, wrong
from bff.config.units import Duration


class CorsConfig(Section):
    """Which pages of other origins may call, by the rules of the Fetch standard (https://fetch.spec.whatwg.org)."""

    origins: Annotated[tuple[Origin, ...], OneOrMany, NoDoubles] = Field(
        default=(), description="Origins, such as http://localhost:5173, and patterns: https://*.example.com."
    )
    credentials: Flag = Field(default=False, description="Whether cookies and Authorization may come along.")
    headers: Annotated[tuple[HeaderName, ...], OneOrMany, NoDoubles] = Field(
        default=("content-type",), description="Request headers a page may set."
    )
    expose: Annotated[tuple[HeaderName, ...], OneOrMany, NoDoubles] = Field(
        default=(
            *("bff-complete", "bff-missing", "bff-revision", "server-timing", "x-request-id"),
            *("ratelimit", "ratelimit-policy", "retry-after"),
        ),
        description="Response headers a page may read.",
    )
    max_age: Duration = Field(default=600.0, description="How long browsers keep a preflight's answer.")
    private_network: Flag = Field(
        default=False,
        description="Whether pages of the public internet may call a gateway in a private network.",
    )

    @model_validator(mode="after")
    def _is_nobodys_credential(self) -> CorsConfig:
        if self.credentials and NULL in self.origins:
            raise wrong(
                "has the origin null and credentials: every site can open a frame whose origin is null, and "
                "would read what your users' cookies open; remove one of the two"
            )
        return self


NO_OTHER_ORIGIN = CorsConfig.model_construct()
"""What ``cors: none`` means on a route."""


def _none(value: Any) -> Any:
    return NO_OTHER_ORIGIN if value == "none" else value


CorsSetting = Annotated[CorsConfig, Also(_none, "string")]
