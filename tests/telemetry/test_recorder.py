"""The recorder keeps what it promises, in the bytes it promises, and holds nothing else."""

from __future__ import annotations

import gc
import linecache
import tracemalloc
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from bff.errors import BadRequest, FunctionFailed, FunctionNotLoaded
from bff.sdk.attempt import Attempt
from bff.sdk.callrecord import MAX_TRIES, CallRecord
from bff.sdk.failures import ServiceUnreachable
from bff.telemetry.causes import MOST_GROUPS, MOST_REVISIONS
from bff.telemetry.failure import AROUND, LONGEST, LONGEST_LINE, Frame, Witness
from bff.telemetry.identity import Callers
from bff.telemetry.recorder import Recorder
from tests.telemetry.conftest import WITNESS, nobody

if TYPE_CHECKING:
    from bff.testing import ManualClock
    from tests.telemetry.conftest import Ended


def ids(recorder: Recorder, after: int = 0) -> list[str]:
    return [entry.request_id for entry in recorder.newest(after)]


def failed(cause: BaseException, function: str = "home") -> FunctionFailed:
    """As the runtime raises it: with the function's own exception behind it."""
    try:
        try:
            raise cause
        except BaseException as error:
            raise FunctionFailed(function) from error
    except FunctionFailed as failure:
        return failure


def test_the_newest_come_first_whatever_became_of_them(recorder: Recorder, ended: Ended) -> None:
    """Plain, slow, failed and incomplete ones are kept apart, and told of in one order."""
    recorder.keep(ended("plain"))
    recorder.keep(ended("slow", seconds=0.5))
    recorder.keep(ended("failed", status=500, error=failed(ValueError("x"))))
    recorder.keep(ended("incomplete", missing=["news"]))
    recorder.keep(ended("refused", status=400, error=BadRequest("No.")))
    recorder.keep(ended("last"))
    assert ids(recorder) == ["last", "refused", "incomplete", "failed", "slow", "plain"]
    assert ids(recorder, after=4) == ["last", "refused"]
    told = {
        entry.request_id: (entry.is_slow, entry.is_error, entry.is_notable) for entry in recorder.newest()
    }
    assert told == {
        "plain": (False, False, False),
        "slow": (True, False, True),
        "failed": (False, True, True),
        "incomplete": (False, False, True),
        "refused": (False, False, False),
        "last": (False, False, False),
    }


def test_what_is_notable_outlives_floods_of_everything_else(recorder: Recorder, ended: Ended) -> None:
    """A busy hour washes neither errors nor slow ones away, a flood of errors no slow ones, and callers' mistakes none."""
    recorder.keep(ended("slow", seconds=2.0))
    recorder.keep(ended("failed", status=502, error=ServiceUnreachable("users")))
    for _ in range(3000):
        recorder.keep(ended("plain"))
        recorder.keep(ended("mistake", status=404, error=BadRequest("No.")))
    assert {"slow", "failed"} < set(ids(recorder))
    for _ in range(2000):
        recorder.keep(ended("flood", status=502, error=ServiceUnreachable("users")))
    assert "slow" in ids(recorder)
    assert "failed" not in ids(recorder)
    assert recorder.weight <= 2**20


def one_with_calls(ended: Ended, number: int) -> object:
    calls = []
    for _ in range(5):
        call = CallRecord("users", "GET", f"/users/{number}/" + "x" * 500, 1.0 * number)
        for each in range(3):
            call.tried(
                Attempt(
                    started=each + 0.5, ended=each + 1.5, endpoint="http://users:80", span_id=f"{number:016x}"
                )
            )
        calls.append(call)
    return ended(f"with-calls-{number}", calls=calls)


@pytest.mark.parametrize("kind", ["plain", "calls", "errors"])
def test_it_takes_no_more_memory_than_it_may(ended: Ended, kind: str) -> None:
    """Whatever is kept: measured, not computed."""
    memory = 2**19
    recorder = Recorder(WITNESS, Callers(), memory=memory, slow=0.5)
    making = {
        "plain": lambda n: ended(f"a-request-id-of-{n:019d}", client=f"10.1.2.{n % 256}"),
        "calls": lambda n: one_with_calls(ended, n),
        "errors": lambda n: ended(f"e{n}", status=500, error=failed(ValueError("é" * 2000))),
    }[kind]
    tracemalloc.start()
    try:
        for number in range(1500):
            recorder.keep(making(number))
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert recorder.last == 1500
    assert len(ids(recorder)) < 1500
    assert taken < memory


