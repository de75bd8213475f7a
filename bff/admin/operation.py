"""What can be asked of the admin listener, as data: the router, the gate and the API's own description read it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_json

from bff.admin.keys import Scope, Who
from bff.errors import BadRequest, BffError
from bff.frozen import frozen

JSON = "application/json"
EVENTS = "text/event-stream"
MOST_JSON = 64 * 2**10
"""Bytes a JSON body may have."""


class Match(StrEnum):
    """Whether If-Match is heeded, and whether it must be there."""

    NONE = "none"
    MAY = "may"
    MUST = "must"


@frozen
class Query:
    """A parameter of the query; it may stand once. ``kind`` is str, int or bool; int values lie in ``bounds``, text
    is one of ``words`` where there are some.
    """

    name: str
    says: str
    kind: type[str | int | bool] = str
    is_required: bool = False
    bounds: tuple[int, int] = (0, 2**53)
    words: tuple[str, ...] = ()

    def read(self, text: str) -> Any:
        """The value of a text.

        Raises:
            BadRequest: it is not of the kind.

        """
        if self.kind is bool:
            if text not in ("true", "false"):
                raise BadRequest(f"The query parameter {self.name} is true or false.")
            return text == "true"
        if self.kind is not int:
            if self.words and text not in self.words:
                raise BadRequest(f"The query parameter {self.name} is one of {', '.join(self.words)}.")
            return text
        low, high = self.bounds
        if not (text.isascii() and text.isdigit() and len(text) < 17 and low <= int(text) <= high):
            raise BadRequest(f"The query parameter {self.name} is a whole number from {low} to {high}.")
        return int(text)


@frozen
class Asked:
    """A request that may be answered. ``expected`` is the version that If-Match names; ``body`` a model of the
    operation's, or the bytes of an upload; ``heard`` is the last event of a stream that the caller says it has heard;
    ``gone`` returns when the caller has left.
    """

    params: Mapping[str, str]
    query: Mapping[str, Any]
    who: Who
    expected: int | None
    body: Any
    accept: str
    heard: str
    gone: Callable[[], Coroutine[Any, Any, None]]


@frozen
class Reply:
    """An answer: ``body`` whole, or piece by piece as it comes."""

    status: int = 200
    kind: str = JSON
    body: bytes | AsyncGenerator[bytes, None] = b""
    fields: tuple[tuple[bytes, bytes], ...] = ()


@frozen
class Operation:
    """One thing that can be asked. ``scope`` None is open to everybody; ``upload`` names the media type of a
    body that is not JSON; ``answer`` is the type of what comes back, None for nothing or for no JSON, whose
    media type ``kind`` says. ``event`` is the type of an event's data, where the answer may go on.
    """

    name: str
    method: str
    path: str
    says: str
    run: Callable[[Asked], Awaitable[Reply]]
    scope: Scope | None = Scope.READ
    query: tuple[Query, ...] = ()
    body: type[BaseModel] | None = None
    upload: str = ""
    largest: int = MOST_JSON
    match: Match = Match.NONE
    answer: Any = None
    event: Any = None
    kind: str = JSON
    status: int = 200
    refusals: tuple[type[BffError], ...] = field(default=())

    def __repr__(self) -> str:
        return f"<{self.method} {self.path}>"


def shown(value: Any, *, status: int = 200, version: int | None = None, location: str = "") -> Reply:
    """A value as JSON; ``version`` becomes its ETag."""
    fields = [] if version is None else [(b"etag", b'"%d"' % version)]
    if location:
        fields.append((b"location", location.encode()))
    return Reply(status=status, body=to_json(value), fields=tuple(fields))
