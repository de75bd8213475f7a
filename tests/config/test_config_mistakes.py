"""Mistakes: all of them at once, each at its exact place, each with what to write instead."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bff.config import ConfigInvalid, Mistake, load
from bff.config.mistake import dotted

if TYPE_CHECKING:
    from tests.config.conftest import Project

MANY = """\
gateway:
  max_body: 2mb
  trusted_proxies: [10.0.0.1/8, nope]
  cors: {origins: ["http://a/", "*", "http://b:80", "b", "http://B:8080"], credentials: yes}
servces: {}
services:
  users: {url: "ftp://x", timeout: 5, max_connections: 0}
  bad-name: {url: "http://u"}
  class: {}
  secret: {url: "http://u:p@x", headers: {"x y": z, Accept: "a\\nb"}}
functions:
  home: {timeot: 2s, env: {"A B": 1, C: [1], D: }, threads: 5000}
  hom: {}
  home: {}
routes:
  - {path: "/a/{x}", function: home, timeout: 2}
  - {path: "/a/{y}", function: hme, methods: [HEAD]}
  - {path: "/problems/{x}", function: my-page}
  - {path: "/b/{x:int}", function: home, forward_headers: [Cookie, connection, traceparent, "a b"]}
  - {path: "/b/{x", methods: [GET, get], functon: home, timeout: soon}
  - nonsense
