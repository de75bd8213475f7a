"""Arguments for a handler: from its signature once, at load; from a request each time.

A parameter's source is told by its marker, else by its name (a path parameter), else by its type: a model,
dataclass, dict or list of them is the JSON body, ``bytes`` the raw body, ``UploadFile`` an upload, a
context the context; everything else is looked for in the query.
"""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import from_json, to_json
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.websockets import WebSocket

from bff.errors import ValidationFailed
from bff.sdk.cloudevent import CloudEvent
from bff.sdk.context import Context, SyncContext
from bff.sdk.handler import ContractBroken, Handler, Kind, read_hints
from bff.sdk.handler import line_of as line_of
from bff.sdk.invocation import Invocation
from bff.sdk.misfit import Uncheckable, adapter_of
from bff.sdk.parameters import Body, Cookie, File, Form, Header, Path, Query
from bff.sdk.sources import ABSENT, FROM, Given, Reading, read, read_now

_MARKERS: Mapping[type, str] = {
    Path: "path",
    Query: "query",
    Header: "header",
    Cookie: "cookie",
    Body: "body",
    Form: "form",
    File: "file",
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One argument: where it comes from and what it must be."""

    name: str
    source: str
    key: str
    many: bool
    annotation: Any
    adapter: TypeAdapter[Any] | None
    default: Any
    positional: bool

    @property
    def is_required(self) -> bool:
        """Whether a request without it is refused."""
        return self.default is inspect.Parameter.empty


class Binder:
    """Binds requests of one route to one handler. Immutable after construction."""

    __slots__ = ("_context", "_fields", "parameters", "reading")

    def __init__(self, parameters: tuple[Parameter, ...], *, context: type[Context | SyncContext]) -> None:
        self.parameters = parameters
        self._context = context
        self.reading = Reading.needed_for({parameter.source for parameter in parameters})
        self._fields = tuple((p, FROM[p.source], p.is_required) for p in parameters)

    async def bind(self, invocation: Invocation, around: Any) -> tuple[list[Any], dict[str, Any]]:
        """Positional and keyword arguments for the handler.

        Raises:
            ValidationFailed: values are missing or do not fit; every one is named.
            BadRequest, BodyTooLarge, UnsupportedMediaType: the request itself cannot be read.

        """
        given = await read(invocation, self.reading)
        return self.arguments(invocation, around, given)

    def bind_now(self, invocation: Invocation, around: Any) -> tuple[list[Any], dict[str, Any]]:
        """The same for a handler that needs nothing of the body (``reading.waits`` is false)."""
        return self.arguments(invocation, around, read_now(invocation, self.reading))

    def arguments(
        self, invocation: Invocation, around: Any, given: Given
    ) -> tuple[list[Any], dict[str, Any]]:
        """The same, from what was read already."""
        args: list[Any] = []
        named: dict[str, Any] = {}
        wrong: list[dict[str, Any]] | None = None
        for parameter, lookup, is_required in self._fields:
            if lookup is None:
                value: Any = self._context(invocation, around)
            else:
                raw = lookup(given, parameter)
                if raw is ABSENT:
                    if is_required:
                        wrong = wrong or []
                        wrong.append(_missing(parameter))
                        continue
                    value = parameter.default
                elif parameter.adapter is None:
                    value = raw
                else:
                    try:
                        value = _validated(parameter, raw)
                    except ValidationError as misfit:
                        wrong = wrong or []
                        wrong.extend(_misfits(parameter, misfit))
                        continue
            if parameter.positional:
                args.append(value)
            else:
                named[parameter.name] = value
        if wrong:
            raise ValidationFailed(wrong)
        return args, named


def _validated(parameter: Parameter, raw: Any) -> Any:
    assert parameter.adapter is not None
    if parameter.source == "body":
        return _of_json(parameter.adapter, raw)
    return parameter.adapter.validate_python(raw)


def _of_json(adapter: TypeAdapter[Any], raw: bytes) -> Any:
    """JSON has types of its own: `0` is no boolean and `"7"` no number, as the OpenAPI document says too. `7.0` is
    an integer, though (JSON Schema 2020-12 §6.1.1), which pydantic's strict mode does not know.
    """
    try:
        return adapter.validate_json(raw, strict=True)
    except ValidationError as misfit:
        if not any(map(_is_whole, misfit.errors(include_url=False, include_context=False))):
            raise
    return adapter.validate_json(to_json(_with_integers(from_json(raw))), strict=True)


def _is_whole(error: Any) -> bool:
    return error["type"] == "int_type" and isinstance(error["input"], float) and error["input"].is_integer()


def _with_integers(value: Any) -> Any:
    """The same value, with whole numbers as integers: a float takes those too."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_with_integers(each) for each in value]
    if isinstance(value, dict):
        return {key: _with_integers(each) for key, each in value.items()}
    return value


def _missing(parameter: Parameter) -> dict[str, Any]:
    field = "" if parameter.source in ("body", "event") else parameter.key
    return {"in": parameter.source, "field": field, "message": "is required", "type": "missing"}


def _misfits(parameter: Parameter, misfit: ValidationError) -> list[dict[str, Any]]:
    prefix = () if parameter.source == "body" else (parameter.key,)
    return [
        {
            "in": parameter.source,
            "field": ".".join(str(part) for part in (*prefix, *error["loc"])),
            "message": error["msg"],
            "type": error["type"],
        }
        for error in misfit.errors(include_url=False, include_input=False, include_context=False)
    ]


def compile_binder(
    call: Callable[..., Any],
    path_parameters: tuple[str, ...],
    *,
    is_async: bool,
    hints: Mapping[str, Any] | None = None,
) -> Binder:
    """Read a handler's signature once; ``hints`` are its annotations, where they were read already.

    Raises:
        ContractBroken: a parameter cannot be bound, or a path parameter is nobody's argument.

    """
    try:
        signature = inspect.signature(call)
    except (TypeError, ValueError) as error:
        raise ContractBroken(
            f"the handler's signature cannot be read: {error}", line=line_of(call)
        ) from error
    hints = read_hints(call) if hints is None else hints
    parameters = tuple(
        _parameter(parameter, hints.get(name, inspect.Parameter.empty), path_parameters, call)
        for name, parameter in signature.parameters.items()
    )
    if is_async and any(hints.get(p.name) is SyncContext for p in parameters):
        raise ContractBroken(
            "an asynchronous handler asks for SyncContext, whose service calls block",
            line=line_of(call),
            remedy="ask for Context",
        )
    _refuse_unused(path_parameters, parameters, call)
    _refuse_two_bodies(parameters, call)
    return Binder(parameters, context=Context if is_async else SyncContext)


def binder_of(
    handler: Handler, path_parameters: tuple[str, ...], hints: Mapping[str, Any] | None = None
) -> Binder:
    """The binder of a handler, which takes a WebSocket if and only if it speaks on one.

    Raises:
        ContractBroken: as ``compile_binder``; or the WebSocket is missing, or will never come.

    """
    is_async = handler.kind is Kind.ASYNC
    binder = compile_binder(handler.call, path_parameters, is_async=is_async, hints=hints)
    has_socket = any(parameter.source == "socket" for parameter in binder.parameters)
    if has_socket is not handler.is_socket:
        why = (
            "connect has no argument for its WebSocket"
            if handler.is_socket
            else "a WebSocket is for `connect` only"
        )
        raise ContractBroken(
            why, line=line_of(handler.call), remedy="write `async def connect(ws: WebSocket, ...)`"
        )
    return binder


def _parameter(
    parameter: inspect.Parameter, annotation: Any, path_parameters: tuple[str, ...], call: Callable[..., Any]
) -> Parameter:
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        stars = "*" if parameter.kind is parameter.VAR_POSITIONAL else "**"
        raise ContractBroken(
            f"the handler takes {stars}{parameter.name}",
            line=line_of(call),
            remedy="name each argument, or take `request: Request` for all of it; a decorator's wrapper "
            "needs functools.wraps",
        )
    if type(parameter.default) in _MARKERS:
        marker = type(parameter.default).__name__
        raise ContractBroken(
            f"argument {parameter.name} has {marker}() as its default",
            line=line_of(call),
            remedy=f"write `{parameter.name}: Annotated[…, {marker}()]`",
        )
    source, alias, bare = _source(parameter.name, annotation, path_parameters, call)
    many = source in ("query", "header", "form", "file") and _is_list(bare)
    return Parameter(
        name=parameter.name,
        source=source,
        key=alias or (parameter.name.replace("_", "-") if source == "header" else parameter.name),
        many=many,
        annotation=annotation,
        adapter=_adapter(parameter, source, annotation, bare, call),
        default=parameter.default,
        positional=parameter.kind is parameter.POSITIONAL_ONLY,
    )


def _source(
    name: str, annotation: Any, path_parameters: tuple[str, ...], call: Callable[..., Any]
) -> tuple[str, str | None, Any]:
    bare, markers = _unwrap(annotation)
    if len(markers) > 1:
        raise ContractBroken(f"argument {name} has two sources", line=line_of(call), remedy="keep one marker")
    if markers:
        marker = markers[0]
        source = _MARKERS[type(marker)]
        alias = getattr(marker, "alias", None)
        if source == "path" and (alias or name) not in path_parameters:
            raise ContractBroken(
                f"argument {name} comes from the path, but the route's path has no {{{alias or name}}}",
                line=line_of(call),
            )
        return source, alias.lower() if alias and source == "header" else alias, bare
    return _told_by_type(name, bare, path_parameters), None, bare


def _told_by_type(name: str, bare: Any, path_parameters: tuple[str, ...]) -> str:
    if isinstance(bare, type) and get_origin(bare) is None:
        for kind, source in (
            (Context, "context"),
            (SyncContext, "context"),
            (CloudEvent, "event"),
            (Request, "request"),
            (WebSocket, "socket"),
        ):
            if issubclass(bare, kind):
                return source
    if name in path_parameters:
        return "path"
    if bare is inspect.Parameter.empty and name in ("ctx", "context"):
        return "context"
    if bare is inspect.Parameter.empty and name in ("ws", "websocket"):
        return "socket"
    if bare is inspect.Parameter.empty and name in ("request", "event"):
        return name
    if bare is bytes:
        return "raw"
    if _holds(bare, lambda kind: isinstance(kind, type) and issubclass(kind, UploadFile)):
        return "file"
    return "body" if _holds(bare, _is_model_like) else "query"


def _unwrap(annotation: Any) -> tuple[Any, list[Any]]:
    if get_origin(annotation) in (types.UnionType, typing.Union):  # Annotated[str, Header()] | None
        return annotation, [marker for option in get_args(annotation) for marker in _unwrap(option)[1]]
    if get_origin(annotation) is not Annotated:
        return annotation, []
    bare, *metadata = get_args(annotation)
    markers = [m() if isinstance(m, type) and m in _MARKERS else m for m in metadata]
    return bare, [m for m in markers if type(m) in _MARKERS]


def _is_list(bare: Any) -> bool:
    if get_origin(bare) in (types.UnionType, typing.Union):
        return any(_is_list(option) for option in get_args(bare))
    return (get_origin(bare) or bare) in (list, tuple, set, frozenset)


def _holds(bare: Any, test: Callable[[Any], bool]) -> bool:
    """Whether a type is, or is a list or an option of, what ``test`` looks for."""
    if get_origin(bare) is Annotated:
        return _holds(get_args(bare)[0], test)
    if get_origin(bare) in (types.UnionType, typing.Union, list, tuple, set, frozenset):
        return any(_holds(option, test) for option in get_args(bare))
    return test(get_origin(bare) or bare)


def _is_model_like(kind: Any) -> bool:
    if not isinstance(kind, type):
        return False
    is_record = issubclass(kind, BaseModel) or dataclasses.is_dataclass(kind) or typing.is_typeddict(kind)
    return is_record or issubclass(kind, dict) or kind is Mapping


def _adapter(
    parameter: inspect.Parameter, source: str, annotation: Any, bare: Any, call: Callable[..., Any]
) -> TypeAdapter[Any] | None:
    if source in ("context", "event", "request", "raw", "socket"):
        return None
    if source == "file" and not _holds(bare, lambda kind: kind is bytes):
        return None
    if annotation is inspect.Parameter.empty:
        return TypeAdapter(Any) if source == "body" else None
    if annotation is str and source in ("path", "query", "header", "cookie", "form"):
        return None  # text is what arrives: nothing to check
    try:
        return adapter_of(annotation)
    except Uncheckable as error:
        raise ContractBroken(
            f"argument {parameter.name} has a type that values cannot be checked against: {error}",
            line=line_of(call),
            remedy="use a builtin type, a pydantic model or a dataclass, or take `request: Request`",
        ) from error


def _refuse_unused(
    path_parameters: tuple[str, ...], parameters: tuple[Parameter, ...], call: Callable[..., Any]
) -> None:
    if any(parameter.source in ("request", "event") for parameter in parameters):
        return
    used = {parameter.key for parameter in parameters if parameter.source == "path"}
    unused = [name for name in path_parameters if name not in used]
    if unused:
        raise ContractBroken(
            f"the route's path has {{{unused[0]}}}, which is no argument of the handler",
            line=line_of(call),
            remedy=f"add `{unused[0]}: str` to the handler, or rename the parameter in routes.yaml",
        )


def _refuse_two_bodies(parameters: tuple[Parameter, ...], call: Callable[..., Any]) -> None:
    kinds = {"form" if p.source == "file" else p.source for p in parameters} & {
        "body",
        "raw",
        "form",
        "event",
    }
    bodies = [p.name for p in parameters if p.source in ("body", "raw", "event")]
    if len(kinds) > 1 or len(bodies) > 1:
        raise ContractBroken(
            f"the handler reads the body in more than one way ({', '.join(bodies) or 'form'})",
            line=line_of(call),
            remedy="a request has one body: put the fields into one model",
        )
