"""Who may say which revision they get. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from hmac import compare_digest
from typing import TYPE_CHECKING, Any

from bff.config.matching import Matcher
from bff.config.networks import Networks, is_within
from bff.frozen import frozen
from bff.sdk.caller import Caller

if TYPE_CHECKING:
    from bff.config import TrustConfig

TOKEN = b"bff-override-token"
"""The header field that holds the secret."""


@frozen
class Trust:
    """Who may say which revision they get: by address, by the token in ``Bff-Override-Token``, or by claims."""

    networks: Networks = ()
    token: str = ""
    claims: Mapping[str, Matcher] = field(default_factory=dict)

    def allows(self, client: str, token: bytes | None, caller: Caller) -> bool:
        """Whether somebody of this address, with this token and these checked claims, is one of them."""
        if self.token and token is not None and compare_digest(self.token.encode(), token):
            return True
        if self.networks and is_within(client, self.networks):
            return True
        said = [(claim_of(caller, name), matches) for name, matches in self.claims.items()]
        return bool(said) and all(value is not None and matches(value) for value, matches in said)


def claim_of(caller: Caller, name: str) -> str | None:
    """A claim as text: a list's items with spaces between, as in OAuth's ``scope``; None where there is none."""
    value: Any = caller.claims.get(name)
    if value is None:
        return None
    if isinstance(value, list):
        return " ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def trust_of(trust: TrustConfig) -> Trust:
    """What routes.yaml says about it."""
    return Trust(
        networks=trust.addresses,
        token=trust.token.get_secret_value() if trust.token else "",
        claims={name: match.matcher() for name, match in trust.claims.items()},
    )
