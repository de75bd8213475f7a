"""What the admin listener tells of services."""

from __future__ import annotations

from typing import Any

import pytest

from bff.admin.services import state_of
from bff.admin.serviceshapes import ServiceShape, ServicesShape
from bff.sdk.callrecord import CallRecord
from bff.telemetry.failure import Witness
from bff.telemetry.identity import Callers
from bff.telemetry.recorder import Recorder
from bff.testing import ManualClock
from tests.admin.conftest import admin_office
from tests.admin.test_recordings import ended

pytestmark = pytest.mark.anyio

SERVICES: dict[str, Any] = {
    "users": {"url": "http://users", "retries": {"attempts": 2}, "hedge": {}, "cache": {"ttl": "1s"}},
    "designs": {"url": "http://designs", "subsets": {"v2": {"url": "http://designs-v2"}}, "coalesce": False},
    "orders": {"url": "http://orders", "discovery": {"type": "dns", "name": "orders"}},
}


async def test_each_is_told_with_its_policies_and_its_calls(anyio_backend: str) -> None:
    """Also those that nobody calls; the busiest of equals comes first."""
    clock = ManualClock()
    recorder = Recorder(Witness(lambda _module, _file: None), Callers(), memory=2**20, slow=0.5)
    call = CallRecord("users", "GET", "/", clock.now(), ended=clock.now(), attempts=2, status=200)
    recorder.keep(ended(clock, calls=[call]))
    async with admin_office(clock=clock, recorder=recorder, services=SERVICES) as asking:
        told = ServicesShape.model_validate((await asking("GET", "/v1/services?window=10")).json())
        assert [each.name for each in told.services] == ["users", "designs", "orders"]
        users, designs, orders = told.services
        assert users.calls is not None
        assert (users.calls.count, users.calls.resent, users.calls.functions) == (1, 1, ["home"])
        assert (users.attempts, users.hedges, users.caches, users.coalesces) == (2, True, True, True)
        assert (users.state, users.places[0].url, users.places[0].endpoints) == ("idle", "http://users", [])
        assert [(place.subset, place.url) for place in designs.places] == [
            ("", "http://designs"), ("v2", "http://designs-v2"),
        ]  # fmt: skip
        assert (designs.coalesces, designs.calls, orders.discovery) == (False, None, "dns")
        assert told.cache.max_bytes > 0
        one = ServiceShape.model_validate((await asking("GET", "/v1/services/users")).json())
        assert (one.name, one.calls and one.calls.count) == ("users", 1)
        lost = await asking("GET", "/v1/services/user")
        assert (lost.status_code, "did you mean users?" in lost.json()["detail"]) == (404, True)


async def test_without_a_recorder_they_stand_there_without_calls(anyio_backend: str) -> None:
    """Breakers and budgets are known all the same."""
    async with admin_office(services=SERVICES) as asking:
        told = (await asking("GET", "/v1/services")).json()["services"]
        assert [each["calls"] for each in told] == [None] * 3


@pytest.mark.parametrize(
    ("breakers", "errors", "state"),
    [
        ([], 1.0, "idle"),
        (["closed"], 0.49, "ok"),
        (["closed"], 0.5, "degraded"),
        (["closed", "open"], 0.0, "degraded"),
        (["closed", "half-open"], 0.0, "degraded"),
        (["half-open"], 0.0, "degraded"),
        (["open", "open"], 0.0, "down"),
    ],
)
async def test_its_state_is_that_of_its_endpoints(breakers: list[str], errors: float, state: str) -> None:
    """In one word; one that answers nothing as it should is not well although its breakers have not noticed."""
    assert state_of(breakers, errors=errors) == state
