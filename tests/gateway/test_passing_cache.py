"""What is kept of requests that pass through: streamed while it is stored, for whom, until when, and how it is dropped.

The rules of RFC 9111 themselves are in tests/services/conformance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

import httpx
import pytest

from tests.conftest import Running, eventually
from tests.gateway.upstream import Passing, Request, Upstream

KEY = "Bearer-less-and-long-enough-to-be-a-key"
ROUTES = """\
gateway: {{cache_size: 1MB, max_body: 1MB, trusted_proxies: [127.0.0.1]}}
auth: {{friends: {{api_keys: {{keys: {{ada: {{digest: "sha256:{ada}"}}, bob: {{digest: "sha256:{bob}"}}}}}}}}}}
services:
  plain: {{url: "http://127.0.0.1:{port}/base", keep_alive: 1s, {calm}}}
  kept: {{url: "http://127.0.0.1:{port}/base", keep_alive: 1s, cache: true, {calm}}}
  secret: {{url: "http://127.0.0.1:{port}/base", keep_alive: 1s, headers: {{authorization: ours}}, {calm}}}
routes:
- {{path: "/p/{{rest:path}}", service: plain, cache: {{tags: [all]}}, forward_cookies: [theme]}}
- path: "/ruled/{{rest:path}}"
  service: plain
  cache: true
  response_headers: {{remove: [x-internal], set: {{x-set: route}}}}
- {{path: "/inherits/{{rest:path}}", service: kept}}
- {{path: "/not/{{rest:path}}", service: kept, cache: false}}
- {{path: "/friends/{{rest:path}}", service: plain, cache: true, auth: friends}}
- {{path: "/secret/{{rest:path}}", service: secret, cache: true}}
- {{path: /change, methods: [POST], function: change}}
- {{path: "/p/written", methods: [PUT], function: written}}
- {{path: "/p/written", methods: [GET], service: plain, cache: true}}
"""
CHANGE = '''
from bff import Context

async def handle(ctx: Context, path: str) -> None:
    """Change something at the service that also passes through."""
    await ctx.services.kept.put(path)
'''
WRITTEN = '''
from starlette.responses import Response

async def handle(status: int) -> Response:
    """Something was written, or not."""
    return Response(status_code=status, headers={"location": "/p/elsewhere"})
'''
CALM = "retries: {attempts: 0}, outlier_detection: {consecutive_5xx: 0}"
HOUR = "cache-control: max-age=3600\r\n"
GRACE = "cache-control: max-age=60, stale-while-revalidate=9999\r\nage: 100\r\n"


@pytest.fixture(scope="module")
def passing(module_gateway: Callable[..., Running], module_project: Callable[..., Any]) -> Iterator[Passing]:
    upstream = Upstream()
    folder = module_project({"functions/change.py": CHANGE, "functions/written.py": WRITTEN})
    ada, bob = (sha256(f"{KEY}-{who}".encode()).hexdigest() for who in ("ada", "bob"))
    config = ROUTES.format(port=upstream.port, calm=CALM, ada=ada, bob=bob)
    (folder / "routes.yaml").write_text(config)
    gateway = module_gateway(folder)
    gateway.__class__ = Passing
    assert isinstance(gateway, Passing)
    gateway.upstream = upstream
    yield gateway
    upstream.close()


def get(path: str, fields: str = "", host: str = "x") -> str:
    """A request's bytes."""
    return f"GET {path} HTTP/1.1\r\nhost: {host}\r\n{fields}\r\n"


def fill(passing: Passing, path: str, fields: str = "", *, says: str = HOUR, host: str = "x") -> Request:
    """What the service hears of a request that it answers with ``fresh``."""
    request, answer = passing.exchange(get(path, fields, host), body=b"fresh", fields=says)
    assert (answer.status, answer.body) == (200, b"fresh")
    return request


def hit(passing: Passing, path: str, fields: str = "", host: str = "x") -> Any:
    """The answer to a request that no service hears of."""
    with passing.wire() as caller:
        caller.say(get(path, fields, host))
        answer = caller.hear_answer()
    assert "bff; hit" in answer.headers.get("cache-status", ""), answer
    return answer


