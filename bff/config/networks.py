"""Addresses and networks: which address a text is, and whether it lies within what somebody declared. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Networks = Sequence[IPv4Network | IPv6Network]


def parsed_address(text: str) -> IPv4Address | IPv6Address | None:
    """IPv4 as such also where it comes mapped into IPv6; a zone (``%eth0``) means nothing to others."""
    try:
        parsed = ip_address(text)
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address):
        return None if parsed.scope_id else parsed.ipv4_mapped or parsed
    return parsed


def is_within(address: str, networks: Networks) -> bool:
    """Whether it is an address of one of them."""
    parsed = parsed_address(address)
    return parsed is not None and any(parsed in network for network in networks)
