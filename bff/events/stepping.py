"""How the parts of a pipeline's steps end where no function has the last word. Pure."""

from __future__ import annotations

from dataclasses import replace

from pydantic_core import to_json

from bff.events.answered import Whole
from bff.events.broker import Outcome
from bff.events.courier import Attempted
from bff.sdk.cloudevent import CloudEvent

NO_PLAN = Attempted(
    outcome=Outcome(status=410, code="pipeline-gone", detail="routes.yaml has this pipeline no longer."),
    revision="",
)
TOO_LARGE = Outcome(
    status=413,
    code="result-too-large",
    detail="The answer is larger than a step may hand on; write it to a file or a service, and answer where it is, or"
    " raise events.claims.",
)


def not_kept(why: str) -> Attempted:
    """An answer that could not be written where large ones are kept: another attempt may."""
    return Attempted(outcome=Outcome(status=503, code="claim-not-kept", detail=why), revision="")


def not_there(why: str) -> Attempted:
    """What a part should get cannot be read; another attempt, on another machine perhaps, may find it."""
    return Attempted(outcome=Outcome(status=503, code="claim-not-there", detail=why), revision="")


def begun(event: CloudEvent) -> Attempted:
    """The beginning of a run, which hands its event's data on."""
    if isinstance(event.data, bytes):
        whole = Whole(status=200, headers=[(b"content-type", b"application/octet-stream")], body=event.data)
    else:
        whole = Whole(status=200, headers=[(b"content-type", b"application/json")], body=to_json(event.data))
    return Attempted(outcome=Outcome(status=200), revision="", whole=whole)


def too_large(attempted: Attempted) -> Attempted:
    """An answer that cannot be handed on whole is none."""
    whole = attempted.whole
    if whole is None or not whole.is_cut:
        return attempted
    return replace(attempted, outcome=TOO_LARGE, whole=None, published=())
