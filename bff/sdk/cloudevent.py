"""A CloudEvent 1.0 as a handler receives it, and how one is read from an HTTP request.

Binary mode carries the attributes as ``ce-*`` fields, structured mode as one JSON document (CloudEvents
HTTP binding 1.0.2 §3.1 and §3.2). Batches, sending and triggers are the events room's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from bff.errors import BadRequest

_REQUIRED = ("id", "source", "specversion", "type")
_NAMED = (*_REQUIRED, "subject", "time", "datacontenttype", "dataschema")
_ATTRIBUTE = re.compile(r"[a-z0-9]+")
_TIME = re.compile(  # RFC 3339 §5.6
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:)(?:([0-5]\d)|60)(?:\.\d+)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.IGNORECASE | re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudEvent:
    """One event. ``data`` is parsed JSON when the content type says so, else bytes or text, or None."""

    id: str
    source: str
    type: str
    specversion: str = "1.0"
    subject: str | None = None
    time: str | None = None
    datacontenttype: str | None = None
    dataschema: str | None = None
    data: Any = None
    extensions: Mapping[str, Any] = field(default_factory=dict)


def is_json(media_type: str) -> bool:
    """Whether a media type is JSON or of the ``+json`` family (RFC 6839 §3.1)."""
    essence = media_type.partition(";")[0].strip().lower()
    return essence in ("application/json", "text/json") or essence.endswith("+json")


def from_http(headers: Iterable[tuple[bytes, bytes]], body: bytes) -> CloudEvent:
    """The event an HTTP request carries.

    Raises:
        BadRequest: it is not a CloudEvent; the sentence names every violation.

    """
    fields = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
    media_type = fields.get("content-type", "")
    if media_type.lower().startswith("application/cloudevents+json"):
        return _structured(body)
    try:
        attributes: dict[str, Any] = {
            name[3:]: unquote(value, errors="strict")
            for name, value in fields.items()
            if name.startswith("ce-")
        }
    except UnicodeDecodeError:
        raise BadRequest("A ce- field of the CloudEvent is not percent-encoded UTF-8.") from None
    if media_type:
        attributes["datacontenttype"] = media_type
    data: Any = body or None
    if body and is_json(media_type):
        data = _parse(body)
    return _checked(attributes, data)


def _structured(body: bytes) -> CloudEvent:
    document = _parse(body)
    if not isinstance(document, dict):
        raise BadRequest("A structured CloudEvent is a JSON object.")
    data = document.pop("data", None)
    encoded = document.pop("data_base64", None)
    if encoded is not None:
        if data is not None:
            raise BadRequest("The CloudEvent has both data and data_base64.")
        import base64
        import binascii

        try:
            data = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError, TypeError):
            raise BadRequest("data_base64 of the CloudEvent is not base64.") from None
    # CloudEvents JSON format 1.0.2 §2.2: null is as good as unset.
    return _checked({name: value for name, value in document.items() if value is not None}, data)


def _parse(body: bytes) -> Any:
    from bff.sdk.json import loads

    return loads(body)


def _checked(attributes: dict[str, Any], data: Any) -> CloudEvent:
    wrong = [f"{name} is missing" for name in _REQUIRED if not attributes.get(name)]
    wrong += [f"{name} is not a string" for name in _NAMED if isinstance(attributes.get(name), int)]
    wrong += [f"{name} is empty" for name in _NAMED[len(_REQUIRED) :] if attributes.get(name) == ""]
    for name, value in attributes.items():
        if name == "data" or not _ATTRIBUTE.fullmatch(name):
            wrong.append(f"the attribute name {name!r} is not lower-case a-z0-9, or is reserved")
        elif not isinstance(value, str | int):
            wrong.append(f"{name} is not a string, an integer or a boolean")
    if (attributes.get("specversion") or "1.0") != "1.0":
        wrong.append(f"specversion {attributes['specversion']!r} is not 1.0")
    if isinstance(time := attributes.get("time"), str) and time and not _is_time(time):
        wrong.append(f"time {time!r} is not as RFC 3339 has it")
    if wrong:
        raise BadRequest(f"This is not a CloudEvent: {'; '.join(wrong)}.")
    named = {name: attributes.pop(name) for name in _NAMED if name in attributes}
    return CloudEvent(**named, data=data, extensions=attributes)


def _is_time(text: str) -> bool:
    found = _TIME.fullmatch(text)
    if found is None:
        return False
    try:
        datetime.fromisoformat(f"{found[1].upper()}{found[2] or '59'}")  # a leap second is :60
    except ValueError:
        return False
    return True
