"""What is printed becomes lines of the log, however it is cut."""

from __future__ import annotations

import io
import json
import sys
import threading

from bff.sdk.invocation import current
from bff.telemetry.identity import Callers
from bff.telemetry.lines import Lines
from bff.telemetry.printed import LONGEST, Printed
from tests.telemetry.test_accesslog import ended


def said(stream: io.StringIO) -> list[str]:
    return [json.loads(line)["event"] for line in stream.getvalue().splitlines()]


def test_each_line_is_a_line_and_the_last_one_needs_no_break() -> None:
    """Empty ones are left out; afterwards standard output is what it was."""
    stream, before = io.StringIO(), sys.stdout
    with Printed(Lines(stream, pretty=False, level="info"), Callers()):
        print("one", 1)
        print("two\n\nthree", end="")
        print(" and more")
        sys.stdout.write("rest")
        assert said(stream) == ["one 1", "two", "three and more"]
    assert said(stream)[-1] == "rest"
    assert sys.stdout is before


def test_a_printed_line_of_a_request_carries_whose_it_is() -> None:
    """As its ``ctx.log`` does; another thread's half of a line is not mixed in."""
    stream = io.StringIO()
    with Printed(Lines(stream, pretty=False, level="info"), Callers()):
        print("half", end="")
        thread = threading.Thread(target=print, args=("other",))
        thread.start()
        thread.join()
        token = current.set(ended())
        print(" and half")
        current.reset(token)
    other, own = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert (other["event"], "request_id" in other) == ("other", False)
    assert (own["event"], own["request_id"], own["function"], own["logger"]) == (
        "half and half",
        "r-1",
        "home",
        "stdout",
    )


def test_a_line_without_end_is_cut() -> None:
    """Memory is bounded."""
    stream = io.StringIO()
    with Printed(Lines(stream, pretty=False, level="info"), Callers()) as printed:
        for _ in range(10):
            print("x" * LONGEST, end="")
        assert sum(map(len, printed._begun.values())) <= LONGEST
