"""Who asks, and whether they may: bearer tokens for all writes, and for reads that do not come over loopback."""

from __future__ import annotations

import re

from bff.admin.keys import ANYBODY, Keyring, Scope, Who
from bff.admin.refusals import ScopeMissing, TokenRequired

_BEARER = re.compile(rb"bearer +([A-Za-z0-9._~+/-]{1,512}=*) *", re.IGNORECASE)  # RFC 6750 §2.1

_NO_TOKEN = (
    "This needs a bearer token: the one in the state folder, admin-token, or one of `bff token create`."  # noqa: S105
)
_WRONG_TOKEN = "This token is not known here: it was revoked, made for another gateway, or mistyped."  # noqa: S105


class Gate:
    """Immutable. ``is_open`` tells whether reads need no token: the listener is on loopback."""

    def __init__(self, keys: Keyring, *, is_open: bool) -> None:
        self._keys = keys
        self._is_open = is_open

    async def admit(self, fields: list[tuple[bytes, bytes]], scope: Scope) -> Who:
        """Whoever asks, when they have the scope.

        Raises:
            TokenRequired: a token is needed, or the one that came is unknown.
            ScopeMissing: the token is known and may not do this.

        """
        said = [value for name, value in fields if name == b"authorization"]
        if not said and scope is Scope.READ and self._is_open:
            return ANYBODY
        if not said:
            raise TokenRequired(_NO_TOKEN)
        token = _BEARER.fullmatch(said[0])
        who = await self._keys.holder(token[1].decode()) if token and len(said) == 1 else None
        if who is None:
            raise TokenRequired(_WRONG_TOKEN)
        if not who.may(scope):
            raise ScopeMissing(scope)
        return who
