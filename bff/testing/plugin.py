"""Fixtures for function authors' tests. pytest loads this in every run, so it imports nothing until asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from bff.testing import Client, ManualClock, StubServices


@pytest.fixture
def bff_config(request: pytest.FixtureRequest) -> Path:
    """The routes.yaml to test with: the nearest one upward from the test's file. Override it to choose."""
    folders = (*request.path.parents, request.config.rootpath)
    for folder in folders:
        if (folder / "routes.yaml").is_file():
            return folder / "routes.yaml"
    pytest.fail(
        f"no routes.yaml in {request.path.parent} or above; a fixture `bff_config` can name one",
        pytrace=False,
    )


@pytest.fixture
def bff_clock() -> ManualClock:
    """The clock the gateway of :func:`bff_client` lives by; it stands still until it is moved."""
    from bff.testing import ManualClock

    return ManualClock()


@pytest.fixture
def bff_stubs() -> StubServices:
    """The services of the gateway of :func:`bff_client`: ``bff_stubs.users.get("/users/7").answers({…})``."""
    from bff.testing import StubServices

    return StubServices(called_as="bff_stubs")


@pytest.fixture
def bff_client(bff_config: Path, bff_stubs: StubServices, bff_clock: ManualClock) -> Iterator[Client]:
    """A client of a gateway in this process: ``bff_client.get("/api/home/7")``."""
    from bff.config import ConfigInvalid
    from bff.testing import blocking_client

    try:
        with blocking_client(bff_config, stubs=bff_stubs, clock=bff_clock) as client:
            yield client
    except ConfigInvalid as invalid:
        pytest.fail(str(invalid), pytrace=False)
