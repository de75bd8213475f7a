"""The one line of an invocation: what it says when all went well, and when not."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from bff.clock import SystemClock
from bff.errors import BffError, CallerLeft, DeadlineExceeded, Fault, FunctionFailed, NotFound
from bff.sdk.caller import Caller
from bff.sdk.failures import ServiceTimedOut
from bff.sdk.invocation import Invocation
from bff.telemetry.accesslog import AccessLog
from bff.telemetry.identity import Callers
from bff.telemetry.lines import Lines
from bff.telemetry.verbosity import Said

TRACE = "cf92f232c626f52fe8b768c8e6613e5c"


def ended(status: int = 200, **more: Any) -> Invocation:
    """An invocation that has ended."""
    made = Invocation(
        request_id="r-1",
        method=more.pop("method", "GET"),
        clock=SystemClock(),
        started=1.0,
        traceparent=f"00-{more.pop('trace_id', TRACE)}-00f067aa0ba902b7-01".encode(),
    )
    made.ended, made.handler_seconds, made.status = 1.25, 0.2, status
    made.route, made.function, made.revision = "/users/{id}", "home", "home-00001"
    for name, value in more.items():
        setattr(made, name, value)
    return made


class Written:
    """An access log that is read back."""

    def __init__(self, *, pretty: bool = False, sample: float = 1.0) -> None:
        self.stream = io.StringIO()
        self.lines = Lines(self.stream, pretty=pretty, level="info", sample=sample)
        self.log = AccessLog(self.lines, Callers("a key"))

    def __call__(self, invocation: Invocation) -> dict[str, Any]:
        before = len(self.stream.getvalue())
        self.log(invocation)
        said = self.stream.getvalue()[before:]
        return dict(json.loads(said)) if said else {}


@pytest.fixture
def written() -> Written:
    return Written()


def test_a_good_request_has_every_field(written: Written) -> None:
    """In one line, twice the same: the first one is written anew, the second from what is remembered."""
    for _ in range(2):
        line = written(ended())
        assert line.pop("time")
        assert line == {
            "level": "info", "event": "request", "method": "GET", "route": "/users/{id}", "status": 200,
            "function": "home", "revision": "home-00001", "ms": 250.0, "phases": {"handler": 200.0},
            "complete": True, "outcome": "ok", "request_id": "r-1", "trace_id": TRACE, "client": "",
        }  # fmt: skip


def test_a_cold_call_has_the_phases_of_its_warm_up(written: Written) -> None:
    """Before the handler's, in milliseconds."""
    line = written(ended(phases={"queue": 0.001, "imports": 0.03}))
    assert line["phases"] == {"queue": 1.0, "imports": 30.0, "handler": 200.0}


def test_a_caller_is_hashed_with_a_key(written: Written) -> None:
    """The same for the same one, another under another key or scheme, and never the name."""
    ada, bob = (Caller(subject=name, scheme="jwt") for name in ("ada@example.com", "bob"))
    line = written(ended(caller=ada))
    assert line["caller"] == written(ended(caller=ada))["caller"] != written(ended(caller=bob))["caller"]
    assert len(line["caller"]) == 16
    assert "ada" not in json.dumps(line)
    assert Callers("another").hashed(ada) != line["caller"]
    assert Callers().hashed(ada) != Callers().hashed(ada)
    assert "caller" not in written(ended())


@pytest.mark.parametrize(
    ("error", "status", "level", "outcome", "fault"),
    [
        (NotFound("Nothing is here."), 404, "warning", "not-found", "caller"),
        (FunctionFailed("home"), 500, "error", "function-failed", "function"),
        (ServiceTimedOut("users", 0.3), 504, "error", "service-timed-out", "service"),
        (DeadlineExceeded(allowed=2.0), 504, "error", "deadline-exceeded", None),
        (BffError("The gateway failed."), 500, "error", "internal-error", "gateway"),
        (CallerLeft(), 499, "warning", "caller-left", "caller"),
    ],
)
def test_a_failure_says_which_and_whose_it_was(
    written: Written, error: BffError, status: int, level: str, outcome: str, fault: str | None
) -> None:
    """In the words that the caller got, too."""
    line = written(ended(status, error=error))
    assert (line["level"], line["outcome"], line["error"]) == (level, outcome, str(error))
    assert line["complete"] is False
    assert line["fault"] in ([fault] if fault else set(Fault))


def test_an_incomplete_answer_is_a_services_fault(written: Written) -> None:
    """As canaries are judged."""
    line = written(ended(missing=["notices"]))
    assert (line["complete"], line["outcome"], line["fault"], line["missing"]) == (
        False,
        "incomplete",
        "service",
        ["notices"],
    )
    assert line["level"] == "info"


