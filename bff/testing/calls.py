"""The requests that stubbed services got, and assertions over them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx


@dataclass(frozen=True, slots=True, kw_only=True)
class StubCall:
    """A request that a stubbed service got. ``path`` is below the service's URL; headers are lower-case."""

    service: str
    method: str
    path: str
    params: Mapping[str, str | list[str]]
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        """The body as JSON; None when there is none."""
        return json.loads(self.content) if self.content else None

    def __repr__(self) -> str:
        query = f" params={dict(self.params)}" if self.params else ""
        return f"<{self.method} {self.path} to {self.service}{query}>"


class Unstubbed(AssertionError):
    """A service was called in a way that no stub answers; the message shows the stub to add."""


class Called:
    """Assertions over calls, for a whole service and for one stub of it."""

    @property
    def calls(self) -> list[StubCall]:
        """The calls that came, in order."""
        raise NotImplementedError

    def assert_called(self, times: int) -> list[StubCall]:
        """The calls, which must be that many."""
        calls = self.calls
        if len(calls) != times:
            came = "".join(f"\n    {call!r}" for call in calls)
            raise AssertionError(f"{self!r} was called {len(calls)} times, not {times}{came}")
        return calls

    def assert_called_once(self) -> StubCall:
        """The one call: ``stubs.orders.post("/orders").assert_called_once().json``."""
        return self.assert_called(1)[0]

    def assert_not_called(self) -> None:
        """No call came."""
        self.assert_called(0)


def listed(params: httpx.QueryParams) -> dict[str, str | list[str]]:
    """Each parameter's text, or its texts when it came several times."""
    together = {name: params.get_list(name) for name in params}
    return {name: values if len(values) > 1 else values[0] for name, values in together.items()}
