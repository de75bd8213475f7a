"""Errors: facts in, one sentence out, and the same shape of answer for all of them."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

import bff.errors
import bff.sdk.eventfailures
import bff.sdk.failures
from bff.errors import BffError, DeadlineExceeded, Fault, FunctionNotLoaded, ValidationFailed, problem
from bff.gateway.door import failures as door

SAMPLES: dict[str, tuple[Any, ...] | dict[str, Any]] = {
    "RunBeforeOpen": ("warm",),
    "BadRequest": ("The body is not JSON.",),
    "Unauthenticated": ("The token has expired.", ("Bearer",)),
    "Forbidden": ("The caller lacks a scope.", "Bearer"),
    "KeysUnavailable": ("users",),
    "MethodNotAllowed": ("PUT", "GET, HEAD"),
    "BodyTooLarge": (10,),
    "FormTooLarge": ("A file is larger than 10 bytes.",),
    "CrossSite": ("It comes from elsewhere.",),
    "TooManyRequests": (("per-minute",), 12),
    "TargetTooLong": (8192,),
    "UnsupportedCoding": ("gzip",),
    "UnsupportedMediaType": ("text/plain", "application/json"),
    "ValidationFailed": ([{"in": "query", "field": "limit", "message": "is required", "type": "missing"}],),
    "HeadTooLarge": (100,),
    "HeadTimedOut": (5.0,),
    "BodyTimedOut": (5.0,),
    "DeadlineExceeded": {"allowed": 2.0},
    "FunctionFailed": ("home",),
    "FunctionNotLoaded": ("home", "it is broken"),
    "FunctionCrashed": ("home", "was ended by signal 11 (SIGSEGV)"),
    "OutOfMemory": ("home", 1024),
    "BacklogFull": (100_000,),
    "TooManyFollow": (64,),
    "CallbackRefused": ("its host is not allowed",),
    "NoSuchName": ("run", "No run a/1 is kept."),
    "NothingKept": ("users",),
    "LoadHangs": ("home", 2),
    "LoaderHeldUp": ("home", "no thread is left to import it", ["slow"]),
    "Overloaded": ("home", 10_000),
    "FunctionStuck": ("home", 9),
    "Problem": (404,),
    "ServiceError": ("users", "failed"),
    "ServiceUnreachable": ("users",),
    "NoHealthyEndpoint": ("users", 12.3),
    "ServiceOverloaded": ("users", 1124),
    "ServiceTimedOut": ("users", 0.3),
    "ServiceConnectionLost": ("users",),
    "ServiceBodyInvalid": ("users", "is not JSON"),
    "UnknownService": ("usres", "users"),
    "BadServiceCall": ("users", "a header is wrong"),
    "BadServicePath": ("users", "has a #"),
}


def every_error() -> Iterator[BffError]:
    for module in (bff.errors, bff.sdk.failures, bff.sdk.eventfailures, door):
        for name, kind in vars(module).items():
            if inspect.isclass(kind) and issubclass(kind, BffError) and kind.__module__ == module.__name__:
                facts = SAMPLES.get(name, ())
                if name == "ServiceAnswered":
                    yield kind("users", 500, relayed=False)
                elif isinstance(facts, dict):
                    yield kind(**facts)
                else:
                    yield kind(*facts)


ERRORS = list(every_error())


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_every_error_is_a_problem_document(error: BffError) -> None:
    """RFC 9457's members and ours, JSON through and through; the type is a page of the gateway's own."""
    document = problem(error, instance="urn:request:r-1")
    assert json.loads(json.dumps(document)) == document
    assert document["type"] == f"/problems/{error.code}"
    assert (document["status"], document["detail"], document["instance"]) == (
        error.status,
        str(error),
        "urn:request:r-1",
    )
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", error.code)
    assert document["fault"] in {"caller", "function", "service", "gateway"}
    assert isinstance(document["retryable"], bool)
    assert document["title"]
    assert "instance" not in problem(error)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_every_error_blames_whom_its_status_blames(error: BffError) -> None:
    """4xx is the caller's fault and nobody else's is 4xx; header fields are text that can be sent."""
    assert 400 <= error.status < 600
    assert (error.fault is Fault.CALLER) == (error.status < 500)
    for name, value in error.headers().items():
        assert name == name.lower()
        assert value.encode("latin-1")


def test_codes_tell_errors_apart() -> None:
    """Two classes share a code only where one is the other's kind (a page per code)."""
    codes: dict[str, type[BffError]] = {}
    for error in ERRORS:
        other = codes.setdefault(error.code, type(error))
        assert other is type(error) or issubclass(type(error), other)


def test_405_says_what_is_allowed() -> None:
    """RFC 9110 §15.5.6 demands ``Allow``."""
    (error,) = (each for each in ERRORS if each.status == 405)
    assert error.headers() == {"allow": "GET, HEAD"}


def test_a_validation_failure_names_the_first_few_in_its_sentence_and_all_in_its_list() -> None:
    """One field is one value, many are counted."""
    errors = [{"in": "body", "field": f"f{n}", "message": "m", "type": "t"} for n in range(9)]
    assert str(ValidationFailed(errors[:1])) == "1 value did not fit: body.f0."
    failure = ValidationFailed(errors)
    assert str(failure) == "9 values did not fit: body.f0, body.f1, body.f2, body.f3, body.f4."
    assert failure.extras() == {"errors": errors}
    assert (
        str(ValidationFailed([{"in": "body", "field": "", "message": "", "type": ""}]))
        == "1 value did not fit: body."
    )


def test_a_deadline_blames_the_service_that_was_waited_for() -> None:
    """And the function when it waited for nobody."""
    assert DeadlineExceeded(allowed=2).fault is Fault.FUNCTION
    waiting = DeadlineExceeded(allowed=2, waiting_for=("users", "prices"))
    assert waiting.fault is Fault.SERVICE
    assert str(waiting) == "The function did not answer within 2 s, waiting for users, prices."


def test_a_broken_function_is_explained_to_operators_only() -> None:
    """Place, cause and remedy are in the report; the caller's sentence has none of them."""
    error = FunctionNotLoaded(
        "home", "name 'x' is not defined", where="functions/home.py:3", remedy="import x"
    )
    assert str(error) == "Function home could not be loaded."
    assert error.report() == "functions/home.py:3: name 'x' is not defined\n  remedy: import x"
    assert "x" not in problem(error)["detail"].replace("could", "")
    assert FunctionNotLoaded("home", "it is missing").report() == "it is missing"
