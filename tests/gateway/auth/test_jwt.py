"""Which bearer tokens are believed, and which are not, whatever they say of themselves."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from bff.gateway.auth.jwt import LONGEST, REMEMBERED, Jwt
from bff.gateway.auth.scheme import Rejected, Request
from bff.testing import ManualClock
from tests.gateway.auth.conftest import ISSUER, Issuer, Make, bearing, config_of

pytestmark = pytest.mark.anyio


def b64(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


async def refusal(scheme: Jwt, request: Request) -> str:
    with pytest.raises(Rejected) as caught:
        await scheme.look(request)
    return str(caught.value)


async def test_a_good_token_says_who_calls_and_what_it_may_do(
    scheme: Make, issuer: Issuer, claims: dict[str, Any]
) -> None:
    said = {**claims, "scope": "orders:read orders:write", "roles": ["admin", 7]}
    caller = await scheme().look(bearing(issuer.sign(said)))
    assert caller is not None
    assert (caller.subject, caller.scheme, caller.identity) == ("u7", "users", "users:u7")
    assert caller.scopes == {"orders:read", "orders:write"}
    assert caller.roles == {"admin"}
    assert caller.claims["iss"] == ISSUER


@pytest.mark.parametrize(
    ("said", "scopes", "roles"),
    [
        ({"scp": ["a", "b"]}, {"a", "b"}, set()),
        ({"scope": ""}, set(), set()),
        ({"scope": 7, "roles": 7}, set(), set()),
        ({"realm_access": {"roles": ["x"]}}, set(), {"x"}),
        ({"realm_access": ["x"]}, set(), set()),
        ({"realm_access.roles": "y z"}, set(), {"y", "z"}),
    ],
)
async def test_scopes_and_roles_are_read_from_where_issuers_put_them(
    scheme: Make, issuer: Issuer, claims: dict[str, Any], said: Any, scopes: set[str], roles: set[str]
) -> None:
    caller = await scheme(roles_claim="realm_access.roles").look(bearing(issuer.sign({**claims, **said})))
    assert caller is not None
    assert (caller.scopes, caller.roles) == (scopes, roles)


@pytest.mark.parametrize("value", [None, b"Basic dTpw", b"Bearer", b"bearertoken"])
async def test_without_a_bearer_token_nobody_is_known(scheme: Make, value: bytes | None) -> None:
    """Other schemes of HTTP are not ours to judge."""
    headers = [] if value is None else [(b"authorization", value)]
    assert scheme().known(Request(headers, False)) is None


@pytest.mark.parametrize("kind", ["ec", "ed"])
async def test_other_kinds_of_keys_are_as_good(
    scheme: Make, issuer: Issuer, claims: dict[str, Any], made_keys: Mapping[str, Any], kind: str
) -> None:
    issuer.add(kind, made_keys[kind])
    token = issuer.sign(claims, kid=kind)
    assert await scheme(algorithms=["ES256", "Ed25519"]).look(bearing(token)) is not None


async def test_a_shared_secret_signs_where_it_is_configured(
    clock: ManualClock, claims: dict[str, Any]
) -> None:
    secret = "0123456789abcdef" * 2
    config = config_of(jwks=None, secret=secret, algorithms=["HS256"])
    scheme = Jwt("users", config, keys=None, clock=clock)
    token = jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(secret))
    assert scheme.known(bearing(token)) is not None
    other = jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(secret[::-1]))
    with pytest.raises(Rejected, match="signature"):
        scheme.known(bearing(other))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"exp": -31}, "has expired"),
        ({"exp": None}, "exp is missing"),
        ({"exp": "soon"}, "exp is missing or no time"),
        ({"exp": True}, "exp is missing or no time"),
        ({"exp": 10.0**13}, "exp is missing or no time"),
        ({"nbf": 31}, "not valid yet"),
        ({"iat": 31}, "not valid yet"),
        ({"nbf": [1]}, "nbf is missing or no time"),
        ({"iss": "https://id.example/"}, "another issuer"),
        ({"iss": None}, "another issuer"),
        ({"aud": "shop2"}, "another audience"),
        ({"aud": ["other", 7]}, "another audience"),
        ({"aud": None}, "another audience"),
        ({"aud": {"shop": 1}}, "another audience"),
        ({"sub": None}, "no subject"),
        ({"sub": ""}, "no subject"),
        ({"sub": 7}, "no subject"),
    ],
)
async def test_claims_that_do_not_fit_are_refused(
    scheme: Make, issuer: Issuer, claims: dict[str, Any], clock: ManualClock, change: Any, why: str
) -> None:
    ((name, value),) = change.items()
    if name in ("exp", "nbf", "iat") and type(value) is int:
        value += int(clock.wall())
    said = {**claims, name: value}
    token = issuer.sign({key: each for key, each in said.items() if each is not None})
    assert why in await refusal(scheme(), bearing(token))


async def test_clocks_may_differ_by_the_leeway(
    scheme: Make, issuer: Issuer, claims: dict[str, Any], clock: ManualClock
) -> None:
    now = int(clock.wall())
    for change in ({"exp": now - 29}, {"nbf": now + 29}, {"iat": now + 29}):
        assert await scheme().look(bearing(issuer.sign({**claims, **change}))) is not None


async def test_one_audience_of_several_is_enough(
    scheme: Make, issuer: Issuer, claims: dict[str, Any]
) -> None:
    token = issuer.sign({**claims, "aud": ["other", "shop"]})
    assert await scheme(audience=["mobile", "shop"]).look(bearing(token)) is not None


async def test_the_token_does_not_choose_its_algorithm(
    scheme: Make, issuer: Issuer, claims: dict[str, Any], made_keys: Mapping[str, Any]
) -> None:
    """``none``, the public key as an HMAC secret, another algorithm of the same key, nonsense."""
    users = scheme()
    payload = b64(claims)
    for algorithm in ("none", "None", "NONE", "", None, 7, ["RS256"], "HS256"):
        assert await refusal(users, bearing(f"{b64({'alg': algorithm, 'kid': 'rsa'})}.{payload}."))
    public = issuer.keys["rsa"].as_pem(private=False)
    signed = f"{b64({'alg': 'HS256', 'kid': 'rsa'})}.{payload}"
    confused = f"{signed}.{b64(hmac.digest(public, signed.encode(), 'sha256'))}"
    assert "algorithm" in await refusal(users, bearing(confused))
    stronger = issuer.sign(claims, alg="RS512")
    assert "algorithm" in await refusal(users, bearing(stronger))


async def test_a_key_that_the_token_brings_along_is_not_looked_at(
    scheme: Make, issuer: Issuer, claims: dict[str, Any], made_keys: Mapping[str, Any]
) -> None:
    """``jwk``, ``jku``, ``x5u`` and ``x5c`` are the sender's words (RFC 8725 §3.10)."""
    evil: RSAKey = made_keys["other"]
    small = {"e": "AQAB", "kty": "RSA", "n": "AQAB"}
    for header in ({"jku": "https://evil.example/jwks"}, {"jwk": small}, {"x5u": "https://evil.example/c"}):
        for kid in ({}, {"kid": "rsa"}, {"kid": "other"}):
            token = jwt.encode({"alg": "RS256", **header, **kid}, claims, evil)
            assert await refusal(scheme(), bearing(token)) in (
                "the token's signature does not match",
                "the token was signed with a key its issuer does not have",
            )
    whole = jwt.encode({"alg": "RS256", "jwk": evil.as_dict(private=False)}, claims, evil)
    assert await refusal(scheme(), bearing(whole)) == "the token is not a signed JWT"  # its head is too long


