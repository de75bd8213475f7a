"""Cross-origin calls by the Fetch standard: exact origins, compiled into header fields once."""

from __future__ import annotations

from collections.abc import Mapping

from bff.config import CorsConfig
from bff.sdk.reply import HeaderPairs

_VARY = (b"vary", b"Origin")


class Cors:
    """The answers for each allowed origin. Immutable after construction."""

    __slots__ = ("_actual", "_config", "_refused")

    def __init__(self, config: CorsConfig) -> None:
        self._config = config
        self._refused: HeaderPairs = [_VARY]
        self._actual: Mapping[bytes, HeaderPairs] = {
            origin.encode(): self._fields(origin) for origin in config.origins
        }

    def _fields(self, origin: str) -> HeaderPairs:
        fields: HeaderPairs = [(b"access-control-allow-origin", origin.encode()), _VARY]
        if self._config.credentials:
            fields.append((b"access-control-allow-credentials", b"true"))
        if self._config.expose:
            fields.append((b"access-control-expose-headers", ", ".join(self._config.expose).encode()))
        return fields

    def fields(self, origin: bytes | None) -> HeaderPairs:
        """What every answer carries: ``Vary: Origin``, and leave to read it for an allowed origin."""
        return self._refused if origin is None else self._actual.get(origin, self._refused)

    def preflight(self, origin: bytes, allow: str) -> HeaderPairs:
        """What answers a preflight; without leave the browser does not send the real request."""
        if origin not in self._actual:
            return self._refused
        fields = [pair for pair in self._actual[origin] if pair[0] != b"access-control-expose-headers"]
        fields.append((b"access-control-allow-methods", allow.encode()))
        if self._config.headers:
            fields.append((b"access-control-allow-headers", ", ".join(self._config.headers).encode()))
        fields.append((b"access-control-max-age", b"%d" % self._config.max_age))
        return fields
