"""Who the caller is by address: the peer, or what trusted proxies say of the one before them. Pure.

``X-Forwarded-For`` and ``Forwarded`` (RFC 7239) are read from the right: each trusted hop vouches for the
one before it, and the first address nobody vouches for is the caller's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from cachetools import LRUCache

from bff.config.networks import Networks, is_within, parsed_address

_FOR = re.compile(r'(?:^|[;,\s])for=(?:"([^"]*)"|([^;,\s]*))', re.IGNORECASE)


class TrustedProxies:
    """Declared proxies, and the verdicts on addresses seen lately (bounded). ``are_any`` tells whether anybody is
    trusted at all.
    """

    __slots__ = ("_networks", "_verdicts", "are_any")

    def __init__(self, networks: Networks) -> None:
        self._networks = tuple(networks)
        self.are_any = bool(self._networks)
        self._verdicts: LRUCache[str, bool] = LRUCache(maxsize=1024)

    def client(self, peer: str, headers: Sequence[tuple[bytes, bytes]]) -> str:
        """The caller's address; the peer's own when it is not a trusted proxy or says nothing usable."""
        if not self._networks or not self._trusts(peer):
            return peer
        told = [self._last_vouched(hops, peer) for hops in (_forwarded(headers), _listed(headers)) if hops]
        # A proxy writes one of the two fields and lets the other pass: where they differ, one is the caller's.
        return told[0] if told and told.count(told[0]) == len(told) else peer

    def patience(self, peer: str, headers: Sequence[tuple[bytes, bytes]], name: bytes) -> float | None:
        """Seconds that a trusted peer still waits, by the header of that name; None when nobody trusted says so.

        Said twice, the least counts: each hop has taken its own time off.
        """
        if not self._networks or not self._trusts(peer):
            return None
        said = [
            int(value) / 1000
            for field, value in headers
            if field == name and value.isdigit() and len(value) < 10
        ]
        return min(said, default=None)

    def trusts(self, peer: str) -> bool:
        """Whether what this peer tells of others is believed."""
        return bool(self._networks) and self._trusts(peer)

    def is_https(self, scheme: str, peer: str, headers: Sequence[tuple[bytes, bytes]]) -> bool:
        """Whether the caller came over https: to us, or as a trusted proxy says, to it."""
        if scheme == "https":
            return True
        if not self._networks or not self._trusts(peer):
            return False
        told = [value for name, value in headers if name == b"x-forwarded-proto"]
        return bool(told) and told[-1].rpartition(b",")[2].strip().lower() == b"https"

    def _last_vouched(self, hops: Sequence[str], peer: str) -> str:
        believed = peer
        for hop in reversed(hops):
            address = _address(hop)
            if address is None:
                break
            believed = address
            if not self._trusts(address):
                break
        return believed

    def _trusts(self, address: str) -> bool:
        verdict = self._verdicts.get(address)
        if verdict is None:
            verdict = self._verdicts[address] = is_within(address, self._networks)
        return verdict


def _forwarded(headers: Sequence[tuple[bytes, bytes]]) -> list[str]:
    """The hops of ``Forwarded``; an element that names no address is a hop nobody can be told by."""
    hops = []
    # Commas within quotes separate too: a quote a caller left open must not swallow what proxies append.
    for element in _joined(headers, b"forwarded"):
        named = _FOR.search(element)
        hops.append((named[1] or named[2]) if named else "")
    return hops


def _listed(headers: Sequence[tuple[bytes, bytes]]) -> list[str]:
    return _joined(headers, b"x-forwarded-for")


def _joined(headers: Sequence[tuple[bytes, bytes]], wanted: bytes) -> list[str]:
    """The elements of a list field, its lines joined; empty elements do not count (RFC 9110 §5.6.1)."""
    text = b",".join(value for name, value in headers if name == wanted).decode("latin-1")
    return [element.strip() for element in text.split(",") if element.strip()]


def _address(hop: str) -> str | None:
    """An address without port and brackets; None for ``unknown``, obfuscated names and nonsense."""
    if hop.startswith("["):
        hop = hop[1:].partition("]")[0]
    elif hop.count(":") == 1:
        hop = hop.partition(":")[0]
    parsed = parsed_address(hop)
    return None if parsed is None else str(parsed)
