"""Asynchronous calls: functions that are called now and answer later."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from bff.config.auth import Demand
from bff.config.section import Count, NoDoubles, OneOrMany, Section
from bff.config.trigger import DAY, IsoDuration, plain_path
from bff.config.units import Duration, Size


class CallsConfig(Section):
    """Where callers ask how an asynchronous call stands, and what of it is kept."""

    path: Annotated[str, AfterValidator(plain_path)] = Field(
        default="/calls", description="Below this path a caller finds status and result of its calls."
    )
    auth: Demand | None = Field(
        default=None, description="What those paths ask of their callers, instead of defaults.auth."
    )
    functions: Annotated[tuple[str, ...], OneOrMany, NoDoubles] = Field(
        default=(), description="Functions that POST /async-function/NAME calls, with or without a route."
    )
    timeout: IsoDuration | None = Field(
        default=None, description="How long such a call may take, instead of the function's timeout."
    )
    retry: Count = Field(
        default=0, ge=0, le=100, description="Attempts after the first one: 0 unless functions can bear more."
    )
    max_body: Size | None = Field(
        default=None, description="Largest body of such a call, instead of gateway.max_body."
    )
    max_result: Size = Field(default=2**20, description="Bytes of an answer that are kept.")
    retention: Duration = Field(default=DAY, description="How long a call that has ended is kept.")
