"""Who may do what at the admin listener: tokens, scopes, foreign pages, and the audit log."""

from __future__ import annotations

import pytest

from bff.admin.gate import Gate
from bff.admin.keys import Keyring, Scope
from bff.admin.office import PublicWithoutTokens
from bff.admin.refusals import ScopeMissing, TokenRequired
from bff.revisions.store.failures import StoreUnavailable
from bff.revisions.store.records import Token
from bff.testing import ManualClock
from tests.admin.conftest import LOCAL, READER, Asking, admin_office, reader_key

pytestmark = pytest.mark.anyio

WRITES = [
    ("PUT", "/v1/functions/hello/traffic"),
    ("POST", "/v1/functions/hello/tags"),
    ("POST", "/v1/functions/hello/rollback"),
    ("POST", "/v1/functions/hello/promote"),
    ("POST", "/v1/functions/hello/pause"),
    ("POST", "/v1/functions/hello/resume"),
    ("POST", "/v1/functions/hello/revisions"),
    ("POST", "/v1/cache/purge"),
    ("POST", "/v1/tokens"),
    ("DELETE", "/v1/tokens/abc"),
]
READS = [
    "/v1/functions",
    "/v1/functions/hello",
    "/v1/functions/hello/revisions",
    "/v1/functions/hello/traffic",
    "/v1/functions/hello/history",
    "/v1/functions/hello/release",
    "/v1/tokens",
    "/v1/audit",
    "/openapi.json",
]


@pytest.mark.parametrize(("method", "path"), WRITES)
async def test_no_write_without_a_token_that_may(asking: Asking, method: str, path: str) -> None:
    """On loopback too: none, a wrong one, and one that may only read."""
    missing = await asking(method, path)
    assert (missing.status_code, missing.json()["code"]) == (401, "token-required")
    assert missing.headers["www-authenticate"].startswith("Bearer")
    assert "admin-token" in missing.json()["detail"]
    wrong = await asking(method, path, token="bff_" + "x" * 43)
    assert (wrong.status_code, wrong.json()["code"]) == (401, "token-required")
    reader = await asking(method, path, token=READER)
    assert (reader.status_code, reader.json()["code"]) == (403, "scope-missing")
    assert await asking.store.audited() == (), "who has no token fills no store"
    assert [each.status for each in asking.heard] == [401, 401, 403]


@pytest.mark.parametrize("path", READS)
async def test_reads_are_open_on_loopback_and_nowhere_else(asking: Asking, path: str) -> None:
    """A listener that others can reach wants a token for everything but health."""
    assert (await asking("GET", path)).status_code == 200
    assert (await asking("GET", path, token="wrong")).status_code == 401
    async with admin_office(host="0.0.0.0") as public:
        assert (await public("GET", path)).status_code == 401
        assert (await public("GET", path, token=READER)).status_code == 200
        assert (await public("GET", "/health/liveness")).status_code == 200
        assert (await public("GET", "/problems/scope-missing")).status_code == 200


class ReadOnly:
    """A store's tokens on a disk that takes no writes."""

    tries = 0

    async def find_token(self, secret: str) -> Token | None:
        return (
            Token(id="abc", name="ann", scopes=frozenset({"read"}), created=0.0) if secret == "hers" else None
        )

    async def touch_token(self, token_id: str) -> None:
        self.tries += 1
        raise StoreUnavailable(f"is read-only, and {token_id} with it")

    async def tokens(self) -> tuple[Token, ...]:
        return ()


async def test_whoever_only_reads_needs_no_store_that_can_be_written() -> None:
    """When a token was used last is worth a note, but no refusal."""
    book = ReadOnly()
    gate = Gate(Keyring(book, lambda: (), clock=ManualClock()), is_open=False)
    for _ in range(3):
        who = await gate.admit([(b"authorization", b"Bearer hers")], Scope.READ)
        assert who.name == "ann"
    assert book.tries == 1, "it may have waited for a lock"
    with pytest.raises(ScopeMissing):
        await gate.admit([(b"authorization", b"Bearer hers")], Scope.WRITE)
    with pytest.raises(TokenRequired):
        await gate.admit([(b"authorization", b"Bearer his")], Scope.READ)


@pytest.mark.parametrize(
    "said",
    [
        "",
        "Bearer",
        "Bearer ",
        f"Basic {LOCAL}",
        f"Bearer {LOCAL} x",
        f"Bearer {LOCAL},x",
        LOCAL,
        "Bearer \xff",
    ],
)
async def test_what_is_no_bearer_token_is_refused(asking: Asking, said: str) -> None:
    """RFC 6750 §2.1 and nothing else; never an error of ours."""
    answer = await asking("POST", "/v1/tokens", headers={"authorization": said.encode("latin-1")})
    assert answer.status_code == 401


