"""How much of the past is remembered: for `bff calls`, `bff explain` and whoever asks the admin listener."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bff.config.section import Flag, OnOff, Section
from bff.config.units import Duration, Size


class RecorderConfig(Section):
    """The last invocations, in memory."""

    enabled: Flag = Field(
        default=True, description="Whether they are kept; `recorder: true` and `false` are short for it."
    )
    memory: Size = Field(
        default=8 * 2**20,
        description="Bytes they may take together, half of it for errors and slow ones.",
    )
    slow: Duration = Field(default=1.0, description="From how long on a call is slow, and kept for longer.")
    bodies: Size | None = Field(
        default=None,
        description="Also keep JSON bodies of up to so many bytes, without their secrets; absent: no bodies.",
    )


RecorderSetting = Annotated[RecorderConfig, OnOff]
