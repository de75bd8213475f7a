"""Conditions on a call in routes.yaml: what a header field, a cookie, a query parameter or a claim must be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from bff.config import matching
from bff.config.fieldnames import HeaderName
from bff.config.gateway import Network
from bff.config.matching import Matcher
from bff.config.names import is_token
from bff.config.section import FROZEN, Also, OneOrMany, OrEmpty, Secret, Section, no_entries, wrong

KINDS: dict[str, Callable[[str], Matcher]] = {
    "exact": matching.exactly,
    "prefix": matching.beginning_with,
    "regex": matching.matching,
    "version": matching.in_range,
}


def _of_text(value: Any) -> Any:
    if isinstance(value, str):
        return {"version" if matching.is_range(value) else "exact": value}
    return value


class TextMatch(Section):
    """Exactly one of its keys. Plain text is ``exact``, text that begins with < or > is ``version``."""

    exact: str | None = Field(default=None, description="Equal, letter for letter.")
    prefix: str | None = Field(default=None, description="The value begins so.")
    regex: str | None = Field(
        default=None, description="The whole value matches; at most two repeats, none within another."
    )
    version: str | None = Field(default=None, description="A version within `<5.2` or `>=5.0 <5.2`.")

    @model_validator(mode="after")
    def _is_one(self) -> TextMatch:
        if len(self._said()) != 1:
            raise wrong("has exactly one of exact, prefix, regex and version")
        try:
            self.matcher()
        except ValueError as error:
            raise wrong("cannot be obeyed", hint=f": it {error}") from None
        return self

    def _said(self) -> list[str]:
        return [kind for kind in KINDS if getattr(self, kind) is not None]

    def matcher(self) -> Matcher:
        """What tells whether a value meets it."""
        (kind,) = self._said()
        return KINDS[kind](getattr(self, kind))


def _cookie_name(text: str) -> str:
    if not is_token(text):
        raise wrong("is not the name of a cookie (RFC 6265 §4.1.1)")
    return text


CookieName = Annotated[str, AfterValidator(_cookie_name)]
Match = Annotated[TextMatch, Also(_of_text, "string")]


class Conditions(Section):
    """What must be true of a call, all of it."""

    headers: Annotated[Mapping[HeaderName, Match], OrEmpty, *FROZEN] = Field(
        default_factory=no_entries, description="Header fields."
    )
    cookies: Annotated[Mapping[CookieName, Match], OrEmpty, *FROZEN] = Field(
        default_factory=no_entries, description="Cookies."
    )
    query: Annotated[Mapping[str, Match], OrEmpty, *FROZEN] = Field(
        default_factory=no_entries, description="Query parameters; the first of a name counts."
    )
    claims: Annotated[Mapping[str, Match], OrEmpty, *FROZEN] = Field(
        default_factory=no_entries, description="Claims of an authenticated caller; nobody else meets them."
    )

    @model_validator(mode="after")
    def _says_something(self) -> Conditions:
        if not (self.headers or self.cookies or self.query or self.claims):
            raise wrong("has no condition; give it one of headers, cookies, query and claims")
        return self


class TrustConfig(Section):
    """Who may choose; one of these is enough."""

    addresses: Annotated[tuple[Network, ...], OneOrMany] = Field(
        default=(), description="Callers' addresses and networks."
    )
    token: Secret | None = Field(
        default=None, description="A secret that callers send in `Bff-Override-Token`; always secret."
    )
    claims: Annotated[Mapping[str, Match], OrEmpty, *FROZEN] = Field(
        default_factory=no_entries, description="Claims of an authenticated caller, all of them."
    )

    @model_validator(mode="after")
    def _trusts_somebody(self) -> TrustConfig:
        if not (self.addresses or self.token or self.claims):
            raise wrong("trusts nobody; give it addresses, a token or claims, or leave it out")
        if self.token is not None and len(self.token.get_secret_value()) < 16:
            raise wrong("has a token that can be guessed; it has at least 16 characters")
        return self
