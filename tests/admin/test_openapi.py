"""What the admin listener says of itself is a valid document, and true."""

from __future__ import annotations

from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.admin.conftest import Asking

READS = "/v1/tries/reading"
"""The one POST that changes nothing, and needs no token where reads need none."""

pytestmark = pytest.mark.anyio


@pytest.fixture
async def document(asking: Asking) -> dict[str, Any]:
    answer = await asking("GET", "/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    return dict(answer.json())


async def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    """Held to the specification's own schema, references followed."""
    errors = [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()]
    assert errors == []
    assert document["openapi"] == "3.1.0"


async def test_every_operation_is_in_it_with_what_guards_it(asking: Asking, document: dict[str, Any]) -> None:
    """Every write asks for a token, every id is one of a kind, and what is listed answers."""
    ids = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            ids.append(operation["operationId"])
            assert operation["description"]
            if method != "get" and path != READS:
                assert operation["security"] == [{"token": []}], path
                bare = await asking(method.upper(), path.replace("{", "").replace("}", ""))
                assert bare.status_code == 401, path
                assert {"401", "403"} <= set(operation["responses"])
    assert len(set(ids)) == len(ids) > 20


async def test_every_schema_is_used(document: dict[str, Any]) -> None:
    """Nothing is described that nobody sends."""
    text = str(document)
    for name in document["components"]["schemas"]:
        assert f"#/components/schemas/{name}'" in text, name


async def test_a_conditional_write_says_so(document: dict[str, Any]) -> None:
    """If-Match is in the document, required where it is."""
    put = document["paths"]["/v1/functions/{name}/traffic"]["put"]
    (match,) = [each for each in put["parameters"] if each["name"] == "If-Match"]
    assert match["required"] is True
    assert {"412", "428", "422", "409", "503"} <= set(put["responses"])
