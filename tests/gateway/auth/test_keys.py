"""An issuer's keys: fetched together, again for an unknown one, kept when the issuer is down."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from bff.gateway.auth.jwt import Jwt
from bff.gateway.auth.keys import FETCH_TIMEOUT, MOST, Keys, parsed
from bff.gateway.auth.scheme import Rejected, Request, Unsure
from bff.gateway.door.failures import KeysUnavailable
from bff.sdk.caller import Caller
from bff.testing import ManualClock
from tests.gateway.auth.conftest import Issuer, Make, bearing

pytestmark = pytest.mark.anyio


@pytest.fixture
def keys(issuer: Issuer, clock: ManualClock) -> Keys:
    return Keys("users", "the place", fetch=issuer.fetch, clock=clock, refresh=600.0, cool_down=30.0)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_nothing_is_fetched_before_a_token_comes(scheme: Make, issuer: Issuer) -> None:
    users = scheme()
    assert issuer.fetched == 0
    with pytest.raises(Unsure):
        users.known(bearing(issuer.sign({})))
    assert issuer.fetched == 0


async def test_all_who_wait_share_one_fetch(keys: Keys, issuer: Issuer) -> None:
    await asyncio.gather(*(keys.look() for _ in range(50)))
    assert issuer.fetched == 1


async def test_a_waiter_that_leaves_does_not_end_the_fetch(keys: Keys, issuer: Issuer) -> None:
    leaving = asyncio.ensure_future(keys.look())
    staying = asyncio.ensure_future(keys.look())
    await asyncio.sleep(0)
    leaving.cancel()
    await staying
    assert keys.are_there
    assert issuer.fetched == 1


async def test_an_unknown_key_brings_one_fetch_and_then_a_cool_down(
    scheme: Make,
    issuer: Issuer,
    claims: dict[str, Any],
    clock: ManualClock,
    made_keys: Mapping[str, Any],
) -> None:
    """Tokens with made-up kids must not turn the gateway against its issuer."""
    users = scheme(cool_down="30s")
    assert await users.look(bearing(issuer.sign(claims))) is not None
    issuer.add("other", made_keys["other"])
    fresh = bearing(issuer.sign(claims, kid="other"))
    for _ in range(10):
        with pytest.raises(Rejected, match="does not have"):
            await users.look(fresh)
    assert issuer.fetched == 1
    await clock.advance(30)
    assert await users.look(fresh) is not None
    assert issuer.fetched == 2


async def test_who_comes_while_new_keys_are_fetched_waits_for_them(
    scheme: Make, issuer: Issuer, claims: dict[str, Any], clock: ManualClock, made_keys: Mapping[str, Any]
) -> None:
    """An issuer changes its keys under a crowd: nobody is turned away because another one asked first."""
    users = scheme(cool_down="30s")
    assert await users.look(bearing(issuer.sign(claims))) is not None
    issuer.add("other", made_keys["other"])
    fresh = [bearing(issuer.sign({**claims, "sub": f"u{number}"}, kid="other")) for number in range(20)]
    await clock.advance(30)
    callers = await asyncio.gather(*map(known, [users] * len(fresh), fresh))
    assert [each.subject for each in callers if each] == [f"u{number}" for number in range(20)]
    assert issuer.fetched == 2


async def known(scheme: Jwt, request: Request) -> Caller | None:
    """As a route's guard asks: at once where that will do."""
    try:
        return scheme.known(request)
    except Unsure:
        return await scheme.look(request)


async def test_keys_are_looked_after_in_the_background(
    keys: Keys, issuer: Issuer, clock: ManualClock
) -> None:
    await keys.look()
    await clock.advance(600)
    assert keys.candidates("rsa", "RS256")
    await settle()
    assert issuer.fetched == 2


