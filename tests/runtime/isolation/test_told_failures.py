"""Failures as data and back: class, words, extras, fields, and where the cause came from."""

from __future__ import annotations

import inspect
import json
import linecache
import traceback
from typing import Any

import pytest

from bff import errors
from bff.errors import BffError, BodyTooLarge, CallerLeft, Fault, FunctionFailed, MethodNotAllowed, problem
from bff.runtime.isolation.failures import Told, described, rebuilt
from bff.sdk import failures
from bff.sdk.failures import Problem, ServiceAnswered, ServiceTimedOut


def crossed(error: BffError, loader: Any = None) -> BffError:
    return rebuilt(json.loads(json.dumps(described(error))), loader)


def of_every_kind() -> list[BffError]:
    return [
        BodyTooLarge(7),
        CallerLeft(),
        MethodNotAllowed("GET", "POST"),
        errors.ValidationFailed([{"in": "query", "field": "limit", "message": "no", "type": "int"}]),
        errors.DeadlineExceeded(allowed=2, waiting_for=("users",)),
        errors.FunctionNotLoaded("home", "why", where="home.py:1", remedy="that"),
        errors.FunctionCrashed("home", "exited with code 3"),
        errors.OutOfMemory("home", 7),
        Problem(409, "Taken.", by="you"),
        ServiceTimedOut("users", 0.5),
        ServiceAnswered("users", 429, relayed=False, retry_after="7"),
        failures.UnknownService("usres", "users"),
    ]


@pytest.mark.parametrize("error", of_every_kind(), ids=lambda error: type(error).__name__)
def test_our_own_failures_stay_what_they_are(error: BffError) -> None:
    """The same class with the same facts: handlers and the gateway tell them apart by it."""
    there = crossed(error)
    assert type(there) is type(error)
    assert (str(there), there.headers()) == (str(error), error.headers())
    assert problem(there) == problem(error)
    assert there.fault is error.fault
    if isinstance(error, errors.FunctionNotLoaded):
        assert there.report() == error.report()  # type: ignore[attr-defined]


class OutOfStock(Problem):
    """A function's own kind, with words of its own."""

    code = "out-of-stock"

    def __init__(self, left: int) -> None:
        super().__init__(409, "Nothing is left.")
        self.left, self.lock = left, object()

    def extras(self) -> dict[str, Any]:
        return {"left": self.left}

    def headers(self) -> dict[str, str]:
        return {"retry-after": "60"}


def test_a_function_s_own_kind_says_all_that_it_said() -> None:
    """Its class is known to the process alone; callers see no difference."""
    there = crossed(OutOfStock(3))
    assert type(there) is Told
    assert problem(there) == problem(OutOfStock(3))
    assert problem(there)["type"] == "/problems/function-problem"
    assert there.headers() == {"retry-after": "60"}
    assert (there.status, there.fault) == (409, Fault.CALLER)


def test_extras_that_are_no_tree_are_left_out() -> None:
    """The failure itself arrives all the same."""
    circle: dict[str, Any] = {}
    circle["self"] = circle
    there = crossed(Problem(400, "Round.", circle=circle))
    assert (str(there), there.status, there.extras()) == ("Round.", 400, {})


class Sources:
    """A loader that knows one module."""

    def get_source(self, name: str) -> str:
        assert name == "bff_functions_x.home"
        return "one\ntwo\n    return 1 / zero\n"


def test_the_cause_keeps_its_name_words_notes_and_frames() -> None:
    """Logs and the dev page show what they would have shown without a process."""
    namespace: dict[str, Any] = {"__name__": "bff_functions_x.home"}
    exec(compile("def home(zero):\n\n    return 1 / zero\n", "functions@x/home.py", "exec"), namespace)
    error = FunctionFailed("home")
    try:
        namespace["home"](0)
    except ZeroDivisionError as cause:
        cause.add_note("while dividing")
        error.__cause__ = cause
    there = crossed(error, Sources()).__cause__
    assert there is not None
    assert (type(there).__name__, str(there)) == ("ZeroDivisionError", "division by zero")
    shown = "".join(traceback.format_exception(there))
    linecache.checkcache()
    assert 'File "functions@x/home.py", line 3, in home\n    return 1 / zero\n' in shown
    assert "~~^~~~~~" in shown or "^^^^^^^^" in shown
    assert shown.endswith("ZeroDivisionError: division by zero\nwhile dividing\n")
    last = traceback.extract_tb(there.__traceback__)[-1]
    assert (last.filename, last.lineno, last.name) == ("functions@x/home.py", 3, "home")


def test_causes_of_causes_follow_as_far_as_three() -> None:
    """A chain in a circle, or a long one, ends."""
    error = chain = FunctionFailed("home")
    for number in range(10):
        chain.__cause__ = RuntimeError(f"number {number}")
        chain = chain.__cause__  # type: ignore[assignment]
    shown = "".join(traceback.format_exception(crossed(error)))
    assert [f"number {number}" in shown for number in range(5)] == [True, True, True, True, False]


def test_words_that_cannot_be_had_are_said_to_be_missing() -> None:
    """An exception whose text fails is still told."""

    class Mute(Exception):
        def __str__(self) -> str:
            raise ValueError

    error = FunctionFailed("home")
    error.__cause__ = Mute()
    assert "cannot be shown" in str(crossed(error).__cause__)


def test_every_class_of_ours_can_be_rebuilt_without_its_constructor() -> None:
    """No class keeps facts in slots or other places that would be lost."""
    for module in (errors, failures):
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if issubclass(kind, BffError):
                assert not any("__slots__" in vars(each) for each in kind.__mro__[:-3]), kind
