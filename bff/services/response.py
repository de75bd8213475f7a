"""The answer to a service call: an ``httpx.Response`` made of what came, its parts built when they are touched.

Building httpx's own costs more than the call; most answers are asked for their status and their JSON only.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
from pydantic_core import from_json

from bff.sdk.failures import ServiceAnswered, ServiceBodyInvalid
from bff.services import http1

_LATER = frozenset({"headers", "extensions", "history", "stream", "_request", "_elapsed"})


class ServiceResponse(httpx.Response):
    """An httpx response whose failures name the service: ``json()`` and ``raise_for_status()`` raise ours.

    Mutable state: as httpx's; what is named in ``_LATER`` is made when it is first asked for.
    """

    service: str = ""
    relayed: bool = False
    is_silent: bool | None = None  # on caching; None until somebody has looked
    max_body: int = 0
    head: bytes = b""  # as it came; empty in one that httpx has made
    _content: bytes
    _ask: Callable[[], httpx.Request] | None = None
    _seconds: float = 0.0

    @classmethod
    def of(
        cls, status: int, head: bytes, body: bytes, *, service: str, ask: Callable[[], httpx.Request]
    ) -> ServiceResponse:
        """A response from a head as it came and a body already decoded; ``ask`` makes the request it answers."""
        made = cls.__new__(cls)
        made.status_code = status
        made.service = service
        made.head = head
        made._content = body  # noqa: SLF001 - its own class
        made._ask = ask  # noqa: SLF001
        return made

    # What httpx's __init__ and reading the body would have set.
    next_request = None
    is_closed = True
    is_stream_consumed = True
    default_encoding = "utf-8"
    _num_bytes_downloaded = 0

    def __getattr__(self, name: str) -> Any:
        if name not in _LATER or not self.head:
            raise AttributeError(name)
        value = self.__dict__[name] = self._made(name)
        return value

    def _made(self, name: str) -> Any:
        match name:
            case "headers":
                return httpx.Headers(http1.fields_of(self.head))
            case "extensions":
                head = self.head
                return {"http_version": http1.version_of(head), "reason_phrase": http1.reason_of(head)}
            case "history":
                return []
            case "stream":
                return httpx.ByteStream(self._content)
            case "_elapsed":
                return timedelta(seconds=self._seconds)
            case _:
                return None if self._ask is None else self._ask()

    def __getstate__(self) -> dict[str, Any]:
        for name in _LATER:
            getattr(self, name, None)
        state = super().__getstate__()
        state.pop("_ask", None)
        return state

    def json(self, **kwargs: Any) -> Any:
        """The body as JSON.

        ``parse_constant`` says what NaN and infinities shall be, which are no JSON (RFC 8259 §6) and refused otherwise.

        Raises:
            ServiceBodyInvalid: it is not JSON.

        """
        content = self._content if self.head else self.content
        try:
            return json.loads(content, **{**_STRICT, **kwargs}) if kwargs else loads(content)
        except NoNumber as error:
            raise ServiceBodyInvalid(self.service, f"is not JSON: {error}") from None
        except (ValueError, RecursionError):
            raise ServiceBodyInvalid(self.service, "is not JSON") from None

    def took(self, seconds: float) -> None:
        """Say how long the call took, for ``elapsed``."""
        if self.head:
            self._seconds = seconds
        else:
            self.elapsed = timedelta(seconds=seconds)

    def raise_for_status(self) -> ServiceResponse:
        """Itself, if the status is 2xx.

        Raises:
            ServiceAnswered: it is not.

        """
        if not self.is_success:
            raise ServiceAnswered(
                self.service,
                self.status_code,
                relayed=self.relayed,
                retry_after=self.headers.get("retry-after", ""),
            )
        return self

    async def aread(self) -> bytes:
        """The whole body, decoded.

        Raises:
            ServiceBodyInvalid: it is larger than ``max_body``, or encoded more than once (which no service
                does, but a bomb may).

        """
        if not hasattr(self, "_content"):
            if "," in self.headers.get("content-encoding", ""):
                raise ServiceBodyInvalid(self.service, "is encoded more than once")
            parts: list[bytes] = []
            total = 0
            async for part in self.aiter_bytes():
                total += len(part)
                if total > self.max_body:
                    raise ServiceBodyInvalid(self.service, f"is larger than {self.max_body} bytes")
                parts.append(part)
            self._content = b"".join(parts)
        return self._content


class NoNumber(ValueError):
    """A JSON text holds NaN or an infinity in a number's place."""


def _refuse(_word: str) -> Any:
    raise NoNumber("it holds NaN or Infinity")


_STRICT = {"parse_constant": _refuse}


def loads(body: bytes) -> Any:
    """The value of a JSON text as :func:`json.loads` gives it, in a third of the time.

    The fast parser agrees on every text that it accepts: big integers, the last of two equal keys. What it refuses
    (half a surrogate pair, deep nesting, UTF-16) is for the slow one to read or refuse. NaN and infinities neither
    takes: an answer that holds them would have ``null`` in their place.

    Raises:
        NoNumber: it would be JSON, but for NaN or Infinity.
        ValueError: it is not JSON.
        RecursionError: it is nested more deeply than Python can read.

    """
    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError:
        return json.loads(body, parse_constant=_refuse)
