"""A CloudEvent 1.0 as a handler receives it, and how one is read from an HTTP request and written into one.

Binary mode carries the attributes as ``ce-*`` fields, structured mode as one JSON document, batched mode as a
list of those (CloudEvents HTTP binding 1.0.2 §3.1 to §3.3). What becomes of events is the events room's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict
from urllib.parse import quote, unquote

from bff.errors import BadRequest, UnsupportedMediaType
from bff.sdk.eventrules import NAMED, violations

STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"
Fields = list[tuple[bytes, bytes]]


class Sent(TypedDict):
    """What a call of a service takes to carry events: ``ctx.services.ledger.post("/", **event.structured())``."""

    headers: dict[str, str]
    content: bytes


_UNQUOTED = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')


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

    def attributes(self) -> dict[str, Any]:
        """Every attribute that is set, extensions among them."""
        named = {name: value for name in NAMED if (value := getattr(self, name)) is not None}
        return {**named, **self.extensions}

    def binary(self) -> Sent:
        """For a call of a service: the attributes as ``ce-*`` fields, the data as the body (HTTP binding 1.0.2 §3.1).

        Raises:
            ValueError: it breaks the specification; every violation is named.

        """
        fields, body = to_http(checked(self))
        return {
            "headers": {name.decode(): value.decode("latin-1") for name, value in fields},
            "content": body,
        }

    def structured(self) -> Sent:
        """For a call of a service: one JSON document (HTTP binding 1.0.2 §3.2).

        Raises:
            ValueError: as :meth:`binary`; or its data cannot be written as JSON.

        """
        return _documented(STRUCTURED, document_of(checked(self)))

    @staticmethod
    def batched(events: Iterable[CloudEvent]) -> Sent:
        """For a call of a service: a list of JSON documents, perhaps an empty one (HTTP binding 1.0.2 §3.3).

        Raises:
            ValueError: as :meth:`structured`, of any of them.

        """
        return _documented(BATCHED, [document_of(checked(event)) for event in events])


def is_json(media_type: str) -> bool:
    """Whether a media type is JSON or of the ``+json`` family (RFC 6839 §3.1)."""
    essence = media_type.partition(";")[0].strip().lower()
    return essence in ("application/json", "text/json") or essence.endswith("+json")


def from_http(headers: Iterable[tuple[bytes, bytes]], body: bytes) -> CloudEvent:
    """The event an HTTP request carries, in binary or structured mode.

    Raises:
        BadRequest: it is not a CloudEvent; the sentence names every violation.
        UnsupportedMediaType: it is one in a format that is not read here, or a batch.

    """
    pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
    kind = _event_format(pairs)
    if kind == STRUCTURED:
        event, wrong = from_document(_parse(body))
    elif kind:
        raise UnsupportedMediaType(kind, f"one event, as ce-* fields or {STRUCTURED}")
    else:
        event, wrong = _binary(pairs, body)
    if event is None:
        raise BadRequest(f"This is not a CloudEvent: {'; '.join(wrong)}.")
    return event


def all_from_http(headers: Iterable[tuple[bytes, bytes]], body: bytes, *, most: int) -> list[CloudEvent]:
    """The events an HTTP request carries, in any mode; a batch may be empty (JSON format §4).

    Raises:
        BadRequest: one of them is no CloudEvent, all violations of all of them named by their place; or there
            are more than ``most``.
        UnsupportedMediaType: they are in a format that is not read here.

    """
    fields = list(headers)
    pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in fields]
    if _event_format(pairs) != BATCHED:
        return [from_http(fields, body)]
    documents = _parse(body)
    if not isinstance(documents, list):
        raise BadRequest("A batch of CloudEvents is a JSON array.")
    if len(documents) > most:
        raise BadRequest(f"A batch has at most {most} events here, this one has {len(documents)}.")
    read = [from_document(document) for document in documents]
    wrong = [f"event {at}: {'; '.join(why)}" for at, (_, why) in enumerate(read) if why]
    if wrong:
        raise BadRequest(f"These are not CloudEvents: {' / '.join(wrong[:20])}.")
    return [event for event, _ in read if event is not None]


def _event_format(pairs: Iterable[tuple[str, str]]) -> str:
    """The media type, if it is one of CloudEvents' own; "" in binary mode."""
    kinds = [value for name, value in pairs if name == "content-type"]
    essence = (kinds[0] if kinds else "").partition(";")[0].strip().lower()
    return essence if essence.startswith("application/cloudevents") else ""