async def test_critical_extensions_are_refused(scheme: Make, issuer: Issuer, claims: dict[str, Any]) -> None:
    header = {"alg": "RS256", "kid": "rsa", "crit": ["b64"], "b64": False}
    token = f"{b64(header)}.{b64(claims)}.{b64(b'x' * 256)}"
    assert "extensions" in await refusal(scheme(), bearing(token))


async def test_every_changed_character_breaks_a_token(
    scheme: Make, issuer: Issuer, claims: dict[str, Any]
) -> None:
    token = issuer.sign(claims)
    users = scheme()
    assert await users.look(bearing(token)) is not None
    for at in range(0, len(token), 7):
        changed = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
        assert await refusal(users, bearing(changed))


async def test_claims_with_a_key_twice_are_refused(scheme: Make, issuer: Issuer) -> None:
    """Another reader of the token may believe the other one."""
    from joserfc import jws

    payload = f'{{"iss":"{ISSUER}","aud":"shop","sub":"me","sub":"you","exp":99999999999}}'
    token = jws.serialize_compact({"alg": "RS256", "kid": "rsa"}, payload, issuer.keys["rsa"])
    assert "JSON object" in await refusal(scheme(), bearing(token))


async def test_a_long_token_and_two_tokens_are_refused_unread(scheme: Make, issuer: Issuer) -> None:
    users = scheme()
    with pytest.raises(Rejected, match="longer than"):
        users.known(bearing("a" * (LONGEST + 1)))
    with pytest.raises(Rejected, match="stands twice"):
        users.known(bearing("a", (b"authorization", b"Bearer b")))
    assert issuer.fetched == 0


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.text(alphabet="ey.JA_-=", max_size=60).map(str.encode)))
def test_nonsense_is_refused_and_never_an_accident(token: bytes) -> None:
    config = config_of(jwks=None, secret="s" * 32, algorithms=["HS256"])
    scheme = Jwt("users", config, keys=None, clock=ManualClock())
    with pytest.raises(Rejected):
        scheme.known(Request([(b"authorization", b"Bearer x" + token)], False))


