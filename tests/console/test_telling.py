"""Pages about invocations, errors and services, in each of their states."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape
from typing import Any

import pytest

from bff.errors import FunctionFailed
from bff.sdk.callrecord import CallRecord
from bff.sdk.failures import ServiceUnreachable
from bff.telemetry.failure import Witness
from bff.telemetry.identity import Callers
from bff.telemetry.recorder import Recorder
from bff.testing import ManualClock
from tests.admin.conftest import Asking
from tests.admin.test_recordings import ended
from tests.console.conftest import Open, Standing

pytestmark = pytest.mark.anyio

EVIL = "<script>alert('x')</script>&\""
LONG = "x" * 200


def own(_module: str, filename: str) -> str | None:
    return "functions/home.py" if filename == __file__ else None


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def recorder() -> Recorder:
    return Recorder(Witness(own), Callers(), memory=2**22, slow=0.5, bodies=1000)


@pytest.fixture
async def asking(
    anyio_backend: str, console: Open, clock: ManualClock, recorder: Recorder
) -> AsyncIterator[Asking]:
    services = {"users": {"url": "http://users"}, LONG: {"url": f"http://{LONG[:60]}.internal"}}
    async with console(
        clock=clock, recorder=recorder, services=services, functions={"home": Standing("home")}
    ) as made:
        yield made


async def seen(asking: Asking, path: str, status: int = 200) -> str:
    """The page's text as a reader has it."""
    page = await asking("GET", path, headers={"accept": "text/html"})
    assert page.status_code == status, page.text
    assert "<script>alert" not in page.text
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


def failed() -> FunctionFailed:
    try:
        try:
            raise ValueError(EVIL)
        except ValueError as cause:
            raise FunctionFailed("home") from cause
    except FunctionFailed as failure:
        return failure


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/console/invocations", "Nobody has called yet"),
        ("/console/invocations?kind=slow", "No invocation fits"),
        ("/console/errors", "Nothing has failed"),
        ("/console/services?filter=nobody", "No service fits"),
        ("/console/services/users", "Nobody called it lately"),
    ],
)
async def test_where_nothing_is_the_page_says_what_would_be_there(
    asking: Asking, path: str, said: str
) -> None:
    """And not only that it is empty."""
    assert said in await seen(asking, path)


@pytest.mark.parametrize(
    "path", ["/console/invocations", "/console/errors", "/console/services", "/console/services/users"]
)
async def test_where_nothing_is_remembered_the_pages_say_so(console: Open, path: str) -> None:
    """With the key of routes.yaml that would change it."""
    async with console(services={"users": {"url": "http://users"}}) as asking:
        said = await seen(asking, path)
        assert "telemetry.recorder" in said or path == "/console/services"


async def test_what_is_not_there_is_an_error_page(asking: Asking) -> None:
    """With its status."""
    assert "remembered" in await seen(asking, "/console/invocations/nobody", 404)
    assert "There is no service" in await seen(asking, "/console/services/nobody", 404)
    assert "is a status such as 404" in await seen(asking, "/console/invocations?status=6xx", 400)


async def test_names_that_others_chose_are_only_text(
    asking: Asking, recorder: Recorder, clock: ManualClock
) -> None:
    """In ids, methods, routes, causes, paths of calls, bodies and missing parts; however long they are."""
    call = CallRecord(
        "users", "GET", f"/{EVIL}", clock.now() - 0.005, ended=clock.now(), attempts=1, status=200
    )
    made = ended(
        clock, "odd:id", status=500, error=failed(), calls=[call], began=clock.now() - 0.008,
        route=f"/{LONG}/{EVIL}", function=LONG, revision=f"{LONG}-00001", missing=[EVIL, LONG],
        answered=f'{{"{LONG}": 1}}'.encode(), method="<b>",
    )  # fmt: skip
    recorder.keep(made)
    for path in ("/console/invocations", "/console/errors", "/console/invocations/odd:id"):
        page = await seen(asking, path)
        assert LONG in page


async def test_one_is_shown_with_its_waterfall_its_failure_and_its_bodies(
    asking: Asking, recorder: Recorder, clock: ManualClock
) -> None:
    """The function's own line is marked, attempts and missing parts are told in words."""
    now = clock.now()
    call = CallRecord("users", "GET", "/u/7", now - 0.005, ended=now, attempts=1, status=200, cached="hit")
    made = ended(
        clock, "one", status=500, error=failed(), calls=[call], began=now - 0.009, missing=["news"],
        phases={"read": 0.001}, queued=now - 0.01, warmed=now - 0.009,
    )  # fmt: skip
    recorder.keep(made)
    page = await seen(asking, "/console/invocations/one?seq=1")
    for said in (
        "the function's fault", "This line failed: raise ValueError(EVIL)", "functions/home.py:",
        "cache hit", "missing from the answer", "cold start", "warm-up", "bff explain one --seq 1",
    ):  # fmt: skip
        assert said in page, said


async def test_bodies_are_shown_where_they_are_kept(
    asking: Asking, recorder: Recorder, clock: ManualClock
) -> None:
    """And where one is not, that is said."""
    recorder.keep(ended(clock, "one", answered=b'{"n": 1}'))
    page = await seen(asking, "/console/invocations/one")
    assert '{ "n": 1 }' in page
    assert "It had none." in page


async def test_errors_are_found_by_what_and_whose_they_are(
    asking: Asking, recorder: Recorder, clock: ManualClock
) -> None:
    """With their counts, and links to examples."""
    for number in range(3):
        recorder.keep(ended(clock, f"f{number}", status=500, error=failed()))
    recorder.keep(ended(clock, "s", function="cart", status=503, error=ServiceUnreachable("users")))
    page = await seen(asking, "/console/errors")
    assert page.index("cart") < page.index("This line failed")
    assert "#3 #2 #1" in page
    assert "a service's fault" in page
    assert "cart" not in await seen(asking, "/console/errors?fault=function")
    assert "This line failed" not in await seen(asking, "/console/errors?filter=CART")
    assert "No failure fits" in await seen(asking, "/console/errors?filter=nothing-like-it")


async def test_services_are_shown_with_how_their_calls_went(
    asking: Asking, recorder: Recorder, clock: ManualClock
) -> None:
    """Also one whose name is longer than any column."""
    known: dict[str, Any] = {"ended": clock.now(), "attempts": 2, "status": 503}
    calls = [CallRecord(LONG, "GET", "/", clock.now() - 0.02, **known)]
    recorder.keep(ended(clock, "one", calls=calls))
    page = await seen(asking, "/console/services")
    assert page.index(LONG) < page.index("users")
    assert "100 %" in page
    one = await seen(asking, f"/console/services/{LONG}")
    assert "called by home" in one
    assert "20.0 ms" in one
