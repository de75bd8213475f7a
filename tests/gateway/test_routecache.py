"""Routes with a ``cache`` section, and what caches are told of every page: a gateway whose time stands still."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from textwrap import dedent
from typing import Any

import httpx
import pytest

from bff.testing import AsyncClient, ManualClock, StubServices, client

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]

FUNCTIONS = {
    "counts": """
        calls = 0

        async def handle(q: str = "") -> dict:
            global calls
            calls += 1
            return {"call": calls, "q": q}
    """,
    "says": """
        from starlette.responses import JSONResponse
        calls = 0

        async def handle(control: str = "", vary: str = "", cookie: str = "", status: int = 200):
            global calls
            calls += 1
            headers = {name: value for name, value in
                       (("cache-control", control), ("vary", vary), ("set-cookie", cookie)) if value}
            return JSONResponse({"call": calls}, status, headers=headers)
    """,
    "greets": """
        from typing import Annotated
        from bff import Cookie, Header
        calls = 0

        async def handle(authorization: Annotated[str, Header()] = "", user: Annotated[str, Cookie()] = "",
                         language: Annotated[str, Header(alias="accept-language")] = "") -> dict:
            global calls
            calls += 1
            return {"call": calls, "for": authorization or user or language}
    """,
    "looks": """
        from bff import Context
        calls = 0

        async def handle(ctx: Context) -> dict:
            global calls
            calls += 1
            return {"call": calls, "for": ctx.request.cookies.get("user", "")}
    """,
    "waits": """
        import asyncio
        calls = 0
        gate = asyncio.Event()

        async def handle(go: bool = False) -> dict:
            global calls
            if go:
                gate.set()
                return {}
            calls += 1
            number = calls
            await gate.wait()
            return {"call": number}
    """,
    "fails": """
        calls = 0

        async def handle() -> dict:
            global calls
            calls += 1
            if calls > 1:
                raise RuntimeError("broken")
            return {"call": calls}
    """,
    "home": """
        from bff import Context, gather, optional
        calls = 0

        async def handle(ctx: Context) -> dict:
            global calls
            calls += 1
            a, b = await gather(ctx.services.users.get("/a"), optional(ctx.services.users.get("/b")))
            return {"call": calls}
    """,
    "asks": """
        from bff import Context
        calls = 0

        async def handle(ctx: Context, field: str, value: str) -> dict:
            global calls
            calls += 1
            await ctx.services.users.get("/a", headers={field: value})
            return {"call": calls}
    """,
    "streams": """
        calls = 0

        async def handle():
            global calls
            calls += 1
            yield {"call": calls}
    """,
    "page": """
        from starlette.responses import HTMLResponse

        async def handle(size: int = 300):
            return HTMLResponse("x" * size)
    """,
}
ROUTES = """\
services:
  users: {url: "http://users", headers: {x-own: "1"}}
routes:
- {path: /counts, methods: [GET, POST], function: counts, cache: {ttl: 10s, stale-while-revalidate: 60s, tags: [all]}}
- {path: /counts/obedient, function: counts, cache: true}
- {path: /counts/open, function: counts}
- {path: /says, function: says, cache: {ttl: 10s}}
- {path: /says/obedient, function: says, cache: true}
- {path: /greets, function: greets, cache: {ttl: 10s}}
- {path: /greets/forwards, function: counts, cache: {ttl: 10s}, forward_headers: [x-tenant], forward_cookies: [user]}
- {path: /looks, function: looks, cache: {ttl: 10s}}
- {path: /looks/stale, function: looks, cache: {ttl: 10s, stale-while-revalidate: 60s}}
- {path: /waits, function: waits, cache: {ttl: 10s}}
- {path: /fails, function: fails, cache: {ttl: 10s, stale-if-error: 60s}}
- {path: /home, function: home, cache: {ttl: 10s}}
- {path: /home/obedient, function: home, cache: true}
- {path: /home/stale, function: home, cache: {ttl: 10s, stale-while-revalidate: 600s}}
- {path: /home/open, function: home}
- {path: /home/forwards, function: home, cache: {ttl: 10s}, forward_headers: [accept-language], forward_cookies: [user]}
- {path: /home/forwards/open, function: home, forward_headers: [accept-language], forward_cookies: [user]}
- {path: /asks, function: asks, cache: {ttl: 10s}}
- {path: /asks/open, function: asks}
- {path: /streams, function: streams, cache: {ttl: 10s}}
- {path: /page, function: page}
"""

Open = Callable[..., AbstractAsyncContextManager[Any]]


class Visit:
    """A gateway with its clock and its services."""

    def __init__(self, page: AsyncClient, clock: ManualClock, stubs: StubServices) -> None:
        self.page, self.clock, self.stubs = page, clock, stubs

    async def call(self, path: str, **headers: str) -> int:
        """The number of the function's call that made this answer."""
        answer = await self.get(path, **headers)
        number: int = answer.json()["call"]
        return number

    async def get(self, path: str, **headers: str) -> httpx.Response:
        # Nothing of httpx's own but what is written here.
        plain = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.page.get(path, headers=plain)


