"""What a handler says of itself to front-end teams: parameters, body and answers as OpenAPI 3.1 objects.

Read from its signature, its types and its module's docstring; nothing is called. How the pieces of many
functions become one document is the exporter's work.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from types import CodeType, ModuleType
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode
from pydantic_core import PydanticSerializationError, to_jsonable_python
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from bff.frozen import frozen
from bff.sdk.binding import Binder, Parameter, binder_of
from bff.sdk.handler import Handler, Kind, read_hints
from bff.sdk.jsonschema import Json, Schemas
from bff.sdk.misfit import Uncheckable, adapter_of
from bff.sdk.page import Page
from bff.sdk.reply import body_type, is_raw, item_type
from bff.sdk.serversent import ServerSentEvent
from bff.sdk.view import aggregate

_IN = {"path": "path", "query": "query", "header": "header", "cookie": "cookie"}
_KINDS: Sequence[tuple[type[Response], str]] = (
    (HTMLResponse, "text/html"),
    (PlainTextResponse, "text/plain"),
    (JSONResponse, "application/json"),
)


@frozen
class Described:
    """One handler seen from one route. ``schemas`` are named and referred to as ``#/components/schemas/NAME``;
    ``missable`` names the parts of the answer that may be null, ``validates`` is whether values that do not fit
    are refused, ``answers_alone`` whether refusals may be its own, of any media type, and ``unfolds`` whether the page may be sent part by part.
    """

    summary: str = ""
    description: str = ""
    parameters: tuple[Json, ...] = ()
    body: Json | None = None
    answers: Mapping[str, Json] = field(default_factory=dict)
    schemas: Mapping[str, Json] = field(default_factory=dict)
    answers_alone: bool = False
    missable: tuple[str, ...] = ()
    validates: bool = False
    unfolds: bool = False


def describe(module: ModuleType, handler: Handler, path_parameters: tuple[str, ...]) -> Described:
    """What there is to say of a handler behind a path with these parameters.

    Raises:
        ContractBroken: it does not fit such a path.

    """
    summary, description = _words(module, handler)
    if handler.kind is Kind.ASGI:
        return Described(
            summary=summary,
            description=description,
            parameters=tuple(_in_path(name, {"type": "string"}) for name in path_parameters),
            answers={
                "2XX": {"description": "Whatever the application answers.", "content": ANYTHING},
                "3XX": {"description": "Where the application sends the caller."},
            },
            answers_alone=True,
        )
    binder = binder_of(handler, path_parameters)
    returned = body_type(read_hints(handler.call).get("return", inspect.Signature.empty))
    schemas = _schemas(binder, returned)
    answers, missable = (_CONVERSATION, ()) if handler.is_socket else _answers(returned, schemas)
    return Described(
        summary=summary,
        description=description,
        parameters=tuple(_parameters(binder, path_parameters, schemas)),
        body=_body(binder, schemas),
        answers=answers,
        schemas=schemas.named,
        missable=missable,
        validates=any(
            parameter.source not in ("context", "request", "socket") for parameter in binder.parameters
        ),
        unfolds=Page.declared(returned) is not None and _mentions(handler.call, aggregate),
    )


ANYTHING: Json = {"*/*": {}}
_CONVERSATION: Mapping[str, Json] = {
    "101": {"description": "A WebSocket (RFC 6455); whoever offers none is answered 426."},
    "2XX": {"description": "The same where a proxy in front speaks HTTP/2 (RFC 8441)."},
}


def unread(path_parameters: tuple[str, ...]) -> Described:
    """What a path alone tells, of a handler that cannot be asked."""
    return Described(
        description="What it takes and answers is not known: it could not be loaded.",
        parameters=tuple(_in_path(name, {"type": "string"}) for name in path_parameters),
        answers={"2XX": {"description": "The answer."}},
    )


def _words(module: ModuleType, handler: Handler) -> tuple[str, str]:
    """The module's docstring, and the handler's own below it: a summary line and the rest."""
    told = [inspect.cleandoc(text) for text in (module.__doc__, _docstring(handler.call)) if text]
    summary, _, rest = "\n\n".join(told).partition("\n\n")
    return " ".join(summary.split()).rstrip("."), rest


def _docstring(call: Callable[..., Any]) -> str | None:
    # An application's or a wrapper's class says what it is, not what this one does.
    return inspect.getdoc(call) if inspect.isroutine(inspect.unwrap(call)) else None


def _mentions(call: Callable[..., Any], wanted: Any) -> bool:
    """Whether a handler's own code speaks of something of ours, by a name of its own or as ``bff.NAME``."""
    inner = inspect.unwrap(call)
    function = getattr(inner, "__func__", inner)
    known, code = getattr(function, "__globals__", {}), getattr(function, "__code__", None)
    names = set(_names_in(code)) if code is not None else set()
    is_direct = any(known.get(name) is wanted for name in names)
    return is_direct or (
        wanted.__name__ in names and getattr(known.get("bff"), wanted.__name__, None) is wanted
    )


