"""What function authors test with: a gateway in the test's own process, stubbed services, a clock by hand.

    def test_home(bff_client: Client, bff_stubs: StubServices) -> None:
        bff_stubs.users.get("/users/7").answers({"name": "Ann"})
        assert bff_client.get("/api/home/7").json() == {"name": "Ann"}

The fixtures (``bff_client``, ``bff_stubs``, ``bff_clock``, ``bff_config``) come with the installed package;
asynchronous tests open :func:`client` themselves. Importing this imports nothing heavy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bff.testing.blocking import Client as Client
    from bff.testing.blocking import blocking_client as blocking_client
    from bff.testing.calls import StubCall as StubCall
    from bff.testing.calls import Unstubbed as Unstubbed
    from bff.testing.clock import ManualClock as ManualClock
    from bff.testing.inprocess import AsyncClient as AsyncClient
    from bff.testing.inprocess import client as client
    from bff.testing.stub import Stub as Stub
    from bff.testing.stubs import StubService as StubService
    from bff.testing.stubs import StubServices as StubServices

_HOME = {
    "AsyncClient": "inprocess",
    "Client": "blocking",
    "ManualClock": "clock",
    "Stub": "stub",
    "StubCall": "calls",
    "StubService": "stubs",
    "StubServices": "stubs",
    "Unstubbed": "calls",
    "blocking_client": "blocking",
    "client": "inprocess",
}

__all__ = [*_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'bff.testing' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"bff.testing.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
