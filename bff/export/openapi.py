"""One OpenAPI 3.1 document from what every routed function says of itself.

Pure: routes and descriptions in, a document out, in an order and under names that depend on nothing else, so
that two exports of one state are the same text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from bff.config import Pattern
from bff.config.auth import NOTHING_ASKED, DemandConfig, SchemeConfig
from bff.config.pattern import Kind
from bff.export.components import (
    OF_LIMITS,
    OF_PAGES,
    OF_PASSING,
    OURS,
    UNFOLDED,
    Kinds,
    fields,
    opened,
    ours,
    response,
)
from bff.frozen import frozen
from bff.sdk.describe import Described
from bff.sdk.jsonschema import Json, renamed

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
"""What a path item may have (OpenAPI 3.1 §4.8.9.1); other methods cannot be described."""


@frozen
class About:
    """The document's own head; ``license`` is an SPDX identifier."""

    title: str = "bff"
    version: str = "0"
    description: str = ""
    contact: str = ""
    contact_url: str = ""
    license: str = ""


@frozen
class Operations:
    """One route: its methods share what the function says. ``owner`` is the function's or service's name,
    ``demand`` what callers have to show, ``passes`` is whether a service's own answer goes through, ``is_limited`` whether calls are counted.
    """

    path: str
    methods: Sequence[str]
    owner: str
    described: Described
    demand: DemandConfig = NOTHING_ASKED
    passes: bool = False
    is_limited: bool = False


def document(
    routes: Iterable[Operations],
    about: About,
    *,
    kinds: Kinds,
    schemes: Mapping[str, SchemeConfig] = MappingProxyType({}),
) -> Json:
    """The whole document. ``kinds`` are the problems there may be, ``schemes`` the ways in that routes may demand."""
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
        "components": _components(routes, names, kinds) | _security_components(routes, schemes),
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
    seen: dict[str, list[Any]] = {name: [None] for name in OURS}
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
    refused = {status: response(name) for status, name in _refusals(route).items()}
    told["responses"] = {**_answers(route, names), **refused}
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


def _answers(route: Operations, names: Mapping[str, str]) -> Json:
    said, answers = route.described, {}
    own = (*(OF_PASSING if route.passes else OF_PAGES), *(OF_LIMITS if route.is_limited else ()))
    for status, answer in said.answers.items():
        described, content = answer["description"], answer.get("content")
        if said.missable:
            parts = ", ".join(f"`{name}`" for name in said.missable)
            described += f" Parts that may be null: {parts}; Bff-Missing names those that did not come."
        if said.unfolds and content is not None:
            described += " Where `Accept` prefers NDJSON or events, its parts one by one."
            content = {**content, **UNFOLDED}
        told = {**renamed(answer, names), "description": described, "headers": fields(own)}
        answers[status] = told if content is None else {**told, "content": renamed(content, names)}
    return answers


def _refusals(route: Operations) -> Mapping[str, str]:
    """Which of our responses there are, by status."""
    demanded = {"401": "Unauthenticated", "403": "Forbidden"} if route.demand.any else {}
    checked = {"422": "ValidationFailed"} if route.described.validates else {}
    limited = {"429": "TooMany"} if route.is_limited else {}
    refused = {**demanded, **checked, **limited, "4XX": "Refused", "5XX": "Failed"}
    return (
        {status: opened(name) for status, name in refused.items()}
        if route.described.answers_alone
        else refused
    )


def _components(routes: Sequence[Operations], names: Mapping[str, Mapping[str, str]], kinds: Kinds) -> Json:
    schemas: Json = {}
    for route in routes:
        own = names[route.owner]
        schemas |= {own[name]: renamed(schema, own) for name, schema in route.described.schemas.items()}
    used = {name for route in routes for name in _refusals(route).values()}
    found = ours(used, unfolds=any(route.described.unfolds for route in routes), kinds=kinds)
    return found | {"schemas": dict(sorted({**schemas, **found["schemas"]}.items()))}
