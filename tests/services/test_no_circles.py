"""What a call that fails leaves: nothing that only the collector would find."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from typing import Any

import pytest

from bff.sdk.aggregate import fallback, gather, optional
from bff.sdk.anyof import any_of
from bff.sdk.failures import ServiceError
from bff.sdk.invocation import Invocation
from tests.services.desk import STORIES, Desk, desk_at_hand, hangs  # noqa: F401  (a fixture)

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]

FAILURES = ("404", "503 for ever", "compressed, they say", "no HTTP", "closed in the head", "no JSON")


@pytest.mark.parametrize("is_shared", [False, True])
@pytest.mark.parametrize("is_fast", [True, False])
async def test_pages_that_fail_leave_nothing_to_the_collector(
    desk: Any, is_fast: bool, is_shared: bool
) -> None:
    """Which comes seldom in the gateway, while a service that is down fails many a page a second: neither a failure nor
    how the other parts ended is a circle.
    """
    patient = {"outlier_detection": {"consecutive_5xx": 1000}, "retries": {"attempts": 0}}
    each = await desk(is_fast=is_fast, coalesce=is_shared, **patient)
    gc.collect()
    before = _invocations()
    gc.disable()
    try:
        for story in FAILURES:
            for fails in (_alone, _beside, _optional, _fallen_back, _of_any):
                each.script = STORIES[story][:1] * 2
                with contextlib.suppress(ServiceError):
                    await fails(each)
        if is_shared:
            await _joined_and_left(each)
        each.page()
        await asyncio.sleep(0)
        assert _invocations() - before <= 2
    finally:
        gc.enable()


async def _fallen_back(desk: Desk) -> None:
    page = desk.page()
    nothing: dict[str, Any] = {}
    await gather(fallback(page.get("/users/7", into=dict[str, Any]), nothing), page.get("/news"))


async def _of_any(desk: Desk) -> None:
    page = desk.page()
    desk.script = desk.script[:1] * 4
    parts = [page.get("/users/7", into=dict[str, Any]), page.get("/users/8", into=dict[str, Any])]
    await fallback(any_of(*parts), any_of(*[page.get(path, into=dict[str, Any]) for path in ("/a", "/b")]))


async def _joined_and_left(desk: Desk) -> None:
    """Who waits for somebody else's answer, and goes: three pages, and the one they wait for."""
    desk.script, desk.upstream.asked = [hangs], asyncio.Event()
    asking = [asyncio.ensure_future(_awaited(desk, "/shared")) for _ in range(4)]
    await desk.upstream.asked.wait()
    for one in reversed(asking):
        one.cancel()
    await asyncio.wait(asking)


def _invocations() -> int:
    return sum(isinstance(each, Invocation) for each in gc.get_objects())


@pytest.mark.parametrize(
    "asked", [{"hedge": {"max_extra_load": "10%"}}, {"retries": {"attempts": 0, "per_try_timeout": "50s"}}]
)
async def test_attempts_that_are_tasks_leave_nothing_either(desk: Any, asked: dict[str, Any]) -> None:
    """Those of a service whose calls never take the fast path."""
    each = await desk(is_fast=None, outlier_detection={"consecutive_5xx": 1000}, **asked)
    gc.collect()
    before = _invocations()
    gc.disable()
    try:
        for _ in range(5):
            each.script = STORIES["no HTTP"] * 4
            with contextlib.suppress(ServiceError):
                await _alone(each)
        each.page()
        await asyncio.sleep(0)
        assert _invocations() - before <= 2
    finally:
        gc.enable()


async def _alone(desk: Desk) -> None:
    await desk.page().get("/users/7", into=dict[str, Any])


async def _beside(desk: Desk) -> None:
    page = desk.page()
    await gather(page.get("/users/7", into=dict[str, Any]), page.get("/news"))


async def _optional(desk: Desk) -> None:
    page = desk.page()
    await gather(optional(page.get("/users/7", into=dict[str, Any])), page.get("/news"))


async def _awaited(desk: Desk, path: str) -> Any:
    return await desk.page().get(path)