def test_no_exception_and_no_request_is_kept_alive(recorder: Recorder, ended: Ended) -> None:
    """An exception's frames hold the models and modules of a function that shall be evicted."""

    class Held(ValueError):
        pass

    error = failed(Held("x"))
    invocation = ended("failed", status=500, error=error, incoming=None)
    held = [weakref.ref(invocation), weakref.ref(error), weakref.ref(error.__cause__)]
    recorder.keep(invocation)
    del invocation, error
    gc.collect()
    assert [each() for each in held] == [None] * 3
    assert ids(recorder) == ["failed"]


def test_less_memory_is_obeyed_from_the_next_one_on(recorder: Recorder, ended: Ended) -> None:
    """As a changed routes.yaml says it."""
    for number in range(500):
        recorder.keep(ended(f"{number}"))
    recorder.configure(memory=20_000, slow=0.0001)
    recorder.keep(ended("quick but slow now"))
    recorder.keep(ended("plain", seconds=0.0))
    assert ids(recorder)[:2] == ["plain", "quick but slow now"]
    assert len(ids(recorder)) < 20


def test_an_id_that_came_twice_finds_the_newest(recorder: Recorder, ended: Ended) -> None:
    """Callers choose their ids; the number says which of several."""
    recorder.keep(ended("same", status=201))
    recorder.keep(ended("other"))
    recorder.keep(ended("same", status=202))
    found, first = recorder.find("same"), recorder.find("same", 1)
    assert (found and found.status, first and first.status) == (202, 201)
    assert recorder.find("same", 2) is None
    assert recorder.find("never") is None


def test_a_call_keeps_a_bounded_number_of_attempts() -> None:
    """The last ones."""
    call = CallRecord("users", "GET", "/", 0.0)
    for number in range(MAX_TRIES + 3):
        call.tried(Attempt(started=0.0, ended=1.0, endpoint="", span_id=str(number)))
    assert call.tries is not None
    assert [each.span_id for each in call.tries] == [str(number) for number in range(3, MAX_TRIES + 3)]


def test_failures_are_grouped_by_what_caused_them(
    recorder: Recorder, ended: Ended, clock: ManualClock
) -> None:
    """Other words of the same exception are the same cause; another class, service or function is another one."""
    for words in ("room 1", "room 2"):
        recorder.keep(ended(words, status=500, error=failed(KeyError(words)), revision="home-00001"))
    recorder.keep(ended("type", status=500, error=failed(TypeError("room 3"))))
    recorder.keep(ended("users", status=503, error=ServiceUnreachable("users")))
    recorder.keep(ended("designs", status=503, error=ServiceUnreachable("designs")))
    recorder.keep(ended("lost", status=404, route="", function="", error=BadRequest("No.")))
    recorder.keep(ended("again", status=500, error=failed(KeyError("room 4")), revision="home-00002"))
    groups = list(recorder.causes.groups())
    assert [(each.count, each.newest.kind, each.newest.service) for each in groups] == [
        (3, "KeyError", ""),
        (1, "", "designs"),
        (1, "", "users"),
        (1, "TypeError", ""),
    ]
    assert (*groups[0].examples[-1], list(groups[0].revisions)) == (
        "again",
        7,
        ["home-00001", "home-00002"],
    )
    assert groups[0].newest.cause == "KeyError: 'room 4'"
    assert len({each.id for each in groups}) == 4


def test_groups_are_bounded(recorder: Recorder, ended: Ended) -> None:
    """The one met longest ago goes; one that is met again stays."""
    for number in range(MOST_GROUPS):
        recorder.keep(ended(status=503, error=ServiceUnreachable(f"s{number}")))
    for number in range(MOST_REVISIONS + 5):
        again = ServiceUnreachable("s0")
        recorder.keep(ended(status=503, error=again, revision=f"home-{number:05d}"))
    recorder.keep(ended(status=503, error=ServiceUnreachable("one more")))
    services = [each.newest.service for each in recorder.causes.groups()]
    assert len(services) == MOST_GROUPS
    assert services[:2] == ["one more", "s0"]
    assert "s1" not in services
    assert len(list(recorder.causes.groups())[1].revisions) == MOST_REVISIONS


