"""Which fields travel: the caller's to the service, the service's to the caller, and what we say of ourselves."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.conftest import GatewayFactory
from tests.gateway import upstream
from tests.gateway.upstream import Passing

GET = "GET /c/x HTTP/1.1\r\nhost: shop.example:8080\r\n"


@pytest.fixture(scope="module")
def behind_a_proxy(
    module_gateway: GatewayFactory, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Passing]:
    """The same gateway, which believes the peer that its requests come from."""
    service = upstream.Upstream()
    folder = upstream.lay_out(tmp_path_factory.mktemp("project") / "trusting", service, trusted="127.0.0.0/8")
    running = module_gateway(folder, "serve")
    running.__class__ = Passing
    running.upstream = service
    yield running
    service.close()


def test_end_to_end_fields_travel_as_they_are(passing: Passing) -> None:
    """Order, repeats, empty values and bytes beyond ASCII are the caller's business."""
    sent = [
        *(("accept", "text/html, */*;q=0.1"), ("x-a", "1"), ("x-a", "2"), ("x-empty", "")),
        *(
            ("authorization", "Bearer t0ken"),
            ("x-latin", "caf\xe9"),
            ("range", "bytes=0-1"),
            ("if-match", '"x"'),
        ),
        *(("x-tabs", "a\tb"), ("baggage", "a=b"), ("user-agent", "curl")),
    ]
    fields = "".join(f"{name}: {value}\r\n" for name, value in sent)
    heard, _ = passing.exchange(f"{GET}{fields}\r\n".encode("latin-1"))
    assert [pair for pair in heard.fields if pair[0] in dict(sent)] == sent
    assert heard.get("host") == f"127.0.0.1:{passing.upstream.port}"


def test_what_belongs_to_one_connection_stays_there(passing: Passing) -> None:
    """RFC 9110 §7.6.1: the known hop-by-hop fields, those that Connection names, and all for proxies."""
    gone = {
        "connection": "keep-alive, X-Private , x-other",
        "keep-alive": "timeout=5",
        "te": "trailers",
        "x-private": "1",
        "x-other": "2",
        "proxy-authorization": "Basic x",
        "proxy-connection": "keep-alive",
        "proxy-anything": "3",
        "upgrade": "h2c",
        "http2-settings": "AAMAAABkAAQAAP__",
    }
    fields = "".join(f"{name}: {value}\r\n" for name, value in gone.items())
    heard, answer = passing.exchange(
        f"{GET}{fields}x-kept: 4\r\n\r\n",
        fields="keep-alive: timeout=9\r\nproxy-authenticate: Basic\r\nupgrade: h2c\r\nx-kept: 5\r\n",
    )
    assert not {name for name, _ in heard.fields} & set(gone)
    assert heard.get("x-kept") == "4"
    assert answer.headers["x-kept"] == "5"
    assert not answer.headers.keys() & {"keep-alive", "proxy-authenticate", "upgrade", "connection"}


def test_what_an_answer_nominates_stays_too(passing: Passing) -> None:
    with passing.wire() as caller:
        caller.say(f"{GET}\r\n")
        with passing.upstream.accept() as service:
            service.hear_request()
            service.say(
                "HTTP/1.1 200 OK\r\nConnection: close, X-Secret\r\nX-Secret: 1\r\ncontent-length: 0\r\n\r\n"
            )
            assert "x-secret" not in caller.hear_answer().headers


def test_connection_cannot_take_our_own_fields_away(passing: Passing) -> None:
    """A caller who nominates them wants the service to trust an anonymous request."""
    names = "forwarded, x-forwarded-for, via, x-request-id, traceparent, host"
    heard, _ = passing.exchange(f"{GET}connection: {names}\r\n\r\n")
    assert {name for name, _ in heard.fields} >= set(names.split(", "))