@pytest.fixture
def visit(tmp_path: Path) -> Open:
    (tmp_path / "functions").mkdir()
    for name, text in FUNCTIONS.items():
        (tmp_path / "functions" / f"{name}.py").write_text(dedent(text))
    (tmp_path / "routes.yaml").write_text(ROUTES)

    @asynccontextmanager
    async def open_visit(**parts: dict[str, str]) -> AsyncIterator[Visit]:
        clock, stubs = ManualClock(), StubServices()
        for path in ("a", "b"):
            stubs.users.get(f"/{path}").answers({}, headers=parts.get(path, {}))
        async with client(tmp_path, stubs=stubs, clock=clock) as page:
            yield Visit(page, clock, stubs)

    return open_visit


async def test_a_hit_runs_nothing_and_says_so(visit: Open) -> None:
    async with visit() as gateway:
        miss = await gateway.get("/counts")
        await gateway.clock.advance(3)
        hit = await gateway.get("/counts")
    assert miss.json() == hit.json()
    assert miss.headers["cache-status"] == "bff; fwd=uri-miss; ttl=10; stored"
    assert hit.headers["cache-status"] == "bff; hit; ttl=7"
    assert hit.headers["age"] == "3"
    assert "age" not in miss.headers
    for name in ("content-type", "content-length", "etag", "bff-revision", "bff-complete"):
        assert hit.headers[name] == miss.headers[name]
    assert hit.headers["date"] == miss.headers["date"]
    assert hit.headers["x-request-id"] != miss.headers["x-request-id"]
    assert hit.headers.get_list("date") == [miss.headers["date"]]


async def test_what_is_asked_for_tells_pages_apart(visit: Open) -> None:
    async with visit() as gateway:
        assert [await gateway.call(path) for path in ("/counts?q=1", "/counts?q=2", "/counts?q=1")] == [
            1,
            2,
            1,
        ]
        assert await gateway.call("/counts?q=1", host="other.example") == 3
        head = await gateway.page.head("/counts?q=1")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["cache-status"].startswith("bff; hit")


async def test_a_route_that_says_nothing_keeps_nothing(visit: Open) -> None:
    async with visit() as gateway:
        assert [await gateway.call("/counts/open") for _ in range(2)] == [1, 2]
        assert "cache-status" not in (await gateway.get("/counts/open")).headers
        assert [await gateway.call("/counts/obedient") for _ in range(2)] == [4, 5]


async def test_an_obedient_route_keeps_only_what_can_be_validated_or_lasts(visit: Open) -> None:
    """``cache: true`` states no lifetime: a page with an entity tag is run again each time."""
    async with visit() as gateway:
        first = await gateway.get("/says/obedient")
        second = await gateway.get("/says/obedient")
        assert [first.json()["call"], second.json()["call"]] == [1, 2]
        assert [await gateway.call("/says/obedient?control=max-age%3D5") for _ in range(2)] == [3, 3]


