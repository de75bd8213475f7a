"""The gateway's own public paths: its health, and a page for each kind of problem."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping

from bff.errors import BffError, NotFound
from bff.gateway.target import OwnHandler
from bff.revisions import traffic as _traffic
from bff.sdk import failures as _failures
from bff.sdk.reply import JSON, TEXT, Answer

PATHS = ("/health/liveness", "/health/readiness", "/problems/{code}")
_NO_STORE = (b"cache-control", b"no-store")


def handlers(is_ready: Callable[[], bool]) -> dict[str, OwnHandler]:
    """The handlers by path. Liveness is that we answer at all; readiness ends when draining begins."""
    pages = _pages()

    async def liveness(_: Mapping[str, str]) -> Answer:
        return Answer(200, [JSON, _NO_STORE], b'{"status":"alive"}')

    async def readiness(_: Mapping[str, str]) -> Answer:
        if is_ready():
            return Answer(200, [JSON, _NO_STORE], b'{"status":"ready"}')
        return Answer(503, [JSON, _NO_STORE], b'{"status":"draining"}')

    async def problem_page(params: Mapping[str, str]) -> Answer:
        page = pages.get(params["code"])
        if page is None:
            raise NotFound("There is no such kind of problem.")
        return Answer(200, [TEXT], page)

    return dict(zip(PATHS, (liveness, readiness, problem_page), strict=True))


def _pages() -> dict[str, bytes]:
    """One page a problem, from the docstring of its error class."""
    assert _failures, _traffic  # imported for their error classes
    return {
        kind.code: f"{kind.title}\nstatus {kind.status}\n\n{inspect.cleandoc(kind.__doc__ or '')}\n".encode()
        for kind in _kinds(BffError)
        if "code" in vars(kind)
    }


def _kinds(root: type[BffError]) -> Iterator[type[BffError]]:
    yield root
    for kind in root.__subclasses__():
        yield from _kinds(kind)
