"""What a function's module offers: the shapes a handler may have, found and checked once, at load.

Nothing is called here but ``new()``; binding arguments and encoding results are told from the signature by
:mod:`bff.sdk.binding` and :mod:`bff.sdk.reply`.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable
from enum import StrEnum
from types import ModuleType
from typing import Any

from bff.frozen import frozen


class Kind(StrEnum):
    """How a handler is called."""

    ASYNC = "async"
    SYNC = "sync"
    ASGI = "asgi"


class ContractBroken(Exception):
    """A module does not offer a handler as the contract asks. ``line`` is in the module's own file."""

    def __init__(self, why: str, *, line: int | None = None, remedy: str = "") -> None:
        super().__init__(why)
        self.line = line
        self.remedy = remedy


@frozen
class Handler:
    """A found handler: its callable, how it is called, and the object it belongs to, if ``new()`` made one."""

    kind: Kind
    call: Callable[..., Any]
    owner: Any = None
    shape: str

    @property
    def is_socket(self) -> bool:
        """Whether it speaks on a WebSocket, rather than to answer a request."""
        return self.shape == "connect"

    @property
    def streams(self) -> bool:
        """Whether calling the handler gives an asynchronous generator, not something to await."""
        return next((inspect.isasyncgenfunction(each) for each in _asynchronous(self.call)), False)


_REMEDY = (
    "define `async def handle(...)`, `def handle(...)`, `def new()`, `app = …` or `async def connect(...)` "
    "(docs/runtime-contract.md)"
)


def find(module: ModuleType) -> Handler:
    """The handler a module offers. ``new()`` is called, so this runs where module bodies run.

    Raises:
        ContractBroken: it offers none, several, or something that cannot be called.

    """
    offered = [name for name in ("handle", "new", "app", "connect") if name in vars(module)]
    if not offered:
        raise ContractBroken("the module offers no handler", remedy=_REMEDY)
    if len(offered) > 1:
        raise ContractBroken(f"the module offers {' and '.join(offered)}", remedy="keep one of them")
    match offered[0]:
        case "handle":
            return _function(module.handle, "handle")
        case "new":
            return _made(module.new)
        case "connect":
            return _speaker(module.connect)
        case _:
            return _application(module.app)


def _function(call: Any, shape: str, owner: Any = None) -> Handler:
    if inspect.isclass(call) or not callable(call):
        raise ContractBroken(f"{shape} is {_what(call)}, not a function", remedy=_REMEDY)
    if isinstance(call, functools.partial):
        # Its keywords would look like arguments with defaults, which a caller could then set.
        raise ContractBroken(f"{shape} is a functools.partial", remedy="write a function that calls it")
    if _is_asgi(call):
        return Handler(kind=Kind.ASGI, call=call, owner=owner, shape=shape)
    return Handler(kind=Kind.ASYNC if _is_async(call) else Kind.SYNC, call=call, owner=owner, shape=shape)


def _speaker(call: Any) -> Handler:
    handler = _function(call, "connect")
    if handler.kind is not Kind.ASYNC or handler.streams:
        raise ContractBroken(
            "connect is no `async def` that returns",
            line=line_of(call),
            remedy="a WebSocket's handler is `async def connect(ws: WebSocket, ...)`",
        )
    return handler


def _made(new: Any) -> Handler:
    if not callable(new):
        raise ContractBroken(f"new is {_what(new)}, not a function", remedy=_REMEDY)
    if _is_async(new):
        raise ContractBroken(
            "new is asynchronous", remedy="make it `def new()`; what must be awaited goes into `start`"
        )
    if any(
        p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        for p in inspect.signature(new).parameters.values()
    ):
        raise ContractBroken(
            "new takes arguments", remedy="`new()` takes none; settings come to `start(cfg)`"
        )
    made = new()
    handle = getattr(made, "handle", None)
    if handle is None:
        raise ContractBroken(
            f"new() returned {_what(made)} without a `handle`", remedy="give the object a `handle` method"
        )
    for hook in ("start", "stop", "alive", "ready"):
        if not callable(getattr(made, hook, _nothing)):
            raise ContractBroken(f"{hook} of what new() returned cannot be called")
    return _function(handle, "new", owner=made)


def _application(app: Any) -> Handler:
    if not callable(app):
        raise ContractBroken(f"app is {_what(app)}, not an ASGI application", remedy=_REMEDY)
    return Handler(kind=Kind.ASGI, call=app, shape="app")


def _is_async(call: Any) -> bool:
    return bool(_asynchronous(call))


def _asynchronous(call: Any) -> list[Any]:
    """What of a callable is asynchronous, from the outside in: itself, or what a plain wrapper hands on."""
    outer = call if inspect.isroutine(call) else type(call).__call__
    return [
        each
        for each in (outer, inspect.unwrap(call), inspect.unwrap(outer))
        if inspect.iscoroutinefunction(each) or inspect.isasyncgenfunction(each)
    ]


def _is_asgi(handle: Any) -> bool:
    """Knative func's Python contract: ``handle(scope, receive, send)`` is ASGI, any other is bound."""
    if inspect.isfunction(handle) and handle.__code__.co_argcount != 3 and not vars(handle):
        return False  # as nearly all are, told without the price of a whole signature
    try:
        return list(inspect.signature(handle).parameters) == ["scope", "receive", "send"]
    except (TypeError, ValueError):  # no signature can be told; the binder says so better
        return False


def read_hints(call: Callable[..., Any]) -> dict[str, Any]:
    """A handler's annotations, resolved where they are texts.

    Raises:
        ContractBroken: one of them names what is not there.

    """
    try:
        return typing.get_type_hints(
            call if inspect.isroutine(call) else type(call).__call__, include_extras=True
        )
    except Exception as error:  # an annotation is code: reading it may raise anything
        raise ContractBroken(
            f"the handler's annotations cannot be read: {error}",
            line=line_of(call),
            remedy="import what they name when the module runs, not only under TYPE_CHECKING",
        ) from error


def line_of(call: Callable[..., Any]) -> int | None:
    """The line a handler is defined at, for messages."""
    inner = inspect.unwrap(call)
    code = getattr(inner if inspect.isroutine(inner) else type(inner).__call__, "__code__", None)
    return code.co_firstlineno if code is not None else None


def _nothing() -> None: ...


def _what(value: Any) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
