"""A page made of parts that are named after its members, so that each can be shown as soon as it is there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

from bff.sdk import accept
from bff.sdk.aggregate import as_member, gather, optional
from bff.sdk.invocation import Invocation, current
from bff.sdk.missing import missable
from bff.sdk.page import Parts, member_name

T = TypeVar("T")


async def aggregate(page: Callable[..., T], /, **parts: Any) -> T:
    """Run the parts side by side as ``gather`` does, and make the page of their values::

        return await aggregate(
            Home,
            user=users.get(f"/users/{user_id}", into=User),              # required
            notices=optional(notices.get("/notices", into=list[str])),  # missing as `notices`
            title="Welcome",
        )

    What is no awaitable is taken as it is. ``optional`` and ``fallback`` mark a part missing under its member's
    name, unless they name one themselves; the part of a member that the model declares as :data:`bff.MayMiss` is
    optional without being wrapped.

    Where ``page`` is the model that the handler declares to return, a caller whose ``Accept`` prefers
    ``application/x-ndjson`` or ``text/event-stream`` is sent each part as it comes, and at the end whatever is
    otherwise in what the handler returns. So give this what may be shown: afterwards it may have been.

    Raises:
        BaseException: the first failure of a required part, as ``gather`` raises it.

    """
    shown = _unfolded(current.get(), page)
    awaited = {name: part for name, part in parts.items() if isinstance(part, Awaitable)}
    if shown is not None:
        for name in parts.keys() - awaited.keys():
            shown.given(name, parts[name])
    values = await gather(*(_part(page, name, part, shown) for name, part in awaited.items()))
    return page(**parts | dict(zip(awaited, values, strict=True)))


def _part(page: Any, name: str, part: Awaitable[Any], shown: Parts | None) -> Awaitable[Any]:
    if (field := missable(page, name)) is not None:
        part = optional(part, field.get_default(call_default_factory=True, validated_data={}))
    tell = None if shown is None else partial(shown.part, name)
    return as_member(member_name(page, name), part, tell)


def _unfolded(invocation: Invocation, page: Any) -> Parts | None:
    """Who sends the parts; None where the page goes out whole."""
    incoming, declared = invocation.incoming, invocation.page
    if incoming is None or incoming.unfolder is None or declared is None or declared.kind is not page:
        return None
    if invocation.shelf is not None:
        return None  # a route that keeps its pages keeps and gives them whole
    invocation.varies = True
    media = accept.streamed(incoming.scope["headers"])
    return None if media is None else incoming.unfolder.unfold(media, declared)
