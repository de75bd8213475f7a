"""What a part's ``Vary`` means for the page that is made of it (RFC 9110 §12.5.5). Pure.

A part names fields of the call that it was answer to; a page can name only fields of its own request. So what
travels from the one to the other is named by both, what the gateway itself sends to everybody by none, and where
a part depends on something of the caller that no field of his request tells, the page is his alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from bff import trace
from bff.sdk.invocation import Invocation
from bff.services.fields import joined

IDENTITY = trace.RAW_FIELDS | {b"x-request-id", b"x-forwarded-for"}
"""Fields that we write into every call and that tell who asks."""

TELLING = IDENTITY | {b"authorization", b"cookie", b"forwarded"}
"""Those, and what a caller says himself of who he is."""

ANYTHING = b"*"
_OF_FORM = frozenset({b"accept", b"accept-encoding", b"content-type", b"user-agent"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a page's ``Vary`` has to name besides; ``is_enough`` is false where no field tells its callers apart."""

    names: frozenset[bytes] = frozenset()
    is_enough: bool = True


NOTHING_TOLD = Told()
_NOT_ENOUGH = Told(is_enough=False)


def told_by(
    vary: Collection[bytes], invocation: Invocation, given: Mapping[str, str], own: Collection[bytes]
) -> Told:
    """What of a part's ``vary`` the page has to tell. ``given`` are the fields that the function gave to the call,
    ``own`` those that routes.yaml sends to this service: the same for everybody.
    """
    if ANYTHING in vary:
        return _NOT_ENOUGH
    by_function = {name.lower().encode("latin-1", "replace"): value for name, value in given.items()}
    lane = invocation.carrier.header.encode()
    names = set()
    for name in vary:
        if name in own:
            continue
        if name in IDENTITY or (name == lane and invocation.lane):  # a lane may be chosen for him, too
            return _NOT_ENOUGH
        if name in by_function:
            # A form that is asked for may follow the caller's own; anything else may come from anywhere.
            if name not in _OF_FORM and by_function[name] != _sent(invocation, name):
                return _NOT_ENOUGH
            names.add(name)
        elif name == lane or _travels(invocation, name):
            names.add(name)
    return Told(names=frozenset(names)) if names else NOTHING_TOLD


def _sent(invocation: Invocation, name: bytes) -> str | None:
    """The same field as the caller sent it."""
    if invocation.incoming is None:
        return None
    value = joined(invocation.incoming.scope["headers"], name)
    return None if value is None else value.decode("latin-1")


def _travels(invocation: Invocation, name: bytes) -> bool:
    """Whether the route hands it on where a caller sends it, whether this one did or not."""
    if invocation.incoming is None:
        return False
    forwarding = invocation.incoming.forwarding
    return name in forwarding.headers or (name == b"cookie" and bool(forwarding.cookies))
