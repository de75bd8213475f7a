"""Whether answers are made smaller on their way, and how."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated, Literal

from pydantic import Field, model_validator

from bff.config.section import Flag, NoDoubles, OneOrMany, OnOff, Section, wrong
from bff.config.units import Size

LIBRARIES = {"zstd": "zstandard", "br": "brotli"}
"""What a coding needs beyond the standard library."""


class CompressionConfig(Section):
    """Answers of functions in a content coding that the caller accepts (RFC 9110 §8.4, §12.5.3)."""

    enabled: Flag = Field(
        default=True, description="Whether they are; `compression: true` and `false` are short for it."
    )
    codings: Annotated[tuple[Literal["zstd", "br", "gzip"], ...], OneOrMany, NoDoubles] = Field(
        default=("zstd", "br", "gzip"),
        description="Codings, the ones liked best first; of the default those that are installed.",
    )
    min_size: Size = Field(default=1024, description="Bodies below this are sent as they are.")
    streams: Flag = Field(
        default=False, description="Whether streams are compressed too, each piece flushed at once."
    )

    @model_validator(mode="after")
    def _is_installed(self) -> CompressionConfig:
        if not self.codings:
            raise wrong("has no coding; name one, or write false")
        for coding in self.codings if "codings" in self.model_fields_set else ():
            if coding in LIBRARIES and find_spec(LIBRARIES[coding]) is None:
                raise wrong(
                    "has a coding whose library is not installed; run: pip install 'bff-gateway[codings]'"
                )
        return self


CompressionSetting = Annotated[CompressionConfig, OnOff]
