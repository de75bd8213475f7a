"""Functions are asked in a process of their own, which nothing that they do can leave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from bff.clock import SystemClock
from bff.export.describing import FEW, Describer, Found, Subject, describe_all, opened, packed
from bff.revisions import snapshot

HELLO = '"""Says hello."""\nasync def handle(name: str) -> str:\n    return name\n'

Subjects = Callable[..., list[Subject]]


async def described(subjects: list[Subject], describer: Describer | None = None) -> Found:
    async def each() -> AsyncIterator[Subject]:
        for subject in subjects:
            yield subject

    return await (describer or Describer(clock=SystemClock())).describe(each(), count=len(subjects))


@pytest.fixture
def subjects(tmp_path: Path) -> Subjects:
    """``subjects(hello="…")``: functions of these names and texts, each behind ``/{name}`` and ``/``."""

    def take(**functions: str) -> list[Subject]:
        folder = tmp_path / "functions"
        folder.mkdir(exist_ok=True)
        for name, text in functions.items():
            (folder / f"{name}.py").write_text(text)
        return [
            Subject(snapshot=snapshot.take(folder, name), routes=frozenset({("name",), ()}))
            for name in functions
            if not name.startswith("_")
        ]

    return take


@pytest.mark.anyio
async def test_each_route_of_each_function_is_described(subjects: Subjects) -> None:
    found = await described(subjects(hello=HELLO))
    assert set(found) == {("hello", ("name",)), ("hello", ())}
    assert found["hello", ("name",)].summary == "Says hello"
    assert [each["in"] for p in (("name",), ()) for each in found["hello", p].parameters] == ["path", "query"]


@pytest.mark.anyio
async def test_shared_code_travels_along(subjects: Subjects) -> None:
    """A snapshot is all that a revision needs, there as here."""
    page = "from ._models import Page\nasync def handle() -> Page: ...\n"
    models = "from pydantic import BaseModel\nclass Page(BaseModel):\n    n: int\n"
    found = await described(subjects(_models=models, page=page))
    assert set(found["page", ()].schemas) == {"Page"}


@pytest.mark.anyio
async def test_what_breaks_says_nothing_and_stops_nobody(subjects: Subjects) -> None:
    """Errors, exits, prints on standard output and broken contracts."""
    found = await described(
        subjects(
            raising="1 / 0\n",
            leaving="raise SystemExit\n",
            talking="print('{')\n" + HELLO,
            nothing="x = 1\n",
            hello=HELLO,
        )
    )
    assert {name for name, _ in found} == {"talking", "hello"}


@pytest.mark.anyio
async def test_a_module_that_ends_its_process_is_all_that_is_left_out(subjects: Subjects) -> None:
    """Those before it were told already, those after it are asked in another process."""
    dying = "import os\nos._exit(3)\n"
    found = await described(subjects(first=HELLO, dying=dying, hello=HELLO, quiet="import os\nos._exit(0)\n"))
    assert {name for name, _ in found} == {"first", "hello"}


def test_a_module_that_hangs_holds_up_nobody(subjects: Subjects) -> None:
    hanging = "import threading\nthreading.Event().wait()\n"
    found = dict(describe_all(subjects(hanging=hanging, hello=HELLO), patience=0.5))
    assert {name: bool(said) for name, said in found.items()} == {"hanging": False, "hello": True}


@pytest.mark.anyio
async def test_a_revision_is_asked_once(subjects: Subjects, tmp_path: Path) -> None:
    """Only what is new is looked at again; what nobody routes any more is forgotten."""
    counter = tmp_path / "count"
    counting = HELLO + f"open({str(counter)!r}, 'a').write('x')\n"
    describer = Describer(clock=SystemClock())
    first = await described(subjects(counting=counting), describer)
    assert await described(subjects(counting=counting), describer) == first
    assert counter.read_text() == "x"
    changed = await described(subjects(counting=counting.replace("hello", "goodbye")), describer)
    assert changed["counting", ()].summary == "Says goodbye"
    assert counter.read_text() == "xx"
    assert await described([], describer) == {}


@pytest.mark.anyio
async def test_who_knows_all_there_is_starts_no_process(
    subjects: Subjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even where a routed function is too broken to be a subject: ``count`` is more than come then."""
    describer, hello = Describer(clock=SystemClock()), subjects(hello=HELLO)
    first = await described(hello, describer)
    monkeypatch.setattr(asyncio, "create_subprocess_exec", None)

    async def each() -> AsyncIterator[Subject]:
        for subject in hello:
            yield subject

    assert await describer.describe(each(), count=2) == first


@pytest.mark.anyio
async def test_many_are_asked_in_several_processes_and_none_is_lost(subjects: Subjects) -> None:
    many = subjects(**{f"f{number}": HELLO for number in range(2 * FEW)})
    found = await described(many)
    assert {name for name, _ in found} == {each.snapshot.function for each in many}


def test_subjects_survive_the_journey(subjects: Subjects, tmp_path: Path) -> None:
    """Folders, data files and file names that are no text."""
    folder = tmp_path / "functions" / "shop"
    (folder / "data").mkdir(parents=True)
    (folder / "__init__.py").write_text(HELLO)
    (folder / "data" / "ä.bin").write_bytes(bytes(range(256)))
    taken = snapshot.take(tmp_path / "functions", "shop")
    (again,) = opened(packed([Subject(snapshot=taken, routes=frozenset({()}))]))
    assert again.snapshot.digest == taken.digest
    assert again.routes == frozenset({()})
