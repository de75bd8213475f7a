"""Who may use the admin listener besides this machine's own user."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from bff.config.section import (
    FROZEN,
    LowerCased,
    NoDoubles,
    OneOrMany,
    OrEmpty,
    Secret,
    Section,
    no_entries,
    wrong,
)

_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750 §2.1
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_OURS = ("local", "anybody")  # who has the token of the state folder, and who has none
SHORTEST = 32
"""Characters: 128 random bits in hex. What is shorter was thought up by somebody, and can be guessed."""


def _token(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    # Said without "is" or "has": before those the value itself would be quoted.
    if not _TOKEN.fullmatch(text):
        raise wrong("no bearer token: letters, digits and -._~+/ only (RFC 6750 §2.1)")
    if not SHORTEST <= len(text) <= 512:
        raise wrong("a token has 32 to 512 characters; `openssl rand -hex 32` makes one")
    return value


def _host(text: str) -> str:
    if not _HOST.fullmatch(text):
        raise wrong("is no host's name; write it without scheme and port, such as gateway.example.com")
    return text


HostName = Annotated[LowerCased, AfterValidator(_host)]


class AdminTokenConfig(Section):
    """A token that no store has to know. History and audit log show its name."""

    token: Annotated[Secret, AfterValidator(_token)] = Field(
        description="The token itself; write a reference, such as ${ADMIN_TOKEN} or ${file:admin.token}."
    )
    scopes: Annotated[tuple[Literal["read", "write"], ...], OneOrMany, NoDoubles] = Field(
        default=("read",), description="read, or write, which includes it."
    )


def _names(tokens: Mapping[str, AdminTokenConfig]) -> Mapping[str, AdminTokenConfig]:
    for name in tokens:
        if not _NAME.fullmatch(name) or name in _OURS:
            raise wrong("names of tokens are letters, digits and ._-, and neither local nor anybody")
    return tokens


class AdminConfig(Section):
    """The admin listener's own settings."""

    hosts: Annotated[tuple[HostName, ...], OneOrMany, NoDoubles] = Field(
        default=(), description="Names in Host that it answers to, besides addresses, localhost and its own."
    )
    tokens: Annotated[Mapping[str, AdminTokenConfig], AfterValidator(_names), OrEmpty, *FROZEN] = Field(
        default_factory=no_entries, description="Tokens by name, besides those that `bff token create` makes."
    )
