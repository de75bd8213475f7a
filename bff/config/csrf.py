"""Calls that a page of another site makes with a user's cookies."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from bff.config.origins import Origin
from bff.config.section import Also, Flag, NoDoubles, OneOrMany, Section


class CsrfConfig(Section):
    """Unsafe calls that carry cookies must come from our own pages, as `Sec-Fetch-Site` and `Origin` tell it."""

    enabled: Flag = Field(
        default=True, description="Whether they are looked at; `csrf: none` is the same as false."
    )
    origins: Annotated[tuple[Origin, ...], OneOrMany, NoDoubles] = Field(
        default=(),
        description="Other origins whose pages may make such calls, besides those of cors with credentials.",
    )
    require_header: Flag = Field(
        default=False,
        description="Whether `X-CSRF: 1` must be there too, which no form of another site can send.",
    )


def _none(value: Any) -> Any:
    return {"enabled": False} if value == "none" else value


CsrfSetting = Annotated[CsrfConfig, Also(_none, "string")]
