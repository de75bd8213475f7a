"""Stubs answer what was said beforehand, remember what they were asked, and miss nothing silently."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from pydantic import BaseModel

from bff.testing import AsyncClient, ManualClock, StubServices, Unstubbed, client

pytestmark = pytest.mark.anyio
ANN = {"name": "Ann"}


@pytest.fixture
def stubs() -> StubServices:
    return StubServices()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def page(project: Path, stubs: StubServices, clock: ManualClock) -> AsyncIterator[AsyncClient]:
    async with client(project, stubs=stubs, clock=clock, environ={"KEY": "secret"}) as opened:
        yield opened


async def test_a_stub_answers_below_the_services_url(page: AsyncClient, stubs: StubServices) -> None:
    """Its path is the one the function wrote, whatever prefix routes.yaml has."""
    stubs.users.get("/users/7").answers(ANN)
    stubs.notices.get("/notices").answers(["sale"])
    answer = await page.get("/api/home/7")
    assert answer.json() == {"name": "Ann", "notices": ["sale"]}
    assert answer.headers["bff-complete"] == "true"


async def test_calls_are_remembered_as_they_were_made(page: AsyncClient, stubs: StubServices) -> None:
    """Method, path, parameters, header fields (the service's own too) and body."""
    stubs.users.post("/orders").answers({"id": 1}, status=201)
    await page.post("/api/orders", json={"item": 3})
    call = stubs.users.post("/orders").assert_called_once()
    assert (call.service, call.method, call.path, call.params) == ("users", "POST", "/orders", {})
    assert call.json == {"item": 3}
    assert call.headers["x-key"] == "secret"
    assert "traceparent" in call.headers
    assert stubs.users.calls == [call]


async def test_a_service_that_fails_answers_as_it_would(page: AsyncClient, stubs: StubServices) -> None:
    """Statuses, refused connections and nonsense reach the function as from a real one."""
    stubs.notices.get("/notices").answers([])
    user = stubs.users.get("/users/7").answers(status=503, headers={"Retry-After": "9"})
    user.fails().fails(httpx.ReadError("cut")).answers(content="<h1>").answers(status=404).answers(ANN)
    answers = [await page.get("/api/home/7") for _ in range(7)]
    assert [answer.status_code for answer in answers] == [503, 503, 502, 502, 404, 200, 200]
    assert answers[0].headers["retry-after"] == "9"
    assert answers[1].json()["code"] == "service-unreachable"
    assert answers[2].json()["code"] == "service-connection-lost"
    assert answers[3].json()["code"] == "service-body-invalid"


async def test_a_hanging_service_runs_into_its_timeout_at_once(
    page: AsyncClient, stubs: StubServices, clock: ManualClock
) -> None:
    """Time goes on by itself to what gives up first: 200 ms here, of which none is real."""
    began = clock.now()
    stubs.users.get("/users/7").answers(ANN)
    stubs.notices.get("/notices").hangs()
    answer = await page.get("/api/home/7")
    assert answer.json() == {"name": "Ann", "notices": None}
    assert answer.headers["bff-missing"] == "notices"
    assert clock.now() - began == pytest.approx(0.2)


async def test_two_hanging_services_each_run_into_their_own(
    page: AsyncClient, stubs: StubServices, clock: ManualClock
) -> None:
    """The optional one first, then the required one, which is the page's failure."""
    began = clock.now()
    stubs.users.get("/users/7").hangs()
    stubs.notices.get("/notices").hangs()
    answer = await page.get("/api/home/7")
    assert (answer.status_code, answer.json()["service"]) == (504, "users")
    assert clock.now() - began == pytest.approx(0.3)


async def test_a_slow_answer_takes_its_time_on_the_clock(
    page: AsyncClient, stubs: StubServices, clock: ManualClock
) -> None:
    """Within the timeout it comes; beyond, it does not."""
    began = clock.now()
    stubs.users.get("/users/7").answers(ANN, after=0.25)
    stubs.notices.get("/notices").answers([], after=0.15).answers([], after=0.25)
    assert (await page.get("/api/home/7")).json()["notices"] == []
    assert clock.now() - began == pytest.approx(0.25)
    assert (await page.get("/api/home/7")).json()["notices"] is None


async def test_a_synchronous_handler_waits_for_stubs_too(page: AsyncClient, stubs: StubServices) -> None:
    """It runs in a thread, and its deadline is the same clock's."""
    stubs.users.post("/orders").answers({"id": 1}, after=0.125)
    assert (await page.post("/api/orders", json={})).json() == {"made": {"id": 1}, "left": 9.875}


async def test_parameters_tell_stubs_apart(page: AsyncClient, stubs: StubServices) -> None:
    """In the path or by name; a stub without any fits all, a later one wins over an earlier."""
    stubs.users.get("/users/1").answers(ANN)
    stubs.users.get("/users/2").answers(ANN)
    stubs.notices.get("/notices").answers(["all"])
    stubs.notices.get("/notices?for=1").answers(["one"])
    assert (await page.get("/api/home/1")).json()["notices"] == ["one"]
    assert (await page.get("/api/home/2")).json()["notices"] == ["all"]
    assert len(stubs.notices.get("/notices").calls) == 2
    assert stubs.notices.get("/notices", params={"for": 2}).assert_called_once().params == {"for": "2"}
    stubs.notices.get("/notices", params={"for": [1, 2]}).assert_not_called()


async def test_an_unstubbed_call_fails_the_test_with_the_missing_line(
    page: AsyncClient, stubs: StubServices
) -> None:
    """The line can be pasted; what is stubbed already stands below it."""
    stubs.users.get("/users/7").answers(ANN)
    with pytest.raises(Unstubbed) as caught:
        await page.get("/api/home/7")
    assert str(caught.value) == (
        "GET /notices of service notices was called and is not stubbed; add\n"
        "    stubs.notices.get(\"/notices\", params={'for': '7'}).answers({…})\n"
        "stubbed for notices: nothing"
    )


async def test_an_unstubbed_call_cannot_be_forgiven(page: AsyncClient) -> None:
    """Not by ``optional``, and not by a function that catches everything."""
    with pytest.raises(Unstubbed, match="GET /gone of service users"):
        await page.call("forgiving")


async def test_assertions_say_what_came_instead(page: AsyncClient, stubs: StubServices) -> None:
    """A count that is wrong lists the calls there were."""
    stubs.users.get("/users/7").answers(ANN)
    stubs.notices.get("/notices").answers([])
    await page.get("/api/home/7")
    stubs.users.assert_called_once()
    stubs.notices.assert_called(1)
    with pytest.raises(
        AssertionError, match="was called 1 times, not 0\n    <GET /notices to notices params="
    ):
        stubs.notices.assert_not_called()
    with pytest.raises(AssertionError, match="<GET /users/8 of users> was called 0 times, not 1"):
        stubs.users.get("/users/8").assert_called_once()


async def test_a_service_that_routes_yaml_lacks_is_a_mistake_of_the_test(
    project: Path, page: AsyncClient, stubs: StubServices
) -> None:
    """Said when the stub is made, or when the gateway opens if it was made before."""
    with pytest.raises(AttributeError, match=r"declares no service usres; did you mean users\?"):
        stubs.usres.get("/")
    early = StubServices()
    early.zzz.get("/").answers()
    with pytest.raises(AttributeError, match="declares no service zzz"):
        async with client(project, stubs=early):
            pass


class Model(BaseModel):
    name: str


@dataclass
class Record:
    name: str


@pytest.mark.parametrize("value", [Model(name="Ann"), Record(name="Ann"), ANN])
async def test_models_and_dataclasses_are_answers_too(
    page: AsyncClient, stubs: StubServices, value: object
) -> None:
    """What the service would have written as JSON."""
    stubs.users.get("/users/7").answers(value)
    stubs.notices.get("/notices").answers([])
    assert (await page.get("/api/home/7")).json()["name"] == "Ann"