def test_the_service_hears_who_asks_and_by_which_way(passing: Passing) -> None:
    """RFC 7239, RFC 9110 §7.6.3, and what everybody used before; what the caller claims of it does not travel."""
    claims = "".join(
        f"{name}: {value}\r\n"
        for name, value in [
            *(("forwarded", "for=6.6.6.6"), ("x-forwarded-for", "6.6.6.6"), ("x-forwarded-proto", "https")),
            *(("x-forwarded-host", "evil"), ("x-forwarded-port", "1"), ("x-real-ip", "6.6.6.6")),
            *(("via", "1.0 fred"), ("x-request-id", "mine"), ("x-forwarded-anything", "6")),
        ]
    )
    heard, answer = passing.exchange(f"{GET}{claims}\r\n")
    assert heard.get("forwarded") == 'for=127.0.0.1;proto=http;host="shop.example:8080"'
    assert heard.get("x-forwarded-for") == "127.0.0.1"
    assert heard.get("x-forwarded-proto") == "http"
    assert heard.get("x-forwarded-host") == "shop.example:8080"
    assert heard.get("via") == "1.0 fred, 1.1 bff"
    assert heard.get("x-request-id") == "mine" == answer.headers["x-request-id"]
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[0-3]", heard.get("traceparent") or "")
    assert "6.6.6.6" not in str(heard.fields)
    assert not heard.all("x-forwarded-port") + heard.all("x-real-ip") + heard.all("x-forwarded-anything")


def test_a_trusted_proxy_is_believed_about_who_came_before_it(behind_a_proxy: Passing) -> None:
    """The caller it vouches for comes first, then the proxy itself; what the caller claimed before that is gone."""
    told = "x-forwarded-for: 6.6.6.6, 2001:db8::7\r\nx-forwarded-proto: https\r\nx-forwarded-host: www.example\r\n"
    heard, _ = behind_a_proxy.exchange(f"{GET}{told}\r\n")
    assert heard.get("forwarded") == 'for="[2001:db8::7]", for=127.0.0.1;proto=https;host=www.example'
    assert heard.get("x-forwarded-for") == "2001:db8::7, 127.0.0.1"
    assert heard.get("x-forwarded-proto") == "https"
    assert heard.get("x-forwarded-host") == "www.example"


def test_cookies_travel_by_allow_list_only(passing: Passing) -> None:
    """And as they came: not even their quotes are touched."""
    cookies = 'cookie: session=s3cret; theme="dark; a=b"; x\r\ncookie: theme=light;theme2=no\r\n'
    heard, _ = passing.exchange(f"{GET}{cookies}\r\n")
    assert heard.get("cookie") is None
    heard, _ = passing.exchange(f"GET /b/x HTTP/1.1\r\nhost: bff\r\n{cookies}\r\n")
    assert heard.get("cookie") == 'theme="dark; theme=light'


def test_a_services_own_headers_win(passing: Passing) -> None:
    """Credentials of routes.yaml replace what the caller sends in their name."""
    heard, _ = passing.exchange("GET /b/x HTTP/1.1\r\nhost: bff\r\nX-Key: guess\r\n\r\n")
    assert heard.all("x-key") == ["s3cret"]


def test_trace_does_not_show_a_services_credentials(passing: Passing) -> None:
    """Its answer repeats the request (RFC 9110 §9.3.8): it is let pass only where there is nothing of ours in it."""
    with passing.wire() as caller:
        answer = caller.say("TRACE /b/x HTTP/1.1\r\nhost: bff\r\n\r\n").hear_answer()
    assert answer.status == 405
    assert {"GET", "PROPFIND"} <= set(answer.headers["allow"].split(", "))
    assert "TRACE" not in answer.headers["allow"]
    assert passing.exchange("TRACE /c/x HTTP/1.1\r\nhost: bff\r\n\r\n")[1].status == 200


def test_who_counts_hops_hears_from_the_last_one(passing: Passing) -> None:
    """RFC 9110 §7.6.2: a step less for the service, and none beyond us. Other methods are not counted."""
    for method, told in (("OPTIONS", "2"), ("TRACE", "2"), ("GET", "3")):
        heard, _ = passing.exchange(f"{method} /c/x HTTP/1.1\r\nhost: bff\r\nmax-forwards: 3\r\n\r\n")
        assert heard.get("max-forwards") == told
    for method, status in (("OPTIONS", 204), ("TRACE", 405)):
        with passing.wire() as caller:
            answer = caller.say(
                f"{method} /c/x HTTP/1.1\r\nhost: bff\r\nmax-forwards: 0\r\n\r\n"
            ).hear_answer()
        assert answer.status == status
        assert "GET" in answer.headers["allow"]
    heard, _ = passing.exchange("OPTIONS /c/x HTTP/1.1\r\nhost: bff\r\nmax-forwards: many\r\n\r\n")
    assert heard.get("max-forwards") == "many"


