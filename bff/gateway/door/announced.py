"""How a request announces its body, and what it wants to hear before it sends it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from bff.errors import BadRequest
from bff.gateway.door.failures import ExpectationFailed, LengthRequired


def check(headers: Sequence[tuple[bytes, bytes]], *, length_required: bool, is_ours: bool) -> None:
    """Let the body come. ``is_ours``: no service is behind the route, which would answer itself what is expected.

    Raises:
        LengthRequired: it comes in chunks, and the route wants to know how long it is.
        BadRequest: it comes in another transfer coding than that (RFC 9112 §6.1), which nobody here can undo.
        ExpectationFailed: it expects something else than ``100-continue`` (RFC 9110 §10.1.1).

    """
    for name, value in headers:
        if name == b"transfer-encoding" and length_required:
            raise LengthRequired
        if name == b"transfer-encoding" and value.strip().lower() != b"chunked":
            raise BadRequest("The body's framing is not understood.")
        if name == b"expect" and is_ours and not _is_known(value):
            raise ExpectationFailed


def _is_known(value: bytes) -> bool:
    return all(each.strip().lower() in (b"100-continue", b"") for each in value.split(b","))
