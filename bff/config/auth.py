"""Who may call: the ways a caller can show who it is, and what a route asks of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator

from bff.config.fieldnames import HeaderName
from bff.config.section import (
    FROZEN,
    Also,
    Flag,
    NoDoubles,
    OneOrMany,
    OrEmpty,
    Secret,
    Section,
    no_entries,
    wrong,
)
from bff.config.units import Duration

ASYMMETRIC = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
)
"""Algorithms by which a public key proves who signed (RFC 7518 §3.1, RFC 8037, RFC 9864)."""
SYMMETRIC = ("HS256", "HS384", "HS512")
"""Algorithms by which whoever can check can also sign."""
PUBLIC = "none"
"""What a route's ``auth`` says to ask nothing, whatever the default is."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_SCHEME = re.compile(r"[a-z][a-z0-9_-]*")
MIN_SECRET = 32
"""Bytes an HMAC secret has at least (RFC 7518 §3.2, for HS256)."""


def _key_place(text: str) -> str:
    if text.startswith("http://") and not re.match(r"http://(localhost|127\.0\.0\.1|\[::1\])[:/]", text):
        raise wrong("keys fetched without TLS could be anybody's; write https:// or a file's path")
    if "://" in text and not text.startswith(("https://", "http://")):
        raise wrong("is neither an https:// address nor a file's path")
    return text


def _digest(value: SecretStr) -> SecretStr:
    if not _DIGEST.fullmatch(value.get_secret_value()):
        raise wrong("is not a key's digest; `bff key` makes a key and its line: sha256:… with 64 hex digits")
    return value


def _long_enough(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value().encode()) < MIN_SECRET:
        raise wrong("is shorter than 32 bytes, so that it could be guessed (RFC 7518 §3.2)")
    return value


class JwtConfig(Section):
    """Bearer tokens that somebody else has signed (RFC 7519, RFC 9068); the rules are RFC 8725's."""

    issuer: str = Field(min_length=1, description="What `iss` must be, letter by letter.")
    audience: Annotated[tuple[str, ...], OneOrMany] = Field(
        min_length=1, description="What `aud` must hold: one of these."
    )
    jwks: Annotated[str, AfterValidator(_key_place)] | None = Field(
        default=None, description="Where the issuer's public keys are: an https:// address or a file."
    )
    secret: Annotated[Secret, AfterValidator(_long_enough)] | None = Field(
        default=None, description="Instead of jwks: the secret shared with the issuer, for HS algorithms."
    )
    algorithms: Annotated[tuple[str, ...], OneOrMany, NoDoubles] = Field(
        default=("RS256",), min_length=1, description="The algorithms a signature may have."
    )
    leeway: Duration = Field(default=30.0, description="How far clocks may differ.")
    refresh: Duration = Field(default=600.0, description="How long fetched keys are good without a look.")
    cool_down: Duration = Field(
        default=30.0, description="How long after a fetch an unknown key brings no other one."
    )
    roles_claim: str = Field(
        default="roles", description="The claim with the caller's roles; dots lead into objects."
    )

    @model_validator(mode="after")
    def _keys_fit(self) -> JwtConfig:
        if find_spec("joserfc") is None:
            raise wrong("needs the library joserfc; run: pip install 'bff-gateway[jwt]'")
        if (self.jwks is None) == (self.secret is None):
            raise wrong("has either jwks or secret")
        known = SYMMETRIC if self.jwks is None else ASYMMETRIC
        for name in self.algorithms:
            if name not in known:
                kind = "a shared secret" if self.jwks is None else "public keys"
                raise wrong(
                    "has an algorithm that does not go with its keys", hint=f": {name} is not for {kind}"
                )
        return self


class ApiKeyConfig(Section):
    """One caller's key, as its digest: whoever reads this file cannot call with it."""

    digest: Annotated[Secret, AfterValidator(_digest)] = Field(
        description="sha256: and the key's SHA-256 in hex; `bff key` makes both."
    )
    scopes: Annotated[tuple[str, ...], OneOrMany, NoDoubles] = Field(
        default=(), description="What this caller may do."
    )
    roles: Annotated[tuple[str, ...], OneOrMany, NoDoubles] = Field(
        default=(), description="What this caller is."
    )


class ApiKeysConfig(Section):
    """Keys that are sent along as they are."""

    header: HeaderName = Field(default="x-api-key", description="The header that carries the key.")
    keys: Annotated[Mapping[str, ApiKeyConfig], OrEmpty, *FROZEN] = Field(
        default_factory=no_entries, description="The callers by name."
    )


class CertificateConfig(Section):
    """Who a client certificate named, as a proxy that terminates TLS tells it. Only `gateway.trusted_proxies`
    are believed.
    """

    header: HeaderName = Field(
        default="x-forwarded-client-cert", description="The header in which the proxy tells it."
    )
    format: Literal["xfcc", "subject"] = Field(
        default="xfcc",
        description="xfcc: Envoy's, the URI or else the Subject of its last element; subject: the whole value.",
    )


class SchemeConfig(Section):
    """One way for a caller to show who it is: exactly one of the three."""

    jwt: JwtConfig | None = Field(default=None, description="Signed bearer tokens.")
    api_keys: ApiKeysConfig | None = Field(default=None, description="Keys kept here by digest.")
    certificate: CertificateConfig | None = Field(
        default=None, description="Client certificates, checked by a trusted proxy."
    )

    @model_validator(mode="after")
    def _is_one(self) -> SchemeConfig:
        if sum(each is not None for each in (self.jwt, self.api_keys, self.certificate)) != 1:
            raise wrong("is exactly one of jwt, api_keys and certificate")
        return self


class DemandConfig(Section):
    """What a route asks of its callers."""

    any: Annotated[tuple[str, ...], OneOrMany, NoDoubles] = Field(
        min_length=1, description="Schemes of `auth`: one of them must say who it is."
    )
    scopes: Annotated[tuple[str, ...], OneOrMany, NoDoubles] = Field(
        default=(), description="Scopes the caller must have, all of them."
    )
    roles: Annotated[tuple[str, ...], OneOrMany, NoDoubles] = Field(
        default=(), description="Roles of which the caller must have one."
    )
    optional: Flag = Field(
        default=False, description="Whether callers without any credential come in, as nobody."
    )


NOTHING_ASKED = DemandConfig.model_construct(any=(), scopes=(), roles=(), optional=True)
"""A public route. Not what `any: []` makes, which is a mistake: it would open a door without saying so."""


def _demand(value: Any) -> Any:
    """``auth: users``, ``auth: [users, machines]`` and ``auth: none`` are short for the whole form."""
    if value == PUBLIC:
        return NOTHING_ASKED
    if isinstance(value, str):
        return {"any": (value,)}
    return {"any": tuple(value)} if isinstance(value, list | tuple) else value


Demand = Annotated[DemandConfig, Also(_demand, "string")]


def scheme_names(names: Mapping[str, SchemeConfig]) -> Mapping[str, SchemeConfig]:
    """The schemes, if their names can be."""
    for name in names:
        if name == PUBLIC or not _SCHEME.fullmatch(name):
            raise wrong(
                "a scheme's name is lower-case letters, digits, _ and -, and not none", hint=f": {name}"
            )
    return names