def test_an_absolute_target_names_the_host(passing: Passing) -> None:
    """RFC 9112 §3.2.2."""
    heard, _ = passing.exchange("GET http://shop.example/c/x HTTP/1.1\r\nhost: other\r\n\r\n")
    assert heard.get("x-forwarded-host") == "shop.example"


def test_trailers_of_an_answer_are_let_fall(passing: Passing) -> None:
    """RFC 9110 §6.5.1: with the field that announces them; the next answer comes next."""
    with passing.wire() as caller:
        caller.say(f"{GET}\r\n")
        with passing.upstream.accept() as service:
            service.hear_request()
            service.say(
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n2\r\nok\r\n0\r\nx-sum: 9\r\n\r\n"
            )
            said = caller.hear_until(b"\r\n\r\n") + caller.hear_until(b"0\r\n\r\n")
        assert said.endswith(b"\r\n\r\n2\r\nok\r\n0\r\n\r\n")
        assert b"x-sum" not in said
        assert caller.say("GET /hello HTTP/1.1\r\nhost: bff\r\n\r\n").hear_answer().status == 200


def test_an_empty_body_is_announced_as_such(passing: Passing) -> None:
    """A POST without content has a length of 0 (RFC 9110 §8.6), and needs nobody to wait for more."""
    heard, answer = passing.exchange("POST /c/x HTTP/1.1\r\nhost: bff\r\ncontent-length: 0\r\n\r\n")
    assert (heard.get("content-length"), answer.status) == ("0", 200)


def test_an_answer_keeps_its_own_fields(passing: Passing) -> None:
    """Date, validators, and whatever else the service says of its answer."""
    said = (
        'Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nSet-Cookie: a=1; Path=/\r\nSet-Cookie: b=2\r\nETag: "x"\r\n'
        "Server: catalog\r\nVary: accept\r\nX-Latin: caf\xe9\r\nVia: 1.1 inner\r\nX-Request-Id: theirs\r\n"
    )
    _, answer = passing.exchange(f"{GET}\r\n", body=b"{}", status="201 Made", fields=said)
    assert answer.status == 201
    assert "set-cookie" not in answer.headers, "no cookie is set that the route does not name"
    assert [value for name, value in answer.fields if name == "date"] == ["Sun, 06 Nov 1994 08:49:37 GMT"]
    assert answer.headers["etag"] == '"x"'
    assert answer.headers["server"] == "catalog"
    assert answer.headers["x-latin"] == "caf\xe9"
    assert answer.headers["via"] == "1.1 inner, 1.1 bff"
    assert answer.headers["x-request-id"] != "theirs"
    assert not answer.headers.keys() & {"bff-revision", "bff-complete"}


def test_an_answer_without_a_date_gets_ours(passing: Passing) -> None:
    assert passing.exchange(f"{GET}\r\n")[1].headers["date"].endswith(" GMT")


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_an_answer_without_content_has_no_body(passing: Passing, status: str) -> None:
    """Whatever length it claims (a 304's is that of the answer it stands for): the next answer comes next."""
    with passing.wire() as caller:
        caller.say(f"{GET}\r\n")
        with passing.upstream.accept() as service:
            service.hear_request()
            service.say(f"HTTP/1.1 {status}\r\ncontent-length: 7\r\netag: x\r\n\r\n")
            answer = caller.hear_answer(head_only=True)
        assert answer.headers["etag"] == "x"
        assert caller.say("GET /hello HTTP/1.1\r\nhost: bff\r\n\r\n").hear_answer().json() == {
            "hello": "world"
        }


