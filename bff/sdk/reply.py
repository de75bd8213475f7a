"""What a handler returns, made into an answer: decided from the return type once, at load.

Models, dataclasses, dicts and lists become JSON, ``str`` and ``bytes`` go out as they are, a Starlette
``Response`` is sent untouched, an (async) iterator is streamed, ``(body, status)`` sets the status, and
None is 204 unless the return type has a value that may be None.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import is_dataclass
from enum import IntEnum
from typing import Any, get_args, get_origin

import orjson
from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError, to_json
from starlette.responses import Response

from bff.errors import FunctionFailed
from bff.sdk import framing
from bff.sdk.farewells import Farewells
from bff.sdk.framing import Framing
from bff.sdk.handler import ContractBroken, line_of, read_hints
from bff.sdk.misfit import Uncheckable, adapter_of, first_of
from bff.sdk.page import Page
from bff.sdk.serversent import ServerSentEvent

HeaderPairs = list[tuple[bytes, bytes]]

JSON = (b"content-type", b"application/json")
TEXT = framing.TEXT.content_type
BINARY = framing.BINARY.content_type
_OWN_WORDS = (
    "Unable to serialize unknown type",
    "Error serializing to JSON: ValueError: Circular reference detected",
    "Error serializing to JSON: ValueError: Maximum serialization depth exceeded",
)
"""How pydantic's sentences begin that speak of types only; its others may quote a value."""
_SCALARS = (str, int, float, bool)
_STREAMS = (AsyncIterable, Iterable)


class Answer:
    """What goes back: exactly one of ``body``, ``stream`` (bytes as they come) and ``response`` is used. A response
    with ``farewells`` can speak on a WebSocket, and is told there when it shall end.
    """

    __slots__ = ("body", "farewells", "headers", "response", "status", "stream")

    def __init__(
        self,
        status: int = 200,
        headers: HeaderPairs | None = None,
        body: bytes = b"",
        *,
        stream: AsyncIterator[bytes] | None = None,
        response: Callable[..., Any] | None = None,
        farewells: Farewells | None = None,
    ) -> None:
        self.farewells = farewells
        self.status = status
        self.headers = headers if headers is not None else []
        self.body = body
        self.stream = stream
        self.response = response

    def __repr__(self) -> str:
        kind = "stream" if self.stream else "response" if self.response else f"{len(self.body)} bytes"
        return f"<Answer {self.status}, {kind}>"


class Encoder:
    """Makes answers of one handler's results. Immutable after construction. ``page`` is the declared model, if any."""

    __slots__ = (
        "_adapter",
        "_container",
        "_framing",
        "_function",
        "_if_empty",
        "_items",
        "_none_is_value",
        "_validates",
        "page",
    )

    def __init__(self, function: str, annotation: Any) -> None:
        annotation = body_type(annotation)
        self._function = function
        self.page = Page.declared(annotation)
        item = item_type(annotation)
        self._framing = framing.EVENTS if item is ServerSentEvent else None
        self._if_empty = framing.of_none(item)
        is_open = annotation is inspect.Signature.empty or annotation is Any
        self._none_is_value = not is_open and type(None) in get_args(annotation)
        self._adapter = None if is_open or is_raw(annotation) else adapter_of(annotation)
        self._container, self._items = _flat(annotation)
        # pydantic writes any object for a model, as far as their attributes agree: `{}` for a stranger.
        self._validates = self._adapter is not None and _names_records(annotation)

    @property
    def says_json(self) -> bool:
        """Whether every answer is JSON, whatever the handler returns."""
        return self._adapter is not None

    def encode(self, result: Any) -> Answer:
        """The answer for what the handler returned.

        Raises:
            FunctionFailed: it does not fit the declared return type, or cannot be written as JSON.

        """
        kind = type(result)
        if kind is self._container and self._fits(result):
            return Answer(200, [JSON], self._json(result, is_flat=True))
        status = 200
        if kind is tuple and len(result) == 2 and _is_status_type(type(result[1])):
            result, status = result[0], int(result[1])
            if not 200 <= status <= 599:
                raise FunctionFailed(
                    self._function, f"returned {status}, which is no HTTP status of an answer"
                )
            if status in (204, 304):  # RFC 9110 §6.4.1: such answers have no content, whatever was returned
                return Answer(status)
        if result is None and not self._none_is_value:
            return Answer(204 if status == 200 else status)
        if isinstance(result, dict | list):
            return Answer(status, [JSON], self._json(result))
        if isinstance(result, str | bytes | bytearray) and self._adapter is not None:
            self._refuse_misfit(result)
        if isinstance(result, str):
            return Answer(status, [TEXT], result.encode("utf-8", "replace"))
        if isinstance(result, framing.BYTES):
            return Answer(status, [BINARY], bytes(result))
        if isinstance(result, Response):
            return Answer(result.status_code, response=result)
        if hasattr(result, "__aiter__"):
            return self._stream(result, status)
        return Answer(status, [JSON], self._json(result))

    def _json(self, value: Any, *, is_flat: bool = False) -> bytes:
        """``is_flat``: a value of the declared container, with nothing in it but what was declared."""
        if is_flat or (type(value) is self._container and self._fits(value)):
            try:
                return orjson.dumps(value, option=BUILTINS_ONLY)
            except TypeError:
                pass  # it holds what is pydantic's to write or to refuse
        adapter = self._adapter
        try:
            if adapter is None:
                return _plain_json(value)
            if self._validates:
                value = adapter.validate_python(value)
            try:
                return adapter.dump_json(value, by_alias=True, warnings="error")
            except PydanticSerializationError:
                # Not built of the declared types, a tuple for a list say: it may still fit them.
                return adapter.dump_json(adapter.validate_python(value), by_alias=True, warnings="error")
        except ValidationError as misfit:
            raise self._misfit(misfit) from misfit
        except (PydanticSerializationError, RecursionError) as error:
            why = f": {error}" if str(error).startswith(_OWN_WORDS) else ""
            raise FunctionFailed(self._function, f"returned what cannot be written as JSON{why}") from error

    def _fits(self, value: Any) -> bool:
        """Whether a value of the declared container holds exactly what it should: there is nothing to convert."""
        if self._items is None:
            return True
        return self._items.issuperset(map(type, value.values() if self._container is dict else value))

    def _refuse_misfit(self, value: Any) -> None:
        assert self._adapter is not None
        try:
            self._adapter.validate_python(value)
        except ValidationError as misfit:
            raise self._misfit(misfit) from misfit

    def _misfit(self, misfit: ValidationError) -> FunctionFailed:
        return FunctionFailed(
            self._function, f"returned what its return type does not allow: {first_of(misfit)}"
        )

    def _stream(self, items: Any, status: int) -> Answer:
        return Answer(status, stream=StreamedItems(items, self._framing, if_empty=self._if_empty))


