"""Pages for people are made once, when the first is asked for, and not on the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable

import pytest

from bff.admin.face import Faces
from bff.admin.operation import Asked, Operation, Reply
from bff.errors import BffError, NotFound

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Plain:
    """One page. ``made`` are the threads in which faces were made and prepared."""

    def __init__(self, made: list[threading.Thread]) -> None:
        self._made = made
        made.append(threading.current_thread())

    def prepare(self) -> None:
        self._made.append(threading.current_thread())

    def operations(self) -> Iterable[Operation]:
        async def run(_: Asked) -> Reply:
            return Reply()

        yield Operation(name="plain", method="GET", path="/console", says="One.", run=run)

    def refusal(self, error: BffError) -> Reply:
        return Reply(status=error.status)


async def test_however_many_ask_at_first_it_is_made_once_in_a_thread() -> None:
    made: list[threading.Thread] = []
    faces = Faces(lambda: Plain(made))
    routers = await asyncio.gather(*(faces.router() for _ in range(20)))
    assert all(router is routers[0] for router in routers)
    assert len(made) == 2
    assert threading.current_thread() not in made
    assert routers[0].match("GET", "/console", b"/console")[0].name == "plain"


async def test_one_that_cannot_be_made_is_tried_again() -> None:
    attempts = iter([OSError("no such file"), None])

    def make() -> Plain:
        trouble = next(attempts)
        if trouble is not None:
            raise trouble
        return Plain([])

    faces = Faces(make)
    with pytest.raises(OSError, match="no such file"):
        await faces.router()
    assert await faces.router()


async def test_refusals_are_pages_once_there_are_any() -> None:
    """Who is refused before has not been let in: nothing is made for that."""
    faces = Faces(lambda: Plain([]))
    assert faces.refusal(NotFound("Nothing.")) is None
    await faces.router()
    page = faces.refusal(NotFound("Nothing."))
    assert page is not None
    assert page.status == 404


@pytest.mark.parametrize(
    ("path", "is_page"),
    [
        ("/", True),
        ("/console", True),
        ("/console/x", True),
        ("/consoles", False),
        ("/v1", False),
        ("/metrics", False),
    ],
)
def test_which_paths_are_pages(path: str, is_page: bool) -> None:
    assert Faces(lambda: Plain([])).has(path) is is_page
    assert not Faces(None).has(path)
