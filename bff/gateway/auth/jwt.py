"""Signed bearer tokens (RFC 6750, RFC 7519): believed only by RFC 8725's rules.

The algorithm is ours to choose, never the token's; a key that a token brings along or points at is not looked
at. A verified token is remembered until it expires.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cachetools import TLRUCache
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from joserfc.jws import JWSRegistry

from bff.clock import Clock
from bff.config.auth import JwtConfig
from bff.errors import BadRequest
from bff.gateway.auth.keys import Keys
from bff.gateway.auth.scheme import Rejected, Request, Unsure
from bff.sdk.caller import Caller
from bff.sdk.json import loads

LONGEST = 8 * 1024
"""Bytes a token may have."""
REMEMBERED = 1024
"""Verified tokens that are remembered."""
FAR_FUTURE = 10.0**12
"""Unix seconds beyond which nothing is a time."""


class Jwt:
    """Mutable state: ``_verified`` tokens with the end of each, and the keys' generation they belong to."""

    def __init__(self, name: str, config: JwtConfig, *, keys: Keys | None, clock: Clock) -> None:
        self.challenge = "Bearer"
        self._name = name
        self._config = config
        self._keys = keys
        self._clock = clock
        self._algorithms = frozenset(config.algorithms)
        self._registry = JWSRegistry(algorithms=list(config.algorithms), strict_check_header=False)
        secret = config.secret.get_secret_value() if config.secret is not None else None
        self._secret = OctKey.import_key(secret) if secret is not None else None
        self._generation = 0
        self._verified: TLRUCache[bytes, tuple[Caller, float]] = TLRUCache(
            REMEMBERED, ttu=lambda _token, known, _now: known[1], timer=clock.wall
        )

    def known(self, request: Request) -> Caller | None:
        """Who the bearer token says it is."""
        token = self._token(request)
        if token is None:
            return None
        if self._keys is not None and self._keys.generation != self._generation:
            self._verified.clear()  # a key may have been withdrawn
            self._generation = self._keys.generation
        remembered = self._verified.get(token)
        return remembered[0] if remembered is not None else self._verify(token)

    async def look(self, request: Request) -> Caller | None:
        """The same, with the issuer's keys as they are now."""
        assert self._keys is not None
        await self._keys.look()
        try:
            return self.known(request)
        except Unsure:
            raise Rejected("the token was signed with a key its issuer does not have") from None

    @staticmethod
    def _token(request: Request) -> bytes | None:
        value = request.the_one(b"authorization")
        if value is None or value[:7].lower() != b"bearer ":
            return None
        token = value[7:].strip(b" ")
        if len(token) > LONGEST:
            raise Rejected(f"the token is longer than {LONGEST} bytes")
        return token

    def _verify(self, token: bytes) -> Caller:
        try:
            signed = jws.extract_compact(token)
            header = signed.headers()
        except (JoseError, ValueError, TypeError, KeyError, RecursionError):
            raise Rejected("the token is not a signed JWT") from None
        algorithm = header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in self._algorithms:
            raise Rejected("the token is signed with an algorithm that is not accepted")
        if "crit" in header or "b64" in header:
            raise Rejected("the token demands extensions that are not understood")
        self._check_signature(signed, header, algorithm)
        claims = self._claims(signed.payload)
        caller = self._caller(claims)
        self._verified[token] = caller, claims["exp"] + self._config.leeway
        return caller

    def _check_signature(self, signed: Any, header: Mapping[str, Any], algorithm: str) -> None:
        for key in self._candidates(header, algorithm):
            try:
                if jws.validate_compact(signed, key, registry=self._registry):
                    return
            except (JoseError, ValueError, TypeError):
                continue
        raise Rejected("the token's signature does not match")

    def _candidates(self, header: Mapping[str, Any], algorithm: str) -> list[Any]:
        if self._keys is None:
            return [self._secret]
        if not self._keys.are_there:
            raise Unsure
        kid = header.get("kid")
        if kid is not None and not isinstance(kid, str):
            raise Rejected("the token's kid is not text")
        found = self._keys.candidates(kid, algorithm)
        if not found:
            if self._keys.may_change():
                raise Unsure
            raise Rejected("the token was signed with a key its issuer does not have")
        return found

    def _claims(self, payload: bytes) -> Mapping[str, Any]:
        try:
            claims = loads(payload)  # strictly: of two equal keys, another reader may believe the other one
        except (BadRequest, UnicodeDecodeError):
            claims = None
        if not isinstance(claims, dict):
            raise Rejected("the token's claims are not a JSON object")
        self._check_times(claims)
        if claims.get("iss") != self._config.issuer:
            raise Rejected("the token is of another issuer")
        meant = claims.get("aud")
        audiences = meant if isinstance(meant, list) else [meant]
        if not any(isinstance(each, str) and each in self._config.audience for each in audiences):
            raise Rejected("the token is for another audience")
        return claims

    def _check_times(self, claims: Mapping[str, Any]) -> None:
        """RFC 7519 §4.1.4 to §4.1.6. A token that never expires is not believed."""
        now, leeway = self._clock.wall(), self._config.leeway
        for name, is_needed in (("exp", True), ("nbf", False), ("iat", False)):
            moment = claims.get(name)
            if moment is None and not is_needed:
                continue
            if (
                isinstance(moment, bool)
                or not isinstance(moment, int | float)
                or not 0 <= moment < FAR_FUTURE
            ):
                raise Rejected(f"the token's {name} is missing or no time")
        if now >= claims["exp"] + leeway:
            raise Rejected("the token has expired")
        if now < claims.get("nbf", 0) - leeway or now < claims.get("iat", 0) - leeway:
            raise Rejected("the token is not valid yet")

    def _caller(self, claims: Mapping[str, Any]) -> Caller:
        subject = claims.get("sub")
        if not isinstance(subject, str) or not subject:
            raise Rejected("the token names no subject")
        return Caller(
            subject=subject,
            scheme=self._name,
            scopes=_words(claims.get("scope", claims.get("scp"))),
            roles=_words(_within(claims, self._config.roles_claim)),
            claims=claims,
        )


def _words(value: Any) -> frozenset[str]:
    """A list of texts, or texts between blanks (RFC 8693 §4.2)."""
    if isinstance(value, str):
        return frozenset(value.split())
    return (
        frozenset(each for each in value if isinstance(each, str)) if isinstance(value, list) else frozenset()
    )


def _within(claims: Any, path: str) -> Any:
    """``realm_access.roles`` and the like; a claim of that very name comes first."""
    if path in claims:
        return claims[path]
    for part in path.split("."):
        claims = claims.get(part) if isinstance(claims, dict) else None
    return claims
