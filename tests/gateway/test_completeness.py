"""Whether an answer is all there is told on every kind of answer."""

from __future__ import annotations

import pytest

from tests.conftest import Running

ROUTES = """\
routes:
- {path: /whole, function: whole}
- {path: /page, function: page}
- {path: /stream, function: stream}
- {path: /items, function: items}
- {path: /fails, function: fails}
"""

CACHED = """\
{
    "Cache-Control": "public, max-age=600",
    "CDN-Cache-Control": "max-age=600",
    "Expires": "Thu, 01 Dec 2050 16:00:00 GMT",
    "ETag": '"1"',
    "Bff-Complete": "perhaps",
}
"""

WHOLE = """\
from bff import Context


async def handle(ctx: Context, lacks: bool = False) -> dict:
    if lacks:
        ctx.mark_missing("notices")
    return {}
"""

FOREIGN = """\
from bff import Context
from starlette.responses import HTMLResponse, StreamingResponse

CACHED = __CACHED__

async def handle(ctx: Context, lacks: bool = False) -> __KIND__:
    if lacks:
        ctx.mark_missing("notices")
    return __KIND__("page", headers=CACHED)
"""

ITEMS = """\
from bff import Context


async def handle(ctx: Context, lacks: bool = False):
    if lacks:
        ctx.mark_missing("notices")
    yield "one"
"""

FAILS = """\
from bff import Context


async def handle(ctx: Context):
    ctx.mark_missing("notices")
    raise RuntimeError
"""


def foreign(kind: str) -> str:
    return FOREIGN.replace("__KIND__", kind).replace("__CACHED__", CACHED)


@pytest.fixture(scope="module", params=["serve", "dev"])
def running(module_gateway, module_project, request) -> Running:
    files = {
        "routes.yaml": ROUTES,
        "functions/whole.py": WHOLE,
        "functions/page.py": foreign("HTMLResponse"),
        "functions/stream.py": foreign("StreamingResponse"),
        "functions/items.py": ITEMS,
        "functions/fails.py": FAILS,
    }
    return module_gateway(module_project(files), request.param)


@pytest.mark.parametrize("path", ["/whole", "/page", "/stream", "/items"])
def test_an_incomplete_answer_says_so_and_is_never_stored(running: Running, path: str) -> None:
    """Whatever the function said of caches, it said of the whole answer: one no-store takes its place."""
    answer = running.get(path + "?lacks=true")
    assert answer.status_code == 200
    assert answer.headers.get_list("bff-complete") == ["false"]
    assert answer.headers.get_list("bff-missing") == ["notices"]
    assert answer.headers.get_list("cache-control") == ["no-store"]
    assert not {"etag", "expires", "cdn-cache-control"} & answer.headers.keys()


def test_a_complete_answer_says_so_and_keeps_its_own_words(running: Running) -> None:
    assert running.get("/whole").headers["bff-complete"] == "true"
    answer = running.get("/page")
    assert answer.headers.get_list("bff-complete") == ["true"]
    assert answer.headers.get_list("cache-control") == ["public, max-age=600"]
    assert answer.headers["etag"] == '"1"'
    assert "bff-missing" not in answer.headers


@pytest.mark.parametrize("path", ["/stream", "/items"])
def test_a_stream_promises_nothing_of_its_end(running: Running, path: str) -> None:
    assert "bff-complete" not in running.get(path).headers


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_an_error_is_no_incomplete_page(running: Running, accept: str) -> None:
    answer = running.get("/fails", headers={"accept": accept})
    assert answer.status_code == 500
    assert not {"bff-complete", "bff-missing"} & answer.headers.keys()
