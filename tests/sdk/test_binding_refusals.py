"""Signatures that could never be bound are refused at load, with the line and the remedy."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from pydantic import BaseModel
from starlette.requests import Request

from bff.sdk.binding import compile_binder
from bff.sdk.cloudevent import CloudEvent
from bff.sdk.context import Context, SyncContext
from bff.sdk.handler import ContractBroken
from bff.sdk.parameters import Body, Cookie, Form, Header, Path, Query
from bff.sdk.reply import compile_encoder

if TYPE_CHECKING:
    from decimal import Decimal as OnlyForTheChecker


class Item(BaseModel):
    name: str


class Unreadable:
    pass


class Unfinished(BaseModel):
    price: OnlyForTheChecker


class Early(BaseModel):
    later: Late


class Late(BaseModel):
    n: int


def stars(*args: Any) -> None: ...
def more_stars(**named: Any) -> None: ...
def unknown_type(thing: Unreadable) -> None: ...
def unknown_list(things: Annotated[list[Unreadable], Query()]) -> None: ...
def unfinished_model(a: Unfinished) -> None: ...
def two_models(a: Item, b: Item) -> None: ...
def model_and_bytes(a: Item, b: bytes) -> None: ...
def model_and_form(a: Item, b: Annotated[str, Form()]) -> None: ...
def model_and_event(a: Item, b: CloudEvent) -> None: ...
def two_markers(a: Annotated[str, Header(), Cookie()]) -> None: ...
def not_in_path(a: Annotated[str, Path()]) -> None: ...
def alias_not_in_path(a: Annotated[str, Path("other")]) -> None: ...
def missing_import(a: OnlyForTheChecker) -> None: ...
def raising_annotation(a: Item.nothing) -> None: ...  # type: ignore[name-defined]
def not_python(a: int) -> None: ...
def marker_as_default(a: str = Header()) -> None: ...  # type: ignore[assignment]
def optional_context(ctx: Context | None = None) -> None: ...


not_python.__annotations__["a"] = "not python"


def unwrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*args: Any, **named: Any) -> Any:
        return function(*args, **named)

    return wrapper


@unwrapped
def decorated_without_wraps(a: int) -> None: ...


@pytest.mark.parametrize(
    ("handler", "why", "remedy"),
    [
        (stars, r"takes \*args", "name each argument"),
        (more_stars, r"takes \*\*named", "name each argument"),
        (decorated_without_wraps, r"takes \*args", "functools.wraps"),
        (unknown_type, "argument thing has a type", "pydantic model"),
        (unknown_list, "argument things has a type", "pydantic model"),
        (optional_context, "argument ctx has a type", ""),
        (unfinished_model, "OnlyForTheChecker", "pydantic model"),
        (two_models, "more than one way", "one model"),
        (model_and_bytes, "more than one way", "one model"),
        (model_and_form, "more than one way", "one model"),
        (model_and_event, "more than one way", "one model"),
        (two_markers, "two sources", "keep one marker"),
        (not_in_path, "no {a}", ""),
        (alias_not_in_path, "no {other}", ""),
        (missing_import, "OnlyForTheChecker", "TYPE_CHECKING"),
        (raising_annotation, "nothing", "import"),
        (not_python, "annotations cannot be read", "import"),
        (marker_as_default, r"Header\(\) as its default", "Annotated"),
    ],
)
def test_an_impossible_signature_is_refused_with_line_and_remedy(
    handler: Callable[..., Any], why: str, remedy: str
) -> None:
    """The message names the argument, the line is where the handler is defined, the remedy is to be done."""
    with pytest.raises(ContractBroken, match=why) as refusal:
        compile_binder(handler, (), is_async=True)
    assert refusal.value.line is not None
    source = inspect.getsource(inspect.getmodule(handler) or handler).splitlines()
    assert "def " in source[refusal.value.line - 1]
    assert remedy in refusal.value.remedy


def test_a_path_parameter_that_is_nobodys_argument_is_refused() -> None:
    """A typo between routes.yaml and the function shows at load, not as a 422 to every caller."""

    def handle(user_id: int) -> None: ...

    with pytest.raises(ContractBroken, match=r"\{userid\}") as refusal:
        compile_binder(handle, ("userid",), is_async=True)
    assert "`userid: str`" in refusal.value.remedy
    assert refusal.value.line == handle.__code__.co_firstlineno


@pytest.mark.parametrize("taker", [Request, CloudEvent])
def test_who_takes_the_whole_request_needs_no_path_arguments(taker: type) -> None:
    """A raw request knows the path parameters itself, and so a route may have any."""

    def handle(whole: Any) -> None: ...

    handle.__annotations__["whole"] = taker
    assert [p.source for p in compile_binder(handle, ("id",), is_async=True).parameters]


def test_an_asynchronous_handler_cannot_ask_for_blocking_services() -> None:
    """``async def`` with SyncContext would block the loop, or rather call nothing at all."""

    async def handle(ctx: SyncContext) -> None: ...

    with pytest.raises(ContractBroken, match="SyncContext") as refusal:
        compile_binder(handle, (), is_async=True)
    assert "Context" in refusal.value.remedy


def test_an_unreadable_return_annotation_is_refused_in_the_same_words() -> None:
    """Whichever of binder and encoder reads it first."""

    def handle() -> OnlyForTheChecker:
        raise AssertionError

    for compiled in (
        lambda: compile_encoder("home", handle),
        lambda: compile_binder(handle, (), is_async=True),
    ):
        with pytest.raises(ContractBroken, match="OnlyForTheChecker") as refusal:
            compiled()
        assert refusal.value.line == handle.__code__.co_firstlineno


def test_a_return_type_that_is_nothing_to_write_is_refused() -> None:
    """An arbitrary class is no answer, and that shows at load."""

    def handle() -> Unreadable:
        raise AssertionError

    with pytest.raises(ContractBroken, match="cannot be written as JSON") as refusal:
        compile_encoder("home", handle)
    assert refusal.value.line == handle.__code__.co_firstlineno
    assert "pydantic model" in refusal.value.remedy


def test_a_model_may_name_a_model_that_is_defined_below_it() -> None:
    """When a handler is read, its module has run to the end."""

    def handle(early: Early) -> None: ...

    (parameter,) = compile_binder(handle, (), is_async=True).parameters
    assert parameter.adapter is not None
    assert parameter.adapter.validate_python({"later": {"n": 1}}).later.n == 1


def test_the_line_of_a_decorated_or_callable_handler_is_in_its_own_code() -> None:
    """Unwrapped through functools.wraps, and found in ``__call__``."""

    class Callable_:
        def __call__(self, *args: Any) -> None: ...

    def noop(function: Any) -> Any:
        @functools.wraps(function)
        def wrapper(*args: Any) -> Any:
            return function(*args)

        return wrapper

    @noop
    def handle(*args: Any) -> None: ...

    for handler, line in (
        (Callable_(), Callable_.__call__.__code__.co_firstlineno),
        (handle, handle.__wrapped__.__code__.co_firstlineno),
    ):
        with pytest.raises(ContractBroken) as refusal:
            compile_binder(handler, (), is_async=True)
        assert refusal.value.line == line


def test_markers_are_values_and_the_body_takes_any_type() -> None:
    """The markers compare by what they say, so tools may look at them."""
    assert Header("a") == Header("a") != Header("b")

    def handle(n: Annotated[int, Body()]) -> None: ...

    (parameter,) = compile_binder(handle, (), is_async=True).parameters
    assert (parameter.source, parameter.is_required) == ("body", True)
