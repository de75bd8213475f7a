"""Who may use the admin listener besides this machine's own user."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from bff.config.section import FROZEN, NoDoubles, OneOrMany, OrEmpty, Secret, Section, no_entries, wrong

_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750 §2.1
SHORTEST = 32
"""Characters: 128 random bits in hex. What is shorter was thought up by somebody, and can be guessed."""


def _token(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not _TOKEN.fullmatch(text):
        raise wrong("is no bearer token: letters, digits and -._~+/ only (RFC 6750 §2.1)")
    if not SHORTEST <= len(text) <= 512:
        raise wrong("has to be 32 to 512 characters long; `openssl rand -hex 32` makes one")
    return value


class AdminTokenConfig(Section):
    """A token that no store has to know. History and audit log show its name."""

    token: Annotated[Secret, AfterValidator(_token)] = Field(
        description="The token itself; write a reference, such as ${ADMIN_TOKEN} or ${file:admin.token}."
    )
    scopes: Annotated[tuple[Literal["read", "write"], ...], OneOrMany, NoDoubles] = Field(
        default=("read",), description="read, or write, which includes it."
    )


class AdminConfig(Section):
    """The admin listener's own settings."""

    tokens: Annotated[Mapping[str, AdminTokenConfig], OrEmpty, *FROZEN] = Field(
        default_factory=no_entries, description="Tokens by name, besides those that `bff token create` makes."
    )