class StreamedItems:
    """An async iterator of a handler as bytes. Mutable state: ``framing``, None until the first item tells.

    What stands in the head is told by the framing, so an undeclared one must be known before the head is sent.
    """

    def __init__(
        self, items: Any, framing: Framing | None = None, *, if_empty: Framing = framing.NDJSON
    ) -> None:
        self.framing = framing
        self._if_empty = if_empty
        self._iterator = items.__aiter__()

    def __aiter__(self) -> StreamedItems:
        return self

    async def __anext__(self) -> bytes:
        item = await self._iterator.__anext__()
        if self.framing is None:
            self.framing = framing.framing_of(item)
        return self.framing.encode(item)

    async def first(self, *, prefers_events: bool = False) -> bytes | None:
        """The first piece, after which the framing is known; None when there is nothing to send."""
        try:
            item = await self._iterator.__anext__()
        except StopAsyncIteration:
            if self.framing is None:  # nothing is a body too, and says of what kind
                self.framing = framing.EVENTS if prefers_events else self._if_empty
            return None
        if self.framing is None:
            self.framing = framing.framing_of(item, prefers_events=prefers_events)
        return self.framing.encode(item)

    async def aclose(self) -> None:
        """Close the handler's generator, whether or not it has ended."""
        close = getattr(self._iterator, "aclose", None)
        if close is not None:
            await close()


BUILTINS_ONLY = (
    orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS
)
"""What orjson is told: whatever it would write otherwise than pydantic is left to pydantic."""


def _plain_json(value: Any) -> bytes:
    """JSON of builtin types by the fastest writer, and of anything else by pydantic."""
    try:
        return orjson.dumps(value, option=BUILTINS_ONLY)
    except TypeError:  # another type, a key that is no text, an integer beyond 64 bits, half a surrogate pair
        return to_json(value, by_alias=True, inf_nan_mode="null")


def compile_encoder(
    function: str, call: Callable[..., Any], hints: Mapping[str, Any] | None = None
) -> Encoder:
    """The encoder for a handler's declared return type; ``hints`` are its annotations, where they were read.

    Raises:
        ContractBroken: the type is nothing that can be written.

    """
    hints = read_hints(call) if hints is None else hints
    try:
        return Encoder(function, hints.get("return", inspect.Signature.empty))
    except Uncheckable as error:
        raise ContractBroken(
            f"the return type cannot be written as JSON: {error}",
            line=line_of(call),
            remedy="return a pydantic model, a dataclass, builtin types, str, bytes or a Response",
        ) from error


def body_type(annotation: Any) -> Any:
    """``tuple[Body, int]`` is a body with a status."""
    if annotation is type(None):
        return None
    args = get_args(annotation)
    if get_origin(annotation) is tuple and len(args) == 2 and _is_status_type(args[1]):
        return args[0]
    return annotation


def item_type(annotation: Any) -> Any:
    """The declared type of a stream's items; None when it is no stream, Any when it does not say."""
    origin = get_origin(annotation) or annotation
    if not isinstance(origin, type) or not is_raw(annotation) or issubclass(origin, Response | str | bytes):
        return None
    if not issubclass(origin, AsyncIterable | Iterable):
        return None
    return next(iter(get_args(annotation)), Any)


def _is_status_type(kind: Any) -> bool:
    """``int`` and ``http.HTTPStatus``, but not ``bool``."""
    return kind is int or (isinstance(kind, type) and issubclass(kind, IntEnum))


def _flat(annotation: Any) -> tuple[type | None, frozenset[type] | None]:
    """Of a return type that needs no pydantic to be written: dict or list, and the one type inside (None: any)."""
    origin, arguments = get_origin(annotation) or annotation, get_args(annotation)
    if origin is not dict and origin is not list:
        return None, None
    if not arguments:
        return origin, None
    *keys, item = arguments
    if keys not in ([], [str]) or (item is not Any and item not in _SCALARS):
        return None, None
    return origin, None if item is Any else frozenset((item,))


def _names_records(annotation: Any) -> bool:
    if inspect.isclass(annotation) and (issubclass(annotation, BaseModel) or is_dataclass(annotation)):
        return True
    return any(_names_records(argument) for argument in get_args(annotation))


def is_raw(annotation: Any) -> bool:
    """Whether what is returned goes out as it is, without a schema: text, bytes, responses and streams."""
    if annotation is None or annotation in (str, bytes, bytearray):
        return True
    origin = get_origin(annotation) or annotation
    if not isinstance(origin, type):
        return any(is_raw(option) for option in get_args(annotation) if option is not type(None))
    return issubclass(origin, Response | AsyncIterator | Iterator) or origin in _STREAMS
