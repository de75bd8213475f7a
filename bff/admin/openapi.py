"""The admin API described by itself: an OpenAPI 3.1 document made of the table of operations. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode, models_json_schema
from pydantic_core import to_json

from bff.admin.operation import EVENTS, JSON, Asked, Match, Operation, Query, Reply
from bff.admin.refusals import ForeignPage, ScopeMissing, TokenRequired, VersionMoved
from bff.admin.shapes import ProblemShape
from bff.config import Pattern
from bff.errors import BadRequest, BffError, UnsupportedMediaType, ValidationFailed

PATH = "/openapi.json"
_REF = "#/components/schemas/{model}"
_KINDS: Mapping[type, str] = {str: "string", int: "integer", bool: "boolean"}


def described(operations: Iterable[Operation]) -> list[Operation]:
    """The same operations and one more, which answers with the description of all of them."""
    listed = list(operations)
    made: list[bytes] = []

    async def run(_: Asked) -> Reply:
        if not made:  # when first asked: a gateway's start does not wait for it
            made.append(to_json(document(listed)))
        return Reply(body=made[0])

    listed.append(
        Operation(
            name="openapi",
            method="GET",
            path=PATH,
            says="This document.",
            run=run,
            answer=dict[str, Any],
        )
    )
    return listed


def document(operations: Iterable[Operation]) -> dict[str, Any]:
    """The OpenAPI document."""
    from bff import __version__

    listed = list(operations)
    paths: dict[str, dict[str, Any]] = {}
    for operation in listed:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Admin API of bff",
            "version": __version__,
            "description": "Revisions, traffic and releases of functions. Errors are RFC 9457 problems.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "The admin listener."}],
        "paths": paths,
        "components": {
            "schemas": _schemas(listed),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Every write needs one; reads need one where the listener is not on loopback.",
                }
            },
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.says.partition(".")[0],
        "description": operation.says,
        "tags": [_tag(operation)],
        "security": _security(operation),
        "responses": _responses(operation),
    }
    parameters = [*_path_parameters(operation), *map(_query, operation.query), *_if_match(operation)]
    if parameters:
        told["parameters"] = parameters
    if operation.body is not None:
        schema = {"$ref": _REF.format(model=operation.body.__name__)}
        told["requestBody"] = {"required": True, "content": {JSON: {"schema": schema}}}
    elif operation.upload:
        told["requestBody"] = {"required": True, "content": {operation.upload: {}}}
    return told


def _tag(operation: Operation) -> str:
    first, second = (*operation.path.split("/")[1:], "")[:2]
    return second if first == "v1" else "listener"


def _security(operation: Operation) -> list[dict[str, list[str]]]:
    if operation.scope is None:
        return []
    needs: list[dict[str, list[str]]] = [{"token": []}]
    return needs if operation.scope == "write" else [{}, *needs]


def _path_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in Pattern.parse(operation.path).parameters
    ]


def _query(query: Query) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": _KINDS[query.kind]}
    if query.kind is int:
        schema |= {"minimum": query.bounds[0], "maximum": query.bounds[1]}
    if query.words:
        schema["enum"] = list(query.words)
    return {
        "name": query.name,
        "in": "query",
        "required": query.is_required,
        "description": query.says,
        "schema": schema,
    }


def _if_match(operation: Operation) -> list[dict[str, Any]]:
    if operation.match is Match.NONE:
        return []
    return [
        {
            "name": "If-Match",
            "in": "header",
            "required": operation.match is Match.MUST,
            "description": "The ETag of what the change is based on; * for whatever it is.",
            "schema": {"type": "string"},
        }
    ]


def _responses(operation: Operation) -> dict[str, Any]:
    said: dict[str, Any] = {"description": operation.says}
    if operation.answer is not None:
        said["content"] = {JSON: {"schema": _schema(operation.answer)}}
    elif operation.status != 204:
        said["content"] = {operation.kind: {"schema": {"type": "string"}}}
    if operation.event is not None:
        # OpenAPI 3.1 has no word for the items of a stream, which 3.2 calls itemSchema.
        said["content"][EVENTS] = {"schema": {"type": "string"}, "x-event-data": _schema(operation.event)}
    responses = {str(operation.status): said}
    if operation.name == "deploy":
        responses["200"] = said | {"description": "These files were published before."}
    if operation.name == "readiness":
        responses["503"] = said
    for status, kinds in sorted(_by_status(operation).items()):
        responses.setdefault(str(status), _problem(kinds))
    return responses


def _by_status(operation: Operation) -> dict[int, list[type[BffError]]]:
    """The problems that an operation may answer with, its own and those of the way to it."""
    kinds: list[type[BffError]] = [BadRequest, *operation.refusals]
    kinds.append(ForeignPage)
    if operation.scope is not None:
        kinds += [TokenRequired, ScopeMissing]
    if operation.body is not None:
        kinds += [UnsupportedMediaType, ValidationFailed]
    if operation.upload:
        kinds.append(UnsupportedMediaType)
    if operation.match is not Match.NONE:
        kinds.append(VersionMoved)
    found: dict[int, list[type[BffError]]] = {}
    for kind in dict.fromkeys(kinds):
        found.setdefault(kind.status, []).append(kind)
    return found


def _problem(kinds: list[type[BffError]]) -> dict[str, Any]:
    return {
        "description": "; ".join(f"{kind.title} ({kind.code})" for kind in kinds),
        "content": {"application/problem+json": {"schema": {"$ref": _REF.format(model="ProblemShape")}}},
    }


def _schema(answer: Any) -> dict[str, Any]:
    found = TypeAdapter(answer).json_schema(ref_template=_REF, mode="serialization")
    found.pop("$defs", None)
    return found if "title" not in found or "$ref" in found else {"$ref": _REF.format(model=found["title"])}


def _schemas(operations: list[Operation]) -> dict[str, Any]:
    taken: list[tuple[Any, JsonSchemaMode]] = [
        (operation.body, "validation") for operation in operations if operation.body is not None
    ]
    given = {
        model: None
        for operation in operations
        for answer in (operation.answer, operation.event)
        for model in _models(answer)
    }
    given[ProblemShape] = None
    shown: list[tuple[Any, JsonSchemaMode]] = [(model, "serialization") for model in given]
    _, definitions = models_json_schema([*dict.fromkeys(taken), *shown], ref_template=_REF)
    schemas: dict[str, Any] = definitions["$defs"]
    return schemas


def _models(answer: Any) -> Iterable[type]:
    from typing import get_args

    from pydantic import BaseModel

    for each in (answer, *get_args(answer)):
        if isinstance(each, type) and issubclass(each, BaseModel):
            yield each