async def test_a_verified_token_is_remembered_until_it_expires(
    scheme: Make, issuer: Issuer, claims: dict[str, Any], clock: ManualClock
) -> None:
    users = scheme()
    request = bearing(issuer.sign(claims))
    first = await users.look(request)
    assert users.known(request) is first
    await clock.advance(3600 + 29)
    assert users.known(request) is first
    await clock.advance(2)
    with pytest.raises(Rejected, match="expired"):
        users.known(request)


async def test_a_withdrawn_key_ends_what_was_remembered(
    scheme: Make, issuer: Issuer, claims: dict[str, Any], clock: ManualClock, made_keys: Mapping[str, Any]
) -> None:
    users = scheme(refresh="60s")
    request = bearing(issuer.sign(claims))
    assert await users.look(request) is not None
    issuer.add("other", made_keys["other"])
    fresh = bearing(issuer.sign(claims, kid="other"))
    del issuer.keys["rsa"]
    await clock.advance(61)
    assert await users.look(fresh) is not None
    assert await refusal(users, request) == "the token was signed with a key its issuer does not have"


async def test_remembered_tokens_are_bounded(clock: ManualClock, claims: dict[str, Any]) -> None:
    """Who has many tokens has only the last of them remembered, and every one is good all the same."""
    secret = "0123456789abcdef" * 2
    config = config_of(jwks=None, secret=secret, algorithms=["HS256"])
    scheme = Jwt("users", config, keys=None, clock=clock)
    for number in range(REMEMBERED + 50):
        signed = f"{b64({'alg': 'HS256'})}.{b64({**claims, 'sub': f'u{number}'})}"
        token = f"{signed}.{b64(hmac.digest(secret.encode(), signed.encode(), 'sha256'))}"
        caller = scheme.known(bearing(token))
        assert caller is not None
        assert caller.subject == f"u{number}"
    assert len(scheme._verified) == REMEMBERED
    assert scheme.known(bearing(token)) is caller
