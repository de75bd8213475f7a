"""How much a form may hold."""

from __future__ import annotations

from pydantic import Field

from bff.config.section import Count, Section
from bff.config.units import Size


class FormsConfig(Section):
    """Limits for forms and uploads, beside that of the whole body."""

    max_fields: Count = Field(
        default=1000, ge=0, le=1_000_000, description="Most fields that are no files (Starlette's default)."
    )
    max_files: Count = Field(default=1000, ge=0, le=1_000_000, description="Most files; 0: none are taken.")
    max_field: Size = Field(default=2**20, description="Largest field that is no file.")
    max_file: Size | None = Field(
        default=None, description="Largest file; as large as the body may be unless told."
    )
