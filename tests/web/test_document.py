"""The document holds before the judges that front-end teams use, by their own default rules."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from textwrap import dedent

import httpx
import pytest
from openapi_spec_validator import validate

from tests.conftest import GatewayFactory, write
from tests.web.conftest import EXAMPLE, ROOT, run

EVERYTHING = """\
openapi: {title: Everything, version: "1", contact: The team, license: MIT}
auth:
  friends: {api_keys: {keys: {}}}
  users: {jwt: {issuer: "https://id.example.com", audience: shop, jwks: jwks.json}}
limits: {policies: {calm: {requests: 10, window: 1s}}}
services: {shop: {url: "http://127.0.0.1:9"}}
defaults: {auth: [friends, users]}
routes:
- {path: "/api/page/{number}", methods: [GET, POST], function: page, limits: calm}
- {path: /api/news, function: news, auth: none}
- {path: /api/lines, function: lines}
- {path: /api/talk, function: talk}
- {path: "/api/site/{rest:path}", function: site}
- {path: "/shop/{rest:path}", service: shop}
"""
"""Every kind of route there is; the functions are below."""

FUNCTIONS = {
    "page": """
        from bff import Context, Header, aggregate, optional
        from typing import Annotated
        from pydantic import BaseModel, Field

        class Problem(BaseModel):
            name: str = Field(examples=["Ada"])

        class Page(BaseModel):
            '''One page.'''
            problem: Problem
            notices: list[str] | None = Field(description="None: they did not come")

        async def handle(ctx: Context, number: int, accept_language: Annotated[str, Header()] = "en") -> Page:
            call = ctx.services.shop.get("/")
            return await aggregate(Page, problem=Problem(name="a"), notices=optional(call))
        """,
    "news": """
        from collections.abc import AsyncIterator
        from bff import Context, ServerSentEvent

        async def handle(ctx: Context) -> AsyncIterator[ServerSentEvent]:
            yield ServerSentEvent(data=1)
        """,
    "lines": """
        from collections.abc import Iterator

        def handle() -> Iterator[dict[str, int]]:
            yield {}
        """,
    "talk": """
        from bff import WebSocket

        async def connect(ws: WebSocket, room: int = 1) -> None:
            await ws.accept()
        """,
    "site": """
        async def app(scope, receive, send):
            pass
        """,
}


@pytest.fixture(scope="module", params=["gallery", "everything"])
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a project."""
    if request.param == "gallery":
        return ROOT
    folder = tmp_path_factory.mktemp("everything")
    write(folder, {"routes.yaml": EVERYTHING, "jwks.json": '{"keys": []}'})
    write(
        folder,
        {f"functions/{name}.py": f'"""The {name}."""\n{dedent(text)}' for name, text in FUNCTIONS.items()},
    )
    return folder


@pytest.fixture(scope="module")
def document(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    written = tmp_path_factory.mktemp("document") / "openapi.json"
    command = (sys.executable, "-m", "bff.cli", "export", "openapi", "--config", project / "routes.yaml")
    run(*command, "--out", written, cwd=ROOT)
    return written


def test_it_is_valid_and_its_types_compile_strictly(document: Path, tools: Path) -> None:
    """By the specification's own schema, and through openapi-typescript and `tsc --strict`."""
    validate(json.loads(document.read_text()))
    run(tools / "openapi-typescript", document.name, "--output", "api.ts", cwd=document.parent)
    run(tools / "tsc", "--strict", "--noEmit", "api.ts", cwd=document.parent)


def test_redocly_has_nothing_to_say(document: Path, tools: Path) -> None:
    """Its recommended rules; not even a warning."""
    said = run(tools / "redocly", "lint", document.name, cwd=document.parent)
    assert "Your API description is valid" in said
    assert "warning" not in said.partition("validating")[2]


def test_spectral_has_nothing_to_say(document: Path, tools: Path) -> None:
    """Its rules for OpenAPI; not even a hint."""
    (document.parent / ".spectral.yaml").write_text("extends: ['spectral:oas']\n")
    said = run(*(tools / "spectral", "lint", "--fail-severity", "hint", document.name), cwd=document.parent)
    assert "No results" in said


def test_the_types_beside_the_example_are_what_the_functions_say(tools: Path, tmp_path: Path) -> None:
    """`npm run types` was not forgotten."""
    written = tmp_path / "api.d.ts"
    command = (sys.executable, "-m", "bff.cli", "export", "typescript", "--config", "routes.yaml")
    run(*command, "--out", written, cwd=EXAMPLE)
    assert written.read_text() == (EXAMPLE / "src" / "api.d.ts").read_text()


@pytest.mark.parametrize(
    ("kind", "example", "fails_from"), [("openapi", "web", "hint"), ("asyncapi", "offline", "error")]
)
def test_documents_of_the_examples_hold_too(
    tools: Path, tmp_path: Path, kind: str, example: str, fails_from: str
) -> None:
    """By AsyncAPI's schema; its other rules ask for texts that nobody has to write."""
    written, config = tmp_path / f"{kind}.json", ROOT / "examples" / example / "routes.yaml"
    run(*(sys.executable, "-m", "bff.cli", "export", kind, "--config", config, "--out", written), cwd=ROOT)
    rules = {"openapi": "spectral:oas", "asyncapi": "spectral:asyncapi"}[kind]
    (tmp_path / ".spectral.yaml").write_text(f"extends: ['{rules}']\n")
    run(*(tools / "spectral", "lint", "--fail-severity", fails_from, written.name), cwd=tmp_path)


def test_a_running_gateway_gives_out_the_same_document_whose_problem_pages_are_there(
    project: Path, document: Path, gateway: GatewayFactory
) -> None:
    running = gateway(project, "serve")
    with httpx.Client(base_url=running.public, trust_env=False, timeout=60) as client:
        told = client.get("/openapi.json").json()
        assert told == json.loads(document.read_text())
        pages = told["components"]["schemas"]["Problem"]["x-problems"]
        assert {client.get(page["type"]).status_code for page in pages} == {200}
