"""Cross-origin calls by the Fetch standard: which origins get leave, compiled into header fields once."""

from __future__ import annotations

from collections.abc import Mapping

from bff.config import CorsConfig
from bff.gateway.door.origins import Origins
from bff.sdk.reply import HeaderPairs

_VARY = (b"vary", b"Origin")
_PRIVATE = (b"access-control-allow-private-network", b"true")
ASKS_METHOD = b"access-control-request-method"
ASKS_PRIVATE = b"access-control-request-private-network"
"""A page of the public internet asks about a private address (https://wicg.github.io/private-network-access/)."""


class Cors:
    """The answers for each allowed origin. Immutable after construction."""

    __slots__ = ("_actual", "_config", "_origins", "_refused")

    def __init__(self, config: CorsConfig) -> None:
        self._config = config
        self._origins = Origins(config.origins)
        # Whoever might get leave is told apart by Origin, in every answer: caches keep one of each.
        self._refused: HeaderPairs = [_VARY] if self._origins else []
        self._actual: Mapping[bytes, HeaderPairs] = {
            origin: self._fields(origin) for origin in self._origins.exact
        }

    def _fields(self, origin: bytes) -> HeaderPairs:
        fields: HeaderPairs = [(b"access-control-allow-origin", origin), _VARY]
        if self._config.credentials:
            fields.append((b"access-control-allow-credentials", b"true"))
        if self._config.expose:
            fields.append((b"access-control-expose-headers", ", ".join(self._config.expose).encode()))
        return fields

    @property
    def by_origin(self) -> Mapping[bytes, HeaderPairs]:
        """What answers to exactly listed origins carry."""
        return self._actual

    def fields(self, origin: bytes | None) -> HeaderPairs:
        """What every answer carries: ``Vary: Origin``, and leave to read it for an allowed origin."""
        if origin is None:
            return self._refused
        known = self._actual.get(origin)
        if known is not None:
            return known
        return self._fields(origin) if origin in self._origins else self._refused

    def preflight(self, origin: bytes, allow: str, *, asks_private: bool = False) -> HeaderPairs:
        """What answers a preflight; without leave the browser does not send the real request."""
        if origin not in self._origins:
            return self._refused
        fields = [pair for pair in self.fields(origin) if pair[0] != b"access-control-expose-headers"]
        fields.append((b"access-control-allow-methods", allow.encode()))
        if self._config.headers:
            fields.append((b"access-control-allow-headers", ", ".join(self._config.headers).encode()))
        if asks_private and self._config.private_network:
            fields.append(_PRIVATE)
        fields.append((b"access-control-max-age", b"%d" % self._config.max_age))
        return fields
