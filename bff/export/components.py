"""The parts of the document that are ours: problems, our header fields, and the records of pages that unfold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bff.errors import BffError
from bff.sdk.describe import ANYTHING
from bff.sdk.jsonschema import REF, Json

Kinds = Mapping[str, type[BffError]]
"""The kinds of problem that a caller can meet, by code."""

OURS = ("Problem", "ValidationProblem", "UnfoldingPart", "UnfoldingEnd")
"""Names of schemas that are taken."""

_FIELDS = {
    "Bff-Revision": "The revision that answered.",
    "Bff-Complete": "`true`, or `false` when a part is missing.",
    "Bff-Missing": "The missing parts by name.",
    "Server-Timing": "Where the time went, in milliseconds (W3C Server Timing).",
    "X-Request-Id": "The caller's, if it sent a usable one, else ours.",
    "Retry-After": "Seconds after which trying again may help (RFC 9110 §10.2.3).",
    "RateLimit": "Calls that are left by policy, and in how many seconds there are more.",
    "RateLimit-Policy": "The policies that count this call (draft-ietf-httpapi-ratelimit-headers).",
    "WWW-Authenticate": "The ways to say who calls (RFC 9110 §11.6.1).",
}
OF_LIMITS = ("RateLimit", "RateLimit-Policy")
OF_PAGES = ("Bff-Revision", "Bff-Complete", "Bff-Missing", "Server-Timing", "X-Request-Id")
OF_PASSING = ("X-Request-Id",)

_RESPONSES = {
    "Refused": ("The request was refused; `code` says why.", "Problem", ()),
    "Failed": ("There is no answer; `fault` says whose that is.", "Problem", ("Retry-After",)),
    "Unauthenticated": ("Nobody is known by this request.", "Problem", ("WWW-Authenticate",)),
    "Forbidden": ("The caller is known, and lacks a scope or role.", "Problem", ("WWW-Authenticate",)),
    "TooMany": ("A rate limit is reached.", "Problem", (*OF_LIMITS, "Retry-After")),
    "ValidationFailed": ("Values do not fit; `errors` names each.", "ValidationProblem", ()),
}
_EXAMPLES = ("deadline-exceeded", "not-found", "service-unreachable", "validation-failed")
_OPEN = "There"
"""Ends the name of a response that may also be an application's or a service's own, of any media type."""


def fields(names: Iterable[str]) -> Json:
    """A response's own header fields, by reference."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def response(name: str) -> Json:
    """One of our responses, by reference."""
    return {"$ref": f"#/components/responses/{name}"}


def opened(name: str) -> str:
    """The name of the same response where what is behind a route may answer so, too."""
    return name + _OPEN


def ours(used: Iterable[str], *, unfolds: bool, kinds: Kinds) -> Json:
    """The components, as far as ``used`` responses need them."""
    named = sorted(set(used), key=_in_order)
    return {
        "schemas": {
            "Problem": _problem(kinds),
            **({"ValidationProblem": _VALIDATION_PROBLEM} if "ValidationFailed" in named else {}),
            **(_UNFOLDING if unfolds else {}),
        },
        "responses": {name: _response(name) for name in named},
        "headers": {
            name: {"description": text, "schema": {"type": "string"}}
            for name, text in _FIELDS.items()
            if name in _needed(named)
        },
    }


def _in_order(name: str) -> tuple[int, str]:
    return list(_RESPONSES).index(name.removesuffix(_OPEN)), name


def _needed(responses: Iterable[str]) -> set[str]:
    """The header fields that pages and these responses speak of."""
    return {*OF_PAGES, *(name for each in responses for name in _RESPONSES[each.removesuffix(_OPEN)][2])}


def _response(name: str) -> Json:
    description, schema, own = _RESPONSES[name.removesuffix(_OPEN)]
    content: Json = {"application/problem+json": {"schema": {"$ref": REF + schema}}}
    if name.endswith(_OPEN):
        description += " Or so says what is behind the route, in its own words."
        content |= ANYTHING
    return {"description": description, "headers": fields((*OF_PASSING, *own)), "content": content}


def _problem(kinds: Kinds) -> Json:
    return {
        "title": "Problem",
        "type": "object",
        "description": "RFC 9457. `fault` says whose it was; `retryable` whether trying again could help.",
        "required": ["type", "title", "status", "detail", "code", "fault", "retryable"],
        "properties": {
            "type": {"type": "string", "format": "uri-reference", "description": "A page of ours about it."},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "code": {"type": "string", "examples": [code for code in _EXAMPLES if code in kinds]},
            "fault": {"type": "string", "enum": ["caller", "function", "service", "gateway"]},
            "retryable": {"type": "boolean"},
            "instance": {"type": "string", "format": "uri"},
        },
        # An enum would make every new kind a breaking change of generated types.
        "x-problems": [
            {"code": code, "type": f"/problems/{code}", "title": kind.title, "status": kind.status}
            for code, kind in kinds.items()
        ],
    }


_VALIDATION_PROBLEM: Json = {
    "allOf": [
        {"$ref": f"{REF}Problem"},
        {
            "type": "object",
            "required": ["errors"],
            "properties": {
                "errors": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["in", "field", "message", "type"],
                        "properties": {
                            name: {"type": "string"} for name in ("in", "field", "message", "type")
                        },
                    },
                }
            },
        },
    ]
}

_UNFOLDING: Json = {
    "UnfoldingPart": {
        "title": "UnfoldingPart",
        "type": "object",
        "description": "A member of the page; without `value` it is not in the page after all.",
        "required": ["part"],
        "properties": {
            "part": {"type": "string", "description": "The member's name."},
            "value": {"description": "As it stands in the whole page."},
            "missing": {"const": True, "description": "The value stands in for what did not come."},
        },
    },
    "UnfoldingEnd": {
        "title": "UnfoldingEnd",
        "type": "object",
        "description": "The last record; an answer without one was cut.",
        "required": ["complete", "missing"],
        "properties": {
            "complete": {"type": "boolean"},
            "missing": {"type": "array", "items": {"type": "string"}},
            "errors": {
                "type": "object",
                "description": "Why parts are missing, by their paths in the page.",
                "additionalProperties": {"type": "object"},
            },
            "problem": {"$ref": f"{REF}Problem"},
        },
    },
}

UNFOLDED: Json = {
    # Strictly a schema is the whole body's, but tools take a record's type from here (3.2: itemSchema).
    kind: {"schema": {"anyOf": [{"$ref": f"{REF}UnfoldingPart"}, {"$ref": f"{REF}UnfoldingEnd"}]}}
    for kind in ("application/x-ndjson", "text/event-stream")
}
"""What a page may also be sent as."""