async def test_an_issuer_that_is_down_changes_nothing(keys: Keys, issuer: Issuer, clock: ManualClock) -> None:
    await keys.look()
    generation = keys.generation
    for trouble in (OSError("down"), ValueError("no set")):
        issuer.failure = trouble
        await clock.advance(3600)
        assert keys.candidates("rsa", "RS256")
        await settle()
    assert issuer.fetched == 3
    assert keys.candidates("rsa", "RS256")
    assert keys.generation == generation


async def test_an_issuer_that_was_never_up_is_told(keys: Keys, issuer: Issuer, clock: ManualClock) -> None:
    """As 503: the caller's token may be perfectly good. It is asked again after the cool-down only."""
    issuer.failure = OSError("down")
    for _ in range(3):
        with pytest.raises(KeysUnavailable) as caught:
            await keys.look()
    assert caught.value.status == 503
    assert issuer.fetched == 1
    issuer.failure = None
    await clock.advance(30)
    await keys.look()
    assert keys.are_there


async def test_a_fetch_that_hangs_is_given_up(issuer: Issuer, clock: ManualClock) -> None:
    async def hang(place: str) -> bytes:
        return await asyncio.get_running_loop().create_future()

    keys = Keys("users", "x", fetch=hang, clock=clock, refresh=600.0, cool_down=30.0)
    looking = asyncio.ensure_future(keys.look())
    await settle()
    await clock.advance(FETCH_TIMEOUT)
    with pytest.raises(KeysUnavailable):
        await looking


async def test_closing_ends_a_fetch(clock: ManualClock) -> None:
    began = asyncio.Event()

    async def hang(place: str) -> bytes:
        began.set()
        return await asyncio.get_running_loop().create_future()

    keys = Keys("users", "x", fetch=hang, clock=clock, refresh=600.0, cool_down=30.0)
    looking = asyncio.ensure_future(keys.look())
    await began.wait()
    await keys.aclose()
    with pytest.raises(asyncio.CancelledError):
        await looking
    await keys.aclose()


async def test_without_a_kid_only_one_fitting_key_will_do(
    keys: Keys, issuer: Issuer, clock: ManualClock, made_keys: Mapping[str, Any]
) -> None:
    issuer.add("ec", made_keys["ec"])
    await keys.look()
    assert len(keys.candidates(None, "RS256")) == 1
    issuer.add("other", made_keys["other"])
    await clock.advance(30)
    await keys.look()
    assert keys.candidates(None, "RS256") == []
    assert len(keys.candidates("other", "RS256")) == 1
    assert keys.candidates("ec", "RS256") == []


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys": 7}',
        b'{"keys": []}',
        b'{"keys": [7, {"kty": "RSA"}, {"kty": "new"}]}',
        json.dumps({"keys": [{}] * (MOST + 1)}).encode(),
        b'{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}',
    ],
)
def test_what_is_no_key_set_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):
        parsed(text)


def test_keys_of_unknown_kinds_are_left_out(issuer: Issuer) -> None:
    """RFC 7517 §5: implementations should ignore JWKs that they do not understand."""
    document = json.loads(issuer.document)
    document["keys"][:0] = [{"kty": "AKP", "kid": "new"}, {"kty": "RSA"}, {"kty": "oct", "k": "c2VjcmV0"}]
    assert [key.kid for key in parsed(json.dumps(document).encode())] == ["rsa"]


def test_keys_for_encryption_or_another_algorithm_do_not_verify(issuer: Issuer, clock: ManualClock) -> None:
    keys = Keys("users", "x", fetch=issuer.fetch, clock=clock, refresh=9e9, cool_down=9e9)
    keys._looked = clock.now()
    own = issuer.keys["rsa"].as_dict(private=False)
    for more, fits in (({}, True), ({"use": "enc"}, False), ({"use": "sig", "alg": "RS512"}, False)):
        keys._keys = parsed(json.dumps({"keys": [{**own, **more}]}).encode())
        assert bool(keys.candidates("rsa", "RS256")) == fits