def test_the_second_caller_is_answered_by_nobody(passing: Passing) -> None:
    fill(passing, "/p/second?x=1", says=HOUR + 'etag: "a"\r\nx-own: 1\r\n')
    before = passing.lines_so_far
    answer = hit(passing, "/p/second?x=1")
    assert answer.body == b"fresh"
    assert [answer.headers.get(name) for name in ("x-own", "via", "etag")] == ["1", "1.1 bff", '"a"']
    assert "age" in answer.headers
    assert passing.wait_for(lambda line: '"cache hit"' in line and "/p/{rest:path}" in line, since=before)


def test_a_piece_is_passed_on_before_the_next_one_is_there(passing: Passing) -> None:
    """Storing holds nothing back."""
    with passing.wire() as caller:
        caller.say(get("/p/streamed"))
        with passing.upstream.accept() as service:
            service.hear_request()
            service.say(f"HTTP/1.1 200 OK\r\n{HOUR}transfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n".encode())
            assert caller.hear_until(b"first").endswith(b"first")
            service.say(b"6\r\nsecond\r\n0\r\n\r\n")
            caller.hear_until(b"0\r\n\r\n")
    assert hit(passing, "/p/streamed").body == b"firstsecond"


def goes_on(passing: Passing, path: str, fields: str = "") -> Request:
    """What the service hears of a request that nothing kept answers."""
    return fill(passing, path, fields, says="cache-control: no-store\r\n")


def test_what_breaks_off_is_not_kept(passing: Passing) -> None:
    with passing.wire() as caller:
        caller.say(get("/p/cut"))
        with passing.upstream.accept() as service:
            service.hear_request()
            service.say(f"HTTP/1.1 200 OK\r\n{HOUR}content-length: 100\r\n\r\nsome".encode())
        caller.hear_all()
    goes_on(passing, "/p/cut")


def test_a_caller_that_leaves_leaves_nothing_behind(passing: Passing) -> None:
    with passing.wire() as caller:
        caller.say(get("/p/left"))
        with passing.upstream.accept() as service:
            service.hear_request()
            service.say(f"HTTP/1.1 200 OK\r\n{HOUR}content-length: 9\r\n\r\nsome".encode())
            caller.hear_until(b"some")
            caller.close()
            assert service.hear_all() == b""  # the gateway has hung up
    goes_on(passing, "/p/left")


@pytest.mark.parametrize("framing", ["content-length: 200000", "transfer-encoding: chunked"])
def test_what_is_too_large_passes_and_is_not_kept(passing: Passing, framing: str) -> None:
    """More than an eighth of the store; told by its length or not."""
    path = f"/p/large-{len(framing)}"
    piece = b"x" * 200_000
    sent = piece if "length" in framing else b"30d40\r\n" + piece + b"\r\n0\r\n\r\n"
    with passing.wire() as caller:
        caller.say(get(path))
        with passing.upstream.accept() as service:
            service.hear_request()
            service.say(f"HTTP/1.1 200 OK\r\n{HOUR}{framing}\r\n\r\n".encode() + sent)
            caller.hear_until(piece if "length" in framing else b"0\r\n\r\n")
    goes_on(passing, path)


def test_a_cookie_that_travels_tells_callers_apart(passing: Passing) -> None:
    fill(passing, "/p/cookie", "cookie: theme=dark; session=1\r\n")
    assert hit(passing, "/p/cookie", "cookie: session=2; theme=dark\r\n")  # the session stays here
    assert goes_on(passing, "/p/cookie", "cookie: theme=light\r\n").get("cookie") == "theme=light"


def test_another_host_and_another_scheme_are_another_answer(passing: Passing) -> None:
    """The service hears of both, so its links may lead back there."""
    fill(passing, "/p/host", host="one")
    assert hit(passing, "/p/host", host="ONE")
    assert fill(passing, "/p/host", host="two").get("x-forwarded-host") == "two"
    assert goes_on(passing, "/p/host", "x-forwarded-proto: https\r\nx-forwarded-host: one\r\n")


