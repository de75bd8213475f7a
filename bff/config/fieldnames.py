"""Names of header fields, as routes.yaml may write them."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from bff.config.names import is_token
from bff.config.section import LowerCased, wrong


def header_name(text: str) -> str:
    """The name of a header field as it stands, or an error."""
    if not is_token(text):
        raise wrong("is not the name of a header (RFC 9110 §5.6.2)")
    return text


HeaderName = Annotated[LowerCased, AfterValidator(header_name)]
