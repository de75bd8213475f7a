"""What a token claims decides which revision answers, whose page is whose, and who is counted together."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any

import anyio
import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from tests.conftest import write
from tests.gateway.auth.conftest import ISSUER
from tests.house.inside import Inside, inside

pytestmark = pytest.mark.anyio

SECRET = "0123456789abcdef" * 2
ROUTES = f"""\
auth:
  users: {{jwt: {{issuer: "{ISSUER}", audience: shop, secret: {SECRET}, algorithms: HS256}}}}
  mesh: {{certificate: {{}}}}
limits:
  policies:
    tenants: {{requests: 2, window: 1h, per: [], claim: tenant}}
defaults: {{timeout: 60s, warm_up_timeout: 60s, auth: {{any: users, optional: true}}}}
functions:
  home: {{traffic: {{match: [{{claims: {{role: tester}}, revision: home-00001}}]}}}}
routes:
- {{path: /home, function: home}}
- {{path: /kept, function: kept, cache: {{ttl: 1h}}}}
- {{path: /limited, function: home, limits: tenants}}
- {{path: /mesh, function: home, auth: mesh}}
"""
HOME = "async def handle() -> str:\n    return '{}'\n"
KEPT = """\
from bff import Context

calls = 0

async def handle(ctx: Context) -> dict:
    global calls
    calls += 1
    return {"call": calls, "tenant": ctx.caller.claims.get("tenant")}
"""


def secretly(subject: str, *, secret: str = SECRET, **claims: Any) -> dict[str, str]:
    return token(subject, {"alg": "HS256"}, OctKey.import_key(secret), **claims)


def token(subject: str, header: dict[str, str], key: Any, **claims: Any) -> dict[str, str]:
    """The field that carries it; each one is another, as issuers make them."""
    now = int(time.time())
    said = {"iss": ISSUER, "aud": "shop", "sub": subject, "iat": now, "exp": now + 3600, "jti": token_hex(8)}
    made = jwt.encode(header, {**said, **claims}, key, algorithms=[header["alg"]])
    return {"authorization": f"Bearer {made}"}


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Inside]:
    files = {"routes.yaml": ROUTES, "functions/home.py": HOME.format(0), "functions/kept.py": KEPT}
    async with inside(folder, files) as gateway:
        yield gateway


async def test_a_rule_on_claims_obeys_who_was_let_in_and_nobody_else(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway:
        trial, usual = [await gateway.publish("home", HOME.format(each)) for each in ("trial", "usual")]
        gateway.route(trial, usual, percent=(0, 100), tags={trial.name: "trial"})

        async def answer(headers: dict[str, str]) -> httpx.Response:
            return await gateway.client.get("/home", headers=headers)

        assert (await answer(secretly("ada", role="tester"))).text == "trial"
        assert (await answer(secretly("ada", role="guest"))).text == "usual"
        assert (await answer({})).text == "usual"
        forged = await answer(secretly("ada", role="tester", secret=SECRET[::-1]))
        assert (forged.status_code, forged.json()["code"]) == (401, "unauthenticated")


async def test_a_kept_page_is_its_subject_s_with_these_claims(tmp_path: Path) -> None:
    """The next token of the same caller finds it; another tenant, another subject and nobody do not."""
    async with served(tmp_path) as gateway:

        async def told(headers: dict[str, str]) -> tuple[int, str | None]:
            page = (await gateway.client.get("/kept", headers=headers)).json()
            return page["call"], page["tenant"]

        assert await told(secretly("ada", tenant="north")) == (1, "north")
        assert await told(secretly("ada", tenant="south")) == (2, "south")
        assert await told(secretly("bob", tenant="north")) == (3, "north")
        assert await told({}) == (4, None)
        assert await told(secretly("ada", tenant="north")) == (1, "north")
        assert await told(secretly("ada", tenant="south")) == (2, "south")
        assert await told({}) == (4, None)


async def test_a_limit_on_a_claim_counts_all_who_share_it(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway:

        async def status(subject: str, tenant: str) -> int:
            headers = secretly(subject, tenant=tenant)
            return (await gateway.client.get("/limited", headers=headers)).status_code

        north = [await status(subject, "north") for subject in ("ada", "bob", "eve")]
        assert north == [200, 200, 429]
        assert await status("ada", "south") == 200


async def test_an_issuer_s_keys_may_lie_in_a_file_that_is_changed_under_us(
    tmp_path: Path, made_keys: Mapping[str, Any]
) -> None:
    """Its path begins at routes.yaml's folder; a new kid has it read again, and the old one is no good then."""

    def publish(name: str) -> None:
        document = {"keys": [made_keys[name].as_dict(private=False)]}
        write(tmp_path, {"keys/issuer.json": json.dumps(document)})

    def signed(name: str) -> dict[str, str]:
        algorithm = {"ec": "ES256", "ed": "Ed25519"}[name]
        return token("ada", {"alg": algorithm, "kid": name}, made_keys[name])

    publish("ec")
    scheme = f'jwt: {{issuer: "{ISSUER}", audience: shop, jwks: keys/issuer.json, cool_down: 10ms'
    routes = f"auth: {{users: {{{scheme}, algorithms: [ES256, Ed25519]}}}}}}\n"
    routes += "defaults: {timeout: 60s, warm_up_timeout: 60s}\n"
    routes += "routes: [{path: /home, function: home, auth: users}]\n"
    async with inside(tmp_path, {"routes.yaml": routes, "functions/home.py": HOME.format("in")}) as gateway:

        async def status(name: str) -> int:
            return (await gateway.client.get("/home", headers=signed(name))).status_code

        assert await status("ec") == 200
        publish("ed")
        with anyio.fail_after(60):
            while await status("ed") != 200:
                await anyio.sleep(0.01)
        assert await status("ec") == 401


async def test_a_caller_that_is_no_trusted_proxy_cannot_vouch_for_itself(tmp_path: Path) -> None:
    """Whatever it writes of a certificate; `gateway.trusted_proxies` names nobody here."""
    async with served(tmp_path) as gateway:
        for headers in ({"x-forwarded-client-cert": "Hash=1;URI=spiffe://shop"}, {}):
            refused = await gateway.client.get("/mesh", headers=headers)
            assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
