"""Issuers with real keys, and requests as the guards see them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from bff.config.auth import JwtConfig
from bff.gateway.auth.jwt import Jwt
from bff.gateway.auth.keys import Keys
from bff.gateway.auth.scheme import Request
from bff.testing import ManualClock

ISSUER = "https://id.example"


class Issuer:
    """Signs tokens; ``document`` is its JWK Set, and ``fetched`` counts who asked for it."""

    def __init__(self) -> None:
        self.keys: dict[str, Any] = {}
        self.add("rsa", RSAKey.generate_key(2048, parameters={"kid": "rsa"}))
        self.fetched = 0
        self.failure: Exception | None = None

    def add(self, kid: str, key: Any) -> Any:
        self.keys[kid] = key
        return key

    @property
    def document(self) -> bytes:
        return json.dumps({"keys": [key.as_dict(private=False) for key in self.keys.values()]}).encode()

    async def fetch(self, place: str) -> bytes:
        assert place == "the place"
        self.fetched += 1
        if self.failure is not None:
            raise self.failure
        return self.document

    def sign(self, claims: Mapping[str, Any], *, kid: str = "rsa", **header: Any) -> str:
        key = self.keys[kid]
        algorithm = {"RSA": "RS256", "EC": "ES256", "OKP": "Ed25519"}[key.key_type]
        whole = {"alg": algorithm, "kid": kid, **header}
        whole = {name: value for name, value in whole.items() if value is not None}
        return jwt.encode(whole, dict(claims), key, algorithms=[whole["alg"]])


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="session")
def made_keys() -> Mapping[str, Any]:
    """Keys of every kind, made once: RSA keys take a while."""
    return {
        "other": RSAKey.generate_key(2048, parameters={"kid": "other"}),
        "ec": ECKey.generate_key("P-256", parameters={"kid": "ec"}),
        "ed": OKPKey.generate_key("Ed25519", parameters={"kid": "ed"}),
        "oct": OctKey.generate_key(256, parameters={"kid": "oct"}),
    }


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


def config_of(**settings: Any) -> JwtConfig:
    return JwtConfig.model_validate({"issuer": ISSUER, "audience": "shop", "jwks": "jwks.json", **settings})


Make = Callable[..., Jwt]


@pytest.fixture
def scheme(issuer: Issuer, clock: ManualClock) -> Make:
    """``scheme(algorithms=[…])``: tokens of the issuer, believed by these settings."""

    def make(**settings: Any) -> Jwt:
        config = config_of(**settings)
        keys = Keys(
            "users",
            "the place",
            fetch=issuer.fetch,
            clock=clock,
            refresh=config.refresh,
            cool_down=config.cool_down,
        )
        return Jwt("users", config, keys=None if config.jwks is None else keys, clock=clock)

    return make


@pytest.fixture
def claims(clock: ManualClock) -> dict[str, Any]:
    """What a good token says."""
    now = int(clock.wall())
    return {"iss": ISSUER, "aud": "shop", "sub": "u7", "iat": now, "exp": now + 3600}


def bearing(token: str | bytes, *more: tuple[bytes, bytes]) -> Request:
    value = token.encode() if isinstance(token, str) else token
    return Request([(b"authorization", b"Bearer " + value), *more], False)
