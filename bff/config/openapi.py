"""What the OpenAPI document says of itself, and who may read it."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from bff.config.section import Flag, Section, wrong


def _is_web_address(text: str) -> str:
    if not text.startswith(("https://", "http://")):
        raise wrong("is not an address of the web; it begins with https:// or http://")
    return text


WebAddress = Annotated[str, AfterValidator(_is_web_address)]


class OpenApiConfig(Section):
    """The head of the OpenAPI document (https://spec.openapis.org/oas/v3.1.1.html#info-object)."""

    title: str = Field(default="bff", description="What the document and the page are called.")
    version: str = Field(default="0", description="The version of your API; write it in quotes.")
    description: str = Field(
        default="Every route of this gateway.", description="What it is for, in Markdown."
    )
    contact: str | None = Field(default=None, description="Who answers questions: a name or a team's.")
    contact_url: WebAddress | None = Field(default=None, description="Where they are asked.")
    license: str | None = Field(default=None, description="The licence of your API, by its SPDX identifier.")
    public: Flag = Field(
        default=True, description="Whether `serve` answers /openapi.json and /docs; `dev` always does."
    )
