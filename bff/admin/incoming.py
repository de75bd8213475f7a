"""From the head and body of a request to what an operation reads, strictly: what is not understood is refused."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

from pydantic import ValidationError

from bff.admin.operation import Match, Operation
from bff.admin.refusals import UploadTimedOut, VersionMoved, VersionRequired
from bff.clock import Clock, Expiry
from bff.config.names import suggest
from bff.errors import BadRequest, BodyTooLarge, CallerLeft, UnsupportedMediaType, ValidationFailed
from bff.sdk.json import loads

BODY_TIMEOUT = 30.0
"""Seconds a body may take to arrive (nginx client_body_timeout is 60, between two reads)."""

Fields = list[tuple[bytes, bytes]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_TAG = re.compile(r'"([0-9]{1,18})"')


def query_of(operation: Operation, raw: bytes) -> dict[str, Any]:
    """The parameters of the query, each of its kind.

    Raises:
        BadRequest: one is unknown, doubled, missing or not of its kind.

    """
    known = {query.name: query for query in operation.query}
    found: dict[str, Any] = {}
    try:
        pairs = parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(raw),
            max_num_fields=20,
            errors="strict",
        )
    except ValueError:
        raise BadRequest("The query cannot be read; write name=value&name=value, percent-encoded.") from None
    for name, text in pairs:
        if name not in known:
            raise BadRequest(f"There is no query parameter {name[:80]!r} here{suggest(name, known)}")
        if name in found:
            raise BadRequest(f"The query parameter {name} stands twice.")
        found[name] = known[name].read(text)
    missing = [name for name, query in known.items() if query.is_required and name not in found]
    if missing:
        raise BadRequest(f"The query parameter {missing[0]} is missing: {known[missing[0]].says}")
    return found


def expected_of(operation: Operation, fields: Fields) -> int | None:
    """The version that If-Match names; None where it may be any.

    Raises:
        VersionRequired: it must be there and is not.
        VersionMoved: it names what was never a version here.
        BadRequest: it names several.

    """
    said = [value.decode("latin-1").strip() for name, value in fields if name == b"if-match"]
    if operation.match is Match.NONE:
        return None
    if not said:
        if operation.match is Match.MUST:
            raise VersionRequired
        return None
    if len(said) > 1 or said[0].count('"') > 2:
        raise BadRequest("If-Match names one version here: the ETag of what was read before.")
    if said[0] == "*":
        return None
    tag = _TAG.fullmatch(said[0])
    if tag is None:
        raise VersionMoved
    return int(tag[1])


async def body_of(operation: Operation, fields: Fields, receive: Receive, clock: Clock) -> Any:
    """The body as a model of the operation's, or its bytes.

    Raises:
        UnsupportedMediaType, BodyTooLarge, UploadTimedOut, BadRequest, ValidationFailed: it is not what the
            operation reads.
        CallerLeft: it never came whole.

    """
    if operation.body is None and not operation.upload:
        return None
    wanted = operation.upload or "application/json"
    kinds = [value.decode("latin-1") for name, value in fields if name == b"content-type"]
    if len(kinds) != 1 or kinds[0].partition(";")[0].strip().lower() != wanted:
        raise UnsupportedMediaType(kinds[0][:80] if kinds else "", wanted)
    try:
        with Expiry(clock, clock.now() + BODY_TIMEOUT):
            content = await _read(operation.largest, fields, receive)
    except TimeoutError:
        raise UploadTimedOut(BODY_TIMEOUT) from None
    return content if operation.body is None else _model(operation.body, content)


async def _read(largest: int, fields: Fields, receive: Receive) -> bytes:
    told = next((value for name, value in fields if name == b"content-length"), b"")
    if told.isdigit() and int(told) > largest:
        raise BodyTooLarge(largest)
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise CallerLeft
        piece = message.get("body", b"")
        size += len(piece)
        if size > largest:
            raise BodyTooLarge(largest)
        pieces.append(piece)
        if not message.get("more_body", False):
            return b"".join(pieces)


def _model(kind: Any, content: bytes) -> Any:
    loads(content)  # what pydantic would let pass: a key that stands twice
    try:
        return kind.model_validate_json(content)
    except ValidationError as misfit:
        raise ValidationFailed(
            [
                {
                    "in": "body",
                    "field": ".".join(map(str, each["loc"])),
                    "message": each["msg"],
                    "type": each["type"],
                }
                for each in misfit.errors(include_url=False, include_input=False, include_context=False)
            ]
        ) from None
