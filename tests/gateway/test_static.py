"""Data from routes.yaml in a page: when, over what, and what the answer then says of itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from textwrap import dedent
from typing import Any, get_args

import pytest

from bff.config.static import Strategy
from bff.gateway.static import applies
from bff.testing import AsyncClient, StubServices, client

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]

FUNCTION = """
    from bff import Context, Problem, optional
    from starlette.responses import JSONResponse, PlainTextResponse

    async def handle(ctx: Context, kind: str = "page"):
        user = await ctx.services.users.get("/u", into=str)
        notices = await optional(ctx.services.notices.get("/n", into=list[str]))
        page = {"user": user, "notices": notices, "big": 2**70}
        match kind:
            case "response": return JSONResponse(page)
            case "text": return PlainTextResponse("text")
            case "list": return [page]
            case "missing": return page, 404
            case "problem": raise Problem(409, "Not now.")
            case "bug": raise ValueError("a bug")
        return page
"""
DATA = {"notices": ["Welcome"], "more": {"a": [1, 2.5, None, True]}}
PAGE = {"user": "Ada", "notices": ["hi"], "big": 2**70}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("static")
    (folder / "functions").mkdir()
    (folder / "functions" / "home.py").write_text(dedent(FUNCTION))
    data = "{notices: [Welcome], more: {a: [1, 2.5, null, true]}}"
    routes = [
        f"- {{path: /{name}, function: home, static: {{strategy: {name}, data: {data}}}}}"
        for name in get_args(Strategy)
    ]
    routes.append(
        f"- {{path: /kept, function: home, cache: {{ttl: 1m}}, static: {{strategy: always, data: {data}}}}}"
    )
    services = 'services:\n  users: {url: "http://users"}\n  notices: {url: "http://notices"}\n'
    (folder / "routes.yaml").write_text(services + "routes:\n" + "\n".join(routes) + "\n")
    return folder


@pytest.fixture
async def gateway(project: Path) -> AsyncIterator[tuple[AsyncClient, StubServices]]:
    stubs = StubServices()
    async with client(project, stubs=stubs) as made:
        yield made, stubs


def answering(stubs: StubServices, *, user: Any = "Ada", notices: Any = ("hi",)) -> None:
    for service, path, value in (("users", "/u", user), ("notices", "/n", notices)):
        stub = getattr(stubs, service).get(path)
        stub.answers(status=503) if value is None else stub.answers(value if value == "Ada" else list(value))


@pytest.mark.parametrize("strategy", get_args(Strategy))
async def test_the_strategies_are_krakends(
    gateway: tuple[AsyncClient, StubServices], strategy: Strategy
) -> None:
    """Over HTTP for a whole page, one with a part missing, and none at all: static data wins over the page's own."""
    ask, stubs = gateway
    shown = {
        "always": (True, True, True),
        "success": (True, True, False),
        "complete": (True, False, False),
        "errored": (False, False, True),
        "incomplete": (False, True, True),
    }[strategy]
    answering(stubs)
    whole = await ask.get(f"/{strategy}")
    assert whole.json() == (PAGE | DATA if shown[0] else PAGE)
    assert whole.headers["bff-complete"] == "true"
    answering(stubs, notices=None)
    partial = await ask.get(f"/{strategy}")
    assert partial.json() == PAGE | {"notices": None} | (DATA if shown[1] else {})
    assert (partial.headers["bff-complete"], partial.headers["bff-missing"]) == ("false", "notices")
    answering(stubs, user=None)
    none = await ask.get(f"/{strategy}")
    if not shown[2]:
        assert (none.status_code, none.headers["content-type"]) == (503, "application/problem+json")
        return
    assert (none.status_code, none.json()) == (200, DATA)
    assert (none.headers["bff-complete"], none.headers["bff-missing"]) == ("false", "users")
    assert none.headers["cache-control"] == "no-store"
    assert ask.invocations[-1].error is not None  # the log and the canary's judge hear of it all the same


@pytest.mark.parametrize("kind", ["text", "list", "missing", "problem", "bug"])
async def test_what_is_no_page_of_this_kind_stays_as_it_is(
    gateway: tuple[AsyncClient, StubServices], kind: str
) -> None:
    """Text, lists, answers that refuse, and failures that are not a service's."""
    ask, stubs = gateway
    answering(stubs)
    answer = await ask.get(f"/always?kind={kind}")
    assert b"Welcome" not in answer.content
    assert answer.status_code == {"missing": 404, "problem": 409, "bug": 500}.get(kind, 200)


async def test_a_starlette_response_and_a_kept_page_have_it_too(
    gateway: tuple[AsyncClient, StubServices],
) -> None:
    """With the length and the tag of what is sent."""
    ask, stubs = gateway
    answering(stubs)
    assert (await ask.get("/always?kind=response")).json() == PAGE | DATA
    first, second = await ask.get("/kept"), await ask.get("/kept")
    assert first.json() == second.json() == PAGE | DATA
    assert "age" in second.headers
    assert first.headers["etag"] == second.headers["etag"]
    stubs.users.get("/u").assert_called(2)


@pytest.mark.parametrize("strategy", get_args(Strategy))
def test_each_strategy_is_one_of_three_cases_or_more(strategy: Strategy) -> None:
    """None applies never; where a page is not, it cannot be complete."""
    cases = [(True, True), (True, False), (False, False)]
    found = [applies(strategy, is_page=page, is_complete=complete) for page, complete in cases]
    assert any(found)
    assert applies(strategy, is_page=False, is_complete=True) == found[2]
