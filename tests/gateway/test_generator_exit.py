"""``GeneratorExit``, which Python keeps for itself, raised by a function."""

from __future__ import annotations

import pytest

from tests.conftest import Running

ROUTES = "routes:\n" + "".join(
    f"- {{path: /{name}, function: {name}}}\n"
    for name in ("now", "later", "thread", "items", "thread_items", "app_page")
)
FUNCTIONS = {
    "now": "async def handle() -> str:\n    raise GeneratorExit\n",
    "later": "import asyncio\nasync def handle() -> str:\n    await asyncio.sleep(0)\n    raise GeneratorExit\n",
    "thread": "def handle() -> str:\n    raise GeneratorExit\n",
    "items": "async def handle():\n    raise GeneratorExit\n    yield ''\n",
    "thread_items": "def handle():\n    raise GeneratorExit\n    yield ''\n",
    "app_page": (
        "async def app(scope, receive, send):\n"
        "    raise GeneratorExit if scope['type'] == 'http' else ValueError('no lifespan')\n"
    ),
}


@pytest.fixture(scope="module")
def running(module_gateway, module_project) -> Running:
    files = {f"functions/{name}.py": text for name, text in FUNCTIONS.items()}
    return module_gateway(module_project({"routes.yaml": ROUTES, **files}))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_it_is_the_functions_failure_like_any_other(running: Running, name: str) -> None:
    """A 500 problem and a line that names the function; never an accident of the server's."""
    answer = running.get(f"/{name}")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert answer.json()["code"] == "function-failed"
    line = running.log(request_id=answer.headers["x-request-id"])
    assert (line["status"], line["fault"], line["function"]) == (500, "function", name)
