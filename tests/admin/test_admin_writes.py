"""The admin listener of a real gateway, written to over real HTTP: by friends, by strangers, by browsers."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import GatewayFactory, Heard, Running, Wire, eventually, save

ROUTES = "routes: [{path: /hello, function: hello}]\n"
ONE = 'async def handle() -> str:\n    return "one"\n'
TOKEN = "configured-token-of-at-least-thirty-two-characters"
PATH = "/v1/functions/hello/traffic"


class Admin:
    """Somebody with the token of the state folder."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.token = (running.folder / ".bff/admin-token").read_text().strip()

    def __call__(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, **options: Any
    ) -> httpx.Response:
        whole = {"authorization": f"Bearer {self.token}"} | dict(headers or {})
        url = f"{self.running.admin}{path}"
        return httpx.request(method, url, headers=whole, trust_env=False, timeout=60, **options)

    def raw(self, method: str, path: str, fields: str, body: bytes = b"") -> Heard:
        with Wire(self.running.admin) as wire:
            head = f"{method} {path} HTTP/1.1\r\ncontent-length: {len(body)}\r\n{fields}\r\n"
            return wire.say(head.encode() + body).hear_answer()


@pytest.fixture(scope="module")
def admin(module_gateway: GatewayFactory, module_project: Callable[..., Path]) -> Admin:
    running = module_gateway(module_project({"routes.yaml": ROUTES, "functions/hello.py": ONE}))
    assert running.get("/hello").text == "one"
    return Admin(running)


def test_the_token_is_its_owners_only(admin: Admin) -> None:
    """And in no log line."""
    file = admin.running.folder / ".bff/admin-token"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert admin.token not in admin.running.output


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ("host: evil.example\r\n", 400, "bad-request"),
        ("host: localhost.evil.example\r\n", 400, "bad-request"),
        ("host: localhost\r\nhost: evil.example\r\n", 400, "bad-request"),
        ("host: 127.0.0.1\r\norigin: https://evil.example\r\n", 403, "foreign-page"),
        ("host: 127.0.0.1\r\norigin: null\r\n", 403, "foreign-page"),
        ("host: 127.0.0.1\r\nsec-fetch-site: cross-site\r\n", 403, "foreign-page"),
    ],
)
def test_a_page_in_a_browser_cannot_write_even_with_the_token(
    admin: Admin, fields: str, status: int, code: str
) -> None:
    """Rebound names and other origins are turned away before anything is read."""
    whole = f"{fields}authorization: Bearer {admin.token}\r\ncontent-type: application/json\r\n"
    answer = admin.raw("POST", "/v1/functions/hello/promote", whole, b"{}")
    assert (answer.status, answer.json()["code"]) == (status, code)


def test_a_cross_site_form_gets_nowhere(admin: Admin) -> None:
    """What a page can send without a preflight has no token and the wrong type."""
    fields = "host: 127.0.0.1\r\ncontent-type: text/plain\r\n"
    assert admin.raw("POST", "/v1/functions/hello/rollback", fields, b"{}").status == 401
    assert (
        admin(
            "POST", "/v1/functions/hello/rollback", {"content-type": "text/plain"}, content=b"{}"
        ).status_code
        == 415
    )


def test_without_a_token_nothing_is_written_and_it_is_told(admin: Admin) -> None:
    """A line for each; the store remembers only those who have a token."""
    before = admin("GET", PATH).json()
    since = admin.running.lines_so_far
    bare = httpx.put(f"{admin.running.admin}{PATH}", json=before, trust_env=False, timeout=60)
    assert bare.status_code == 401
    line = admin.running.log("admin write", since=since, status=401)  # an earlier one may still be on its way
    assert (line["status"], line["who"], line["what"], line["level"]) == (401, "", "putTraffic", "warning")
    assert admin("GET", PATH).json() == before


