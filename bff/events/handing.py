"""What the parts of a step answered becomes what those of the next one get; where it is large, as a reference.

It reads and writes files where a list is joined or taken apart that is too large for the store, and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic_core import to_json

from bff.events import pipelines
from bff.events.claims import MOST_INLINE, Claims
from bff.events.pipelines import Broken, Claim, Step

Parts = list[tuple[str, Any]]


def next_parts(
    plan: Sequence[Step], ended: int, outputs: Sequence[Any], run: str, claims: Claims | None
) -> tuple[int, Parts, Any]:
    """The next step that has any parts, those with their data, and what is handed on; without parts the run is over, and
    that is its answer.

    Raises:
        Broken: it cannot be handed on; the sentence names the step.

    """
    data = _joined(plan, ended, outputs, run, claims)
    for at in range(ended + 1, len(plan)):
        try:
            parts = pipelines.inputs(plan[at], _whole(data, claims) if plan[at].each is not None else data)
            parts = [
                (function, _small(value, f"{pipelines.key_of(run, at, number)}.0.in", claims))
                for number, (function, value) in enumerate(parts)
            ]
        except Broken as why:
            raise Broken(f"step {at}: {why}") from None
        if parts:
            return at, parts, data
        data = pipelines.joined(plan[at], [])
    return len(plan), [], data


def _joined(plan: Sequence[Step], ended: int, outputs: Sequence[Any], run: str, claims: Claims | None) -> Any:
    """What a step hands on: of one part its answer, as it is, of several a list."""
    if ended < 0 or not plan[ended].is_joined:
        return outputs[0]
    try:
        whole = pipelines.joined(plan[ended], [_whole(each, claims) for each in outputs])
        return _small(whole, f"{run}-{ended:02}", claims)
    except Broken as why:
        raise Broken(f"step {ended}: {why}") from None


def _whole(data: Any, claims: Claims | None) -> Any:
    if not isinstance(data, Claim):
        return data
    if claims is None:
        raise Broken("its answer is kept in events.claims, which routes.yaml has no longer")
    return claims.value(data)


def _small(data: Any, key: str, claims: Claims | None) -> Any:
    """The data, as a claim where it is too large for the store and there is a place for it."""
    if claims is None or data is None or isinstance(data, Claim | bool | int | float):
        return data
    is_raw = isinstance(data, bytes)
    body = data if is_raw else to_json(data)
    if len(body) <= MOST_INLINE:
        return data
    if len(body) > claims.most:
        raise Broken(f"what it gets has {len(body)} bytes, and at most {claims.most} are allowed")
    return claims.checked(key, body, "application/octet-stream" if is_raw else "application/json")
