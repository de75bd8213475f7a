"""A gateway in the test's own process: real but for its sockets."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from bff.config import ConfigInvalid, load
from bff.testing import ManualClock, StubServices, blocking_client, client

pytestmark = pytest.mark.anyio


async def test_it_answers_as_the_gateway_does(project: Path) -> None:
    """Identity, revision, completeness, timing; and problems for what goes wrong."""
    async with client(project / "routes.yaml") as page:
        answer = await page.get("/api/hello", params={"name": "Ann"})
        assert answer.json() == {"hello": "Ann"}
        assert answer.headers["bff-revision"] == "hello-dev-1"
        assert (await page.get("/nowhere")).json()["code"] == "not-found"
        assert (await page.put("/api/hello")).headers["allow"] == "GET, HEAD, OPTIONS"
        assert (await page.get("/api/home/x")).status_code == 422


@pytest.mark.parametrize("form", ["file", "folder", "text", "loaded"])
async def test_the_configuration_may_be_given_in_any_form(project: Path, form: str) -> None:
    """A file, its folder, either as text, or what was loaded and changed."""
    file = project / "routes.yaml"
    given = {"file": file, "folder": project, "text": str(file), "loaded": load(file)}[form]
    async with client(given) as page:
        assert (await page.get("/api/hello")).status_code == 200


async def test_records_of_the_calls_can_be_looked_at(project: Path) -> None:
    """What Server-Timing and the access log are made of."""
    stubs = StubServices()
    stubs.users.get("/users/7").answers({"name": "Ann"})
    stubs.notices.get("/notices").fails()
    async with client(project, stubs=stubs) as page:
        await page.get("/api/home/7")
        (record,) = page.invocations
    assert (record.route, record.status, record.missing) == ("/api/home/{user_id}", 200, ["notices"])
    assert {call.service for call in record.calls or ()} == {"users", "notices"}
    assert record.phases is not None


async def test_any_function_can_be_called_by_name(project: Path) -> None:
    """Routed or not: arguments as params, a body as json; a wrong name suggests the right one."""
    stubs = StubServices()
    stubs.users.post("/orders").answers({"id": 1})
    async with client(project, stubs=stubs, clock=ManualClock()) as page:
        assert (await page.call("hello", params={"name": "Ann"})).json() == {"hello": "Ann"}
        assert (await page.call("order", json={"item": 1})).json()["made"] == {"id": 1}
        with pytest.raises(LookupError, match=r"no function helo; did you mean hello\?"):
            await page.call("helo")


async def test_a_broken_stream_fails_as_over_a_network(project: Path) -> None:
    """Half an answer is no answer, though its head said 200."""
    async with client(project) as page:
        with pytest.raises(httpx.RemoteProtocolError):
            await page.get("/api/breaks")
        assert (await page.get("/api/hello")).status_code == 200


async def test_a_broken_routes_yaml_is_told_whole(project: Path) -> None:
    """With every mistake of it."""
    (project / "routes.yaml").write_text("a: 1\nb: 2\n")
    with pytest.raises(ConfigInvalid) as caught:
        async with client(project):
            pass
    assert len(caught.value.mistakes) == 2


async def test_the_environment_can_be_the_tests_own(project: Path) -> None:
    """``${NAME}`` in routes.yaml reads what is handed in."""
    stubs = StubServices()
    stubs.users.post("/orders").answers({})
    async with client(project, stubs=stubs, environ={"KEY": "k1"}) as page:
        await page.post("/api/orders", json={})
    assert stubs.users.calls[0].headers["x-key"] == "k1"


def test_the_blocking_client_has_the_same_face(project: Path) -> None:
    """For plain ``def`` tests: httpx's client, records, calls by name, and time by hand."""
    stubs, clock = StubServices(), ManualClock()
    stubs.users.get("/users/7").answers({"name": "Ann"})
    stubs.notices.get("/notices").hangs()
    with blocking_client(project, stubs=stubs, clock=clock) as page:
        answer = page.get("/api/home/7")
        assert (answer.status_code, answer.headers["bff-missing"]) == (200, "notices")
        assert answer.json() == {"name": "Ann", "notices": None}
        assert page.call("hello").json() == {"hello": "world"}
        began = clock.now()
        page.advance(60)
        assert clock.now() - began == 60
        assert [record.function for record in page.invocations] == ["home", "hello"]


def test_the_blocking_client_raises_what_the_gateway_raises(project: Path) -> None:
    """A broken stream, an unstubbed call and a broken file come out as in the asynchronous one."""
    with blocking_client(project) as page:
        with pytest.raises(httpx.RemoteProtocolError):
            page.get("/api/breaks")
        with pytest.raises(AssertionError, match="is not stubbed"):
            page.get("/api/home/7")
    (project / "routes.yaml").write_text("a: 1\n")
    with pytest.raises(ConfigInvalid), blocking_client(project):
        pass


def test_a_test_does_not_hang_for_ever(project: Path) -> None:
    """On a clock that stands still no deadline would end a handler that really sleeps; patience does."""
    with blocking_client(project, clock=ManualClock(), patience=0.2) as page:
        with pytest.raises(AssertionError, match=r"GET /sleeps has no answer after 0.2 real seconds"):
            page.call("sleeps")
        assert page.get("/api/hello").status_code == 200


def test_binary_forms_and_compressed_answers_pass_untouched(project: Path) -> None:
    """The bridge between the two worlds neither decodes twice nor counts wrong."""
    (project / "functions/hello.py").write_text(
        "import gzip\n"
        "from starlette.requests import Request\n"
        "from starlette.responses import Response\n\n"
        "async def handle(request: Request):\n"
        "    return Response(gzip.compress(bytes(range(256))), headers={'content-encoding': 'gzip'})\n"
    )
    with blocking_client(project) as page:
        assert page.get("/api/hello").content == bytes(range(256))
        assert page.head("/api/hello").content == b""
