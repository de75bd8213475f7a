"""The console without a socket: the admin listener's door, with functions that stand as a test wants."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bff.admin.desk import House
from bff.console.console import Console
from bff.console.place import Place
from tests.admin.conftest import Asking, admin_office

PLACE = Place(name="shop", is_dev=True, version="1.2.3", token_file=".bff/admin-token")


@dataclass
class Standing:
    """A function that stands so; ``asked`` counts how often somebody wanted to know."""

    name: str
    more: dict[str, Any] = field(default_factory=dict)
    asked: int = 0

    def status(self) -> dict[str, object]:
        self.asked += 1
        return {
            "name": self.name,
            "revision": f"{self.name}-00001",
            "state": "cold",
            "instances": 0,
            "in_flight": 0,
            "waiting": 0,
            "traffic": [{"revisionName": f"{self.name}-00001", "percent": 100}],
            "warm_up": {"count": 0, "p50_ms": None, "p99_ms": None},
            "last_used": None,
            "evictions": 0,
            "bytes_returned": None,
            "draining": 0,
            "stuck_threads": 0,
            "warm_up_ms": {},
            "blocked": {"count": 0, "longest_ms": 0, "line": None},
            "failure": None,
            **self.more,
        }


Open = Callable[..., AbstractAsyncContextManager[Asking]]


@pytest.fixture
def console(tmp_path: Path) -> Open:
    """``async with console(functions=…) as asking``: see admin_office."""

    def face(house: House) -> Console:
        return Console(house, PLACE)

    return lambda **options: admin_office(tmp_path, face=face, **options)


@pytest.fixture
async def asking(anyio_backend: str, console: Open) -> AsyncIterator[Asking]:
    """A console over one function."""
    async with console(functions={"hello": Standing("hello")}) as made:
        yield made


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
