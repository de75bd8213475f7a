"""How an invocation ended, in one word, and whose fault it was: logs and metrics say the same."""

from __future__ import annotations

from bff.errors import Fault
from bff.frozen import frozen
from bff.sdk.invocation import Invocation

OK = "ok"
INCOMPLETE = "incomplete"
FAILED = "failed"


@frozen
class Verdict:
    """``outcome`` is ``ok``, ``incomplete``, ``failed`` (an answer of 5xx that raised nothing), or the error's code;
    ``fault`` is empty where nothing failed.
    """

    outcome: str
    fault: str = ""


GOOD = Verdict(outcome=OK)
_PART = Verdict(outcome=INCOMPLETE, fault=Fault.SERVICE)
_OWN = Verdict(outcome=FAILED, fault=Fault.FUNCTION)
_PASSED_ON = Verdict(outcome=FAILED, fault=Fault.SERVICE)


def verdict_of(invocation: Invocation) -> Verdict:
    """As canaries are judged (:func:`bff.revisions.outcomes.outcome_of`): a part that is missing is a service's fault,
    an answer of 500 and more that raised nothing is the function's, or, where there is none, of the service that it
    came from.
    """
    error = invocation.error
    if error is not None:
        return Verdict(outcome=getattr(error, "code", "function-failed"), fault=str(invocation.fault))
    if invocation.status >= 500:
        return _OWN if invocation.function else _PASSED_ON
    return _PART if invocation.missing else GOOD
