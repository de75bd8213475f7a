"""Several parts at once, and what happens when some of them fail."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bff.sdk.aggregate import fallback, gather, optional
from bff.sdk.call import Adapters, Call
from bff.sdk.failures import (
    BadServicePath,
    ServiceAnswered,
    ServiceTimedOut,
    ServiceUnreachable,
    UnknownService,
)
from bff.sdk.invocation import MAX_MISSING, Invocation, current

pytestmark = pytest.mark.anyio


@pytest.fixture
def asked(invocation: Callable[..., Invocation]) -> Iterator[Invocation]:
    """The invocation that the parts of a test belong to."""
    made = invocation()
    token = current.set(made)
    yield made
    current.reset(token)


class Journal:
    """Parts that note what happens to them."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def part(
        self, name: str, turns: int = 1, raises: BaseException | None = None, slow_end: int = 0
    ) -> str:
        try:
            self.seen.append(f"{name} begins")
            for _ in range(turns):
                await asyncio.sleep(0)
            if raises is not None:
                raise raises
            return name
        except asyncio.CancelledError:
            for _ in range(slow_end):
                await asyncio.sleep(0)
            self.seen.append(f"{name} cancelled")
            raise
        finally:
            self.seen.append(f"{name} ends")


class Answering:
    """A sender whose answers are a failure or a value's JSON."""

    def __init__(self, name: str, failure: Exception | None = None) -> None:
        self.name = name
        self.fast_path = None
        self.sent = 0
        self._failure = failure

    async def send(self, invocation: Invocation, method: str, path: str, options: Any) -> Any:
        import httpx

        self.sent += 1
        await asyncio.sleep(0)
        if self._failure is not None:
            raise self._failure
        return httpx.Response(200, content=f'"{self.name}"'.encode())

    def relays_credentials(self, invocation: Invocation) -> bool:
        return False


def call(sender: Answering, invocation: Invocation) -> Call[str]:
    return Call(sender, invocation, Adapters(), "GET", "/", options={}, into=str)


DOWN = ServiceUnreachable("notices")


async def test_values_come_in_the_order_the_parts_were_named() -> None:
    """Whoever is ready first; parts begin in the order they were named, too."""
    journal = Journal()
    parts = [journal.part("a", 3), journal.part("b", 1), journal.part("c", 2)]
    assert await gather(*parts) == ("a", "b", "c")
    assert journal.seen[:3] == ["a begins", "b begins", "c begins"]


async def test_parts_run_at_the_same_time() -> None:
    """Each waits for the other: one after the other would never end."""
    here, there = asyncio.Event(), asyncio.Event()

    async def one() -> None:
        here.set()
        await there.wait()

    async def other() -> None:
        there.set()
        await here.wait()

    await asyncio.wait_for(gather(one(), other()), 60)


async def test_nothing_is_gathered_from_nothing() -> None:
    """``gather()`` is an empty tuple."""
    assert await gather() == ()


async def test_the_first_failure_is_raised_itself() -> None:
    """Not in a group, so that its status and fault reach the caller; the others are cancelled and awaited."""
    journal, down = Journal(), ServiceUnreachable("users")
    with pytest.raises(ServiceUnreachable) as failure:
        await gather(journal.part("a", 9, slow_end=5), journal.part("b", 2, down), journal.part("c", 1))
    assert failure.value is down
    assert journal.seen[-2:] == ["a cancelled", "a ends"], "the slow one has ended before the failure goes up"
    assert failure.value.__suppress_context__ or failure.value.__context__ is None


async def test_later_failures_are_noted_on_the_first() -> None:
    """Nothing that went wrong is lost for the log."""

    async def fails_when_cancelled() -> None:
        try:
            await asyncio.sleep(9)
        except asyncio.CancelledError:
            raise KeyError("clean-up") from None

    first = ServiceUnreachable("users")
    with pytest.raises(ServiceUnreachable) as failure:
        await gather(fails_when_cancelled(), Journal().part("b", 1, first))
    assert failure.value.__notes__ == ["another part failed too: KeyError: 'clean-up'"]


async def test_cancelling_the_caller_cancels_every_part_and_waits_for_it() -> None:
    """A deadline or a caller who left takes all of it along."""
    journal = Journal()
    task = asyncio.create_task(gather(journal.part("a", 99, slow_end=3), journal.part("b", 99)))
    for _ in range(3):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sorted(journal.seen[2:]) == ["a cancelled", "a ends", "b cancelled", "b ends"]


async def test_a_failure_does_not_leave_the_caller_cancelled() -> None:
    """Who catches a part's failure can go on awaiting."""
    task = asyncio.current_task()
    assert task is not None
    for _ in range(2):
        with pytest.raises(ServiceUnreachable):
            await gather(Journal().part("a", 9), Journal().part("b", 1, ServiceUnreachable("users")))
        await asyncio.sleep(0)
        assert task.cancelling() == 0


