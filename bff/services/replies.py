"""Service responses and whole answers, each made of the other: what caches and flights hand on.

Nobody is given the response of somebody else's call: each has one of its own over the same body.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

import httpx

from bff.clock import Clock
from bff.services import http1
from bff.services.cache import Whole
from bff.services.composed import SILENT, Parts
from bff.services.composed import part_of as part_of_answer
from bff.services.fields import Pair
from bff.services.freshness import Received
from bff.services.heads import says_nothing
from bff.services.response import ServiceResponse

_REGISTERED = frozenset(HTTPStatus)
_OF_THE_CODING = frozenset({b"content-encoding", b"content-length"})
Ask = Callable[[], httpx.Request]


def fields_of(response: ServiceResponse) -> list[Pair]:
    """Its header fields, names in lower case."""
    head = response.head
    raw = http1.fields_of(head) if head else response.headers.raw
    return [(name.lower(), value) for name, value in raw]


def part_of(response: ServiceResponse, asked: float, clock: Clock) -> Parts:
    """What it says of caching. Most say nothing, which is seen without reading a field."""
    if response.is_silent is None:
        response.is_silent = bool(response.head) and says_nothing(response.head)
    if response.is_silent:
        return SILENT
    received = Received(
        status=response.status_code,
        fields=fields_of(response),
        asked=asked,
        now=clock.now(),
        wall=clock.wall(),
    )
    return part_of_answer(received)


def whole_of(response: ServiceResponse) -> Whole:
    """It as it may be kept: the body is decoded, so what was said of its coding does not hold."""
    fields = fields_of(response)
    if any(name == b"content-encoding" for name, _ in fields):
        fields = [pair for pair in fields if pair[0] not in _OF_THE_CODING]
    return Whole(status=response.status_code, fields=tuple(fields), body=response.content)


def response_of(whole: Whole, *, service: str, ask: Ask) -> ServiceResponse:
    """A response that says the same."""
    phrase = HTTPStatus(whole.status).phrase if whole.status in _REGISTERED else ""
    lines = b"".join([b"%b: %b\r\n" % pair for pair in whole.fields])
    head = b"HTTP/1.1 %d %b\r\n%b\r\n" % (whole.status, phrase.encode(), lines)
    return ServiceResponse.of(whole.status, head, whole.body, service=service, ask=ask)


def twin_of(response: ServiceResponse, *, ask: Ask) -> ServiceResponse:
    """Another caller's response to the same answer."""
    head = response.head
    if not head:
        lines = b"".join([b"%b: %b\r\n" % pair for pair in response.headers.raw])
        phrase = response.extensions.get("reason_phrase", b"")
        head = b"HTTP/1.1 %d %b\r\n%b\r\n" % (response.status_code, phrase, lines)
    content, service = response.content, response.service
    twin = ServiceResponse.of(response.status_code, head, content, service=service, ask=ask)
    twin.is_silent = response.is_silent
    return twin
