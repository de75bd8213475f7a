"""Keys, certificates, and what a route asks of its callers."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.config.auth import ApiKeysConfig, CertificateConfig, DemandConfig, SchemeConfig
from bff.errors import Forbidden, Unauthenticated
from bff.gateway.auth.apikeys import LONGEST, ApiKeys
from bff.gateway.auth.certificate import Certificates
from bff.gateway.auth.guard import Guard
from bff.gateway.auth.scheme import Rejected, Request, Unsure
from bff.gateway.auth.schemes import Schemes
from bff.sdk.caller import NOBODY, Caller
from bff.testing import ManualClock

pytestmark = pytest.mark.anyio


def digest(key: bytes) -> str:
    return f"sha256:{hashlib.sha256(key).hexdigest()}"


def api_keys(**keys: Mapping[str, Any]) -> ApiKeys:
    return ApiKeys("partners", ApiKeysConfig.model_validate({"keys": keys}))


def showing(value: bytes, name: bytes = b"x-api-key", *, vouched: bool = False) -> Request:
    return Request([(name, value)], vouched)


def test_a_key_says_which_caller_it_is() -> None:
    scheme = api_keys(
        acme={"digest": digest(b"one"), "scopes": ["read"], "roles": "partner"},
        other={"digest": digest(b"two")},
    )
    caller = scheme.known(showing(b"one"))
    assert caller is not None
    assert (caller.identity, caller.scopes, caller.roles) == ("partners:acme", {"read"}, {"partner"})
    assert scheme.known(Request([], False)) is None


@pytest.mark.parametrize("key", [b"", b"three", b"one ", b"x" * (LONGEST + 1)])
def test_an_unknown_key_is_refused(key: bytes) -> None:
    scheme = api_keys(acme={"digest": digest(b"one")}, long={"digest": digest(b"x" * LONGEST)})
    with pytest.raises(Rejected):
        scheme.known(showing(key))


@pytest.mark.parametrize("key", [b"one", b"two", b"three", b"none of them"])
def test_how_long_a_look_takes_tells_nothing_of_the_keys(monkeypatch: pytest.MonkeyPatch, key: bytes) -> None:
    """Digests of one length, all of them compared whichever fits, and each by what takes as long for any."""
    compared = []

    def watched(kept: bytes, shown: bytes) -> bool:
        compared.append((kept.hex(), len(shown)))
        return hmac.compare_digest(kept, shown)

    monkeypatch.setattr("bff.gateway.auth.apikeys.hmac", SimpleNamespace(compare_digest=watched))
    names = (b"one", b"two", b"three")
    scheme = api_keys(**{name.decode(): {"digest": digest(name)} for name in names})
    with contextlib.suppress(Rejected):
        scheme.known(showing(key))
    assert compared == [(hashlib.sha256(name).hexdigest(), 32) for name in names]


def test_two_keys_are_no_key() -> None:
    scheme = api_keys(acme={"digest": digest(b"one")})
    with pytest.raises(Rejected, match="twice"):
        scheme.known(Request([(b"x-api-key", b"one"), (b"x-api-key", b"one")], False))


@pytest.mark.parametrize(
    ("value", "subject"),
    [
        ("Hash=ab;URI=spiffe://mesh/ns/shop", "spiffe://mesh/ns/shop"),
        ('By=x;Hash=ab;Subject="CN=shop,O=\\"Us\\", Ltd";DNS=a', 'CN=shop,O="Us", Ltd'),
        ('Subject="CN=first",Hash=1;URI=spiffe://last', "spiffe://last"),
        ("URI=spiffe://evil,Hash=1;Subject=CN=real", "CN=real"),
    ],
)
def test_a_certificate_is_the_last_element_s(value: str, subject: str) -> None:
    """What stands before it came from further away, perhaps from the caller."""
    scheme = Certificates("mesh", CertificateConfig())
    caller = scheme.known(showing(value.encode(), b"x-forwarded-client-cert", vouched=True))
    assert caller is not None
    assert caller.identity == f"mesh:{subject}"


@pytest.mark.parametrize("value", ["Hash=ab", "nonsense", 'URI="open', "URI=a,", ";;", "URI=x;Hash=1,Hash=2"])
def test_a_certificate_that_names_nobody_is_refused(value: str) -> None:
    scheme = Certificates("mesh", CertificateConfig())
    request = showing(value.encode(), b"x-forwarded-client-cert", vouched=True)
    if value == "URI=a,":
        assert scheme.known(request) is not None
        return
    with pytest.raises(Rejected):
        scheme.known(request)


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(value: str) -> None:
    scheme = Certificates("mesh", CertificateConfig())
    try:
        caller = scheme.known(
            showing(value.encode("utf-8", "replace"), b"x-forwarded-client-cert", vouched=True)
        )
    except Rejected:
        return
    assert caller is None or caller.subject


def test_only_a_trusted_proxy_is_believed() -> None:
    for written, value in (("xfcc", b"URI=spiffe://me"), ("subject", b"CN=me")):
        scheme = Certificates("mesh", CertificateConfig(format=written))  # type: ignore[arg-type]
        assert scheme.known(showing(value, b"x-forwarded-client-cert")) is None
        caller = scheme.known(showing(value, b"x-forwarded-client-cert", vouched=True))
        assert caller is not None


class Fixed:
    """A scheme that has made up its mind."""

    def __init__(self, answer: Caller | Exception | None, *, challenge: str = "", later: Any = ...) -> None:
        self.challenge = challenge
        self._answer = answer
        self._later = later

    def known(self, _request: Request) -> Caller | None:
        if self._later is not ...:
            raise Unsure
        return self._given(self._answer)

    async def look(self, _request: Request) -> Caller | None:
        return self._given(self._later)

    @staticmethod
    def _given(answer: Caller | Exception | None) -> Caller | None:
        if isinstance(answer, Exception):
            raise answer
        return answer


ADA = Caller(subject="ada", scheme="a", scopes=frozenset({"read", "write"}), roles=frozenset({"editor"}))
ANY = Request([], False)


def guard(*schemes: Fixed, **demand: Any) -> Guard:
    named = {f"s{at}": scheme for at, scheme in enumerate(schemes)}
    return Guard(DemandConfig.model_validate({"any": list(named), **demand}), named)


async def test_the_first_scheme_that_knows_somebody_decides() -> None:
    for decide in (guard(Fixed(None), Fixed(ADA)), guard(Fixed(Rejected("no")), Fixed(ADA))):
        assert decide.known(ANY) is ADA
        assert await decide.look(ANY) is ADA
    assert await guard(Fixed(None, later=None), Fixed(ADA)).look(ANY) is ADA


async def test_nobody_comes_in_without_a_credential_unless_that_is_allowed() -> None:
    with pytest.raises(Unauthenticated) as caught:
        guard(Fixed(None, challenge="Bearer"), Fixed(None)).known(ANY)
    assert caught.value.headers() == {"www-authenticate": 'Bearer realm="bff"'}
    with pytest.raises(Unauthenticated) as caught:
        await guard(Fixed(None)).look(ANY)
    assert caught.value.headers()["www-authenticate"]
    assert guard(Fixed(None), optional=True).known(ANY) is NOBODY


async def test_a_credential_that_is_no_good_never_makes_a_caller_nobody() -> None:
    """Not even where nobody may come in: the caller believes to be known."""
    for decide in (
        guard(Fixed(Rejected("the token has expired"), challenge="Bearer"), optional=True),
        guard(Fixed(None, challenge="Bearer"), Fixed(Rejected("the token has expired"))),
    ):
        with pytest.raises(Unauthenticated, match=r"^The token has expired\.$") as caught:
            decide.known(ANY)
        assert 'error_description="the token has expired"' in caught.value.headers()["www-authenticate"]
        with pytest.raises(Unauthenticated):
            await decide.look(ANY)


def test_all_scopes_and_one_role_are_needed() -> None:
    assert guard(Fixed(ADA), scopes=["read", "write"], roles=["admin", "editor"]).known(ANY) is ADA
    with pytest.raises(Forbidden, match="scope"):
        guard(Fixed(ADA), scopes=["read", "pay"]).known(ANY)
    with pytest.raises(Forbidden, match="roles"):
        guard(Fixed(ADA), roles=["admin"]).known(ANY)


def test_a_token_s_missing_scope_is_told_as_rfc_6750_says() -> None:
    token = Caller(subject="ada", scheme="a", claims={"sub": "ada"})
    with pytest.raises(Forbidden) as caught:
        guard(Fixed(token), scopes=["b", "a"]).known(ANY)
    assert caught.value.headers() == {
        "www-authenticate": 'Bearer realm="bff", error="insufficient_scope", scope="a b"'
    }


async def test_a_reload_keeps_what_unchanged_schemes_have_learnt(tmp_path: Path) -> None:
    async def fetch(place: str) -> bytes:
        raise OSError(place)

    jwt = {"issuer": "i", "audience": "a", "jwks": "keys.json"}
    first = {"users": SchemeConfig.model_validate({"jwt": jwt})}
    changed = {"users": SchemeConfig.model_validate({"jwt": {**jwt, "audience": "b"}})}
    schemes = Schemes(clock=ManualClock(), fetch=fetch)
    schemes.configure(first, tmp_path)
    kept = schemes._made["users"][1]
    schemes.configure(dict(first), tmp_path)
    assert schemes._made["users"][1] is kept
    schemes.configure(changed, tmp_path)
    assert schemes._made["users"][1] is not kept
    await schemes.aclose()