async def test_a_failure_keeps_its_cause() -> None:
    """What a service's failure came from is in the log's traceback."""
    cause = OSError("refused")
    down = ServiceUnreachable("users")
    down.__cause__ = cause
    with pytest.raises(ServiceUnreachable):
        await gather(Journal().part("a", 9), Journal().part("b", 1, down))
    assert down.__cause__ is cause


async def test_a_failure_during_a_cancellation_does_not_hide_it() -> None:
    """A caller who left, or a deadline, cannot be taken for a part's failure and forgiven."""

    async def fails_at_the_end() -> None:
        try:
            await asyncio.sleep(99)
        finally:
            raise ServiceUnreachable("users")

    task = asyncio.create_task(gather(fails_at_the_end()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_part_that_insists_on_cleaning_up_is_waited_for() -> None:
    """However often the caller is cancelled: no part outlives its gather."""
    journal = Journal()
    task = asyncio.create_task(gather(journal.part("a", 99, slow_end=6)))
    for _ in range(3):
        await asyncio.sleep(0)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert journal.seen == ["a begins", "a cancelled", "a ends"]


async def test_a_part_that_was_cancelled_alone_is_a_cancellation() -> None:
    """As with asyncio.gather: somebody else's cancelled task has no value to give."""
    other = asyncio.create_task(asyncio.sleep(99))
    other.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gather(other, Journal().part("a"))


async def test_gathers_nest() -> None:
    """A part may be a gather itself; its failure goes up through both as it is."""
    journal, down = Journal(), ServiceUnreachable("users")
    assert await gather(gather(journal.part("a"), journal.part("b")), journal.part("c")) == (("a", "b"), "c")
    with pytest.raises(ServiceUnreachable) as failure:
        await gather(gather(journal.part("d", 9), journal.part("e", 1, down)), journal.part("f", 9))
    assert failure.value is down


async def test_the_same_call_twice_is_a_mistake(asked: Invocation) -> None:
    """Single-use holds inside gather too."""
    once = call(Answering("users"), asked)
    with pytest.raises(RuntimeError, match="single-use"):
        await gather(once, once)


async def test_what_cannot_be_awaited_is_a_mistake(asked: Invocation) -> None:
    """A plain value among the parts is said so, and the others do not run on."""
    with pytest.raises(TypeError, match="await"):
        await gather(call(Answering("users"), asked), 5)  # type: ignore[call-overload]


async def test_an_optional_part_that_answers_is_its_value(asked: Invocation) -> None:
    """Nothing is marked."""
    assert await optional(call(Answering("notices"), asked), default=[]) == "notices"
    assert (asked.missing, asked.complete) == (None, True)


@pytest.mark.parametrize(
    "failure",
    [DOWN, ServiceTimedOut("notices", 1), ServiceAnswered("notices", 500, relayed=False), TimeoutError()],
)
async def test_an_optional_part_that_fails_is_its_default(asked: Invocation, failure: Exception) -> None:
    """Whatever a service does, the default stands in and the answer says which part is missing."""
    assert await optional(call(Answering("notices", failure), asked), default=[]) == []
    assert await optional(call(Answering("news", failure), asked)) is None
    assert (asked.missing, asked.complete) == (["notices", "news"], False)


@pytest.mark.parametrize(
    "bug",
    [KeyError("x"), UnknownService("usrs", "users"), BadServicePath("users", "is odd"), AssertionError()],
)
async def test_a_bug_in_an_optional_part_is_not_hidden(asked: Invocation, bug: Exception) -> None:
    """Optional forgives services, not the function."""
    for part in (optional, fallback):
        with pytest.raises(type(bug)):
            await part(Journal().part("a", 1, bug), None)
    assert asked.missing is None


async def test_a_cancelled_optional_part_stays_cancelled(asked: Invocation) -> None:
    """The end of the whole request is no missing part."""

    async def run() -> Any:
        return await optional(Journal().part("a", 99), default=None)

    task = asyncio.create_task(run())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asked.missing is None


async def test_missing_parts_have_names(asked: Invocation) -> None:
    """``name=`` wins; else the call's service, else the failed service of a coroutine, else its own name."""

    async def sidebar() -> None:
        raise TimeoutError

    async def through_a_service() -> None:
        raise DOWN

    class Odd:
        def __await__(self) -> Any:
            raise TimeoutError
            yield

    await optional(call(Answering("notices", DOWN), asked), name="news")
    await optional(call(Answering("designs", DOWN), asked))
    await optional(sidebar())
    await optional(through_a_service())
    await optional(Odd())
    assert asked.missing == ["news", "designs", "sidebar", "notices", "Odd"]


async def test_a_part_is_missing_once_and_the_list_is_bounded(asked: Invocation) -> None:
    """The names travel in a header field: no loop of calls can make it grow without end."""
    for number in range(MAX_MISSING * 2):
        asked.mark_missing(f"part-{number % (MAX_MISSING + 10)}")
    assert asked.missing == [f"part-{number}" for number in range(MAX_MISSING)]


async def test_the_fallback_is_tried_only_when_the_part_fails(asked: Invocation) -> None:
    """One that answers makes the part complete, the first or a later one."""
    first, second = Answering("users"), Answering("mirror")
    assert await fallback(call(first, asked), call(second, asked)) == "users"
    assert (first.sent, second.sent, asked.missing) == (1, 0, None)
    broken = Answering("users", DOWN)
    assert await fallback(call(broken, asked), call(second, asked), "nobody") == "mirror"
    assert (broken.sent, second.sent, asked.missing) == (1, 1, None)


async def test_a_plain_value_at_the_end_is_marked_missing(asked: Invocation) -> None:
    """The page shows something, and says that it is not the real thing."""
    parts = [call(Answering(name, DOWN), asked) for name in ("users", "mirror")]
    assert await fallback(*parts, "nobody") == "nobody"
    assert asked.missing == ["users"]
    assert await fallback(call(Answering("users", DOWN), asked), None, name="who") is None
    assert asked.missing == ["users", "who"]


async def test_if_everything_fails_the_last_failure_is_raised(asked: Invocation) -> None:
    """Nothing is missing then: the whole answer is."""
    last = ServiceTimedOut("mirror", 1)
    with pytest.raises(ServiceTimedOut) as failure:
        await fallback(call(Answering("users", DOWN), asked), call(Answering("mirror", last), asked))
    assert failure.value is last
    assert asked.missing is None


async def test_a_fallback_needs_something_to_fall_back_on(asked: Invocation) -> None:
    """One part alone is a mistake."""
    with pytest.raises(TypeError, match="alternative"):
        fallback(call(Answering("users"), asked))


async def test_optional_and_fallback_combine(asked: Invocation) -> None:
    """A chain whose end is optional never fails for a service's sake."""
    part = fallback(call(Answering("users", DOWN), asked), call(Answering("mirror", DOWN), asked))
    assert await optional(part, default="nobody") == "nobody"
    assert asked.missing == ["notices"]


async def test_wrapped_parts_cost_nothing_until_awaited(asked: Invocation) -> None:
    """No warning and no request for a part that a branch did not need."""
    sender = Answering("users")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for part in (optional(call(sender, asked)), fallback(call(sender, asked), None)):
            del part
        gc.collect()
    assert sender.sent == 0


Script = list[tuple[int, str]]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.sampled_from(["value", "service", "bug"])), max_size=5),
    st.integers(0, 6),
)
async def test_gather_agrees_with_a_task_group(script: Script, cancel_after: int) -> None:
    """For any mix of values, failures and a cancellation: the same outcome, and no part left running.

    But for one case: a failure never hides a cancellation that came from outside.
    """

    class Bug(Exception):
        pass

    async def outcome(run: Callable[[list[Awaitable[Any]]], Awaitable[Any]]) -> tuple[str, Any]:
        journal = Journal()
        kinds = {"value": None, "service": ServiceUnreachable("s"), "bug": Bug()}
        parts: list[Awaitable[Any]] = [
            journal.part(str(number), turns, kinds[kind]) for number, (turns, kind) in enumerate(script)
        ]

        async def body() -> Any:
            return await run(parts)

        task = asyncio.create_task(body())
        for _ in range(cancel_after):
            await asyncio.sleep(0)
        task.cancel()
        said: tuple[str, Any]
        try:
            said = "value", await task
        except asyncio.CancelledError:
            said = "cancelled", None
        except Exception as error:
            said = "raised", type(error)
        begun = sum(each.endswith("begins") for each in journal.seen)
        assert begun == sum(each.endswith("ends") for each in journal.seen), "a part runs on"
        for part in parts:
            part.close()  # type: ignore[attr-defined]
        return said

    async def grouped(parts: list[Awaitable[Any]]) -> Any:
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(part) for part in parts]  # type: ignore[arg-type]
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return tuple(task.result() for task in tasks)

    ours, theirs = await outcome(lambda parts: gather(*parts)), await outcome(grouped)
    assert ours == theirs or (ours[0], theirs[0]) == ("cancelled", "raised")


async def test_parts_that_are_not_begun_do_not_complain(asked: Invocation) -> None:
    """A call that fails at once leaves the others unstarted; a coroutine among them is closed, wrapped or not."""

    class Refusing(Answering):
        async def send(self, invocation: Invocation, method: str, path: str, options: Any) -> Any:
            raise DOWN

    async def never() -> str:
        raise AssertionError("it was begun")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ServiceUnreachable):
            await gather(call(Refusing("notices"), asked), never(), optional(fallback(never(), "")))
        gc.collect()
