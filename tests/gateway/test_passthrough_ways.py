"""Passing through beside all the rest: old callers, cross-origin pages, reload, shutdown, stock httpx, stubs."""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from bff.testing import StubServices, client
from tests.conftest import GatewayFactory, Running, save
from tests.gateway import upstream
from tests.gateway.byhand import gateway_by_hand
from tests.gateway.test_passthrough_streams import gone
from tests.gateway.test_passthrough_websocket import OFFER, TEXT, agree, frame, hear_frame
from tests.gateway.upstream import Passing, PassingByHand, Upstream

GET = "GET /c/x HTTP/1.1\r\nhost: bff\r\n"
STREAM = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"


@pytest.fixture
def service() -> Iterator[Upstream]:
    listening = Upstream()
    yield listening
    listening.close()


@pytest.fixture
def fresh(gateway: GatewayFactory, tmp_path: Path, service: Upstream) -> Passing:
    """A gateway of one test's own."""
    return played(gateway(upstream.lay_out(tmp_path / "project", service)), service)


def played(running: Running, service: Upstream) -> Passing:
    running.__class__ = Passing
    assert isinstance(running, Passing)
    running.upstream = service
    return running


def test_a_caller_of_http_1_0_gets_a_body_without_chunks(passing: Passing) -> None:
    """It would take the sizes for the body's own; the end of the connection tells the body's."""
    with passing.wire() as caller:
        caller.say("GET /c/x HTTP/1.0\r\n\r\n")
        with passing.upstream.accept() as end:
            end.hear_request()
            end.say(STREAM + "4\r\ndefg\r\n0\r\n\r\n")
            said = caller.hear_all()
    assert b"transfer-encoding" not in said
    assert said.endswith(b"\r\n\r\nabcdefg")


def test_other_origins_are_the_services_business_unless_they_are_ours(
    gateway: GatewayFactory, tmp_path: Path, service: Upstream, passing: Passing
) -> None:
    """With gateway.cors preflights are answered here, and what a service says of other origins is replaced."""
    folder = upstream.lay_out(tmp_path / "project", service)
    routes = folder / "routes.yaml"
    cors = 'gateway:\n  cors: {origins: ["http://app.example"]}\n'
    routes.write_text(routes.read_text().replace("gateway:\n", cors))
    ours = played(gateway(folder), service)
    preflight = (
        "OPTIONS /c/x HTTP/1.1\r\nhost: bff\r\norigin: http://app.example\r\n"
        "access-control-request-method: PUT\r\n\r\n"
    )
    with ours.wire() as caller:
        answer = caller.say(preflight).hear_answer()
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (204, "http://app.example")
        assert "PROPFIND" in answer.headers["access-control-allow-methods"]
    said = "access-control-allow-origin: *\r\n"
    _, answer = ours.exchange(f"{GET}origin: http://app.example\r\n\r\n", fields=said)
    assert [v for n, v in answer.fields if n == "access-control-allow-origin"] == ["http://app.example"]
    heard, answer = passing.exchange(preflight, fields=said)
    assert heard.line == "OPTIONS /x HTTP/1.1"
    assert answer.headers["access-control-allow-origin"] == "*"


def test_who_calls_is_asked_before_anything_passes(
    gateway: GatewayFactory, tmp_path: Path, service: Upstream
) -> None:
    """WebSocket included; and the key to our door does not travel on."""
    folder = upstream.lay_out(tmp_path / "project", service)
    digest = hashlib.sha256(b"open-sesame").hexdigest()
    text = (folder / "routes.yaml").read_text().replace("service: up}", "service: up, auth: partners}")
    keys = f'auth: {{partners: {{api_keys: {{keys: {{acme: {{digest: "sha256:{digest}"}}}}}}}}}}\n'
    (folder / "routes.yaml").write_text(keys + text)
    running = played(gateway(folder), service)
    for request in (f"{GET}\r\n", OFFER, f"{GET}x-api-key: guess\r\n\r\n"):
        with running.wire() as caller:
            assert caller.say(request).hear_answer().status == 401
    assert service.is_left_alone(0.05)
    heard, answer = running.exchange(f"{GET}x-api-key: open-sesame\r\nauthorization: Bearer x\r\n\r\n")
    assert (answer.status, heard.get("x-api-key"), heard.get("authorization")) == (200, None, "Bearer x")


def test_the_most_specific_route_answers_whoever_stands_behind_it(
    gateway: GatewayFactory, tmp_path: Path, service: Upstream
) -> None:
    """A catch-all takes what is left over: other paths, and other methods of a function's path."""
    folder = upstream.lay_out(tmp_path / "project", service)
    routes = folder / "routes.yaml"
    routes.write_text(routes.read_text() + '- {path: "/{rest:path}", service: up}\n')
    running = played(gateway(folder), service)
    with running.wire() as caller:
        assert caller.say("GET /hello HTTP/1.1\r\nhost: bff\r\n\r\n").hear_answer().json() == {
            "hello": "world"
        }
    assert (
        running.exchange("GET /what/else?x HTTP/1.1\r\nhost: bff\r\n\r\n")[0].line
        == "GET /what/else?x HTTP/1.1"
    )
    assert running.exchange("POST /hello HTTP/1.1\r\nhost: bff\r\n\r\n")[0].line == "POST /hello HTTP/1.1"


