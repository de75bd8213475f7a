"""One service call as the layers above the wire pass it on, and what comes back. Plain objects: every call has one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Coroutine, Hashable, Mapping, Sequence
from typing import Any, Protocol

import httpx

from bff.sdk.call import SendOptions
from bff.sdk.callrecord import CallRecord
from bff.services import http1
from bff.services.composing import with_query
from bff.services.response import ServiceResponse


class Exchanges(Protocol):
    """The wire; see :class:`bff.services.wire.Wire`."""

    def exchange(
        self, method: str, path: str, headers: Mapping[str, str], options: SendOptions, record: CallRecord
    ) -> Awaitable[ServiceResponse]:
        """Send it."""


class Question:
    """A call: where to, with what, and which of its fields were derived from a caller's.

    ``write`` makes all of its fields, which who shares somebody else's flight seldom needs. Mutable state:
    ``caller``, narrowed once; ``_headers``, once they are written; ``_rest``, an exchange that was begun by somebody
    else.
    """

    __slots__ = (
        "_base",
        "_headers",
        "_options",
        "_path",
        "_record",
        "_rest",
        "_wire",
        "_write",
        "caller",
        "method",
    )

    def __init__(
        self,
        base: str,
        wire: Exchanges,
        method: str,
        path: str,
        write: Callable[[], Mapping[str, str]],
        caller: Mapping[str, str],
        options: SendOptions,
        record: CallRecord,
        rest: Coroutine[Any, Any, ServiceResponse] | None = None,
    ) -> None:
        self._wire = wire
        self._base = base
        self.method = method
        self._path = path
        self._write = write
        self._headers: Mapping[str, str] | None = None
        self.caller = caller
        self._options = options
        self._record = record
        self._rest = rest

    @property
    def headers(self) -> Mapping[str, str]:
        """All fields it is sent with, names in lower case."""
        if self._headers is None:
            self._headers = self._write()
        return self._headers

    def leave_out(self, names: Collection[str]) -> None:
        """These fields are no caller's after all."""
        self.caller = {name: value for name, value in self.caller.items() if name not in names}

    def flight_key(self) -> Hashable:
        """What must be the same to share a flight."""
        if not self.caller and "params" not in self._options:
            return self.method, self._path
        return self.method, self.url, tuple(self.caller.items())

    @property
    def url(self) -> str:
        """Where it goes, with its query."""
        return self._base + with_query(self._path, self._options.get("params"))

    def exchange(self, headers: Mapping[str, str]) -> Awaitable[ServiceResponse]:
        """Send it with these fields; the first time perhaps no more than the rest of an exchange begun before."""
        if self._rest is not None:
            rest, self._rest = self._rest, None
            return rest
        return self._wire.exchange(self.method, self._path, headers, self._options, self._record)

    def hurry(self, seconds: float) -> float:
        """End so much earlier than asked, so that something else can still be answered; when that is. What is left
        half-read then is nobody's to carry on.
        """
        self._record.until -= seconds
        self._record.flight = None
        return self._record.until

    def flag(self, flag: str) -> None:
        """Write down one of Envoy's response flags."""
        self._record.flag(flag)

    def carried_on(self, until: float, rest: Coroutine[Any, Any, ServiceResponse] | None) -> Question:
        """The same without who asked, its first exchange being under way if there is a ``rest`` of it."""
        return self.with_headers(self.headers, until=until, rest=rest)

    def with_headers(
        self,
        headers: Mapping[str, str],
        *,
        until: float,
        method: str | None = None,
        rest: Coroutine[Any, Any, ServiceResponse] | None = None,
    ) -> Question:
        """The same with other fields and another end (clock seconds), recorded in nobody's invocation."""
        record = CallRecord(self._record.service, self.method, self._path, self._record.started)
        record.until = until
        return Question(
            self._base,
            self._wire,
            method or self.method,
            self._path,
            lambda: headers,
            self.caller,
            self._options,
            record,
            rest,
        )

    def ask(self) -> httpx.Request:
        """The request as httpx has it, for responses that did not come over the wire."""
        return httpx.Request(
            self.method, self.url, headers=httpx.Headers(dict(self.headers), encoding="latin-1")
        )


class Landed:
    """What an exchange brought: a response, what its request was sent with, and how the store took part.

    ``sent`` may be given as the head that the fields are in. ``varies_by`` is read from the answer's head when somebody
    asks first, however many share it: the names of the request fields it varies by, or None where it is for one caller
    only. Mutable: that.
    """

    __slots__ = ("_sent", "cached", "is_read", "response", "varies_by")

    def __init__(self, response: ServiceResponse, sent: Mapping[str, str] | bytes, cached: str = "") -> None:
        self.response = response
        self._sent = sent
        self.cached = cached
        self.is_read = False
        self.varies_by: Sequence[bytes] | None = None

    @property
    def sent(self) -> Mapping[str, str]:
        """The fields of its request."""
        return http1.texts_of(self._sent) if isinstance(self._sent, bytes) else self._sent
