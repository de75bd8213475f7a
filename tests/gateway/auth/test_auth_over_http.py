"""Who is let in at the gateway's door: a real issuer, a real gateway, real requests."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import GatewayFactory, Running, eventually, save
from tests.gateway.auth.conftest import ISSUER, Issuer
from tests.gateway.auth.test_guard import digest

ME = """
from bff import Context
async def handle(ctx: Context) -> dict[str, object]:
    who = ctx.caller
    return {"who": who.identity, "scopes": sorted(who.scopes), "roles": sorted(who.roles), "claims": who.claims}
"""
ROUTES = """
gateway: {{trusted_proxies: [127.0.0.1]}}
auth:
  users: {{jwt: {{issuer: "{issuer}", audience: shop, jwks: "{jwks}", cool_down: 100ms}}}}
  partners: {{api_keys: {{keys: {{acme: {{digest: "{digest}", scopes: [read]}}}}}}}}
  mesh: {{certificate: {{}}}}
functions: {{apart: {{isolation: process}}}}
defaults: {{auth: [users, partners], timeout: 60s, warm_up_timeout: 60s}}
routes:
- {{path: /me, methods: [GET, POST], function: me}}
- {{path: /apart, function: apart}}
- {{path: /open, function: me, auth: none}}
- {{path: /mesh, function: me, auth: mesh}}
- {{path: /either, function: me, auth: {{any: users, optional: true}}}}
- {{path: /pay, function: me, auth: {{any: [users, partners], scopes: pay}}}}
"""

Project = Callable[[Mapping[str, str | bytes]], Path]


class Published:
    """An issuer's key set over HTTP."""

    def __init__(self, issuer: Issuer) -> None:
        self.issuer = issuer
        self.status = 200
        self.asked = 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked += 1
                body = outer.issuer.document
                self.send_response(outer.status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/jwks"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def published(issuer: Issuer) -> Iterator[Published]:
    published = Published(issuer)
    yield published
    published.close()


@pytest.fixture(scope="module")
def settled(module_gateway: GatewayFactory, module_project: Project) -> Iterator[tuple[Running, Published]]:
    """A gateway and its issuer, for tests that leave both as they are."""
    published = Published(Issuer())
    routes = ROUTES.format(issuer=ISSUER, jwks=published.url, digest=digest(b"secret-key"))
    files = {"routes.yaml": routes, "functions/me.py": ME, "functions/apart.py": ME}
    yield module_gateway(module_project(files), "serve"), published
    published.close()


@pytest.fixture
def served(published: Published, write_project: Project, gateway: GatewayFactory) -> Running:
    routes = ROUTES.format(issuer=ISSUER, jwks=published.url, digest=digest(b"secret-key"))
    return gateway(
        write_project({"routes.yaml": routes, "functions/me.py": ME, "functions/apart.py": ME}), "serve"
    )


def good(**more: Any) -> dict[str, Any]:
    now = int(time.time())
    return {"iss": ISSUER, "aud": "shop", "sub": "u7", "iat": now, "exp": now + 3600, **more}


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def test_a_caller_with_a_token_is_known_to_the_function(served: Running, published: Published) -> None:
    """In the gateway and in a process of its own; a thousand requests ask the issuer once."""
    token = published.issuer.sign(good(scope="read", roles=["editor"]))
    for path in ("/me", "/apart"):
        answer = served.get(path, headers=bearer(token))
        assert answer.status_code == 200
        told = answer.json()
        assert (told["who"], told["scopes"], told["roles"]) == ("users:u7", ["read"], ["editor"])
        assert told["claims"]["iss"] == ISSUER
    assert all(served.get("/me", headers=bearer(token)).status_code == 200 for _ in range(100))
    assert published.asked == 1


def test_without_a_credential_the_function_never_hears_of_it(served: Running) -> None:
    answer = served.get("/me")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="bff"')
    assert answer.json()["code"] == "unauthenticated"
    assert answer.headers["cache-control"] == "no-store"
    assert "bff-revision" not in answer.headers
    assert served.log(route="/me", status=401)["fault"] == "caller"
    assert not served.logs("warmed up")


def test_a_body_is_not_read_of_a_caller_who_is_not_let_in(settled: tuple[Running, Published]) -> None:
    """Nor asked for: 100 Continue would make it come."""
    served, _ = settled
    with served.wire() as wire:
        wire.say("POST /me HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1000000\r\n\r\n")
        assert wire.hear_until(b"\r\n\r\n").startswith(b"HTTP/1.1 401 ")


def test_every_way_in_is_tried(settled: tuple[Running, Published]) -> None:
    served, _ = settled
    assert served.get("/me", headers={"x-api-key": "secret-key"}).json()["who"] == "partners:acme"
    both = {"x-api-key": "secret-key", **bearer("nonsense")}
    assert served.get("/me", headers=both).json()["who"] == "partners:acme"
    assert served.get("/me", headers={"x-api-key": "other"}).status_code == 401
    assert served.get("/open").json()["who"] == ""
    assert served.get("/either").json()["who"] == ""
    assert served.get("/either", headers=bearer("nonsense")).status_code == 401


def test_a_proxy_s_word_counts_for_its_certificates(settled: tuple[Running, Published]) -> None:
    served, _ = settled
    assert served.get("/mesh").status_code == 401
    told = served.get("/mesh", headers={"x-forwarded-client-cert": "Hash=1;URI=spiffe://shop"})
    assert told.json()["who"] == "mesh:spiffe://shop"


def test_a_missing_scope_is_403(settled: tuple[Running, Published]) -> None:
    served, published = settled
    token = published.issuer.sign(good(scope="read"))
    answer = served.get("/pay", headers=bearer(token))
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert 'scope="pay"' in answer.headers["www-authenticate"]
    assert served.get("/pay", headers=bearer(published.issuer.sign(good(scope="pay")))).status_code == 200


def test_an_issuer_that_was_never_up_is_503_and_recovers(served: Running, published: Published) -> None:
    published.status = 500
    token = published.issuer.sign(good())
    answer = served.get("/me", headers=bearer(token))
    assert (answer.status_code, answer.json()["code"]) == (503, "keys-unavailable")
    assert answer.headers["retry-after"]
    published.status = 200
    eventually(lambda: served.get("/me", headers=bearer(token)).status_code == 200)


def test_an_issuer_that_goes_down_stops_nobody_who_is_known(
    served: Running, published: Published, made_keys: Mapping[str, Any]
) -> None:
    token = published.issuer.sign(good())
    assert served.get("/me", headers=bearer(token)).status_code == 200
    published.status = 500
    assert served.get("/me", headers=bearer(published.issuer.sign(good(sub="u8")))).status_code == 200
    published.issuer.add("other", made_keys["other"])
    unknown = bearer(published.issuer.sign(good(), kid="other"))
    assert served.get("/me", headers=unknown).status_code == 401
    published.status = 200
    eventually(lambda: served.get("/me", headers=unknown).status_code == 200)


def test_no_part_of_a_credential_is_ever_written_down(settled: tuple[Running, Published]) -> None:
    served, published = settled
    secret = published.issuer.sign(good(sub="somebody")) + "x"
    answers = [
        served.get("/me", headers=bearer(secret)),
        served.get("/me", headers={"x-api-key": "hush-hush"}),
        served.get("/me", headers=bearer("hush-hush")),
    ]
    for answer in answers:
        assert answer.status_code == 401
        assert "hush" not in answer.text + str(answer.headers)
        assert secret[-40:] not in answer.text + str(answer.headers)
    assert "hush" not in served.output
    assert secret[-40:] not in served.output


def test_a_preflight_needs_no_credential(settled: tuple[Running, Published]) -> None:
    """Fetch §4.8: browsers send none along."""
    served, _ = settled
    answer = httpx.options(f"{served.public}/me", trust_env=False, timeout=60)
    assert answer.status_code == 204


def test_demands_are_live_configuration(served: Running) -> None:
    routes = served.folder / "routes.yaml"
    save(routes, routes.read_text().replace("auth: none", "auth: users"))
    eventually(lambda: served.get("/open").status_code == 401)
    save(routes, routes.read_text().replace("auth: mesh}", "auth: nobody}"))
    rejected = served.log("routes.yaml", level="error")
    assert "no scheme nobody is declared under auth" in json.dumps(rejected)
    assert served.get("/mesh").status_code == 401