"""
EXPECTED = """\
routes.yaml:2:13: gateway.max_body: '2mb' is not a size; write 512B, 64KB (1000 bytes each), 64KiB (1024 bytes each), 1MiB or 1GiB
routes.yaml:3:21: gateway.trusted_proxies[0]: '10.0.0.1/8' has bits set beyond its prefix; did you mean 10.0.0.0/8?
routes.yaml:3:33: gateway.trusted_proxies[1]: 'nope' is not a network; write an address or a range such as 10.0.0.0/8
routes.yaml:4:20: gateway.cors.origins[0]: an origin has no trailing slash; write http://a
routes.yaml:4:33: gateway.cors.origins[1]: an origin cannot be *; list each origin exactly, such as http://localhost:5173
routes.yaml:4:38: gateway.cors.origins[2]: browsers leave out the scheme's own port; write http://b
routes.yaml:4:53: gateway.cors.origins[3]: 'b' is not an origin; write scheme://host or scheme://host:port, such as http://localhost:5173
routes.yaml:4:89: gateway.cors.credentials: 'yes' is neither true nor false
routes.yaml:5:1: servces: unknown key; did you mean services?
routes.yaml:7:16: services.users.url: a service's URL begins with http:// or https://
routes.yaml:7:36: services.users.timeout: 5 needs a unit; write 5s or 5ms
routes.yaml:7:56: services.users.max_connections: 0 is too small; the least is 1
routes.yaml:8:3: services.bad-name: functions write ctx.services.NAME, so a service's name is a Python identifier: letters, digits and _, beginning with a letter, and not a word of Python
routes.yaml:9:3: services.class: functions write ctx.services.NAME, so a service's name is a Python identifier: letters, digits and _, beginning with a letter, and not a word of Python
routes.yaml:9:10: services.class.url: is missing
routes.yaml:10:17: services.secret.url: a URL holds no user or password; put credentials under headers
routes.yaml:10:43: services.secret.headers."x y": this name is not the name of a header (RFC 9110 §5.6.2)
routes.yaml:10:61: services.secret.headers.Accept: a header's value cannot hold a line break; a secret file may end in one newline only
routes.yaml:12:10: functions.home.timeot: unknown key; did you mean timeout?
routes.yaml:12:28: functions.home.env."A B": this name is not the name of a setting: letters, digits and _, not beginning with a digit
routes.yaml:12:41: functions.home.env.C: this is not text; put it in quotes
routes.yaml:12:46: functions.home.env.D: has no value; write one or remove the key
routes.yaml:12:61: functions.home.threads: 5000 is too large; the most is 1000
routes.yaml:13:3: functions.hom: there is no functions/hom.py; did you mean home?
routes.yaml:14:3: functions.home: stands twice; the first is on line 12
routes.yaml:16:47: routes[0].timeout: 2 needs a unit; write 2s or 2ms
routes.yaml:17:12: routes[1].path: HEAD /a/{y} is already routed on line 16; parameter names make no difference
routes.yaml:17:32: routes[1].function: there is no functions/hme.py; did you mean home?
routes.yaml:18:12: routes[2].path: no request gets here: the gateway itself answers /problems/{code}; choose another path
routes.yaml:18:39: routes[2].function: 'my-page' is not a function's name: lower-case letters, digits and _; name the file my_page.py
routes.yaml:19:12: routes[3].path: '/b/{x:int}' is not a usable path: write {x}: a parameter's type comes from the function's signature, not the path
routes.yaml:19:60: routes[3].forward_headers[0]: cookies travel one by one; name them under forward_cookies
routes.yaml:19:68: routes[3].forward_headers[1]: 'connection' belongs to a single connection or message and cannot travel on; remove it
routes.yaml:19:80: routes[3].forward_headers[2]: 'traceparent' is always sent, with the gateway's own value; remove it
routes.yaml:19:93: routes[3].forward_headers[3]: 'a b' is not the name of a header (RFC 9110 §5.6.2)
routes.yaml:20:5: routes[4].function: is missing; name the function that answers, or the service with `service:`
routes.yaml:20:12: routes[4].path: '/b/{x' is not a usable path: a brace is not closed or not opened; write {name}
routes.yaml:20:30: routes[4].methods: this lists the same thing twice: GET
routes.yaml:20:42: routes[4].functon: unknown key; did you mean function?
routes.yaml:20:66: routes[4].timeout: 'soon' is not a duration; write 300ms, 2s, 1m, 1h or 1m30s
routes.yaml:21:5: routes[5]: 'nonsense' is not a mapping; write its settings as key: value
"""


def test_all_mistakes_come_at_once_each_at_its_place_with_a_remedy(project: Project) -> None:
    assert project.lines(MANY) == EXPECTED.splitlines()


def test_the_error_prints_one_line_for_each_mistake(project: Project) -> None:
    project.add("routes.yaml", "a: 1\nb: 2\n")
    with pytest.raises(ConfigInvalid) as caught:
        load(project.path, environ={})
    assert str(caught.value).splitlines() == [str(m) for m in caught.value.mistakes]
    assert len(caught.value.mistakes) == 2


def test_a_mistake_is_json_for_machines(project: Project) -> None:
    (mistake,) = project.mistakes("gateway: {max_body: x}\n")
    document = json.loads(json.dumps(mistake.as_dict()))
    assert list(document) == ["file", "line", "column", "key", "message"]
    assert (document["line"], document["column"], document["key"]) == (1, 21, "gateway.max_body")


def test_a_mistake_about_a_whole_file_has_no_place() -> None:
    assert str(Mistake(file="routes.yaml", message="gone")) == "routes.yaml: gone"
    assert str(Mistake(file="f", line=1, column=2, message="m")) == "f:1:2: m"


def test_the_file_is_named_as_it_was_given(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.add("routes.yaml", "a: 1\n")
    monkeypatch.chdir(project.folder)
    with pytest.raises(ConfigInvalid, match=r"^routes\.yaml:1:1: a: unknown key"):
        load(Path("routes.yaml"))


def test_keys_are_written_the_way_people_write_them() -> None:
    assert dotted(("routes", 2, "timeout")) == "routes[2].timeout"
    assert dotted(("services", "a.b", "x y")) == 'services."a.b"."x y"'
    assert dotted(("env", "a\n")) == 'env."a\\n"'
    assert len(dotted(("x y" * 1000,))) < 100


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[]\n", "routes.yaml:1:1: the file is a mapping of sections: services, functions, routes and so on"),
        ("words\n", "routes.yaml:1:1: the file is a mapping of sections: services, functions, routes and so on"),
        ("services: []\n", "routes.yaml:1:11: services: this is not a mapping; write its settings as key: value"),
        ("services:\n  a:\n", "routes.yaml:2:3: services.a: has no value; write one or remove the key"),
        ("routes: {}\n", "routes.yaml:1:9: routes: this is not a list; write [a, b] or one '- item' per line"),
        ("gateway: 5\n", "routes.yaml:1:10: gateway: 5 is not a mapping; write its settings as key: value"),
        ("gateway: {max_body: }\n", "routes.yaml:1:11: gateway.max_body: has no value; write one or remove the key"),
        ("folder: 5\n", "routes.yaml:1:9: folder: 5 is not text; put it in quotes"),
        ("folder: nowhere\n", "routes.yaml:1:9: folder: there is no folder nowhere"),
        ("folder: routes.yaml\n", "routes.yaml: is a file; functions live in a folder"),
        ("telemetry: {log_level: inf}\n", "telemetry.log_level: 'inf' is not one of 'debug', 'info', 'warning' or 'error'"),
        ("telemetry: {metric: true}\n", "routes.yaml:1:13: telemetry.metric: unknown key; did you mean metrics?"),
        ("telemetry: {zzz: 1}\n", "telemetry.zzz: unknown key; known are access_log, metrics, log_level, log_sample, log_key, log_format, recorder, traces, server_timing, trace_headers"),
        ("gateway: {max-body: 1MB}\n", "routes.yaml:1:11: gateway.max-body: unknown key; did you mean max_body?"),
        ("gateway: {cors: {origin: x}}\n", "gateway.cors.origin: unknown key; did you mean origins?"),
        ("path: x\n", "routes.yaml:1:1: path: unknown key"),
        ("schema_: x\n", "routes.yaml:1:1: schema_: unknown key"),
        ("routes: [{path: /a, function: home, methods: []}]\n", "routes[0].methods: this lists no method"),
        ("routes: [{path: /a, function: home, methods: ['G T']}]\n", "routes[0].methods[0]: 'G T' is not an HTTP method"),
        ("routes: [{path: /a, function: home, methods: 'G T'}]\n", "routes[0].methods: 'G T' is not an HTTP method"),
        ("routes: [{path: /a, function: home, forward_cookies: ['a;b']}]\n", "'a;b' is not the name of a cookie"),
        ("routes: [{path: /a, function: new_page}]\n", "there is no functions/new_page.py; `bff new new_page` writes one"),
        ("routes: [{path: /a, function: Home.py}]\n", "'Home.py' is not a function's name: lower-case letters, digits and _; name the file home.py"),
        ("routes: [{path: /health/liveness, function: home}]\n", "the gateway itself answers /health/liveness"),
        ("routes: [{path: /problems/x, function: home}]\n", "the gateway itself answers /problems/{code}"),
        ("services: {a: {url: 'http://'}}\n", "a service's URL names a host"),
        ("services: {a: {url: 'http://a:0'}}\n", "a service's URL names a host"),
        ("services: {a: {url: 'http://a:99999'}}\n", "is not a URL"),
        ("services: {a: {url: 'http://[::1'}}\n", "is not a URL"),
        ("services: {a: {url: 'http://a b'}}\n", "a URL holds no spaces"),
        ("services: {a: {url: 'http://a/?x'}}\n", "no query and no fragment"),
        ("services: {a: {url: 'http://a#'}}\n", "no query and no fragment"),
        ("services: {a: {url: 'users.internal:80'}}\n", "begins with http:// or https://"),
        ("services: {_a: {url: 'http://a'}}\n", "a service's name is a Python identifier"),
        ("services: {a: {url: 'http://a', headers: {Content-Length: '1'}}}\n", "this name belongs to a single connection"),
        ("services: {a: {url: 'http://a', headers: {A: x, a: y}}}\n", "this names the same header twice"),
        ("services: {a: {url: 'http://a', headers: {A: ' x'}}}\n", "visible ASCII, without spaces at its ends"),
        ("services: {a: {url: 'http://a', headers: {A: ü}}}\n", "visible ASCII"),
        ("gateway: {cors: {origins: ['http://a/b']}}\n", "'http://a/b' is not an origin"),
        ("gateway: {cors: {origins: ['null'], credentials: true}}\n", "has the origin null and credentials"),
        ("gateway: {cors: {origins: ['https://*']}}\n", "a pattern has one *"),
        ("gateway: {cors: {origins: ['https://*.com']}}\n", "a pattern has one *"),
        ("gateway: {cors: {origins: ['https://*example.com']}}\n", "a pattern has one *"),
        ("gateway: {cors: {origins: ['https://a.*.example.com']}}\n", "a pattern has one *"),
        ("gateway: {cors: {origins: ['https://*.*.example.com']}}\n", "a pattern has one *"),
        ("gateway: {cors: {origins: ['http://*.example.com']}}\n", "a pattern over plain http"),
        ("gateway: {cors: {origins: ['https://*.example.com:*']}}\n", "is not an origin"),
        ("gateway: {cors: {origins: ['*://a.example.com']}}\n", "is not an origin"),
        ("gateway: {cors: {origins: ['https://u@a.example.com']}}\n", "is not an origin"),
        ("defaults: {security_headers: {frame_ancestors: \"'none'\"}}\n", "is no list of sources; write none, self"),
        ("defaults: {security_headers: {frame_ancestors: none self}}\n", "has none beside others"),
        ("defaults: {security_headers: {referrer_policy: never}}\n", "one of the standard's referrer policies"),
        ("defaults: {security_headers: {permissions_policy: \"a\\nb: c\"}}\n", "plain ASCII on one line"),
        ("limits: {policies: {a: {requests: 0}}}\n", "0 is too small; the least is 1"),
        ("limits: {policies: {a: {requests: 1, window: 500ms}}}\n", "has a window under a second"),
        ("limits: {policies: {a: {requests: 1, per: ip}}}\n", "is not one of 'route', 'caller' or 'address'"),
        ("limits: {policies: {none: {requests: 1}}}\n", "and not none"),
        ("limits: {store: memcached}\n", "is neither memory nor an address redis://HOST"),
        ("limits: {policies: {api: {requests: 1}}}\ndefaults: {limits: apy}\n", "no limit apy is declared under limits.policies; did you mean api?"),
        ("routes: [{path: /a, function: home, limits: [x]}]\n", "no limit x is declared under limits.policies"),
        ("defaults: {compression: {codings: [deflate]}}\n", "is not one of 'zstd', 'br' or 'gzip'"),
        ("defaults: {compression: {codings: []}}\n", "has no coding; name one, or write false"),
        ("defaults: {csrf: {origin: x}}\n", "unknown key; did you mean origins?"),
        ("gateway: {cors: {origins: ['http://ü']}}\n", "in its ASCII form"),
        ("gateway: {cors: {origins: ['http://a:70000']}}\n", "between 1 and 65535"),
        ("gateway: {cors: {origins: ['http://a:1', 'HTTP://A:1']}}\n", "this lists the same thing twice: http://a:1"),
        ("gateway: {trusted_proxies: [5]}\n", "gateway.trusted_proxies[0]: 5 is not a network"),
    ],
)  # fmt: skip
def test_a_mistake_says_what_to_write(refuse: Callable[[str], str], text: str, expected: str) -> None:
    assert expected in refuse(text)


@pytest.mark.parametrize(
    ("first", "second", "conflict"),
    [
        ("path: /a", "path: /a", "GET and HEAD /a"),
        ("path: '/a/{x}'", "path: '/a/{y}', methods: [POST, GET]", "GET and HEAD /a/{y}"),
        ("path: /a", "path: /a, methods: HEAD", "HEAD /a"),
        ("path: '/{x:path}'", "path: '/{y:path}'", "GET and HEAD /{y:path}"),
        ("path: /a", "path: /a, methods: POST", None),
        ("path: /a", "path: /a/", None),
        ("path: '/a/{x}'", "path: /a/b", None),
        ("path: '/a/{x}'", "path: '/a/{x:path}'", None),
        ("path: /health/x", "path: '/health/{x}'", None),
        ("path: '/problems/{x:path}'", "path: '/problems/'", None),
    ],
)
def test_routes_conflict_when_no_request_could_tell_them_apart(
    project: Project, first: str, second: str, conflict: str | None
) -> None:
    text = f"routes:\n  - {{{first}, function: home}}\n  - {{{second}, function: files}}\n"
    if conflict is None:
        assert len(project.load(text).routes) == 2
    else:
        message = f"{conflict} is already routed on line 2; parameter names make no difference"
        (line,) = project.lines(text)
        assert line == f"routes.yaml:3:12: routes[1].path: {message}"


def test_a_missing_file_says_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="there is no such file; `bff init` writes one"):
        load(tmp_path / "routes.yaml")


def test_what_is_not_a_file_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="this is a folder; name the routes"):
        load(tmp_path)
    with pytest.raises(ConfigInvalid, match="this is not a regular file"):
        load(Path("/dev/zero"))
    with pytest.raises(ConfigInvalid, match="the file cannot be read"):
        load(tmp_path / ("x" * 300))


def test_a_syntax_error_keeps_the_mistakes_before_it(project: Project) -> None:
    lines = project.lines("a: 1\na: 2\nb: [\n")
    assert lines[0] == "routes.yaml:2:1: a: stands twice; the first is on line 1"
    assert lines[1] == "routes.yaml:4:1: a value is missing here, or a '[' or '{' above is not closed"


def test_ten_thousand_unknown_functions_are_told_without_comparing_them_all(project: Project) -> None:
    routes = "".join(f"  - {{path: /a{n}, function: hme{n}}}\n" for n in range(3000))
    mistakes = project.mistakes("routes:\n" + routes)
    assert len(mistakes) == 3000
    assert "did you mean home?" in mistakes[0].message


JSONISH = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(
    [
        "gateway",
        "telemetry",
        "defaults",
        "services",
        "functions",
        "routes",
        "folder",
        "cors",
        "url",
        "path",
        "env",
        "home",
    ]
)
DOCUMENTS = st.recursive(
    JSONISH,
    lambda inner: st.dictionaries(KEYS, inner, max_size=4) | st.lists(inner, max_size=2),
    max_leaves=12,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(st.dictionaries(KEYS, DOCUMENTS, max_size=5))
def test_any_document_loads_or_is_refused_with_places(project: Project, document: dict[str, object]) -> None:
    """Nothing a user can write makes the loader fail in any other way."""
    project.add("routes.yaml", json.dumps(document))
    try:
        load(project.path, environ={})
    except ConfigInvalid as error:
        for mistake in error.mistakes:
            assert mistake.message
            assert mistake.line >= 1 or mistake.file != str(project.path)


SERVICES = 'services: {catalog: {url: "http://c"}}\n'


@pytest.mark.parametrize(
    ("route", "mistake"),
    [
        (
            "{path: /a, function: home, service: catalog}",
            "3:32: routes[0].service: a route has a function or a service, not both; remove one of the two",
        ),
        (
            "{path: /a}",
            "3:5: routes[0].function: is missing; name the function that answers, or the service with `service:`",
        ),
        (
            "{path: /a, service: catlog}",
            "3:25: routes[0].service: no service catlog is declared; did you mean catalog?",
        ),
        (
            "{path: /a, service: other_one}",
            "3:25: routes[0].service: no service other_one is declared; add it under services",
        ),
        (
            "{path: /a, service: catalog, forward_headers: [accept]}",
            "3:34: routes[0].forward_headers: a service's route hands on every header; remove it"
            " (cookies go by forward_cookies)",
        ),
        (
            "{path: /a, service: catalog, errors: true}",
            "3:34: routes[0].errors: what passes through has no parts; remove it, or let a function answer",
        ),
        (
            "{path: /a, function: home, rewrite: /b}",
            "3:32: routes[0].rewrite: a function reads its path itself; only a service's route can be rewritten",
        ),
        (
            '{path: "/a/{rest:path}", service: catalog, rewrite: "/b/{rast}"}',
            "3:57: routes[0].rewrite: the path has no parameter {rast}; did you mean rest?",
        ),
        (
            '{path: "/a/{rest:path}", service: catalog, rewrite: "/b/?q={rest}"}',
            "3:57: routes[0].rewrite: '/b/?q={rest}' is not a usable path: a rewritten path cannot hold '?';"
            " the caller's query is kept as it is",
        ),
    ],
)
def test_a_route_has_a_function_or_a_service(project: Project, route: str, mistake: str) -> None:
    """Never both, never neither; the keys of the one mean nothing to the other."""
    assert project.lines(f"{SERVICES}routes:\n  - {route}\n") == [f"routes.yaml:{mistake}"]


def test_a_services_route_answers_every_method_unless_told(project: Project) -> None:
    text = SERVICES + 'routes:\n- {path: "/{rest:path}", service: catalog}\n'
    (route,) = project.load(text).routes
    assert {"GET", "DELETE", "PROPFIND", "M-SEARCH", "QUERY"} <= set(route.methods)
    assert "CONNECT" not in route.methods
    text = SERVICES + 'routes:\n- {path: "/{rest:path}", service: catalog, methods: [GET]}\n'
    assert project.load(text).routes[0].methods == ("GET",)


def test_a_services_route_takes_no_longer_than_the_service_may(project: Project) -> None:
    text = "services: {catalog: {url: 'http://c', timeout: 2s}}\nroutes:\n- {path: /a, service: catalog"
    for timeout, seconds in [("", 2.0), (", timeout: 1s", 1.0), (", timeout: 9s", 2.0)]:
        config = project.load(f"{text}{timeout}}}\n")
        assert config.timeout_of(config.routes[0]) == seconds


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("functions: {home: {scale: {mn: 1}}}\n", "unknown key; did you mean min?"),
        ("defaults: {scale: {maxx: 1}}\n", "unknown key; did you mean max?"),
        ("gateway: {cors: {origin: a}}\n", "unknown key; did you mean origins?"),
        ("services: {a: {url: 'http://a', timout: 1s}}\n", "unknown key; did you mean timeout?"),
        ("auth: {users: {jwt: {isuer: i}}}\n", "unknown key; did you mean issuer?"),
        ("openapi: {titel: a}\n", "unknown key; did you mean title?"),
    ],
)
def test_an_unknown_key_is_told_however_deep_it_stands(project: Project, text: str, said: str) -> None:
    """The models themselves are asked what may stand there."""
    assert any(said in line for line in project.lines(text))