def test_a_failure_names_the_innermost_line_of_the_function_itself(ended: Ended) -> None:
    """Not a package's below it, nor ours above it; the words of an exception are short."""

    def own(_module: str, filename: str) -> str | None:
        return "functions/home.py" if filename == __file__ else None

    error = failed(ValueError("long " * 1000))
    failure = Witness(own).failure_of(ended(error=error, status=500))
    assert failure is not None
    assert isinstance(failure.frame, Frame)
    assert (failure.frame.file, failure.frame.function) == ("functions/home.py", "failed")
    assert failure.place == f"functions/home.py:{failure.frame.line}"
    assert failure.frame.excerpt[failure.frame.line - failure.frame.first].strip() == "raise cause"
    assert len(failure.frame.excerpt) == 2 * AROUND + 1
    assert len(failure.cause) == LONGEST
    assert failure.cause.startswith("ValueError: long ")
    elsewhere = Witness(nobody).failure_of(ended(error=error, status=500))
    assert elsewhere is not None
    assert elsewhere.place == ""


def test_a_place_where_every_call_fails_is_looked_for_once(ended: Ended) -> None:
    """In one revision; another one may have another text there."""
    asked = list[str]()

    def own(_module: str, filename: str) -> str | None:
        asked.append(filename)
        return "functions/home.py" if filename == __file__ else None

    witness = Witness(own)
    found = [
        witness.failure_of(ended(error=failed(ValueError(str(number))), status=500, revision=revision))
        for number, revision in enumerate(("home-1", "home-1", "home-2"))
    ]
    first, second, other = (each.frame for each in found if each is not None)
    assert first is second
    assert first is not other
    assert first == other
    assert asked.count(__file__) == 1


def test_the_lines_around_it_are_those_that_ran(ended: Ended) -> None:
    """At the ends of a file there are fewer, long ones are cut, and a text that is nowhere is none."""
    text = f"def handle(): raise ValueError('{'x' * 300}')\n\n"

    def excerpt(own: dict[str, Any]) -> Frame:
        try:
            exec(compile(text, own["file"], "exec"), own)
            own["handle"]()
        except ValueError as error:
            found = Witness(lambda _module, file: "functions/x.py" if file == own["file"] else None)
            failure = found.failure_of(ended(error=error, status=500))
        assert failure is not None
        assert failure.frame is not None
        return failure.frame

    class Source:
        def get_source(self, _name: str) -> str:
            return text

    shown = excerpt({"file": "functions@abc/x.py", "__name__": "x", "__loader__": Source()})
    assert (shown.first, shown.line, len(shown.excerpt), len(shown.excerpt[0])) == (1, 1, 2, LONGEST_LINE)
    linecache.cache.pop("functions@abc/x.py")
    assert excerpt({"file": "functions@abc/x.py", "__name__": "x"}).excerpt == ()


def test_a_service_that_fails_is_told_with_the_line_that_called_it(ended: Ended) -> None:
    """The traceback of the failure itself goes through the function."""
    try:
        raise ServiceUnreachable("users")
    except ServiceUnreachable as error:
        failure = Witness(lambda _module, _file: "functions/home.py").failure_of(
            ended(error=error, status=503)
        )
    assert failure is not None
    assert (failure.service, failure.cause) == ("users", "")
    assert failure.place.startswith("functions/home.py:")


def test_a_function_that_cannot_be_loaded_is_told_with_its_place(ended: Ended) -> None:
    """As the load failure itself says it."""
    error = FunctionNotLoaded("home", "SyntaxError: invalid syntax", where="functions/home.py:3")
    failure = Witness(nobody).failure_of(ended(error=error, status=500))
    assert failure is not None
    assert (failure.cause, failure.place) == ("SyntaxError: invalid syntax", "functions/home.py:3")


def test_an_exception_whose_text_fails_is_told_all_the_same(ended: Ended) -> None:
    """Its class may do anything in there."""

    class Bad(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    failure = Witness(nobody).failure_of(ended(error=failed(Bad()), status=500))
    assert failure is not None
    assert failure.cause.endswith("Bad: its own text fails")
