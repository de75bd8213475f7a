"""Public routes as forms: fields for path, query and headers, a body to begin with. From their OpenAPI document. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bff.console.example import Schema, example_of, resolved, type_of

READING = ("GET", "HEAD")
KINDS = ("application/json", "application/x-www-form-urlencoded", "text/plain")
"""Media types of bodies that can be typed, the one that is offered first at the front."""
FAULTS = ("delay:2s", "abort:503", "reset", "cut-body", "slow-body")
"""What a caller may ask to go wrong with a service in dev: see docs/routes-yaml.md."""
_WILDCARD = re.compile(r"\{(\w+):\w+\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One parameter. ``where`` is path, query, header or cookie; ``kind`` is text, number, choice or lines (one value
    a line); ``value`` is what it begins with.
    """

    name: str
    where: str
    kind: str
    is_required: bool
    value: str
    hint: str
    choices: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """A name for the form."""
        return f"{self.where}.{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteForm:
    """One method of one route. ``body`` is what it begins with, None where there is none; ``kind`` its media type, and
    ``schemes`` say what callers have to show.
    """

    method: str
    path: str
    owner: str
    summary: str
    fields: tuple[Field, ...]
    body: str | None
    kind: str
    schemes: tuple[str, ...]

    @property
    def name(self) -> str:
        """``GET /api/home/{user_id}``."""
        return f"{self.method} {self.path}"

    @property
    def has_files(self) -> bool:
        """Whether its body can only be sent from elsewhere."""
        return self.kind.startswith("multipart/")

    @property
    def reads(self) -> bool:
        """Whether it may be tried without a token that may write."""
        return self.method in READING


def forms_of(document: Mapping[str, Any]) -> list[RouteForm]:
    """All of them, in the document's order."""
    schemas: Mapping[str, Schema] = document.get("components", {}).get("schemas", {})
    return [
        _form(method.upper(), path, said, schemas)
        for path, item in document.get("paths", {}).items()
        for method, said in item.items()
    ]


def wanted_of(forms: list[RouteForm], name: str, owner: str = "") -> RouteForm | None:
    """The one of this name (a wildcard may say that it is one), the first of this owner's, or the first of all."""
    plain = _WILDCARD.sub(r"{\1}", name)
    order = sorted(forms, key=lambda each: (each.name != plain, each.owner != owner))
    return order[0] if order else None


def _form(method: str, path: str, said: Mapping[str, Any], schemas: Mapping[str, Schema]) -> RouteForm:
    content = said.get("requestBody", {}).get("content", {})
    kind = next((each for each in (*KINDS, *content) if each in content), "")
    return RouteForm(
        method=method,
        path=path,
        owner=next(iter(said.get("tags", ())), ""),
        summary=said.get("summary", ""),
        fields=tuple(_fields(said, schemas)),
        body=None if not content else _body(content[kind].get("schema", {}), kind, schemas),
        kind=kind,
        schemes=tuple(dict.fromkeys(name for each in said.get("security", ()) for name in each)),
    )


def _fields(said: Mapping[str, Any], schemas: Mapping[str, Schema]) -> Iterator[Field]:
    for each in said.get("parameters", ()):
        schema = each.get("schema", {})
        is_required = bool(each.get("required", False))
        kind, choices = _kind(schema, schemas)
        yield Field(
            name=each["name"],
            where=each["in"],
            kind=kind,
            is_required=is_required,
            value=_begin(schema, schemas, is_required=is_required),
            hint=_hint(each, schema, schemas),
            choices=choices,
        )


def _kind(schema: Schema, schemas: Mapping[str, Schema]) -> tuple[str, tuple[str, ...]]:
    found = resolved(schema, schemas)
    if "enum" in found:
        return "choice", tuple(map(_text, found["enum"]))
    kind = type_of(schema, schemas)
    if kind == "boolean":
        return "choice", ("true", "false")
    return {"integer": "number", "number": "number", "array": "lines"}.get(kind, "text"), ()


def _begin(schema: Schema, schemas: Mapping[str, Schema], *, is_required: bool) -> str:
    """A value where one is needed; what may be left out is left out."""
    if not is_required:
        return ""
    value = example_of(schema, schemas)
    return "\n".join(map(_text, value)) if isinstance(value, list) else _text(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _hint(each: Mapping[str, Any], schema: Schema, schemas: Mapping[str, Schema]) -> str:
    found = resolved(schema, schemas)
    words = [type_of(schema, schemas)]
    if "minimum" in found or "maximum" in found:
        words.append(f"{found.get('minimum', '…')} to {found.get('maximum', '…')}")
    if "default" in found:
        words.append(f"{_text(found['default'])} if absent")
    said = each.get("description", found.get("description", ""))
    return ", ".join(words) + (f". {said}" if said else "")


def _body(schema: Schema, kind: str, schemas: Mapping[str, Schema]) -> str:
    if kind != "application/json":
        return ""
    return json.dumps(example_of(schema, schemas), indent=2, ensure_ascii=False)