@pytest.mark.parametrize(
    "query",
    [
        "control=no-store",
        "control=private",
        "control=max-age%3D0",
        "cookie=a%3D1",
        "vary=*",
        "status=404",
        "status=500",
    ],
)
async def test_what_a_function_forbids_a_stated_lifetime_does_not_allow(visit: Open, query: str) -> None:
    async with visit() as gateway:
        assert [await gateway.call(f"/says?{query}") for _ in range(2)] == [1, 2]


async def test_a_function_may_vary(visit: Open) -> None:
    async with visit() as gateway:
        path = "/says?vary=x-kind"
        kinds = [await gateway.call(path, x_kind=kind) for kind in ("a", "b", "a")]
        assert kinds == [1, 2, 1]
        assert (await gateway.get(path, x_kind="c")).headers["cache-status"].startswith("bff; fwd=vary-miss")


async def test_what_arguments_are_made_of_is_part_of_the_key(visit: Open) -> None:
    """No Vary has to be written for what a handler declares."""
    async with visit() as gateway:
        answers = [
            await gateway.get("/greets", cookie=f"user={who}; other=1") for who in ("ada", "bob", "ada")
        ]
        assert [answer.json()["for"] for answer in answers] == ["ada", "bob", "ada"]
        assert [answer.json()["call"] for answer in answers] == [1, 2, 1]
        answers = [await gateway.get("/greets", accept_language=which) for which in ("de", "fr", "de")]
        assert [answer.json()["for"] for answer in answers] == ["de", "fr", "de"]


async def test_an_answer_to_a_credential_is_not_kept_by_a_stated_lifetime(visit: Open) -> None:
    async with visit() as gateway:
        for who in ("ada", "bob", "ada", ""):
            answer = await gateway.get("/greets", **({"authorization": who} if who else {}))
            assert answer.json()["for"] == who
        assert answer.json()["call"] == 4


async def test_what_travels_on_to_services_is_part_of_the_key(visit: Open) -> None:
    async with visit() as gateway:
        path = "/greets/forwards"
        tenants = [await gateway.call(path, x_tenant=who) for who in ("a", "b", "a")]
        assert tenants == [1, 2, 1]
        users = [
            await gateway.call(path, cookie=f"user={who}; seen={n}") for n, who in enumerate(("a", "b", "a"))
        ]
        assert users == [3, 4, 3]


async def test_a_function_that_saw_the_whole_request_is_kept_by_its_credentials(visit: Open) -> None:
    async with visit() as gateway:
        answers = [await gateway.get("/looks", cookie=f"user={who}") for who in ("ada", "bob", "ada")]
        assert [answer.json()["for"] for answer in answers] == ["ada", "bob", "ada"]
        assert [answer.json()["call"] for answer in answers] == [1, 2, 1]


@pytest.mark.parametrize("seed", range(3))
async def test_in_whatever_order_they_ask_nobody_is_shown_anothers_page(visit: Open, seed: int) -> None:
    """What is kept for one caller is never served to another."""
    choose = random.Random(seed)
    async with visit() as gateway:
        for _ in range(120):
            user, token = choose.choice(("", "ada", "bob")), choose.choice(("", "", "t1", "t2"))
            language = choose.choice(("", "de", "fr"))
            told = {"cookie": f"seen={choose.random()}; user={user}" if user else "", "authorization": token,
                    "accept-language": language}  # fmt: skip
            headers = {name: value for name, value in told.items() if value}
            path = choose.choice(("/greets", "/looks"))
            answer = await gateway.page.get(path, headers=headers)
            expected = token or user or language if path == "/greets" else user
            assert answer.json()["for"] == expected, (path, headers, answer.headers)
            await gateway.clock.advance(choose.choice((0, 0, 1, 5)))


async def test_cookies_that_nobody_reads_make_no_difference(visit: Open) -> None:
    async with visit() as gateway:
        assert [await gateway.call("/counts", cookie=f"tracking={n}") for n in range(3)] == [1, 1, 1]