def _binary(pairs: Iterable[tuple[str, str]], body: bytes) -> tuple[CloudEvent | None, list[str]]:
    attributes: dict[str, Any] = {}
    wrong: list[str] = []
    media_type = ""
    for name, value in pairs:
        if name == "content-type":
            media_type = value
        elif name == "ce-datacontenttype":
            wrong.append("datacontenttype travels as Content-Type")  # HTTP binding §3.1.1
        elif name.startswith("ce-"):
            if name[3:] in attributes:
                wrong.append(f"{name} stands twice")
            text = _unescaped(value)
            if text is None:
                wrong.append(f"{name} is not percent-encoded UTF-8")
            attributes[name[3:]] = "?" if text is None else text
    if media_type:
        attributes["datacontenttype"] = media_type
    data: Any = body or None
    if body and is_json(media_type):
        try:
            data = _parse(body)
        except BadRequest as error:
            wrong.append(f"its data cannot be read: {str(error).removesuffix('.')}")
    return _made(attributes, data, wrong)


def _unescaped(value: str) -> str | None:
    """A field's value as text, by HTTP binding §3.1.3.2: out of its double quotes, then percent-decoded."""
    if _QUOTED.fullmatch(value):
        value = re.sub(r"\\(.)", r"\1", value[1:-1])
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError:
        return None


def from_document(document: Any) -> tuple[CloudEvent | None, list[str]]:
    """The event of a JSON document as the JSON format 1.0.2 has it, or what is wrong with it."""
    if not isinstance(document, dict):
        return None, ["a structured CloudEvent is a JSON object"]
    document = dict(document)
    data, wrong = document.pop("data", None), list[str]()
    encoded = document.pop("data_base64", None)
    if encoded is not None:
        if data is not None:
            wrong.append("it has both data and data_base64")
        data = _from_base64(encoded)
        if data is None:
            wrong.append("data_base64 is not base64")
    # §2.2: null is as good as unset.
    return _made({name: value for name, value in document.items() if value is not None}, data, wrong)


def _from_base64(encoded: Any) -> bytes | None:
    import base64
    import binascii

    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError, TypeError):
        return None


def _parse(body: bytes) -> Any:
    from bff.sdk.json import loads

    return loads(body)


def _made(attributes: dict[str, Any], data: Any, wrong: list[str]) -> tuple[CloudEvent | None, list[str]]:
    wrong = [*wrong, *violations(attributes)]
    if wrong:
        return None, wrong
    named = {name: attributes.pop(name) for name in NAMED if name in attributes}
    return CloudEvent(**named, data=data, extensions=attributes), []


def checked(event: CloudEvent) -> CloudEvent:
    """The event itself, made by hand.

    Raises:
        ValueError: it breaks the specification; every violation is named.

    """
    wrong = list(violations(event.attributes()))
    if wrong:
        raise ValueError(f"this is not a CloudEvent: {'; '.join(wrong)}")
    return event


def document_of(event: CloudEvent) -> dict[str, Any]:
    """The event in structured mode, as a JSON document (JSON format 1.0.2 §3)."""
    document = event.attributes()
    if isinstance(event.data, bytes):
        import base64

        document["data_base64"] = base64.b64encode(event.data).decode()
    elif event.data is not None:
        document["data"] = event.data
    return document


def _documented(kind: str, document: object) -> Sent:
    from pydantic_core import to_json

    return {"headers": {"content-type": kind}, "content": to_json(document)}


def to_http(event: CloudEvent) -> tuple[Fields, bytes]:
    """The event in binary mode: the header fields and the body."""
    fields: Fields = []
    for name, value in event.attributes().items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if name == "datacontenttype":
            fields.append((b"content-type", text.encode("utf-8")))
        else:
            fields.append((b"ce-" + name.encode(), quote(text, safe=_UNQUOTED).encode()))
    body = _body_of(event)
    if event.datacontenttype is None and body and not isinstance(event.data, bytes):
        fields.append((b"content-type", b"application/json"))  # JSON format §3.1: what data means without one
    return fields, body


def _body_of(event: CloudEvent) -> bytes:
    if event.data is None:
        return b""
    if isinstance(event.data, bytes):
        return event.data
    if isinstance(event.data, str) and event.datacontenttype and not is_json(event.datacontenttype):
        return event.data.encode()
    from pydantic_core import to_json

    return to_json(event.data)
