"""What every line of an invocation carries, and what nothing else may call itself."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from typing import Any

from bff.sdk.caller import Caller
from bff.sdk.invocation import Invocation

OURS = ("time", "level", "event")
"""What every line has, whoever writes it."""
RESERVED = frozenset(
    {*OURS, "function", "revision", "route", "request_id", "trace_id", "caller", "logger", "sampled"}
)


class Callers:
    """Stands for callers by a keyed hash: the same one is known again, and nobody is found out by trying names.

    BLAKE2b as a MAC (RFC 7693 §2.9), 64 bits of it. Immutable.
    """

    def __init__(self, key: str | None = None) -> None:
        self._key = hashlib.sha256(key.encode()).digest() if key else secrets.token_bytes(32)

    def hashed(self, caller: Caller) -> str:
        """Sixteen hex digits; empty for nobody."""
        if not caller.scheme:
            return ""
        said = caller.identity.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(said, digest_size=8, key=self._key).hexdigest()


def identity_of(invocation: Invocation, callers: Callers) -> dict[str, Any]:
    """The fields by which the lines of one invocation are found together."""
    found = {
        "function": invocation.function,
        "revision": invocation.revision,
        "route": invocation.route,
        "request_id": invocation.request_id,
        "trace_id": invocation.trace.trace_id,
    }
    if invocation.caller.scheme:
        found["caller"] = callers.hashed(invocation.caller)
    return found


def beside(fields: Mapping[str, Any], identity: Mapping[str, Any]) -> dict[str, Any]:
    """Both together; a field that calls itself what only we say gets ``_`` behind its name."""
    whole = dict(identity)
    for name, value in fields.items():
        if name in RESERVED:
            if name in identity and identity[name] == value:
                continue
            name = f"{name}_"
        whole[name] = value
    return whole