def test_a_500_that_the_function_meant_is_its_fault(written: Written) -> None:
    """And an error in the log, although nothing was raised."""
    line = written(ended(503))
    assert (line["level"], line["outcome"], line["fault"]) == ("error", "failed", "function")
    assert written(ended(404))["outcome"] == "ok"


def test_a_cause_brings_its_traceback_only_where_it_is_ours_or_the_functions(written: Written) -> None:
    """What a caller or a service did wrong needs none."""
    failed = FunctionFailed("home")
    failed.__cause__ = ZeroDivisionError("by 0")
    assert "ZeroDivisionError: by 0\n" in written(ended(500, error=failed))["traceback"]
    late = ServiceTimedOut("users", 0.3)
    late.__cause__ = OSError("no")
    assert "traceback" not in written(ended(504, error=late))


def test_what_a_call_waited_for_is_in_its_line(written: Written) -> None:
    """Each service call with where it went, how often, what came and how long it waited; flags where something went
    wrong, and no endpoint of what went nowhere.
    """
    invocation = ended()
    good = invocation.open_call("users", "GET", "/users/7", 1.0)
    good.ended, good.status, good.attempts, good.endpoint = 1.1, 200, 1, "http://u:1"
    good.sent, good.bytes_in = 1.025, 512
    kept = invocation.open_call("users", "GET", "/users/8", 1.0)
    kept.ended, kept.status, kept.cached = 1.0, 200, "hit"
    bad = invocation.open_call("notices", "GET", "/", 1.0)
    bad.ended, bad.error, bad.attempts, bad.endpoint, bad.flags = (
        1.2,
        "service-unreachable",
        2,
        "http://n:1",
        "UF",
    )
    line = written(invocation)
    assert line["services"] == [
        {
            "service": "users", "status": 200, "ms": 100.0, "attempts": 1, "bytes": 512,
            "endpoint": "http://u:1", "waited_ms": 25.0,
        },
        {"service": "users", "status": 200, "ms": 0.0, "attempts": 0, "bytes": 0, "how": "cache hit"},
        {
            "service": "notices", "status": None, "ms": 200.0, "attempts": 2, "bytes": 0,
            "error": "service-unreachable", "how": "2 attempts", "endpoint": "http://n:1", "flags": "UF",
        },
    ]  # fmt: skip
    assert line["flags"] == "UF"


def test_a_share_of_the_good_ones_is_told_and_every_bad_one() -> None:
    """A line says of how many it is one."""
    written = Written(sample=0.5)
    few, many = "0" * 31 + "1", "f" * 32
    assert written(ended(trace_id=few))["sampled"] == 0.5
    assert written(ended(trace_id=many)) == {}
    assert written(ended(500, trace_id=many))["status"] == 500
    assert written(ended(missing=["x"], trace_id=many))["missing"] == ["x"]
    assert "sampled" not in written(ended(500, trace_id=few))


def test_levels_are_heeded_at_once() -> None:
    """Globally, and for one function."""
    written = Written()
    written.lines.wanted.obey(Said(level="warning"))
    assert written(ended()) == {}
    assert written(ended(404, error=NotFound("no")))["status"] == 404
    written.lines.wanted.obey(Said(level="warning", functions={"home": "info"}))
    assert written(ended())["status"] == 200


def test_a_healthy_probe_is_told_to_who_wants_everything() -> None:
    """It comes every few seconds."""
    written = Written()
    probe = ended(function="", revision="", route="/health/liveness")
    assert written(probe) == {}
    written.lines.wanted.obey(Said(level="debug"))
    assert written(probe)["level"] == "debug"


def test_no_line_is_lost_for_a_text_that_is_no_unicode(written: Written) -> None:
    """Whatever an event calls itself; and what is not seen is escaped on the short way, too."""
    assert written(ended(request_id="\ud800"))["status"] == 200
    written(ended(request_id="a\u2028b"))
    assert "\u2028" not in written.stream.getvalue()


def test_made_up_methods_are_not_remembered() -> None:
    """Anybody could fill the memory with them; usual ones are."""
    written = Written()
    for number in range(50):
        assert written(ended(method=f"M{number}"))["method"] == f"M{number}"
    assert len(written.log._labelsets._known) == 0
    written(ended())
    assert len(written.log._labelsets._known) == 1


def test_the_pretty_line_says_the_same() -> None:
    """For people."""
    written = Written(pretty=True)
    written.log(ended())
    said = written.stream.getvalue()
    assert "request" in said
    assert "home-00001" in said
    assert said.count("\n") == 1
