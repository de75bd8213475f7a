"""Why parts are missing, told in the answer itself where the route asks for it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import from_json, to_json


def with_errors(body: bytes, missing: Sequence[str], reasons: Mapping[str, Mapping[str, Any]]) -> bytes:
    """A JSON object with a member ``errors``: by the path of each missing part (RFC 6901), what went wrong.

    A body that is no JSON object stays as it is, and so does one that has a member of that name already.
    """
    try:
        value = from_json(body)
    except ValueError:
        return body
    if not isinstance(value, dict) or "errors" in value:
        return body
    errors = {pointer(part): dict(reasons.get(part, {})) for part in missing}
    begun = body.rstrip()[:-1]
    return begun + (b"," if value else b"") + b'"errors":' + to_json(errors) + b"}"


def pointer(part: str) -> str:
    """The path of a part that is a member of the answer: ``/notices``."""
    return "/" + part.replace("~", "~0").replace("/", "~1")
