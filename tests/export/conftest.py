"""Coroutine tests on the loop that the gateway runs on by default."""

from __future__ import annotations

import pytest


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
