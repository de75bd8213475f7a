"""Who may say which revision they get. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import TYPE_CHECKING

from bff.config.matching import Matcher
from bff.config.networks import Networks, is_within

if TYPE_CHECKING:
    from bff.config import TrustConfig

TOKEN = b"bff-override-token"
"""The header field that holds the secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Who may say which revision they get: by address, by the token in ``Bff-Override-Token``, or by claims."""

    networks: Networks = ()
    token: str = ""
    claims: Mapping[str, Matcher] = field(default_factory=dict)

    def allows(self, client: str, token: bytes | None, claims: Mapping[str, object] | None) -> bool:
        """Whether this caller is one of them."""
        if self.token and token is not None and compare_digest(self.token.encode(), token):
            return True
        if self.networks and is_within(client, self.networks):
            return True
        return bool(self.claims and claims) and all(
            matches(str((claims or {}).get(name, ""))) for name, matches in self.claims.items()
        )


def trust_of(trust: TrustConfig) -> Trust:
    """What routes.yaml says about it."""
    return Trust(
        networks=trust.addresses,
        token=trust.token.get_secret_value() if trust.token else "",
        claims={name: match.matcher() for name, match in trust.claims.items()},
    )
