"""A call's method, path, headers and options as the bytes of a request.

What never changes between the calls of one service is written once; the usual call (no body, JSON, bytes) is
put together here, the rest (forms, files, odd paths) is left to ``httpx.Request``, with the same result.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterable, Mapping
from typing import Any
from urllib.parse import urlencode

import httpx

from bff.sdk.call import SendOptions
from bff.services import http1
from bff.services.connections import Outgoing
from bff.services.decoding import ACCEPTED
from bff.services.retry import SAFE

DEFAULTS = {
    "accept": "*/*",
    "accept-encoding": ACCEPTED,
    "connection": "keep-alive",  # servers that speak HTTP/1.0 want to be asked
    "user-agent": "bff-gateway",
}
"""What every call says of itself unless it says something else."""

MAX_TARGET = 65_536
"""Characters of a path and its query (httpx's ``MAX_URL_LENGTH``)."""

_NONE: frozenset[str] = frozenset()
_OWN = frozenset({"host", *DEFAULTS})
_BODIES = frozenset({"content", "data", "files", "json"})
_WITH_LENGTH = frozenset({"POST", "PUT", "PATCH"})
# Characters that httpx's URL leaves as they are in a path, and in a query.
_PLAIN = re.compile(
    r"/[!$%&'()*+,\-./0-9:;=@A-Z\[\]^_a-z|~]*(?:\?[!$%&'()*+,\-./0-9:;=?@A-Z\[\]^_`a-z{|}~]*)?"
)


class Composer:
    """Writes requests to one base URL. Immutable."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        base = httpx.URL(self._url)
        self._base = base
        self.prefix = base.raw_path.decode("ascii").rstrip("/")
        self._fixed = {"host": base.netloc.decode("ascii"), **DEFAULTS}
        self._end = self.end_without({})

    def compose(self, method: str, path: str, headers: Mapping[str, str], options: SendOptions) -> Outgoing:
        """The request. ``headers`` have lower-case names.

        Raises:
            httpx.InvalidURL: the path does not fit into a URL.
            httpx.LocalProtocolError: the method or a header is not HTTP.
            TypeError: the content is neither text nor bytes nor an asynchronous iterator.

        """
        body, described = b"", ""
        if method in _WITH_LENGTH or not _BODIES.isdisjoint(options):
            found = plain_body(options)
            if found is None:
                return of_request(
                    self.request(method, path, headers, options), replayable=_replayable(options)
                )
            body, kind = found
            if kind and "content-type" not in headers:
                described = f"content-type: {kind}\r\n"
            if body or kind or method in _WITH_LENGTH:
                described += f"content-length: {len(body)}\r\n"
        if not http1.is_token(method):
            raise httpx.LocalProtocolError("the method is not a token")
        own = self._end if _OWN.isdisjoint(headers) else self.end_without(headers)
        try:
            lines = http1.text_lines(headers)
        except http1.NotHttp as error:
            raise httpx.LocalProtocolError(str(error)) from None
        head = f"{method} {self.target(path, options.get('params'))}{own}{lines}{described}\r\n"
        return Outgoing(
            head.encode("latin-1"),
            body,
            is_head=method == "HEAD",
            is_replayable=method in _replayable(options),
        )

    def end_without(self, headers: Mapping[str, str]) -> str:
        """The rest of the request line, and the fields that every call has unless it says something else."""
        kept = {name: value for name, value in self._fixed.items() if name not in headers}
        return f" HTTP/1.1\r\n{http1.text_lines(kept)}"

    def target(self, path: str, params: Any = None) -> str:
        """What stands in the request line for a path below the base URL.

        Raises:
            httpx.InvalidURL: it is too long, or not a path.

        """
        path = with_query(path, params)
        if len(path) > MAX_TARGET:
            raise httpx.InvalidURL("URL too long")
        if _PLAIN.fullmatch(path):
            return self.prefix + path
        return httpx.URL(self._url + path).raw_path.decode("ascii")

    def request(
        self, method: str, path: str, headers: Mapping[str, str], options: SendOptions
    ) -> httpx.Request:
        """The same request as httpx's own."""
        return httpx.Request(
            method,
            self._url + path,
            # latin-1, RFC 9110 §5.5's obs-text: what a caller sent us travels on byte for byte.
            headers=httpx.Headers({**DEFAULTS, **headers}, encoding="latin-1"),
            **{name: options.get(name) for name in ("params", *sorted(_BODIES))},  # type: ignore[arg-type]
        )

    def request_of(self, head: bytes) -> httpx.Request:
        """A request without a body, from its head."""
        method, target, _ = head.split(b" ", 2)
        url = self._base.copy_with(raw_path=target)
        return httpx.Request(method.decode("ascii"), url, headers=http1.fields_of(head))


def with_query(path: str, params: Any) -> str:
    """A path with these parameters, if there are any, in the place of its own query, as httpx writes them."""
    if params is None:
        return path
    query = urlencode(httpx.QueryParams(params).multi_items())
    return path.partition("?")[0] + (f"?{query}" if query else "")


def plain_body(options: SendOptions) -> tuple[bytes, str | None] | None:
    """The body and its type, as httpx makes them, where that is simple; None where it is not."""
    content = options.get("content")
    if options.get("data") is not None or options.get("files") is not None:
        return None
    if content is None and options.get("json") is None:
        return b"", None
    if content is None:
        text = json.dumps(options["json"], ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return text.encode(), "application/json"
    if isinstance(content, str | bytes):
        return (content.encode() if isinstance(content, str) else content), None
    if isinstance(content, AsyncIterable):
        return None
    raise TypeError("content is str, bytes or an asynchronous iterator of bytes")


def _replayable(options: SendOptions) -> frozenset[str]:
    """The methods of a call that may go out again from a connection that died while it was idle: fewer than RFC 9110
    §9.2.2 allows, because what may have had an effect is for retries to repeat, if its author says so.
    """
    return _NONE if options.get("idempotent") is False else SAFE


def of_request(request: httpx.Request, *, replayable: frozenset[str] = http1.IDEMPOTENT) -> Outgoing:
    """An httpx request as bytes, its body in parts unless it is in memory already.

    Framed by what the body is: beside ``Transfer-Encoding: chunked`` no length goes out (RFC 9112 §6.2).

    Raises:
        httpx.LocalProtocolError: it is not HTTP, or its body is not what its head says.

    """
    stream = request.stream
    if not isinstance(stream, httpx.AsyncByteStream):
        raise TypeError("content is str, bytes or an asynchronous iterator of bytes")
    try:
        head, length = _head_of(request)
    except (http1.NotHttp, UnicodeEncodeError) as error:
        raise httpx.LocalProtocolError(str(error)) from None
    outgoing = Outgoing(head, is_head=request.method == "HEAD")
    if isinstance(stream, httpx.ByteStream):
        outgoing.body = _framed(b"".join(stream), length)
        outgoing.is_replayable = request.method in replayable
    else:
        outgoing.parts, outgoing.length = stream, length
    return outgoing


def _head_of(request: httpx.Request) -> tuple[bytes, int | None]:
    """Its head as bytes, and the length of the body that follows; None for chunks."""
    fields = [(name.lower(), value) for name, value in request.headers.raw]
    length = http1.announced(fields)
    if length is None:
        fields = [pair for pair in fields if pair[0] != b"content-length"]
    if sum(name == b"host" for name, _ in fields) != 1:
        raise http1.NotHttp("a request has one Host")  # RFC 9112 §3.2
    line = http1.request_line(request.method.encode("latin-1"), request.url.raw_path)
    return line + http1.field_lines(fields) + b"\r\n", length


def _framed(body: bytes, length: int | None) -> bytes:
    if length is None:
        return b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
    if len(body) != length:
        raise httpx.LocalProtocolError(f"the body has {len(body)} bytes and says that it has {length}")
    return body