async def test_a_stale_page_is_served_while_the_gateway_runs_the_function(visit: Open) -> None:
    async with visit() as gateway:
        await gateway.call("/counts")
        await gateway.clock.advance(20)
        answers = await asyncio.gather(*(gateway.get("/counts") for _ in range(5)))
        assert {answer.json()["call"] for answer in answers} == {1}
        assert answers[0].headers["cache-status"] == "bff; hit; ttl=-10"
        await gateway.clock.advance(0)
        assert await gateway.call("/counts") == 2
        assert [record.status for record in gateway.page.invocations] == [200] * 7


async def test_what_was_made_for_nobody_is_refreshed_though_it_might_have_been_for_somebody(
    visit: Open,
) -> None:
    """A function that sees the whole request has a page for each credential, and one for who brings none."""
    async with visit() as gateway:
        for who in ({}, {"cookie": "user=ada"}):
            await gateway.call("/looks/stale", **who)
        await gateway.clock.advance(20)
        assert await gateway.call("/looks/stale", cookie="user=ada") == 3
        assert await gateway.call("/looks/stale") == 1
        await gateway.clock.advance(0)
        renewed = await gateway.get("/looks/stale")
        assert (renewed.json()["call"], renewed.json()["for"]) == (4, "")


async def test_requests_at_the_same_time_run_the_function_once(visit: Open) -> None:
    async with visit() as gateway:
        waiting = [asyncio.ensure_future(gateway.get("/waits")) for _ in range(20)]
        await gateway.clock.advance(0)
        await gateway.get("/waits?go=1")
        answers = await asyncio.gather(*waiting)
    assert {answer.json()["call"] for answer in answers} == {1}
    handled = [answer.headers["cache-status"] for answer in answers]
    assert sum("stored" in said for said in handled) == 1
    assert sum(said == "bff; fwd=uri-miss; ttl=10; collapsed" or "hit" in said for said in handled) == 19


async def test_who_leaves_does_not_leave_the_others_waiting(visit: Open) -> None:
    async with visit() as gateway:
        waiting = [asyncio.ensure_future(gateway.get("/waits")) for _ in range(3)]
        await gateway.clock.advance(0)
        waiting[0].cancel()
        await gateway.clock.advance(0)
        await gateway.get("/waits?go=1")
        answers = await asyncio.gather(*waiting[1:])
    assert {answer.status_code for answer in answers} == {200}


async def test_who_waits_for_anothers_run_has_his_own_deadline(visit: Open) -> None:
    async with visit() as gateway:
        waiting = [asyncio.ensure_future(gateway.get("/waits")) for _ in range(2)]
        await gateway.clock.advance(11)
        answers = await asyncio.gather(*waiting)
    assert [answer.status_code for answer in answers] == [504, 504]


async def test_a_kept_page_stands_in_for_a_failure(visit: Open) -> None:
    async with visit() as gateway:
        assert await gateway.call("/fails") == 1
        await gateway.clock.advance(20)
        stale = await gateway.get("/fails")
        assert (stale.status_code, stale.json()["call"]) == (200, 1)
        assert stale.headers["cache-status"] == "bff; fwd=stale; fwd-status=500; ttl=-10"
        await gateway.clock.advance(51)
        assert (await gateway.get("/fails")).status_code == 500


async def test_an_incomplete_page_is_never_kept(visit: Open) -> None:
    async with visit() as gateway:
        gateway.stubs.users.get("/b").fails()
        answers = [await gateway.get("/home") for _ in range(2)]
    assert [answer.json()["call"] for answer in answers] == [1, 2]
    for answer in answers:
        assert (answer.headers["bff-complete"], answer.headers["cache-control"]) == ("false", "no-store")
        assert "etag" not in answer.headers


@pytest.mark.parametrize(
    ("a", "b", "is_kept"),
    [
        ("", "", True),
        ("max-age=60", "", True),
        ("private", "", False),
        ("", "no-store", False),
        ("no-cache", "", False),
    ],
)
async def test_what_a_part_forbids_a_page_may_not_be_kept_for(
    visit: Open, a: str, b: str, is_kept: bool
) -> None:
    parts = {name: {"cache-control": said} for name, said in (("a", a), ("b", b)) if said}
    async with visit(**parts) as gateway:
        assert [await gateway.call("/home") for _ in range(2)] == ([1, 1] if is_kept else [1, 2])


