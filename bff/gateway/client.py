"""Who the caller is by address: the peer, or what trusted proxies say of the one before them. Pure.

``X-Forwarded-For`` and ``Forwarded`` (RFC 7239) are read from the right: each trusted hop vouches for the
one before it, and the first address nobody vouches for is the caller's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

from cachetools import LRUCache

Networks = Sequence[IPv4Network | IPv6Network]

_FOR = re.compile(r'(?:^|[;,\s])for=(?:"([^"]*)"|([^;,\s]*))', re.IGNORECASE)


class TrustedProxies:
    """Declared proxies, and the verdicts on addresses seen lately (bounded)."""

    __slots__ = ("_networks", "_verdicts")

    def __init__(self, networks: Networks) -> None:
        self._networks = tuple(networks)
        self._verdicts: LRUCache[str, bool] = LRUCache(maxsize=1024)

    def client(self, peer: str, headers: Sequence[tuple[bytes, bytes]]) -> str:
        """The caller's address; the peer's own when it is not a trusted proxy or says nothing usable."""
        if not self._networks or not self._trusts(peer):
            return peer
        believed = peer
        for hop in reversed(_hops(headers)):
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
            verdict = self._verdicts[address] = _is_within(address, self._networks)
        return verdict


def _hops(headers: Sequence[tuple[bytes, bytes]]) -> list[str]:
    forwarded = b", ".join(value for name, value in headers if name == b"forwarded").decode("latin-1")
    if forwarded:
        return [quoted or bare for element in forwarded.split(",") for quoted, bare in _FOR.findall(element)]
    listed = b",".join(value for name, value in headers if name == b"x-forwarded-for").decode("latin-1")
    return [hop.strip() for hop in listed.split(",") if hop.strip()]


def _address(hop: str) -> str | None:
    """An address without port and brackets; None for ``unknown``, obfuscated names and nonsense."""
    if hop.startswith("["):
        hop = hop[1:].partition("]")[0]
    elif hop.count(":") == 1:
        hop = hop.partition(":")[0]
    try:
        return str(ip_address(hop))
    except ValueError:
        return None


def _is_within(address: str, networks: Networks) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks if network.version == parsed.version)
