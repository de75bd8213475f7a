"""Who asks, as all plain calls of one invocation say it: their lines, written once.

What the route hands on of its caller's fields is among them; what a call adds itself is its span.
"""

from __future__ import annotations

from typing import NamedTuple

from bff.config.names import HOP_BY_HOP
from bff.sdk.invocation import NO_FORWARDING, Invocation
from bff.services import forward, http1
from bff.services.composing import DEFAULTS
from bff.trace.propagators import FIELDS as OF_TRACES

OF_THE_CALL = OF_TRACES | {"x-request-id", "x-forwarded-for"}
"""Fields that are written here, and by nobody else."""

_NOT_PLAIN = OF_THE_CALL | HOP_BY_HOP | DEFAULTS.keys() | {"host", "content-length", "cache-control"}
"""Fields of a caller with which its calls are no plain ones: they stand in another's place, or want an answer of their
own."""


class Introduction(NamedTuple):
    """The lines ``before`` a call's span id and ``after`` it; the ``names`` and the fields that are a ``caller``'s."""

    before: str
    after: str
    names: frozenset[str] = frozenset()
    caller: tuple[tuple[str, str], ...] = ()


NOBODY = Introduction("", "")
"""Of an invocation whose calls carry more than lines, or what no line can hold."""


def introduce(invocation: Invocation) -> Introduction:
    """The introduction of an invocation, written into it: :data:`NOBODY` where its calls are no plain ones."""
    made = invocation.introduction = _made(invocation)
    return made


def _made(invocation: Invocation) -> Introduction:
    trace, caller = invocation.trace, _handed_on(invocation)
    if caller is None or invocation.lane or trace.writes:
        return NOBODY
    fields = {"x-request-id": invocation.request_id}
    if invocation.client:
        fields["x-forwarded-for"] = invocation.client
    if trace.state:
        fields["tracestate"] = trace.state
    if caller:
        fields = caller | fields
    try:
        lines = http1.text_lines(fields)
    except http1.NotHttp:  # which every call will be told
        return NOBODY
    before, after = f"{lines}traceparent: 00-{trace.trace_id}-", f"-{trace.flags:02x}\r\n"
    if not caller:
        return Introduction(before, after)
    return Introduction(before, after, frozenset(caller), tuple(caller.items()))


def _handed_on(invocation: Invocation) -> dict[str, str] | None:
    """What is the caller's; None where there are rules for it, or a field with which a call is no plain one."""
    incoming = invocation.incoming
    if incoming is None or incoming.forwarding is NO_FORWARDING:
        return {}
    if incoming.forwarding.rules is not None:
        return None
    caller = forward.derived(invocation, {})
    return caller if _NOT_PLAIN.isdisjoint(caller) else None