async def test_two_tokens_are_none(asking: Asking) -> None:
    """Who else reads the message could take the other."""
    headers = [("authorization", f"Bearer {LOCAL}"), ("authorization", f"Bearer {LOCAL}")]
    answer = await asking._client.post("/v1/tokens", headers=headers)
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:8002"},
        {"origin": "http://127.0.0.1"},
        {"origin": "http://127.0.0.1:8001.evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
async def test_a_page_of_another_origin_is_refused_whatever_it_knows(
    asking: Asking, headers: dict[str, str]
) -> None:
    """A browser that was talked into a request says where it comes from."""
    for method, path in (("POST", "/v1/tokens"), ("GET", "/v1/functions")):
        answer = await asking(
            method, path, token=LOCAL, headers=headers, json={} if method == "POST" else None
        )
        assert (answer.status_code, answer.json()["code"]) == (403, "foreign-page")
        assert "access-control-allow-origin" not in answer.headers


async def test_our_own_pages_may_ask(asking: Asking) -> None:
    """Origin is the listener's own."""
    headers = {"origin": "http://127.0.0.1:8001", "sec-fetch-site": "same-origin"}
    assert (await asking("GET", "/v1/functions", headers=headers)).status_code == 200


async def test_a_token_lives_from_its_making_to_its_revoking(asking: Asking) -> None:
    """It is shown once, kept as a hash, noted when used, and dead at once when taken away."""
    made = await asking.write("POST", "/v1/tokens", json={"name": "ci", "scopes": ["write"]})
    assert made.status_code == 201
    token, number = made.json()["token"], made.json()["id"]
    assert made.headers["location"] == f"/v1/tokens/{number}"
    listed = (await asking("GET", "/v1/tokens")).json()
    assert [(each["name"], each["scopes"], each["used"]) for each in listed] == [("ci", ["write"], None)]
    assert token not in (await asking("GET", "/v1/tokens")).text
    assert (await asking("GET", "/v1/functions", token=token)).status_code == 200
    (used,) = (await asking("GET", "/v1/tokens")).json()
    assert used["used"] is not None
    assert (await asking("POST", "/v1/functions/hello/promote", token=token, json={})).status_code == 404
    assert (await asking("DELETE", f"/v1/tokens/{number}", token=token)).status_code == 204
    assert (await asking("GET", "/v1/functions", token=token)).status_code == 401
    assert (await asking.write("DELETE", f"/v1/tokens/{number}")).status_code == 404


async def test_what_a_token_may_not_be_called(asking: Asking) -> None:
    """Names stand in histories: ours are not to be had, and what is no name is refused."""
    for name in ("local", "anybody", "", "a b", "x" * 65, "a\nb"):
        answer = await asking.write("POST", "/v1/tokens", json={"name": name, "scopes": ["read"]})
        assert answer.status_code == 422, name
    for scopes in ([], ["admin"], "read", None):
        answer = await asking.write("POST", "/v1/tokens", json={"name": "x", "scopes": scopes})
        assert answer.status_code == 422, scopes
    assert await asking.store.tokens() == ()


async def test_every_write_is_told_and_recorded(asking: Asking) -> None:
    """Who, what, on what, with which outcome; never a secret."""
    made = await asking.write("POST", "/v1/tokens", json={"name": "ci", "scopes": ["write"]})
    await asking("PUT", "/v1/functions/hello/traffic", token=made.json()["token"], json={"traffic": []})
    lines = (await asking("GET", "/v1/audit")).json()
    assert [(each["who"], each["what"], each["target"], each["status"]) for each in lines] == [
        ("ci", "putTraffic", "hello", 428),
        ("local", "createToken", "", 201),
    ]
    assert lines[0]["detail"]["error"] == "version-required"
    assert lines[1]["detail"] == {"name": "ci", "scopes": ["write"], "peer": "127.0.0.1"}
    assert [(each.who, each.what, each.status) for each in asking.heard] == [
        ("local", "createToken", 201),
        ("ci", "putTraffic", 428),
    ]
    assert made.json()["token"] not in str(asking.heard)
    older = await asking("GET", "/v1/audit", params={"limit": 1, "before": lines[0]["id"]})
    assert [each["what"] for each in older.json()] == ["createToken"]


async def test_a_public_address_needs_somebody_with_a_token() -> None:
    """The token of the state folder does not count: it is for this machine's own user."""
    async with admin_office(host="0.0.0.0", keys=()) as nobody:
        with pytest.raises(PublicWithoutTokens, match="bff token create"):
            await nobody.office.check_address()
        await nobody.store.add_token(_token(), "secret")
        await nobody.office.check_address()
    async with admin_office(host="::", keys=(reader_key(),)) as configured:
        await configured.office.check_address()
    for host in ("127.0.0.1", "::1", "localhost", "127.9.9.9"):
        async with admin_office(host=host, keys=()) as private:
            await private.office.check_address()


def _token() -> Token:
    return Token(id="1", name="ci", scopes=frozenset({"read"}), created=0.0)


async def test_further_names_are_answered_where_they_are_named() -> None:
    """A proxy's name, say; every other is still somebody else's."""
    async with admin_office(hosts=("gateway.example.com",)) as asking:
        for host, status in (
            ("gateway.example.com", 200),
            ("Gateway.Example.com:443", 200),
            ("example.com", 400),
            ("gateway.example.com.evil.example", 400),
        ):
            assert (await asking("GET", "/v1/functions", headers={"host": host})).status_code == status
        page = {"host": "gateway.example.com", "origin": "https://gateway.example.com"}
        assert (await asking("GET", "/v1/functions", headers=page)).status_code == 200
