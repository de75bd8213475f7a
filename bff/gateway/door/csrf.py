"""Whether an unsafe call that carries cookies comes from a page that may make it. Pure.

A browser sends a user's cookies whoever makes it call. What tells the pages apart is what they cannot forge:
``Sec-Fetch-Site`` (W3C Fetch Metadata), else ``Origin`` beside ``Host``. The order is that of Go's
http.CrossOriginProtection; a call with neither field comes from no browser of these years, whose users' cookies
nobody else can send.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bff.config import CorsConfig
from bff.config.csrf import CsrfConfig
from bff.gateway.door.failures import CrossSite
from bff.gateway.door.origins import Origins

SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""Methods that change nothing (RFC 9110 §9.2.1)."""

_OURS = frozenset({b"same-origin", b"none"})
_READ = frozenset({b"sec-fetch-site", b"origin", b"host", b"cookie", b"x-csrf", b"x-forwarded-host"})


class Csrf:
    """What one route allows. Immutable. ``is_ambient``: browsers send what identifies the caller by themselves,
    cookies or not, as they do with client certificates. ``refusal`` is what other sites' pages get.
    """

    __slots__ = ("_is_ambient", "_needs_header", "_refusal", "_trusted")

    def __init__(
        self,
        config: CsrfConfig,
        cors: CorsConfig | None,
        *,
        is_ambient: bool = False,
        refusal: Callable[[], CrossSite] = CrossSite.page,
    ) -> None:
        self._refusal = refusal
        called = cors.origins if cors is not None and cors.credentials else ()
        self._trusted = Origins((*config.origins, *called))
        self._needs_header = config.require_header
        self._is_ambient = is_ambient

    def check(self, headers: Sequence[tuple[bytes, bytes]], *, is_vouched: bool) -> None:
        """Let the call pass. ``is_vouched``: its peer is a trusted proxy, which may say what host was asked for.

        Raises:
            CrossSite: it may be another site's doing.

        """
        seen: dict[bytes, list[bytes]] = {}
        for name, value in headers:
            if name in _READ:
                seen.setdefault(name, []).append(value)
        if b"cookie" not in seen and not self._is_ambient:
            return
        if not self._is_own(seen, is_vouched=is_vouched):
            raise self._refusal()
        if self._needs_header and seen.get(b"x-csrf") != [b"1"]:
            raise CrossSite.header()

    def _is_own(self, seen: dict[bytes, list[bytes]], *, is_vouched: bool) -> bool:
        sites, said = seen.get(b"sec-fetch-site", []), seen.get(b"origin", [])
        if len(sites) > 1 or len(said) > 1:
            return False  # two answers to one question: one of them is somebody's invention
        if sites and sites[0] in _OURS:
            return True
        if not said:
            return not sites
        if said[0] in self._trusted:
            return True
        return not sites and _host_of(said[0]) in _hosts(seen, is_vouched=is_vouched)


def _host_of(origin: bytes) -> bytes:
    """``host:port`` of an origin; empty for ``null`` and whatever has a path, a query or a user in it."""
    host = origin.partition(b"://")[2]
    return b"" if any(each in host for each in b"/?#@\\") else host


def _hosts(seen: dict[bytes, list[bytes]], *, is_vouched: bool) -> set[bytes]:
    """What this gateway was called in the request."""
    told = seen.get(b"host", []) + (seen.get(b"x-forwarded-host", []) if is_vouched else [])
    return {each.lower() for each in told if each}
