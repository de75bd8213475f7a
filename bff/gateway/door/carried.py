"""What every answer of a route carries, whoever wrote it: leave for other origins, and fields of caution."""

from __future__ import annotations

from bff.config import CorsConfig
from bff.config.headers import SecurityHeadersConfig
from bff.gateway.door import caution
from bff.gateway.door.cors import Cors
from bff.sdk.reply import HeaderPairs


class Carried:
    """Immutable: for each exactly listed origin, and for nobody, a finished list."""

    __slots__ = ("_always", "_by_origin", "_on_top", "_to_nobody", "cors", "minds_https")

    def __init__(self, cors: CorsConfig | None, headers: SecurityHeadersConfig) -> None:
        self.cors = None if cors is None else Cors(cors)
        self._always = caution.fields(headers)
        self._on_top = caution.over_https(headers)
        self.minds_https = bool(self._on_top)
        """Whether it makes a difference that a request came over https."""
        self._to_nobody = [*self._always, *(self.cors.fields(None) if self.cors is not None else ())]
        listed = self.cors.by_origin if self.cors is not None else {}
        self._by_origin = {origin: [*self._always, *fields] for origin, fields in listed.items()}

    def fields(self, origin: bytes | None, *, is_https: bool) -> HeaderPairs:
        """The fields for an answer to a request with this ``Origin``."""
        if origin is None or self.cors is None:
            carried = self._to_nobody
        else:
            carried = self._by_origin.get(origin) or [*self._always, *self.cors.fields(origin)]
        return [*carried, *self._on_top] if is_https and self.minds_https else carried