def test_whom_the_gateway_knows_has_an_answer_of_his_own(passing: Passing) -> None:
    fill(passing, "/friends/list", f"x-api-key: {KEY}-ada\r\n")
    assert hit(passing, "/friends/list", f"x-api-key: {KEY}-ada\r\n")
    fill(passing, "/friends/list", f"x-api-key: {KEY}-bob\r\n")
    with passing.wire() as nobody:
        nobody.say(get("/friends/list"))
        assert nobody.hear_answer().status == 401


def test_a_services_own_credential_keeps_nothing_from_being_kept(passing: Passing) -> None:
    assert fill(passing, "/secret/a", "authorization: Basic YTpi\r\n").get("authorization") == "ours"
    assert hit(passing, "/secret/a")


def test_rules_for_answers_hold_for_kept_ones_too(passing: Passing) -> None:
    fill(passing, "/ruled/a", says=HOUR + "x-internal: 1\r\nx-set: service\r\n")
    answer = hit(passing, "/ruled/a")
    found = [answer.headers.get(name) for name in ("x-internal", "x-set", "x-content-type-options")]
    assert found == [None, "route", "nosniff"]


def test_a_service_that_keeps_its_answers_keeps_what_passes_through(passing: Passing) -> None:
    fill(passing, "/inherits/a")
    assert hit(passing, "/inherits/a")


def test_a_route_may_refuse_what_its_service_keeps(passing: Passing) -> None:
    fill(passing, "/not/a")
    request, answer = passing.exchange(get("/not/a"), fields=HOUR)
    assert (request.line, [value for name, value in answer.fields if name == "cache-status"]) == (
        "GET /base/a HTTP/1.1",
        [],
    )


def purge(passing: Passing, **what: str) -> int:
    token = (passing.folder / ".bff" / "admin-token").read_text().strip()
    fields = {"authorization": f"Bearer {token}"}
    with httpx.Client(base_url=passing.admin, headers=fields, trust_env=False, timeout=30) as client:
        answer = client.post("/v1/cache/purge", json=what)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["purged"])


@pytest.mark.parametrize("url", ["/p/purged-0", "//x/p/purged-1", "http://127.0.0.1:{port}/base/purged-2"])
def test_it_is_purged_by_its_path_its_url_or_the_one_at_its_service(passing: Passing, url: str) -> None:
    path = "/p/" + url.rpartition("/")[2]
    fill(passing, path)
    assert purge(passing, url=url.format(port=passing.upstream.port)) == 1
    goes_on(passing, path)


def test_it_is_purged_by_tag(passing: Passing) -> None:
    fill(passing, "/p/tagged")
    assert purge(passing, tag="all") >= 1
    goes_on(passing, "/p/tagged")


def test_a_change_by_another_route_drops_it(passing: Passing) -> None:
    """Both lead to the same URL of the same service, though only one of them keeps anything."""
    fill(passing, "/p/changed")
    passing.exchange("POST /not/changed HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n")
    goes_on(passing, "/p/changed")


def test_a_change_by_a_function_drops_it(passing: Passing) -> None:
    fill(passing, "/p/called")
    passing.exchange(
        "POST /change?path=/called HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n", status="204 No Content"
    )
    goes_on(passing, "/p/called")


def test_a_change_that_a_function_makes_itself_drops_it(passing: Passing) -> None:
    """Another route of the same path, which keeps nothing: RFC 9111 §4.4 asks for the URL, not for the route."""
    fill(passing, "/p/written?status=201")
    fill(passing, "/p/written?status=500")
    fill(passing, "/p/elsewhere")
    for status in (201, 500):
        with passing.wire() as caller:
            caller.say(f"PUT /p/written?status={status} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n")
            assert caller.hear_answer().status == status
    goes_on(passing, "/p/written?status=201")
    goes_on(passing, "/p/elsewhere")
    assert hit(passing, "/p/written?status=500")


