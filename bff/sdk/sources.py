"""The places a request keeps values in, each read at most once and only if some argument needs it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Set
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from starlette.datastructures import FormData, UploadFile
from starlette.requests import cookie_parser

from bff.errors import BadRequest, UnsupportedCoding, UnsupportedMediaType
from bff.sdk import cloudevent
from bff.sdk.invocation import Incoming, Invocation
from bff.sdk.json import loads

if TYPE_CHECKING:
    from bff.sdk.binding import Parameter

ABSENT: Any = object()
SOCKET: Any = object()
"""Stands for the WebSocket, which is made once the arguments have been found to fit."""
MAX_FIELDS = 1000
"""Most fields a query may have, as Starlette's and Django's form limit."""


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """What must be read before arguments can be looked up."""

    query: bool
    body: bool
    raw: bool
    form: bool
    event: bool
    waits: bool

    @classmethod
    def needed_for(cls, sources: Set[str]) -> Reading:
        """The least reading that serves these sources."""
        body, raw, event = "body" in sources, "raw" in sources, "event" in sources
        form = bool(sources & {"form", "file"})
        return cls("query" in sources, body, raw, form, event, body or raw or form or event)


@dataclasses.dataclass(slots=True)
class Given:
    """What one request brought, as far as it was read."""

    incoming: Incoming | None
    invocation: Invocation
    query: dict[str, list[str]] | None = None
    body: bytes = b""
    form: FormData | None = None
    event: Any = None
    _cookies: dict[str, str] | None = None

    @property
    def cookies(self) -> Mapping[str, str]:
        """The caller's cookies, parsed when somebody first asks."""
        if self._cookies is None:
            header = "; ".join(value for name, value in self.headers() if name == "cookie")
            self._cookies = cookie_parser(header)
        return self._cookies

    def headers(self) -> list[tuple[str, str]]:
        """Header fields as text (latin-1, as ASGI has them)."""
        if self.incoming is None:
            return []
        return [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in self.incoming.scope["headers"]
        ]


async def read(invocation: Invocation, reading: Reading) -> Given:
    """Read what the arguments need, and nothing else.

    Raises:
        BadRequest: query or body cannot be decoded.
        BodyTooLarge: the body is over the route's limit.
        UnsupportedMediaType: the body is of another kind than the arguments need.

    """
    given = read_now(invocation, reading)
    incoming = given.incoming
    if incoming is None or not reading.waits:
        return given
    if reading.body:
        given.body = await _read_json(incoming)
    elif reading.raw:
        given.body = await incoming.body()
    elif reading.form:
        given.form = await _read_form(incoming)
    elif reading.event:
        given.event = cloudevent.from_http(incoming.scope["headers"], await incoming.body())
    return given


def read_now(invocation: Invocation, reading: Reading) -> Given:
    """The part that never waits."""
    incoming = invocation.incoming
    given = Given(incoming, invocation)
    if invocation.event is not None:
        given.event = invocation.event
    if incoming is not None and reading.query and incoming.scope["query_string"]:
        given.query = _read_query(incoming.scope["query_string"])
    return given


def _read_query(query: bytes) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    try:
        pairs = parse_qsl(
            query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS
        )
    except UnicodeDecodeError:
        raise BadRequest("The query string is not UTF-8.") from None
    except ValueError:
        raise BadRequest(f"The query string has more than {MAX_FIELDS} fields.") from None
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return values


def _content_type(incoming: Incoming) -> str:
    said = {value for name, value in incoming.scope["headers"] if name == b"content-type"}
    if len(said) > 1:  # who else looks at the request might believe the other one
        raise BadRequest("The request has two Content-Type fields that differ.")
    return said.pop().decode("latin-1") if said else ""


def _refuse_coding(incoming: Incoming) -> None:
    """What is compressed would be no JSON and no form, and small ones could become anything."""
    for name, value in incoming.scope["headers"]:
        if name == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
            raise UnsupportedCoding(value.decode("latin-1"))


async def _read_json(incoming: Incoming) -> bytes:
    media_type = _content_type(incoming)
    _refuse_coding(incoming)
    if media_type and not cloudevent.is_json(media_type):
        incoming.refuse_announced_excess()
        raise UnsupportedMediaType(media_type, "application/json")
    body = await incoming.body()
    if body and not media_type:
        raise UnsupportedMediaType("", "application/json")
    if body:
        loads(body)
    return body


async def _read_form(incoming: Incoming) -> FormData:
    _refuse_coding(incoming)
    essence = _content_type(incoming).partition(";")[0].strip().lower()
    if essence not in ("application/x-www-form-urlencoded", "multipart/form-data"):
        incoming.refuse_announced_excess()
        raise UnsupportedMediaType(
            essence, "a form (application/x-www-form-urlencoded or multipart/form-data)"
        )
    form: FormData = await incoming.request.form()
    return form


def _path(given: Given, parameter: Parameter) -> Any:
    return given.incoming.path_params.get(parameter.key, ABSENT) if given.incoming else ABSENT


def _query(given: Given, parameter: Parameter) -> Any:
    if given.query is None:
        return ABSENT
    values = given.query.get(parameter.key)
    if values is None:
        return ABSENT
    return values if parameter.many else values[-1]


def _header(given: Given, parameter: Parameter) -> Any:
    values = [value for name, value in given.headers() if name == parameter.key]
    if not values:
        return ABSENT
    # RFC 9110 §5.3: repeated fields may be joined with commas without changing the meaning.
    return values if parameter.many else ", ".join(values)


def _cookie(given: Given, parameter: Parameter) -> Any:
    return given.cookies.get(parameter.key, ABSENT)


def _body(given: Given, _parameter: Parameter) -> Any:
    return given.body or ABSENT


def _form(given: Given, parameter: Parameter) -> Any:
    if given.form is None:
        return ABSENT
    values = [value for value in given.form.getlist(parameter.key) if isinstance(value, str)]
    if not values:
        return ABSENT
    return values if parameter.many else values[-1]


def _file(given: Given, parameter: Parameter) -> Any:
    if given.form is None:
        return ABSENT
    files: list[Any] = [value for value in given.form.getlist(parameter.key) if isinstance(value, UploadFile)]
    if not files:
        return ABSENT
    if parameter.adapter is not None:  # asked for as bytes: in memory already, or spooled within max_body
        files = [upload.file.read() for upload in files]
    return files if parameter.many else files[-1]


def _raw(given: Given, _parameter: Parameter) -> Any:
    return given.body


def _event(given: Given, _parameter: Parameter) -> Any:
    return ABSENT if given.event is None else given.event


def _request(given: Given, _parameter: Parameter) -> Any:
    return ABSENT if given.incoming is None else given.incoming.request


def _socket(_given: Given, _parameter: Parameter) -> Any:
    return SOCKET


Lookup = Callable[[Given, "Parameter"], Any]

FROM: Mapping[str, Lookup | None] = {
    "context": None,
    "path": _path,
    "query": _query,
    "header": _header,
    "cookie": _cookie,
    "body": _body,
    "raw": _raw,
    "form": _form,
    "file": _file,
    "event": _event,
    "request": _request,
    "socket": _socket,
}