async def test_an_obedient_route_keeps_a_page_as_long_as_its_parts(visit: Open) -> None:
    async with visit(a={"cache-control": "max-age=30"}, b={"cache-control": "max-age=5"}) as gateway:
        assert await gateway.call("/home/obedient") == 1
        await gateway.clock.advance(4)
        assert await gateway.call("/home/obedient") == 1
        await gateway.clock.advance(2)
        assert await gateway.call("/home/obedient") == 2


async def test_what_changes_something_drops_the_page(visit: Open) -> None:
    async with visit() as gateway:
        await gateway.call("/counts?q=1")
        await gateway.page.post("/counts?q=1")
        assert await gateway.call("/counts?q=1") == 3


async def test_request_directives_are_obeyed(visit: Open) -> None:
    async with visit() as gateway:
        only = await gateway.get("/counts", cache_control="only-if-cached")
        assert (only.status_code, only.json()["code"]) == (504, "not-cached")
        assert [await gateway.call("/counts"), await gateway.call("/counts", cache_control="no-cache")] == [
            1,
            2,
        ]
        assert await gateway.call("/counts", cache_control="only-if-cached") == 2
        assert await gateway.call("/counts", cache_control="no-store") == 3
        assert await gateway.call("/counts") == 2


async def test_streams_pass_and_are_not_kept(visit: Open) -> None:
    async with visit() as gateway:
        assert [await gateway.call("/streams") for _ in range(2)] == [1, 2]


async def test_a_kept_page_answers_conditions_and_ranges(visit: Open) -> None:
    async with visit() as gateway:
        tag = (await gateway.get("/counts")).headers["etag"]
        same = await gateway.get("/counts", if_none_match=tag)
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
        assert same.headers["cache-status"].startswith("bff; hit")
        part = await gateway.get("/counts", range="bytes=0-1")
        assert (part.status_code, part.content) == (206, b'{"')
        assert part.headers["content-range"].startswith("bytes 0-1/")


async def test_a_new_revision_has_pages_of_its_own(visit: Open, tmp_path: Path) -> None:
    async with visit() as gateway:
        assert [await gateway.call("/counts") for _ in range(2)] == [1, 1]
        file = tmp_path / "functions" / "counts.py"
        old = file.read_text()
        house = gateway.page._inside._public.app._app
        for text, calls in ((old.replace("calls = 0", "calls = 100"), 101), (old, 1)):
            file.write_text(text)
            await house._invoker.refresh(["counts"])
            assert await gateway.call("/counts") == calls  # going back finds what was kept before


# Every page, with or without a section


async def test_a_page_has_a_strong_tag_and_is_not_sent_twice(visit: Open) -> None:
    async with visit() as gateway:
        page = await gateway.get("/page")
        tag = page.headers["etag"]
        assert not tag.startswith("W/")
        same = await gateway.get("/page", if_none_match=f'"other", {tag}')
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
        assert "content-type" not in same.headers
        assert (await gateway.get("/page", if_none_match='"other"')).status_code == 200
        assert (await gateway.get("/page?size=301")).headers["etag"] != tag
        assert "etag" not in (await gateway.get("/page?size=10")).headers


