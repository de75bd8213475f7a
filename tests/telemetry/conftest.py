"""Invocations as they have ended, without a gateway around them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bff.clock import Deadline
from bff.sdk.invocation import Invocation
from bff.telemetry.failure import Witness
from bff.telemetry.identity import Callers
from bff.telemetry.recorder import Recorder
from bff.testing import ManualClock

Ended = Callable[..., Invocation]


def nobody(_module: str, _filename: str) -> None:
    """No line is a function's own."""


WITNESS = Witness(nobody)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def ended(clock: ManualClock) -> Ended:
    """``ended("id", seconds=0.2, status=500, error=…)``: one that began so many seconds before now."""

    def make(request_id: str = "r", *, seconds: float = 0.001, **known: Any) -> Invocation:
        made = Invocation(request_id=request_id, method="GET", clock=clock, started=clock.now() - seconds)
        made.ended, made.deadline = clock.now(), Deadline(clock.now() + 10.0, 10.0)
        for name, value in {"route": "/home", "function": "home", "status": 200, **known}.items():
            setattr(made, name, value)
        return made

    return make


@pytest.fixture
def recorder() -> Recorder:
    return Recorder(WITNESS, Callers(), memory=2**20, slow=0.5)