def test_head_is_answered_with_a_head(passing: Passing) -> None:
    """Its length is that of the body which does not come."""
    with passing.wire() as caller:
        caller.say("HEAD /c/x HTTP/1.1\r\nhost: bff\r\n\r\n")
        with passing.upstream.accept() as service:
            assert service.hear_request().line == "HEAD /x HTTP/1.1"
            service.say("HTTP/1.1 200 OK\r\ncontent-length: 12345\r\n\r\n")
            answer = caller.hear_answer(head_only=True)
        assert answer.headers["content-length"] == "12345"
        assert caller.say("GET /hello HTTP/1.1\r\nhost: bff\r\n\r\n").hear_answer().json() == {
            "hello": "world"
        }


def test_early_hints_go_on_to_the_caller(passing: Passing) -> None:
    """RFC 9110 §15.2: a proxy forwards interim answers; hop-by-hop fields stay here in those too."""
    with passing.wire() as caller:
        caller.say(f"{GET}\r\n")
        with passing.upstream.accept() as service:
            service.hear_request()
            service.say("HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\nkeep-alive: x\r\n\r\n")
            hints = caller.hear_answer(head_only=True)
            assert (hints.status, hints.headers["link"]) == (103, "</a.css>; rel=preload")
            assert "keep-alive" not in hints.headers
            service.say("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            assert caller.hear_answer(head_only=True).status == 102
            assert caller.hear_answer().body == b"ok"


def test_a_caller_of_http_1_0_hears_no_interim_answers(passing: Passing) -> None:
    """It would take the first head for the answer."""
    with passing.wire() as caller:
        caller.say("GET /c/x HTTP/1.0\r\n\r\n")
        with passing.upstream.accept() as service:
            assert service.hear_request().get("via") == "1.0 bff"
            service.say("HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n")
            service.answer(b"ok")
            said = caller.hear_all()
    assert said.startswith(b"HTTP/1.1 200 ")
    assert said.endswith(b"\r\n\r\nok")


RULED = (
    "GET /ruled/x HTTP/1.1\r\nhost: bff\r\nAccept: text/html\r\nX-A: caller\r\nX-B: 1\r\nX-Secret: 1\r\nX-Own: forged\r\n"
    "X-Set: caller\r\nAccept-Language: nl\r\nCookie: theme=dark; session=1\r\nContent-Type: text/plain\r\n\r\n"
)


def test_rules_say_what_reaches_a_service(passing: Passing) -> None:
    """The route's allow-list and changes, then the service's; who asks is told all the same, and the body's type."""
    heard, _ = passing.exchange(RULED)
    assert [value for name, value in heard.fields if name == "x-a"] == ["caller", "route"]
    assert (heard.get("x-set"), heard.get("x-own")) == ("service", "s3cret")
    assert (heard.get("accept"), heard.get("content-type")) == ("text/html", "text/plain")
    assert heard.get("cookie") == "theme=dark"
    for name in ("x-b", "x-secret", "accept-language"):
        assert heard.get(name) is None, name
    for name in ("x-forwarded-for", "forwarded", "traceparent", "x-request-id", "via"):
        assert heard.get(name), name


def test_rules_say_what_reaches_the_caller(passing: Passing) -> None:
    """The service's, then the route's; a cookie only by its name, whatever is allowed, and what makes the body readable
    without being named."""
    said = (
        'ETag: "x"\r\nServer: catalog 1.2\r\nX-A: 1\r\nX-Internal: 10.0.0.1\r\nX-Other: 1\r\n'
        "Content-Type: text/plain\r\nSet-Cookie: theme=light; Path=/\r\nSet-Cookie: session=2\r\n"
    )
    _, answer = passing.exchange(RULED, body=b"text", fields=said)
    assert (answer.status, answer.body) == (200, b"text")
    assert (answer.headers["etag"], answer.headers["x-a"], answer.headers["x-frame"]) == ('"x"', "1", "deny")
    assert answer.headers["content-type"] == "text/plain"
    assert [value for name, value in answer.fields if name == "set-cookie"] == ["theme=light; Path=/"]
    assert not answer.headers.keys() & {"x-internal", "x-other", "server"}
    assert answer.headers["via"] == "1.1 bff"