@pytest.mark.parametrize(
    ("a", "b", "caller", "said"),
    [
        ("", "", {}, None),
        ("max-age=60", "", {}, None),
        ("max-age=60", "max-age=10", {}, "max-age=10"),
        ("public, max-age=60", "public, max-age=10", {}, "public, max-age=10"),
        ("public, max-age=60", "public, max-age=10", {"authorization": "ada"}, "private, max-age=10"),
        ("public, max-age=60", "public, max-age=10", {"cookie": "a=1"}, "private, max-age=10"),
        ("public, max-age=60", "max-age=10", {}, "max-age=10"),
        ("max-age=60, private", "max-age=90", {}, "private, max-age=60"),
        ("max-age=60, s-maxage=20", "max-age=90", {}, "max-age=60, s-maxage=20"),
        ("no-store", "max-age=10", {}, "no-store"),
        ("no-cache", "max-age=10", {}, "no-cache"),
        ("private", "", {}, "private"),
        ("max-age=60, must-revalidate", "max-age=90", {}, "max-age=60, must-revalidate"),
    ],
)
async def test_a_page_says_the_strictest_of_its_parts(
    visit: Open, a: str, b: str, caller: dict[str, str], said: str | None
) -> None:
    parts = {name: {"cache-control": text} for name, text in (("a", a), ("b", b)) if text}
    async with visit(**parts) as gateway:
        answer = await gateway.get("/home/open", **caller)
    assert answer.headers.get("cache-control") == said


async def test_a_part_that_was_old_already_leaves_less(visit: Open) -> None:
    parts = {name: {"cache-control": "max-age=60", "age": "50"} for name in ("a", "b")}
    async with visit(**parts) as gateway:
        assert (await gateway.get("/home/open")).headers["cache-control"] == "max-age=10"


def both(**said: str) -> dict[str, dict[str, str]]:
    """The same fields for both parts of the page."""
    return {name: {"cache-control": "public, max-age=60", **said} for name in ("a", "b")}


@pytest.mark.parametrize(
    ("path", "vary", "said", "told"),
    [
        ("/home/open", "*", "private, no-cache", None),
        ("/home/open", "x-forwarded-for", "private, max-age=60", None),
        ("/home/open", "Accept-Encoding, X-Request-Id", "private, max-age=60", None),
        ("/home/open", "traceparent", "private, max-age=60", None),
        ("/home/open", "Accept-Encoding", "public, max-age=60", None),
        ("/home/open", "Origin, X-Own, Accept-Language", "public, max-age=60", None),
        ("/home/open", "Baggage", "public, max-age=60", "baggage"),
        ("/home/forwards/open", "Accept-Language", "public, max-age=60", "accept-language"),
        (
            "/home/forwards/open",
            "Cookie, Accept-Language, Origin",
            "public, max-age=60",
            "accept-language, cookie",
        ),
        ("/home/forwards/open", "Accept-Language, *", "private, no-cache", None),
        ("/asks/open?field=X-Plan&value=gold", "X-Plan", "private, max-age=60", None),
        ("/asks/open?field=accept-language&value=fr", "Accept-Language", "private, max-age=60", None),
        (
            "/asks/open?field=accept-language&value=de",
            "Accept-Language",
            "public, max-age=60",
            "accept-language",
        ),
        ("/asks/open?field=accept&value=text/plain", "Accept", "public, max-age=60", "accept"),
        ("/asks/open?field=x-plan&value=gold", "Origin", "public, max-age=60", None),
    ],
)
async def test_a_page_is_no_more_shared_than_its_parts_vary(
    visit: Open, path: str, vary: str, said: str, told: str | None
) -> None:
    """A CDN is told by which fields, or that it may keep nothing: what the gateway sends to everybody counts not."""
    async with visit(**both(vary=vary)) as gateway:
        answer = await gateway.get(path, accept_language="de")
        again = await gateway.get(path, accept_language="de", if_none_match="*")
    assert (answer.headers["cache-control"], answer.headers.get("vary")) == (said, told)
    assert (again.status_code, again.headers["cache-control"], again.headers.get("vary")) == (304, said, told)


async def test_one_part_that_varies_by_what_nobody_can_tell_makes_the_page_private(visit: Open) -> None:
    """And what the other part varies by is told all the same."""
    parts = both()
    parts["a"]["vary"], parts["b"]["vary"] = "*", "accept-language"
    async with visit(**parts) as gateway:
        answer = await gateway.get("/home/forwards/open")
    assert (answer.headers["cache-control"], answer.headers["vary"]) == (
        "private, no-cache",
        "accept-language",
    )