def test_of_many_who_change_the_same_one_wins(admin: Admin) -> None:
    """Eight with the same ETag: one is obeyed, seven are told 412, and nothing of theirs is in force."""
    etag = admin("GET", PATH).headers["etag"]

    def change(number: int) -> httpx.Response:
        target = {"revisionName": "hello-00001", "percent": 100, "tag": f"tag{number}"}
        return admin("PUT", PATH, {"if-match": etag}, json={"traffic": [target]})

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(change, range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 7
    (winner,) = [answer for answer in answers if answer.status_code == 200]
    now = admin("GET", PATH)
    assert (now.json(), now.headers["etag"]) == (winner.json(), winner.headers["etag"])
    for loser in answers:
        if loser is not winner:
            assert loser.json()["version"] == winner.json()["version"]


def test_half_a_body_holds_nobody_up(admin: Admin) -> None:
    """Somebody who sends a head and no body waits alone, and may leave."""
    with Wire(admin.running.admin) as slow:
        slow.say(
            f"PUT {PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nif-match: *\r\n"
            f"authorization: Bearer {admin.token}\r\ncontent-length: 100\r\n\r\n{{"
        )
        assert admin("GET", PATH).status_code == 200
    eventually(lambda: admin.running.get("/hello").status_code == 200)


@pytest.mark.parametrize("body", [b"PK\x03\x04", b"", b"bff-archive 1\n", b"bff-archive 1\n" + b"x" * 100])
def test_what_is_no_archive_is_refused(admin: Admin, body: bytes) -> None:
    """Whatever it is, no error of ours, and no revision."""
    kind = {"content-type": "application/vnd.bff.archive"}
    answer = admin("POST", "/v1/functions/hello/revisions", kind, content=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "archive-invalid")
    assert len(admin("GET", "/v1/functions/hello/revisions").json()) == 1


def test_it_describes_itself(admin: Admin) -> None:
    """The same document as in the tests of the room, over HTTP; problems have pages."""
    document = admin("GET", "/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    missing = admin("GET", "/v1/functions/hello/revisions/hello-00009")
    page = httpx.get(f"{admin.running.admin}{missing.json()['type']}", trust_env=False, timeout=60)
    assert (page.status_code, page.text.startswith("There is no such revision")) == (200, True)


def test_a_watcher_leaves_and_is_forgotten(admin: Admin) -> None:
    """Streams end with their readers; at the gateway's end nobody is kept waiting."""
    url = f"{admin.running.admin}/v1/functions/hello/release"
    with httpx.stream("GET", url, headers={"accept": "text/event-stream"}, trust_env=False) as stream:
        lines = stream.iter_lines()
        assert next(lines) == "event: release"
        assert json.loads([*lines][1].removeprefix("data: "))["release"] is None


def test_a_public_address_is_not_listened_on_without_tokens(
    gateway: GatewayFactory, write_project: Callable[..., Path], free_admin: Callable[..., Any]
) -> None:
    """It says what to do, and ends; with a token in routes.yaml it starts and wants it for reads, too."""
    folder = write_project({"routes.yaml": ROUTES, "functions/hello.py": ONE})
    ran = free_admin(folder)
    assert ran.returncode == 1
    assert "admin.tokens" in ran.stdout + ran.stderr
    assert "bff token create" in ran.stdout + ran.stderr
    save(
        folder / "routes.yaml",
        f"{ROUTES}admin: {{tokens: {{scraper: {{token: '${{SCRAPE}}'}}, ci: {{token: '${{CI}}', scopes: write}}}}}}\n",
    )
    env = {"SCRAPE": TOKEN, "CI": TOKEN[::-1]}
    running = gateway(folder, "serve", "--admin", "0.0.0.0:0", env=env)
    url = running.admin.replace("0.0.0.0", "127.0.0.1")
    for path in ("/metrics", "/v1/functions", "/openapi.json"):
        assert httpx.get(f"{url}{path}", trust_env=False, timeout=60).status_code == 401
        with_token = {"authorization": f"Bearer {TOKEN}"}
        assert httpx.get(f"{url}{path}", headers=with_token, trust_env=False, timeout=60).status_code == 200
    assert httpx.get(f"{url}/health/readiness", trust_env=False, timeout=60).status_code == 200
    refused = httpx.post(
        f"{url}/v1/functions/hello/promote", json={}, headers=with_token, trust_env=False, timeout=60
    )
    assert refused.status_code == 403
    assert TOKEN not in running.output
    # Tokens of routes.yaml are live configuration: one that is taken out is dead at once.
    save(folder / "routes.yaml", f"{ROUTES}admin: {{tokens: {{ci: {{token: '${{CI}}', scopes: write}}}}}}\n")
    eventually(
        lambda: (
            httpx.get(f"{url}/metrics", headers=with_token, trust_env=False, timeout=60).status_code == 401
        )
    )


def test_a_state_folder_that_cannot_be_written_is_told_and_all_else_works(
    gateway: GatewayFactory, write_project: Callable[..., Path]
) -> None:
    """Commands of this machine have no token then; those of routes.yaml work."""
    folder = write_project(
        {
            "routes.yaml": f"{ROUTES}state: sqlite://\nadmin: {{tokens: {{ci: {{token: {TOKEN}, scopes: write}}}}}}\n",
            "functions/hello.py": ONE,
            ".bff": "no folder",
        }
    )
    running = gateway(folder)
    running.get("/hello")
    assert "admin-token" in running.log("no token for commands on this machine")["why"]
    answer = httpx.post(
        f"{running.admin}/v1/functions/hello/promote",
        json={},
        headers={"authorization": f"Bearer {TOKEN}"},
        trust_env=False,
    )
    assert answer.status_code == 200
