"""Answers before the answer (RFC 9110 §15.2): what a service says of itself ahead of time goes on to the caller."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from bff.sdk.reply import HeaderPairs


def inform(cycle: RequestResponseCycle | None, status: int, fields: HeaderPairs) -> None:
    """Write an interim answer where the caller can still want one; 100 only for who waits for it, and once."""
    if cycle is None or cycle.response_started or cycle.scope["http_version"] == "1.0":
        return
    if status == 100 and not cycle.waiting_for_100_continue:
        return
    if status == 100:
        cycle.waiting_for_100_continue = False
    lines = b"".join([b"%b: %b\r\n" % pair for pair in fields])
    cycle.transport.write(b"%b%b\r\n" % (STATUS_LINE[status], lines))


def last_answer(cycle: RequestResponseCycle | None) -> None:
    """Close after this answer if the caller still waits for 100: whether its body comes, nobody can tell
    (RFC 9110 §10.1.1).
    """
    if cycle is not None and cycle.waiting_for_100_continue:
        cycle.keep_alive = False