@pytest.mark.parametrize(
    ("path", "vary"),
    [
        ("/home", "*"),
        ("/home", "x-forwarded-for"),
        ("/home/obedient", "x-forwarded-for"),
        ("/asks?field=x-plan&value=gold", "x-plan"),
    ],
)
async def test_what_parts_vary_by_and_nobody_can_tell_is_not_kept(visit: Open, path: str, vary: str) -> None:
    """One caller's page is never another's, whatever lifetime the route states."""
    async with visit(**both(vary=vary)) as gateway:
        assert [await gateway.call(path) for _ in range(2)] == [1, 2]


async def test_kept_pages_are_told_apart_by_what_their_parts_vary_by(visit: Open) -> None:
    """And each hit tells those behind us by which fields."""
    async with visit(**both(vary="accept-language")) as gateway:
        answers = [await gateway.get("/home/forwards", accept_language=which) for which in ("de", "fr", "de")]
    assert [answer.json()["call"] for answer in answers] == [1, 2, 1]
    assert [answer.headers["vary"] for answer in answers] == ["accept-language"] * 3


@pytest.mark.parametrize("path", ["/home", "/home/obedient"])
async def test_a_kept_page_says_to_each_caller_the_strictest_of_its_parts(visit: Open, path: str) -> None:
    """On the miss and on hits: ``public`` to whom nobody can tell, and to nobody else; whoever it was made for."""
    who = [{}, {"cookie": "a=1"}, {}, {"authorization": "ada"}, {"cookie": "a=1"}]
    for order in (who, who[::-1]):
        async with visit(**both()) as gateway:
            for caller in order:
                answer = await gateway.get(path, **caller)
                kind = "private" if caller else "public"
                assert answer.headers.get_list("cache-control") == [f"{kind}, max-age=60"], caller
            assert answer.headers["cache-status"].startswith("bff; hit")
            tag = answer.headers["etag"]
            same = await gateway.get(path, cookie="a=1", if_none_match=tag)
            assert (same.status_code, same.headers["cache-control"]) == (304, "private, max-age=60")


@pytest.mark.parametrize("path", ["/home", "/home/obedient"])
@pytest.mark.parametrize(
    ("a", "said"),
    [
        ("no-store", "no-store"),
        ("private", "private"),
        ("no-cache", "no-cache"),
        ("private, max-age=5", "private, max-age=5"),
    ],
)
async def test_a_page_that_may_not_be_kept_says_so_though_its_route_keeps_pages(
    visit: Open, path: str, a: str, said: str
) -> None:
    parts = both()
    parts["a"]["cache-control"] = a
    async with visit(**parts) as gateway:
        answers = [await gateway.get(path) for _ in range(2)]
    assert [answer.json()["call"] for answer in answers] == [1, 2]
    assert [answer.headers["cache-control"] for answer in answers] == [said] * 2


async def test_a_stale_page_is_refreshed_for_all_and_says_to_each_what_he_may_hear(visit: Open) -> None:
    """The gateway's own run has no caller; what it keeps is private to who can be told all the same."""
    async with visit(**both()) as gateway:
        assert await gateway.call("/home/stale", cookie="a=1") == 1
        await gateway.clock.advance(20)
        stale = await gateway.get("/home/stale", cookie="a=1")
        assert (stale.json()["call"], stale.headers["cache-control"]) == (1, "private, max-age=60")
        await gateway.clock.advance(0)
        fresh = [await gateway.get("/home/stale", **caller) for caller in ({"cookie": "a=1"}, {})]
    assert [answer.json()["call"] for answer in fresh] == [2, 2]
    assert [answer.headers["cache-control"] for answer in fresh] == [
        "private, max-age=60",
        "public, max-age=60",
    ]


async def test_what_a_function_says_itself_is_its_own_word_on_hits_too(visit: Open) -> None:
    async with visit() as gateway:
        answers = [await gateway.get("/says?control=public,%20max-age=9", cookie="a=1") for _ in range(2)]
    assert [answer.json()["call"] for answer in answers] == [1, 1]
    assert [answer.headers["cache-control"] for answer in answers] == ["public, max-age=9"] * 2
