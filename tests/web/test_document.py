"""The document holds before the judges that front-end teams use, by their own default rules."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.conftest import GatewayFactory
from tests.web.conftest import EXAMPLE, ROOT, run

PROJECTS = [ROOT / "routes.yaml", EXAMPLE / "routes.yaml"]


@pytest.fixture(params=PROJECTS, ids=["gallery", "example"])
def document(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    written = tmp_path / "openapi.json"
    command = (sys.executable, "-m", "bff.cli", "export", "openapi", "--config", request.param)
    run(*command, "--out", written, cwd=ROOT)
    return written


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


def test_a_running_gateway_gives_out_the_same_document_whose_problem_pages_are_there(
    document: Path, gateway: GatewayFactory, request: pytest.FixtureRequest
) -> None:
    import json

    import httpx

    folder = ROOT if "gallery" in request.node.name else EXAMPLE
    running = gateway(folder, "serve")
    told = httpx.get(f"{running.public}/openapi.json", trust_env=False, timeout=30).json()
    assert told == json.loads(document.read_text())
    pages = told["components"]["schemas"]["Problem"]["x-problems"]
    with httpx.Client(base_url=running.public, trust_env=False, timeout=30) as client:
        assert {client.get(page["type"]).status_code for page in pages} == {200}
