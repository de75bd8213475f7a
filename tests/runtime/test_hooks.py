"""What authors wrote for start, ready and stop runs under a limit and cannot take the gateway along."""

from __future__ import annotations

import asyncio
import contextvars
import re

import pytest

from bff.runtime import hooks
from bff.runtime.hooks import GRACE, Escaped, HookOverran
from bff.sdk.handler import ContractBroken
from bff.testing import ManualClock
from bff.testing.clock import settle
from tests.runtime.conftest import tasks

pytestmark = pytest.mark.anyio


async def test_hooks_may_be_sync_or_async(clock: ManualClock) -> None:
    """What they return comes back, with what they were given."""

    async def later(x: int) -> int:
        await asyncio.sleep(0)
        return x + 1

    assert await hooks.run(lambda: 3, clock=clock, until=clock.now() + 1) == 3
    assert await hooks.run(later, 3, clock=clock, until=clock.now() + 1) == 4


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x"),
        TimeoutError(),
        StopAsyncIteration(),
    ],
    ids=repr,
)
async def test_what_a_hook_raises_comes_back(clock: ManualClock, error: Exception) -> None:
    """Whatever it is; a TimeoutError of its own is not taken for ours."""

    async def fail() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        await hooks.run(fail, clock=clock, until=clock.now() + 1)
    assert caught.value is error


class Panic(BaseException):
    """As Rust's extensions raise it."""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (SystemExit(3), "SystemExit: 3"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (GeneratorExit(), "GeneratorExit"),
        (Panic("at 7"), "Panic: at 7"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("is_async", [False, True])
async def test_what_would_end_the_loop_comes_as_an_ordinary_exception(
    clock: ManualClock, error: BaseException, said: str, *, is_async: bool
) -> None:
    """Which names it, and has it as its cause: any task may ask a hook, and lives on."""

    def fail() -> None:
        raise error

    async def fail_later() -> None:
        raise error

    with pytest.raises(Escaped, match=f"^{said}$") as caught:
        await hooks.run(fail_later if is_async else fail, clock=clock, until=clock.now() + 1)
    assert caught.value.__cause__ is error
    assert hooks.told(caught.value) == said


async def test_a_cancellation_of_its_own_making_is_a_failure(clock: ManualClock) -> None:
    """Who awaits a cancelled task has failed; nobody has cancelled the warm-up."""

    async def awaits_cancelled() -> None:
        task = asyncio.create_task(asyncio.sleep(10))
        task.cancel()
        await task

    with pytest.raises(RuntimeError, match="awaited something that was cancelled") as caught:
        await hooks.run(awaits_cancelled, clock=clock, until=clock.now() + 1)
    assert isinstance(caught.value.__cause__, asyncio.CancelledError)


async def test_at_the_limit_it_is_cancelled(clock: ManualClock) -> None:
    """And its own clean-up is waited for."""
    seen: list[str] = []

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            seen.append("cleaned up")

    running = asyncio.create_task(hooks.run(hang, clock=clock, until=clock.now() + 2))
    await clock.advance(1.9)
    assert not running.done()
    await clock.advance(0.2)
    with pytest.raises(HookOverran):
        await running
    assert seen == ["cleaned up"]


async def test_one_that_ends_in_the_turn_in_which_time_runs_out_has_ended(clock: ManualClock) -> None:
    """A machine that slept finds both due at once: what was done is not thrown away, nor told as a failure."""
    done = asyncio.Event()

    async def wait() -> str:
        await done.wait()
        return "well"

    clock.call_at(clock.now() + 2, done.set)
    running = asyncio.create_task(hooks.run(wait, clock=clock, until=clock.now() + 2))
    await clock.leap(86_400)
    assert await running == "well"


@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_who_ends_well_after_it_was_given_up_is_heard_of(
    clock: ManualClock, *, is_cancelled: bool
) -> None:
    """What it began is there, and somebody has to end it. Who fails has begun nothing."""
    ended: list[str] = []

    async def goes_on(what: str, *, fails: bool = False) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if fails:
                raise
        ended.append(what)

    for what, fails in (("well", False), ("ill", True)):
        running = asyncio.create_task(
            hooks.run(
                lambda what=what, fails=fails: goes_on(what, fails=fails),
                clock=clock,
                until=clock.now() + 2,
                on_end=lambda what=what: ended.append(f"heard {what}"),
            )
        )
        await settle()
        if is_cancelled:
            running.cancel()
        else:
            await clock.advance(2)
        with pytest.raises(asyncio.CancelledError if is_cancelled else HookOverran):
            await running
    assert ended == ["well", "heard well"]


async def test_one_that_swallows_its_cancellation_is_left_behind(clock: ManualClock) -> None:
    """`except BaseException` around a loop holds up nobody for longer than the grace."""
    release = asyncio.Event()

    async def stubborn() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except BaseException:
                continue

    running = asyncio.create_task(hooks.run(stubborn, clock=clock, until=clock.now() + 2))
    await clock.advance(2)
    assert not running.done()
    await clock.advance(GRACE)
    with pytest.raises(HookOverran):
        await running
    before = tasks()
    release.set()
    await asyncio.wait(before)
    assert tasks() == set()


async def test_cancelling_who_waits_cancels_the_hook(clock: ManualClock) -> None:
    """And waits for its clean-up, within the grace."""
    seen: list[str] = []

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    running = asyncio.create_task(hooks.run(hang, clock=clock, until=clock.now() + 2))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert seen == ["cancelled"]
    assert tasks() == set()


async def test_context_variables_travel(clock: ManualClock) -> None:
    """As they were for the caller."""
    var: contextvars.ContextVar[int] = contextvars.ContextVar("var")
    var.set(7)
    assert await hooks.run(var.get, clock=clock, until=clock.now() + 1) == 7


@pytest.mark.parametrize(
    ("said", "no"),
    [
        *((yes, None) for yes in (None, True, 1, "fine", (True, ""), (True, "why"))),
        *((plain, "") for plain in (False, 0, "", (False, ""), (None, ""))),
        ((False, "the cellar is empty"), ": the cellar is empty"),
        ((None, 3), ": 3"),
    ],
    ids=repr,
)
def test_what_an_answer_means(said: object, no: str | None) -> None:
    """The same for ready, alive and check: yes or no, or a pair with the reason."""
    assert hooks.refusal("check", said) == no


@pytest.mark.parametrize("said", [(), (False,), (False, "a", "b")], ids=repr)
def test_an_answer_that_python_would_take_for_a_yes(said: object) -> None:
    """A tuple is true whatever is in it."""
    with pytest.raises(ContractBroken, match=re.escape(f"check() returned {said!r}")):
        hooks.refusal("check", said)
