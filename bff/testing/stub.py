"""One kind of call to a stubbed service, and what it is answered with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
from pydantic_core import to_json

from bff.testing.calls import Called, StubCall, listed

if TYPE_CHECKING:
    from bff.testing.stubs import StubService


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a stub does once: an answer, a failure, or nothing for ever."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    content: bytes = b""
    after: float = 0.0
    error: Exception | type[Exception] | None = None
    hangs: bool = False


class Stub(Called):
    """One kind of call to one service, and what it is answered with.

    Said once, an answer is given every time; said several times, the answers are given in that order and
    the last one stays. A stub made later wins over an earlier one that fits as well.
    """

    def __init__(
        self, service: StubService, method: str, path: str, params: Mapping[str, Any] | None
    ) -> None:
        url = httpx.URL(path)
        self._service = service
        self._method = method.upper()
        self._path = url.path
        wanted = url.params if params is None else url.params.merge(_plain(params))
        self._params = listed(wanted)
        self._replies: list[Reply] = []
        self._given = 0

    def answers(
        self,
        json: Any = None,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        content: bytes | str | None = None,
        after: float = 0.0,
    ) -> Stub:
        """Answer with a JSON value (models and dataclasses too) or with ``content`` as it is.

        ``after`` is how many seconds of the clock it takes.
        """
        fields = {name.lower(): value for name, value in (headers or {}).items()}
        if content is None:
            body = b"" if json is None and status in (204, 304) else to_json(json)
            fields.setdefault("content-type", "application/json")
        else:
            body = content.encode() if isinstance(content, str) else content
        return self._will(Reply(status=status, headers=tuple(fields.items()), content=body, after=after))

    def fails(self, error: Exception | type[Exception] = httpx.ConnectError) -> Stub:
        """Fail as httpx would: ``ConnectError`` unless said otherwise."""
        return self._will(Reply(error=error))

    def hangs(self) -> Stub:
        """Never answer. On a ManualClock, time goes on by itself to whatever gives up first."""
        return self._will(Reply(hangs=True))

    @property
    def calls(self) -> list[StubCall]:
        return [call for call in self._service.calls if self.fits(call)]

    def fits(self, call: StubCall) -> bool:
        """Whether this is such a call; parameters that the stub does not name may be there."""
        return (self._method, self._path) == (call.method, call.path) and all(
            call.params.get(name) == value for name, value in self._params.items()
        )

    def next_reply(self) -> Reply:
        """What the next call gets."""
        reply = self._replies[min(self._given, len(self._replies) - 1)]
        self._given += 1
        return reply

    def _will(self, reply: Reply) -> Stub:
        if not self._replies:
            self._service.add(self)
        self._replies.append(reply)
        return self

    def __repr__(self) -> str:
        asked = str(httpx.URL(self._path, params=self._params)) if self._params else self._path
        return f"<{self._method} {asked} of {self._service.name}>"


def _plain(params: Mapping[str, Any]) -> httpx.QueryParams:
    return httpx.QueryParams(dict(params))
