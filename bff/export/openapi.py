"""One OpenAPI 3.1 document from what every routed function says of itself.

Pure: routes and descriptions in, a document out, in an order and under names that depend on nothing else, so
that two exports of one state are the same text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from types import MappingProxyType
from typing import Any

from bff.config import Pattern
from bff.config.auth import NOTHING_ASKED, DemandConfig, SchemeConfig
from bff.config.pattern import Kind
from bff.errors import BffError
from bff.sdk.describe import REF, Described, Json, renamed

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
"""What a path item may have (OpenAPI 3.1 §4.8.9.1); other methods cannot be described."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """The document's own head; ``license`` is an SPDX identifier."""

    title: str = "bff"
    version: str = "0"
    description: str = ""
    contact: str = ""
    contact_url: str = ""
    license: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations:
    """One route: its methods share what the function says. ``owner`` is the function's or service's name, and
    ``demand`` what callers have to show.
    """

    path: str
    methods: Sequence[str]
    owner: str
    described: Described
    demand: DemandConfig = NOTHING_ASKED


def document(
    routes: Iterable[Operations], about: About, schemes: Mapping[str, SchemeConfig] = MappingProxyType({})
) -> Json:
    """The whole document. ``schemes`` are the ways in that routes may demand."""
    routes = sorted(routes, key=lambda each: (each.path, each.methods))
    names = _schema_names(routes)
    paths: dict[str, tuple[str, Json]] = {}
    ids: dict[str, int] = {}
    for route in routes:
        pattern = Pattern.parse(route.path)
        first, item = paths.setdefault(pattern.shape, (_plain(pattern), {}))
        aliases = dict(zip(pattern.parameters, Pattern.parse(first).parameters, strict=True))
        for method in (method.lower() for method in route.methods):
            if method in METHODS:
                item[method] = _operation(route, method, pattern, aliases, names[route.owner], ids)
    return {
        "openapi": "3.1.1",
        "info": _info(about),
        "servers": [{"url": "/"}],
        "security": [],
        "tags": list(_tags(routes)),
        "paths": dict(paths.values()),
        "components": _components(routes, names) | _security_components(routes, schemes),
    }


def _info(about: About) -> Json:
    contact = {"name": about.contact, "url": about.contact_url}
    licence = {"name": about.license, "identifier": about.license} if about.license else {}
    said: Json = {
        "title": about.title,
        "version": about.version,
        "description": about.description,
        "contact": {key: text for key, text in contact.items() if text},
        "license": licence,
    }
    return {key: value for key, value in said.items() if value}


def _plain(pattern: Pattern) -> str:
    """The path as OpenAPI writes it, which knows no wildcard: ``{rest:path}`` becomes ``{rest}``."""
    written = (s.text if s.kind is Kind.STATIC else f"{{{s.text}}}" for s in pattern.segments)
    return "/" + "/".join(written)


def _tags(routes: Sequence[Operations]) -> Iterator[Json]:
    """One a function, under which tools show its operations."""
    said = {route.owner: route.described.summary for route in routes}
    for name in sorted(said):
        yield {"name": name, "description": said[name]} if said[name] else {"name": name}


def _schema_names(routes: Sequence[Operations]) -> Mapping[str, Mapping[str, str]]:
    """What each function's schemas are called in the document. Those that two functions describe alike are one;
    those that differ carry their function's name, whichever of the two was there first.
    """
    seen: dict[str, list[Any]] = {}
    for route in routes:
        for name, schema in route.described.schemas.items():
            kinds = seen.setdefault(name, [])
            if schema not in kinds:
                kinds.append(schema)
    return {
        route.owner: {
            name: name if len(seen[name]) == 1 else f"{route.owner}.{name}"
            for name in route.described.schemas
        }
        for route in routes
    }


def _operation(
    route: Operations,
    method: str,
    pattern: Pattern,
    aliases: Mapping[str, str],
    names: Mapping[str, str],
    ids: dict[str, int],
) -> Json:
    said = route.described
    told: Json = {"operationId": _identity(method, pattern, ids), "tags": [route.owner]}
    told["summary"] = said.summary or f"{method.upper()} {_plain(pattern)}"
    told["description"] = said.description or told["summary"]
    parameters = [_aliased(parameter, aliases) for parameter in said.parameters]
    if parameters:
        told["parameters"] = renamed(parameters, names)
    if said.body is not None and method not in ("get", "head", "delete", "options", "trace"):
        told["requestBody"] = renamed(said.body, names)
    if route.demand.any:
        told["security"] = _security(route.demand)
    told["responses"] = {**_answers(said, names), **_refusals(said)}
    return told


def _identity(method: str, pattern: Pattern, ids: dict[str, int]) -> str:
    """``get_api_home_by_user_id``: told by method and path alone, so that another route never changes it."""
    words = ("by_" * (s.kind is not Kind.STATIC) + s.text for s in pattern.segments)
    name = "_".join((method, *(_UNUSUAL.sub(_spelt, word) for word in words)))
    ids[name] = ids.get(name, 0) + 1
    return name if ids[name] == 1 else f"{name}.{ids[name]}"


