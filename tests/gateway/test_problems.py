"""The registry of problems: no kind is without a page, none is left out of the OpenAPI document."""

from __future__ import annotations

import importlib
import json
import pkgutil
import subprocess
import sys
from collections.abc import Iterator

import bff
from bff.errors import BffError, Overloaded, problem
from bff.gateway import own, problems
from bff.sdk.failures import Problem, ServiceError

NEVER_AN_ANSWER = {"config-invalid"}
"""What the commands print, and no listener says."""


def every_kind(root: type[BffError] = BffError) -> Iterator[type[BffError]]:
    """All classes with a code of their own, in every module that there is."""
    if root is BffError:
        for module in pkgutil.walk_packages(bff.__path__, "bff."):
            if module.name != "bff.cli.__main__":
                importlib.import_module(module.name)
    if "code" in vars(root) and root.__module__.startswith("bff."):
        yield root
    for kind in root.__subclasses__():
        yield from every_kind(kind)


def test_no_kind_of_problem_is_forgotten() -> None:
    """A new class with a code lives in one of the rooms of the registry, or is the admin listener's alone."""
    for kind in every_kind():
        if not kind.__module__.startswith("bff.admin.") and kind.code not in NEVER_AN_ANSWER:
            assert problems.of_calls().get(kind.code) is kind, f"{kind} is not in problems.ROOMS"


def test_no_two_kinds_have_one_code() -> None:
    """One of them would have the other's page."""
    codes = [kind.code for kind in every_kind()]
    assert len(codes) == len(set(codes))


def test_the_registry_needs_nobody_else_to_be_imported() -> None:
    """`bff export openapi` in a process that has seen no gateway names the same kinds as a gateway does."""
    ask = "import json; from bff.gateway import problems; print(json.dumps(list(problems.of_calls())))"
    told = subprocess.run([sys.executable, "-c", ask], capture_output=True, check=True, timeout=60)
    assert json.loads(told.stdout) == list(problems.of_calls())


def test_every_kind_has_a_page_that_says_its_title_and_status() -> None:
    """Whatever class an error is of, its ``type`` leads to one of them."""
    pages = own.pages()
    for kind in every_kind():
        assert kind.explained == kind.code
        assert pages[kind.explained].decode().startswith(f"{kind.title}\nstatus {kind.status}\n\n")


class SoldOut(Problem):
    """A function's own kind."""

    code = "sold-out"


class Late(ServiceError):
    """Another, of a kind that is not told by a code."""


def test_a_function_s_own_kind_is_explained_by_the_kind_of_ours_that_it_is() -> None:
    """Its code is the function's word; a page of that name is not there."""
    assert [problem(error)["type"] for error in (SoldOut(409), Late("users", "is late"))] == [
        "/problems/function-problem",
        "/problems/service-failed",
    ]
    assert problem(SoldOut(409))["code"] == "sold-out"
    assert problem(Overloaded("home", 3))["type"] == "/problems/overloaded"
    assert "sold-out" not in problems.known()