def test_where_a_change_leads_to_is_dropped_too(passing: Passing) -> None:
    """By the caller's name for it, and by the service's."""
    for at, where in enumerate(("/p/led-0", f"http://127.0.0.1:{passing.upstream.port}/base/led-1")):
        fill(passing, f"/p/led-{at}")
        passing.exchange(
            "POST /p/form HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n",
            status="201 Created",
            fields=f"location: {where}\r\n",
        )
        goes_on(passing, f"/p/led-{at}")


def test_nobody_in_particular_asks_behind_a_stale_answer(passing: Passing) -> None:
    """The task is the gateway's own: it carries no credential, no cookie, no address and no condition of anybody's."""
    fill(passing, "/p/stale", says=GRACE)
    asks = "authorization: Basic YTpi\r\n"
    private = (
        'cookie: session=1\r\nif-none-match: "z"\r\nx-forwarded-for: 203.0.113.9\r\naccept-language: de\r\n'
    )
    with passing.wire() as caller:
        caller.say(get("/p/stale", private))
        with passing.upstream.accept() as service:
            heard = service.hear_request()
            assert caller.hear_answer().body == b"fresh"  # before the service has said anything
            service.answer(b"news", fields=HOUR)
    assert [heard.get(name) for name in ("cookie", "authorization", "if-none-match", "x-forwarded-for")] == [
        None
    ] * 4
    assert (heard.get("forwarded"), heard.get("accept-language")) == ("for=unknown;proto=http;host=x", "de")
    assert eventually(lambda: hit_or_stale(passing, "/p/stale") == b"news")
    fill(passing, "/p/asks", says=GRACE)
    assert fill(passing, "/p/asks", asks).get("authorization") == "Basic YTpi"  # whoever has one asks himself


def hit_or_stale(passing: Passing, path: str) -> bytes:
    return bytes(hit(passing, path).body)


def test_a_service_that_nobody_reaches_is_stood_in_for(passing: Passing) -> None:
    fill(passing, "/p/broken", says="cache-control: max-age=60, stale-if-error=9999\r\nage: 100\r\n")
    with passing.wire() as caller:
        caller.say(get("/p/broken"))
        with passing.upstream.accept() as service:
            service.hear_request()
        answer = caller.hear_answer()
    assert (answer.status, answer.body) == (200, b"fresh")
    assert "fwd=stale; fwd-status=502" in answer.headers.get("cache-status", "")


def test_events_are_never_told_again(passing: Passing) -> None:
    fill(passing, "/p/events", says=HOUR + "content-type: Text/Event-Stream; charset=utf-8\r\n")
    goes_on(passing, "/p/events")


def test_nor_are_events_that_are_told_behind_a_stale_answer(passing: Passing) -> None:
    """What was a page became a stream: it takes no page's place, and is not listened to."""
    fill(passing, "/p/became", says=GRACE)
    with passing.wire() as caller:
        caller.say(get("/p/became"))
        with passing.upstream.accept() as service:
            service.hear_request()
            assert caller.hear_answer().body == b"fresh"
            service.say(
                f"HTTP/1.1 200 OK\r\n{HOUR}content-type: text/event-stream\r\n\r\ndata: 1\n\n".encode()
            )
            assert service.hear_all() == b""  # the gateway has hung up


def test_an_upgrade_and_a_body_go_past_the_store(passing: Passing) -> None:
    fill(passing, "/p/body")
    with passing.wire() as caller:
        caller.say(get("/p/body", "content-length: 2\r\n") + "ab")
        with passing.upstream.accept() as service:
            service.hear_request()
            assert service.hear_until(b"ab") == b"ab"
            service.answer(b"news", fields=HOUR)
        answer = caller.hear_answer()
    assert (answer.body, [value for name, value in answer.fields if name == "cache-status"]) == (
        b"news",
        ["bff; fwd=bypass"],
    )
    assert hit(passing, "/p/body").body == b"fresh"
