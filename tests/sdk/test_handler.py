"""The shapes a function's file may have."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from textwrap import dedent
from types import ModuleType
from typing import Any

import pytest

from bff.sdk.handler import ContractBroken, Handler, Kind, find

pytestmark = pytest.mark.anyio


def module(text: str = "", **names: Any) -> ModuleType:
    made = ModuleType("home")
    exec(compile(dedent(text), "home.py", "exec"), vars(made))
    vars(made).update(names)
    return made


def wrapping(function: Callable[..., Any]) -> Callable[..., Any]:
    """A plain decorator, as logging and timing ones are written."""

    @functools.wraps(function)
    def wrapper(*args: Any, **named: Any) -> Any:
        return function(*args, **named)

    return wrapper


def awaiting(function: Callable[..., Any]) -> Callable[..., Any]:
    """An asynchronous decorator around a plain function."""

    @functools.wraps(function)
    async def wrapper(*args: Any, **named: Any) -> Any:
        return function(*args, **named)

    return wrapper


async def coroutine() -> int:
    return 1


async def stream() -> AsyncIterator[int]:
    yield 1


def plain() -> int:
    return 1


def items() -> Iterator[int]:
    yield 1


class Coroutine:
    async def __call__(self) -> int:
        return 1


class Stream:
    async def __call__(self) -> AsyncIterator[int]:
        yield 1


class Plain:
    def __call__(self) -> int:
        return 1


@pytest.mark.parametrize(
    ("handle", "kind", "streams"),
    [
        (coroutine, Kind.ASYNC, False),
        (stream, Kind.ASYNC, True),
        (plain, Kind.SYNC, False),
        (items, Kind.SYNC, False),
        (Coroutine(), Kind.ASYNC, False),
        (Stream(), Kind.ASYNC, True),
        (Plain(), Kind.SYNC, False),
        (Coroutine().__call__, Kind.ASYNC, False),
        (wrapping(coroutine), Kind.ASYNC, False),
        (wrapping(stream), Kind.ASYNC, True),
        (wrapping(plain), Kind.SYNC, False),
        (wrapping(wrapping(stream)), Kind.ASYNC, True),
        (awaiting(plain), Kind.ASYNC, False),
        (awaiting(stream), Kind.ASYNC, False),
        (len, Kind.SYNC, False),
    ],
)
async def test_a_handle_is_called_as_it_was_written(handle: Any, kind: Kind, streams: bool) -> None:
    """Asynchronous ones on the loop, generators streamed, plain ones in a thread; decorated or not.

    What the handler is said to be is what calling it gives.
    """
    handler = find(module(handle=handle))
    assert (handler.kind, handler.streams, handler.shape) == (kind, streams, "handle")
    if handle is not len:
        result = handler.call()
        assert inspect.isasyncgen(result) == streams
        assert inspect.isawaitable(result) == (kind is Kind.ASYNC and not streams)
        if inspect.isawaitable(result):
            await result


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "offers no handler"),
        ("def handler(): ...", "offers no handler"),
        ("def handle(): ...\napp = 1", "offers handle and app"),
        ("def handle(): ...\ndef new(): ...\napp = 1", "offers handle and new and app"),
        ("class handle: ...", "handle is a type, not a function"),
        ("handle = None", "handle is None, not a function"),
        ("handle = 'text'", "handle is a str, not a function"),
        ("app = None", "app is None, not an ASGI application"),
        ("new = 5", "new is a int, not a function"),
        ("async def new(): ...", "new is asynchronous"),
        ("def new(cfg): ...", "new takes arguments"),
        ("def new(): ...", "returned None without a `handle`"),
        ("class Thing: ...\ndef new(): return Thing()", "returned a Thing without a `handle`"),
        ("class Thing: handle = 5\ndef new(): return Thing()", "new is a int, not a function"),
        (
            "class Thing:\n  stop = True\n  def handle(self): ...\ndef new(): return Thing()",
            "stop of what new",
        ),
        ("import functools\nhandle = functools.partial(print, end='')", "functools.partial"),
    ],
)
def test_what_is_no_handler_is_refused_with_a_remedy(text: str, why: str) -> None:
    """Each mistake is told apart and says what to do."""
    with pytest.raises(ContractBroken, match=why) as refusal:
        find(module(text))
    assert refusal.value.remedy or "cannot be called" in why or "stop" in why


def test_new_makes_the_handler_once() -> None:
    """``new()`` is called when the module is loaded; the object it gives is the handler's owner."""
    made: list[Any] = []

    class Thing:
        async def handle(self, n: int) -> int:
            return n

    def new() -> Thing:
        made.append(Thing())
        return made[-1]

    handler = find(module(new=new))
    assert (handler.kind, handler.shape, handler.owner) == (Kind.ASYNC, "new", made[0])
    assert len(made) == 1


def test_new_may_be_the_class_itself_and_take_defaults() -> None:
    """``new = Thing`` is a function that takes nothing, and so is one whose arguments all have defaults."""

    class Thing:
        def __init__(self, size: int = 1, *rest: Any, **more: Any) -> None:
            self.size = size

        def handle(self) -> int:
            return self.size

    assert find(module(new=Thing)).kind is Kind.SYNC


def test_new_may_fail_in_its_own_words() -> None:
    """What ``new()`` raises is the author's and goes up as it is."""
    with pytest.raises(ZeroDivisionError):
        find(module("def new(): return 1/0"))


@pytest.mark.parametrize("shape", ["new", "handle"])
def test_a_handle_of_scope_receive_and_send_is_asgi(shape: str) -> None:
    """Knative func's Python contract; any other names are arguments to bind."""

    class Thing:
        async def handle(self, scope: Any, receive: Any, send: Any) -> None: ...

    class Other:
        async def handle(self, scope: Any, receive: Any) -> None: ...

    def found(thing: Any) -> Handler:
        return find(module(new=lambda: thing) if shape == "new" else module(handle=thing.handle))

    assert (found(Thing()).kind, found(Thing()).shape) == (Kind.ASGI, shape)
    assert found(Other()).kind is Kind.ASYNC


def test_an_app_is_any_asgi_application() -> None:
    """A callable is taken at its word."""

    async def app(scope: Any, receive: Any, send: Any) -> None: ...

    handler = find(module(app=app))
    assert (handler.kind, handler.call, handler.shape) == (Kind.ASGI, app, "app")


def test_an_imported_name_is_offered_as_much_as_a_defined_one() -> None:
    """``from ._shared import handle`` makes a function."""
    assert find(module("from asyncio import sleep as handle")).kind is Kind.ASYNC