def _security(demand: DemandConfig) -> list[Json]:
    """One of these will do; scopes are told where OpenAPI 3.1 takes them for any scheme (§4.8.30)."""
    ways: list[Json] = [{name: list(demand.scopes)} for name in demand.any]
    return [*ways, {}] if demand.optional else ways


def _security_components(routes: Sequence[Operations], schemes: Mapping[str, SchemeConfig]) -> Json:
    used = sorted({name for route in routes for name in route.demand.any})
    return {"securitySchemes": {name: _security_scheme(schemes[name]) for name in used}} if used else {}


def _security_scheme(scheme: SchemeConfig) -> Json:
    if scheme.api_keys is not None:
        return {"type": "apiKey", "in": "header", "name": scheme.api_keys.header}
    if scheme.jwt is not None:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    return {"type": "mutualTLS", "description": "The certificate is checked by a proxy in front."}


_UNUSUAL = re.compile(r"[^A-Za-z0-9._~-]")


def _spelt(character: re.Match[str]) -> str:
    """In hexadecimal: ids stay different, and usable in URLs and as names."""
    return character[0].encode().hex()


def _aliased(parameter: Json, aliases: Mapping[str, str]) -> Json:
    if parameter["in"] != "path":
        return parameter
    return {**parameter, "name": aliases.get(parameter["name"], parameter["name"])}


def _answers(said: Described, names: Mapping[str, str]) -> Json:
    answers: Json = {}
    for status, answer in said.answers.items():
        described = answer["description"]
        if said.missable:
            parts = ", ".join(f"`{name}`" for name in said.missable)
            described += f" Parts that may be null: {parts}; Bff-Missing names those that did not come."
        answers[status] = {**renamed(answer, names), "description": described, "headers": _HEADERS}
    return answers


_HEADERS: Json = {
    name: {"$ref": f"#/components/headers/{name}"}
    for name in ("Bff-Revision", "Bff-Complete", "Bff-Missing", "Server-Timing", "X-Request-Id")
}


def _refusals(said: Described) -> Json:
    refused = {
        "4XX": {"$ref": "#/components/responses/Refused"},
        "5XX": {"$ref": "#/components/responses/Failed"},
    }
    if said.validates:
        refused = {"422": {"$ref": "#/components/responses/ValidationFailed"}, **refused}
    return refused


def _components(routes: Sequence[Operations], names: Mapping[str, Mapping[str, str]]) -> Json:
    schemas: Json = {}
    for route in routes:
        own = names[route.owner]
        schemas |= {own[name]: renamed(schema, own) for name, schema in route.described.schemas.items()}
    has_validation = any(route.described.validates for route in routes)
    return {
        "schemas": dict(sorted({**schemas, **_problem_schemas(has_validation)}.items())),
        "responses": _problem_responses(has_validation),
        "headers": _header_components(),
    }


def _problem_schemas(has_validation: bool) -> Json:
    problem: Json = {
        "title": "Problem",
        "type": "object",
        "description": "RFC 9457. `fault` says whose it was; `retryable` whether trying again could help.",
        "required": ["type", "title", "status", "detail", "code", "fault", "retryable"],
        "properties": {
            "type": {"type": "string", "format": "uri-reference", "description": "A page of ours about it."},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "code": {"type": "string", "examples": _codes()},
            "fault": {"type": "string", "enum": ["caller", "function", "service", "gateway"]},
            "retryable": {"type": "boolean"},
            "instance": {"type": "string", "format": "uri"},
        },
    }
    if not has_validation:
        return {"Problem": problem}
    texts = {name: {"type": "string"} for name in ("in", "field", "message", "type")}
    field = {"type": "object", "required": [*texts], "properties": texts}
    listed = {
        "type": "object",
        "required": ["errors"],
        "properties": {"errors": {"type": "array", "items": field}},
    }
    return {"Problem": problem, "ValidationProblem": {"allOf": [{"$ref": f"{REF}Problem"}, listed]}}


def _codes() -> list[str]:
    """A few that every caller may meet."""
    known = {kind.code for kind in _kinds(BffError)}
    return sorted(known & {"not-found", "validation-failed", "deadline-exceeded", "service-unreachable"})


def _kinds(root: type[BffError]) -> Iterator[type[BffError]]:
    return chain([root], *(_kinds(kind) for kind in root.__subclasses__()))


def _problem_responses(has_validation: bool) -> Json:
    def response(description: str, schema: str) -> Json:
        content = {"application/problem+json": {"schema": {"$ref": REF + schema}}}
        request_id = {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}}
        return {"description": description, "headers": request_id, "content": content}

    responses = {
        "Refused": response("The request was refused; `code` says why.", "Problem"),
        "Failed": response("There is no answer; `fault` says whose that is.", "Problem"),
    }
    if has_validation:
        said = "Values do not fit; `errors` names each."
        responses["ValidationFailed"] = response(said, "ValidationProblem")
    return responses


def _header_components() -> Json:
    said = {
        "Bff-Revision": "The revision that answered.",
        "Bff-Complete": "`true`, or `false` when a part is missing.",
        "Bff-Missing": "The missing parts by name.",
        "Server-Timing": "Where the time went, in milliseconds (W3C Server Timing).",
        "X-Request-Id": "The caller's, if it sent a usable one, else ours.",
    }
    return {name: {"description": text, "schema": {"type": "string"}} for name, text in said.items()}