def test_endpoints_share_what_passes_and_the_dead_one_is_left_alone(
    gateway: GatewayFactory, tmp_path: Path, service: Upstream
) -> None:
    """One of two never listens: requests go to the other, and after five failures nobody tries any more."""
    folder = upstream.lay_out(tmp_path / "project", service)
    dead = upstream.unused_port()
    pool = f'{{url: "http://pool", endpoints: ["127.0.0.1:{service.port}", "127.0.0.1:{dead}"]}}'
    add_service(folder, pool)
    running = played(gateway(folder), service)
    since = running.lines_so_far
    for _ in range(20):
        heard, answer = running.exchange("GET /pool/x HTTP/1.1\r\nhost: bff\r\n\r\n", body=b"alive")
        assert (answer.status, answer.body) == (200, b"alive")
        assert heard.get("host") == "pool"
    assert running.log(event="endpoint ejected", since=since)["endpoint"] == f"127.0.0.1:{dead}"


def test_a_service_that_fails_is_left_alone_for_a_while(tmp_path: Path, service: Upstream) -> None:
    """Five bad answers and it hears nothing for a second, as from functions; then one request asks how it is."""
    folder = upstream.lay_out(tmp_path / "project", service)
    add_service(folder, f'{{url: "http://127.0.0.1:{service.port}"}}')
    get = "GET /pool/x HTTP/1.1\r\nhost: bff\r\n\r\n"
    with gateway_by_hand(folder, PassingByHand) as running:
        running.upstream = service
        for _ in range(5):
            assert running.exchange(get, status="503 No")[1].status == 503
        with running.wire() as caller:
            refused = caller.say(get).hear_answer()
        assert (refused.status, refused.json()["code"]) == (503, "no-healthy-endpoint")
        assert refused.headers["retry-after"] == "1"
        running.advance(1.1)
        assert running.exchange(get, body=b"back")[1].body == b"back"
        assert running.exchange(get, body=b"well")[1].body == b"well"


def test_conversations_leave_the_connections_to_requests(
    gateway: GatewayFactory, tmp_path: Path, service: Upstream
) -> None:
    """A service with one connection talks with two callers, answers a third, and refuses another conversation."""
    folder = upstream.lay_out(tmp_path / "project", service)
    limits = "max_connections: 1, max_pending: 0, max_websockets: 2, timeout: 60s"
    add_service(folder, f'{{url: "http://127.0.0.1:{service.port}", {limits}}}')
    running = played(gateway(folder), service)
    offer = OFFER.replace("/c/", "/pool/")
    with running.wire() as one, running.wire() as two, running.wire() as three:
        one.say(offer)
        with running.upstream.accept() as end:
            agree(end)
            assert one.hear_answer(head_only=True).status == 101
            two.say(offer)
            with running.upstream.accept() as other_end:
                agree(other_end)
                assert two.hear_answer(head_only=True).status == 101
                get = "GET /pool/x HTTP/1.1\r\nhost: bff\r\n\r\n"
                assert running.exchange(get, body=b"ok")[1].body == b"ok"
                refused = three.say(offer).hear_answer()
                assert (refused.status, refused.json()["code"]) == (503, "service-overloaded")
                end.say(frame(TEXT, b"still here", masked=False))
                assert hear_frame(one) == (TEXT, b"still here")


def add_service(folder: Path, section: str) -> None:
    """One more service, and a route to it below ``/pool``."""
    routes = folder / "routes.yaml"
    text = routes.read_text().replace("services:\n", f"services:\n  pool: {section}\n", 1)
    routes.write_text(text + '- {path: "/pool/{rest:path}", service: pool}\n')


def test_a_reload_leaves_alone_what_passes_through(fresh: Passing) -> None:
    """The service moves; a stream from its old address goes on to its end, and new requests go to the new one."""
    with fresh.wire() as caller:
        caller.say(f"{GET}\r\n")
        with fresh.upstream.accept() as end:
            end.hear_request()
            end.say(STREAM)
            caller.hear_until(b"abc\r\n")
            moved, since = Upstream(), fresh.lines_so_far
            routes = fresh.folder / "routes.yaml"
            save(routes, routes.read_text().replace(f":{fresh.upstream.port}", f":{moved.port}"))
            fresh.log("routes.yaml", since=since)
            with fresh.wire() as another:
                another.say(f"{GET}\r\n")
                with moved.accept() as fresh_end:
                    fresh_end.hear_request()
                    fresh_end.answer(b"new")
                    assert another.hear_answer().body == b"new"
            moved.close()
            end.say("0\r\n\r\n")
            assert caller.hear_until(b"0\r\n\r\n") == b"0\r\n\r\n"


