"""What every answer of a route carries, whoever wrote it: leave for other origins, and fields of caution."""

from __future__ import annotations

from collections.abc import Iterable

from bff.config import CorsConfig
from bff.config.headers import SecurityHeadersConfig
from bff.gateway.door import caution
from bff.gateway.door.cors import Cors


class Ready(list[tuple[bytes, bytes]]):
    """Fields that many answers carry alike. ``raw`` are their lines in the head, written once."""

    __slots__ = ("raw",)

    def __init__(self, fields: Iterable[tuple[bytes, bytes]]) -> None:
        super().__init__(fields)
        self.raw = b"".join([b"%b: %b\r\n" % pair for pair in self])


def pairs_of(lines: bytes) -> list[tuple[bytes, bytes]]:
    """The fields of lines that we wrote ourselves, for whoever writes a head of its own."""
    fields = []
    for line in lines.split(b"\r\n")[:-1]:
        name, _, value = line.partition(b": ")
        fields.append((name, value))
    return fields


class Carried:
    """Immutable: for each exactly listed origin, and for nobody, finished lists, over http and over https."""

    __slots__ = ("_by_origin", "_made", "_to_nobody", "cors", "minds_https")

    def __init__(self, cors: CorsConfig | None, headers: SecurityHeadersConfig) -> None:
        self.cors = None if cors is None else Cors(cors)
        always, on_top = caution.fields(headers), caution.over_https(headers)
        self.minds_https = bool(on_top)
        """Whether it makes a difference that a request came over https."""

        def made(fields: Iterable[tuple[bytes, bytes]]) -> tuple[Ready, Ready]:
            over_http = [*always, *fields]
            return Ready(over_http), Ready([*over_http, *on_top])

        self._made = made
        self._to_nobody = made(self.cors.fields(None) if self.cors is not None else ())
        listed = self.cors.by_origin if self.cors is not None else {}
        self._by_origin = {origin: made(fields) for origin, fields in listed.items()}

    def fields(self, origin: bytes | None, *, is_https: bool) -> Ready:
        """The fields for an answer to a request with this ``Origin``."""
        if origin is None or self.cors is None:
            return self._to_nobody[is_https]
        return (self._by_origin.get(origin) or self._made(self.cors.fields(origin)))[is_https]
