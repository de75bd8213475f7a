"""What a ``Bff-Fault`` header asks for: ``notices=abort, users=delay:2s``. Pure; only ``bff dev`` reads it."""

from __future__ import annotations

import re

from bff.sdk.invocation import Invocation

HEADER = b"bff-fault"

KINDS = ("delay", "abort", "reset", "cut-body", "slow-body")
_ASKED = re.compile(r"\s*([A-Za-z][A-Za-z0-9_]*)\s*=\s*([a-z-]+)\s*(?::\s*([0-9a-z.]+)\s*)?")


def asked_for(header: str, service: str) -> str:
    """What a ``Bff-Fault`` header asks of one service, ``abort:404`` say; empty if nothing."""
    for part in header.split(","):
        found = _ASKED.fullmatch(part)
        if found is not None and found[1] == service and found[2] in KINDS:
            return f"{found[2]}:{found[3]}" if found[3] else found[2]
    return ""


def asked_by(invocation: Invocation, service: str) -> str:
    """What the caller's own header asks of a service."""
    if invocation.incoming is None:
        return ""
    for name, value in invocation.incoming.scope["headers"]:
        if name == HEADER and (found := asked_for(value.decode("latin-1"), service)):
            return found
    return ""
