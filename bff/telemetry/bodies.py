"""The bodies of a request and of its answer, where routes.yaml asks for them: JSON only, and without its secrets."""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json

from bff.frozen import frozen
from bff.sdk.invocation import Invocation
from bff.telemetry.redaction import redacted


@frozen
class Bodies:
    """What was sent both ways. Sizes are bytes, None where the body is not known: one that nobody read, a stream."""

    request: bytes | None
    request_size: int | None
    answer: bytes | None
    answer_size: int | None

    @property
    def weight(self) -> int:
        """About how many bytes they take."""
        return 200 + len(self.request or b"") + len(self.answer or b"")


def bodies_of(invocation: Invocation, most: int) -> Bodies:
    """Those of an invocation; one of more than ``most`` bytes is left out, all but its size."""
    incoming = invocation.incoming
    asked = None if incoming is None else incoming.read
    answered = invocation.answered
    return Bodies(
        request=asked if asked is not None and len(asked) <= most else None,
        request_size=None if asked is None else len(asked),
        answer=answered if answered is not None and len(answered) <= most else None,
        answer_size=None if answered is None else len(answered),
    )


def shown(body: bytes | None) -> Any:
    """A body as JSON without its secrets; None for what is no JSON: nobody knows where its secrets are."""
    if not body:
        return None
    try:
        return redacted(from_json(body))
    except ValueError:
        return None
