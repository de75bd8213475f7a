"""Why a WebSocket is closed, as its close codes say it (RFC 6455 §7.4.1, and the registry IANA keeps). Pure.

What is a status before the agreement is a code after it; the reason is the problem's ``code``, which has a page.
"""

from __future__ import annotations

from starlette.exceptions import HTTPException, WebSocketException

from bff.errors import BffError, Fault, FunctionFailed, GatewayDraining

NORMAL = 1000
GOING_AWAY = 1001
NO_STATUS = 1005
ABNORMAL = 1006
INVALID_DATA = 1007
POLICY_VIOLATION = 1008
INTERNAL_ERROR = 1011
SERVICE_RESTART = 1012
TRY_AGAIN_LATER = 1013

MOST_OF_A_REASON = 123
"""Bytes: a control frame carries 125, two of which are the code (RFC 6455 §5.5)."""

Told = tuple[int, str]


def told(error: BaseException) -> Told:
    """The code and the reason for a failure of the handler."""
    match error:
        case WebSocketException():
            return error.code, short(error.reason)
        case HTTPException():
            return (POLICY_VIOLATION if error.status_code < 500 else INTERNAL_ERROR), short(str(error.detail))
        case GatewayDraining():
            return GOING_AWAY, error.code
        case BffError():
            return _by_fault(error), error.code
    return INTERNAL_ERROR, FunctionFailed.code


def _by_fault(error: BffError) -> int:
    if error.fault is Fault.CALLER:
        return POLICY_VIOLATION
    return TRY_AGAIN_LATER if error.status in (503, 504) else INTERNAL_ERROR


def short(reason: str) -> str:
    """A reason that a close frame can carry."""
    return reason.encode("utf-8", "replace")[:MOST_OF_A_REASON].decode("utf-8", "ignore")


def sendable(code: int) -> int:
    """A code that may be sent: 1000 to 1014 without those that mean none, and 3000 to 4999."""
    is_known = NORMAL <= code <= 1014 and code not in (1004, NO_STATUS, ABNORMAL)
    return code if is_known or 3000 <= code < 5000 else INTERNAL_ERROR
