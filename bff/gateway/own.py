"""The gateway's own public paths: its health, and a page for each kind of problem."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping

from bff.errors import BffError, NotFound
from bff.gateway import problems
from bff.gateway.target import OwnHandler
from bff.sdk.reply import JSON, TEXT, Answer

PATHS = ("/health/liveness", "/health/readiness", "/problems/{code}")
_NO_STORE = (b"cache-control", b"no-store")


def handlers(is_ready: Callable[[], bool]) -> dict[str, OwnHandler]:
    """The handlers by path. Liveness is that we answer at all; readiness ends when draining begins."""
    known = pages()

    async def liveness(_: Mapping[str, str]) -> Answer:
        return Answer(200, [JSON, _NO_STORE], b'{"status":"alive"}')

    async def readiness(_: Mapping[str, str]) -> Answer:
        if is_ready():
            return Answer(200, [JSON, _NO_STORE], b'{"status":"ready"}')
        return Answer(503, [JSON, _NO_STORE], b'{"status":"draining"}')

    async def problem_page(params: Mapping[str, str]) -> Answer:
        page = known.get(params["code"])
        if page is None:
            raise NotFound("There is no such kind of problem.")
        return Answer(200, [TEXT], page)

    return dict(zip(PATHS, (liveness, readiness, problem_page), strict=True))


def pages() -> dict[str, bytes]:
    """One page a problem, from the docstring of its error class."""
    return {
        code: f"{kind.title}\nstatus {kind.status}\n\n{_words(kind)}\n".encode()
        for code, kind in problems.known().items()
    }


def _words(kind: type[BffError]) -> str:
    return inspect.cleandoc(kind.__doc__ or "").replace("``", "`")