def test_a_stream_may_go_on_for_longer_than_its_service_may_think(passing_by_hand: PassingByHand) -> None:
    """The service's timeout, 500 ms, is for the beginning of an answer."""
    with passing_by_hand.wire() as caller:
        caller.say(GET.replace("/c/", "/hurried/") + "\r\n")
        with passing_by_hand.upstream.accept() as end:
            end.hear_request()
            end.say(STREAM)
            caller.hear_until(b"abc\r\n")
            for _ in range(5):
                passing_by_hand.advance(0.28)  # its silence may last 300 ms
                end.say("1\r\nx\r\n")
                caller.hear_until(b"x\r\n")
            end.say("0\r\n\r\n")
            caller.hear_until(b"0\r\n\r\n")


def test_shutdown_waits_for_streams_and_ends_conversations(fresh: Passing) -> None:
    """A stream has the drain time; nobody could tell when a WebSocket would end."""
    with fresh.wire() as caller, fresh.wire() as talker:
        caller.say(f"{GET}\r\n")
        with fresh.upstream.accept() as end:
            end.hear_request()
            end.say(STREAM)
            caller.hear_until(b"abc\r\n")
            talker.say(OFFER)
            with fresh.upstream.accept() as other_end:
                agree(other_end)
                talker.hear_answer(head_only=True)
                talker.say(frame(TEXT, b"hi", masked=True))
                assert hear_frame(other_end) == (TEXT, b"hi")
                fresh.signal(signal.SIGTERM)
                assert gone(talker)
                assert gone(other_end)
            end.say("0\r\n\r\n")
            assert caller.hear_until(b"0\r\n\r\n") == b"0\r\n\r\n"
    assert fresh.wait() == 0


def test_stock_httpx_passes_the_same_bytes(
    gateway: GatewayFactory, tmp_path: Path, service: Upstream
) -> None:
    """``transport: httpx``: same path, same framing, streamed; only WebSocket it cannot."""
    folder = upstream.lay_out(tmp_path / "project", service)
    routes = folder / "routes.yaml"
    routes.write_text(
        routes.read_text().replace("timeout: 60s, stream", "timeout: 60s, transport: httpx, stream", 1)
    )
    running = played(gateway(folder), service)
    since = running.lines_so_far
    heard, answer = running.exchange(
        "GET /c/a%2Fb//c?x=%41& HTTP/1.1\r\nhost: bff\r\naccept-encoding: gzip\r\n\r\n",
        body=b"raw",
        fields="a: b\r\n",
    )
    assert heard.line == "GET /a%2Fb//c?x=%41& HTTP/1.1"
    assert heard.all("accept-encoding") == ["gzip"]
    assert (answer.body, answer.headers["a"]) == (b"raw", "b")
    (call,) = running.log(status=200, since=since)["services"]
    assert (call["attempts"], call["bytes"]) == (1, 3)
    assert call["endpoint"] == f"http://127.0.0.1:{service.port}"
    heard, answer = running.exchange(OFFER, body=b"plain")
    assert (heard.get("upgrade"), answer.status, answer.body) == (None, 200, b"plain")
    with running.wire() as caller:
        caller.say("POST /c/x HTTP/1.1\r\nhost: bff\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
        with service.accept() as end:
            assert end.hear_request().get("transfer-encoding") == "chunked"
            assert end.hear_bytes(8) == b"3\r\nabc\r\n"
            caller.say("0\r\n\r\n")
            end.hear_until(b"0\r\n\r\n")
            end.say(STREAM)
            caller.hear_until(b"abc\r\n")
            end.close()
            assert b"0\r\n\r\n" not in caller.hear_all()


@pytest.mark.anyio
async def test_stubs_stand_in_for_services_here_too(tmp_path: Path) -> None:
    """The testing kit knows what passes through: calls are seen, answers come as they were said."""
    (tmp_path / "functions").mkdir()
    (tmp_path / "routes.yaml").write_text(
        "services: {catalog: {url: 'http://catalog/api'}}\n"
        'routes: [{path: "/catalog/{rest:path}", service: catalog}]\n'
    )
    stubs = StubServices()
    stubs.catalog.put("/items/7").answers({"id": 7}, status=201)
    async with client(tmp_path, stubs=stubs) as page:
        answer = await page.put("/catalog/items/7?x=1", content=b"body", headers={"cookie": "a=b"})
        (record,) = page.invocations
    assert (answer.status_code, answer.json()) == (201, {"id": 7})
    (call,) = stubs.catalog.calls
    assert (call.content, call.params) == (b"body", {"x": "1"})
    assert "cookie" not in call.headers
    assert (record.route, record.function, record.status) == ("/catalog/{rest:path}", "", 201)
    assert [each.service for each in record.calls or ()] == ["catalog"]
