"""A route's rate limits: who is counted together, and what is told of it (draft-ietf-httpapi-ratelimit-headers).

The fields of the draft's revision 10 are lists of policies by name: ``RateLimit-Policy: "api";q=100;w=60`` and
``RateLimit: "api";r=42;t=7``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import blake2b
from ipaddress import IPv6Address, ip_address
from math import ceil

from bff.config.limits import LimitConfig
from bff.sdk.caller import Caller
from bff.sdk.gcra import Rate, Verdict
from bff.sdk.reply import HeaderPairs

_LONGEST = 64
"""Characters of a key's part; what is longer is kept by digest."""


class Limit:
    """One policy on one route. Immutable. ``needs_caller``: it can be asked only once it is known who calls."""

    __slots__ = ("_claim", "_per", "_route", "name", "needs_caller", "policy", "rate")

    def __init__(self, name: str, config: LimitConfig, route: str) -> None:
        self.name = name
        self.rate = Rate(interval=config.window / config.requests, burst=config.burst or config.requests)
        self.policy = b'"%b";q=%d;w=%d' % (name.encode(), config.requests, ceil(config.window))
        self.needs_caller = "caller" in config.per or bool(config.claim)
        self._per = frozenset(config.per)
        self._claim = config.claim
        self._route = route if "route" in config.per else ""

    def key(self, address: str, caller: Caller) -> str:
        """Which bucket this call comes out of."""
        parts = [self.name, self._route]
        if "address" in self._per or ("caller" in self._per and not caller.is_known):
            parts.append("@" + partition(address))
        if "caller" in self._per and caller.is_known:
            parts.append(caller.identity)
        if self._claim:
            parts.append(json.dumps(caller.claims.get(self._claim), sort_keys=True, default=str))
        return "\n".join(map(_short, parts))


def _short(part: str) -> str:
    if len(part) <= _LONGEST:
        return part
    return "#" + blake2b(part.encode("utf-8", "replace"), digest_size=24).hexdigest()


def partition(address: str) -> str:
    """What stands for one subscriber: an IPv4 address, or the /64 of an IPv6 one, within which anybody has
    billions of addresses (RFC 4291 §2.5.4, RFC 6177).
    """
    if ":" not in address:
        return address
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{int(parsed) >> 64:x}/64"


def fields(limits: Sequence[Limit], verdicts: Sequence[Verdict]) -> HeaderPairs:
    """What every answer of a limited route says."""
    both = list(zip(limits, verdicts, strict=True))
    told = [b'"%b";r=%d;t=%d' % (limit.name.encode(), seen.remaining, _reset(seen)) for limit, seen in both]
    return [
        (b"ratelimit-policy", b", ".join(limit.policy for limit in limits)),
        (b"ratelimit", b", ".join(told)),
    ]


def _reset(verdict: Verdict) -> int:
    """Seconds until there is something again, or until all of it is. Beside ``Retry-After`` the two agree."""
    return whole_seconds(verdict.full_in if verdict.remaining else verdict.again_in)


def whole_seconds(seconds: float) -> int:
    """So many that it is certainly over then, but for what sums of intervals are off."""
    return ceil(seconds - 1e-3)