def _names_in(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in(constant)


def _schemas(binder: Binder, returned: Any) -> Schemas:
    asked: list[tuple[str, JsonSchemaMode, TypeAdapter[Any]]] = [
        (parameter.name, "validation", parameter.adapter)
        for parameter in binder.parameters
        if parameter.adapter is not None
    ]
    item = item_type(returned)
    shown = Any if item is ServerSentEvent else returned if item is None else item
    adapter = _adapter_of(shown)
    if adapter is not None:
        asked.append(("return", "serialization", adapter))
    return Schemas(asked)


def _adapter_of(kind: Any) -> TypeAdapter[Any] | None:
    if kind in (inspect.Signature.empty, None, Any) or is_raw(kind):
        return None
    try:
        return adapter_of(kind)
    except Uncheckable:
        return None


def _parameters(binder: Binder, path_parameters: tuple[str, ...], schemas: Schemas) -> Iterable[Json]:
    """In the order of the path, then of the signature. A path parameter nobody takes is text."""
    taken = {parameter.key: parameter for parameter in binder.parameters if parameter.source == "path"}
    for name in path_parameters:
        parameter = taken.get(name)
        yield _in_path(name, {"type": "string"}) if parameter is None else _parameter(parameter, schemas)
    for parameter in binder.parameters:
        if parameter.source in ("query", "header", "cookie"):
            yield _parameter(parameter, schemas)


def _in_path(name: str, schema: Json) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _parameter(parameter: Parameter, schemas: Schemas) -> Json:
    schema = _without_null(schemas.of(parameter.name))
    described: Json = {"name": parameter.key, "in": _IN[parameter.source]}
    if "description" in schema:
        described["description"] = schema.pop("description")
    described["required"] = parameter.source == "path" or parameter.is_required
    _add_default(schema, parameter)
    return {**described, "schema": schema}


def _without_null(schema: Json) -> Json:
    """An argument that is left out is None; text that says null does not exist."""
    options = schema.get("anyOf")
    if not isinstance(options, list):
        return schema
    kept = [option for option in options if option != {"type": "null"}]
    if len(kept) == len(options):
        return schema
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    return {**kept[0], **rest} if len(kept) == 1 else {**rest, "anyOf": kept}


def _add_default(schema: Json, parameter: Parameter) -> None:
    if parameter.is_required or parameter.default is None or parameter.source == "path":
        return
    try:
        schema["default"] = to_jsonable_python(parameter.default)
    except PydanticSerializationError:
        return


def _body(binder: Binder, schemas: Schemas) -> Json | None:
    form = [parameter for parameter in binder.parameters if parameter.source in ("form", "file")]
    if form:
        return _form(form, schemas)
    for parameter in binder.parameters:
        if parameter.source == "body":
            schema = schemas.of(parameter.name)
            return {"required": parameter.is_required, "content": {"application/json": {"schema": schema}}}
        if parameter.source == "raw":
            return {"required": False, "content": {"application/octet-stream": {}}}
        if parameter.source == "event":
            return {"required": True, "content": {"application/cloudevents+json": {"schema": _EVENT}}}
    return None


_EVENT: Json = {
    "type": "object",
    "description": "A CloudEvent 1.0 in structured mode; binary mode (ce-* headers) is read as well.",
    "required": ["specversion", "id", "source", "type"],
    "properties": {name: {"type": "string"} for name in ("specversion", "id", "source", "type", "subject")},
}


def _form(fields: list[Parameter], schemas: Schemas) -> Json:
    properties = {
        each.key: _file(each) if each.source == "file" else schemas.of(each.name) for each in fields
    }
    schema: Json = {"type": "object", "properties": properties}
    required = [each.key for each in fields if each.is_required]
    if required:
        schema["required"] = required
    kinds = ["multipart/form-data"]
    if all(each.source == "form" for each in fields):
        kinds.insert(0, "application/x-www-form-urlencoded")
    return {"required": bool(required), "content": {kind: {"schema": schema} for kind in kinds}}


def _file(parameter: Parameter) -> Json:
    one = {"type": "string", "contentMediaType": "application/octet-stream"}
    return {"type": "array", "items": one} if parameter.many else one


def _answers(returned: Any, schemas: Schemas) -> tuple[Json, tuple[str, ...]]:
    """The answers by status, and the parts of a whole one that may be null."""
    if returned is None:
        return {"204": {"description": "Done; there is nothing to say."}}, ()
    content = _content(returned, schemas)
    said = "The answer."
    if item_type(returned) is ServerSentEvent:
        said = "Server-sent events, until the caller leaves or the stream's time is over."
    elif "application/x-ndjson" in content:
        said = "The answer, one JSON document a line; an event each where `Accept` prefers those."
    answer: Json = {"description": said, "content": content}
    missable = _missable(schemas) if "application/json" in content and item_type(returned) is None else ()
    return {"200": answer}, missable


def _content(returned: Any, schemas: Schemas) -> Json:
    item = item_type(returned)
    if item is not None:
        if item in (str, bytes):
            return {"text/plain" if item is str else "application/octet-stream": {}}
        if item is ServerSentEvent:
            return {"text/event-stream": {"schema": {"type": "string"}}}
        # Strictly a schema is the whole body's, but tools take an item's type from here (3.2: itemSchema).
        line = {"schema": schemas.of("return")}
        return {"application/x-ndjson": line, "text/event-stream": line}
    if returned is str:
        return {"text/plain": {"schema": {"type": "string"}}}
    if returned in (bytes, bytearray):
        return {"application/octet-stream": {}}
    kind = next((text for cls, text in _KINDS if _is_a(returned, cls)), None)
    if kind is not None:
        return {kind: {}}
    if _is_a(returned, Response):
        return {"*/*": {}}
    if returned is inspect.Signature.empty or returned is Any:
        return {"application/json": {}}
    return {"application/json": {"schema": schemas.of("return")}}


def _missable(schemas: Schemas) -> tuple[str, ...]:
    properties = schemas.followed(schemas.of("return")).get("properties", {})
    return tuple(name for name, schema in properties.items() if _may_be_null(schema))


def _may_be_null(schema: Mapping[str, Any]) -> bool:
    return {"type": "null"} in schema.get("anyOf", ()) or "null" in schema.get("type", ())


def _is_a(annotation: Any, kind: type) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, kind)
