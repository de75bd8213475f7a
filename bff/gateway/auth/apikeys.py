"""Keys that callers send along as they are, and that are kept here by digest only."""

from __future__ import annotations

import hashlib
import hmac

from bff.config.auth import ApiKeysConfig
from bff.gateway.auth.scheme import Rejected, Request
from bff.sdk.caller import Caller

LONGEST = 512
"""Bytes of a key that are looked at."""


class ApiKeys:
    """Immutable."""

    challenge = ""

    def __init__(self, name: str, config: ApiKeysConfig) -> None:
        self._header = config.header.encode()
        self._callers = [
            (
                bytes.fromhex(key.digest.get_secret_value().removeprefix("sha256:")),
                Caller(subject=who, scheme=name, scopes=frozenset(key.scopes), roles=frozenset(key.roles)),
            )
            for who, key in config.keys.items()
        ]

    def known(self, request: Request) -> Caller | None:
        """Every digest is compared, and each in constant time: how long it takes tells nothing."""
        key = request.the_one(self._header)
        if key is None:
            return None
        digest, found = hashlib.sha256(key[:LONGEST]).digest(), None
        for kept, caller in self._callers:
            if hmac.compare_digest(kept, digest):
                found = caller
        if found is None or len(key) > LONGEST:
            raise Rejected("the API key is unknown")
        return found

    async def look(self, request: Request) -> Caller | None:
        """There is nowhere else to look."""
        return self.known(request)
