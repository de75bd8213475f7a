"""One AsyncAPI 3.0 document of the events that a gateway takes: who wants which, and what their functions say of the data.

Pure. A message is what meets one trigger's filters, in the binary mode of CloudEvents' HTTP binding
(https://www.asyncapi.com/docs/reference/specification/v3.0.0).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bff.config import Config, FilterConfig
from bff.export.openapi import About
from bff.sdk.describe import Described
from bff.sdk.jsonschema import Json, renamed

CHANNEL = "events"
REQUIRED = ("id", "source", "specversion", "type")
"""Attributes that every event has (CloudEvents 1.0.2, §3.1)."""


def document(config: Config, found: Mapping[str, Described], about: About) -> Json:
    """The whole document; ``found`` are the functions that could be asked."""
    wanted = list(_wanted(config))
    schemas: Json = {}
    messages = {name: _message(name, filters, function, found, schemas) for name, function, filters in wanted}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": about.title, "version": about.version}
        | ({"description": about.description} if about.description else {}),
        "defaultContentType": "application/json",
        "channels": {
            CHANNEL: {
                "address": config.events_said.path,
                "description": "CloudEvents 1.0 over HTTP: binary, structured or batched.",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
            }
        },
        "operations": {
            name: _operation(name, function, filters, found) for name, function, filters in wanted
        },
        "components": {"messages": messages, "schemas": schemas},
    }


def functions_of(config: Config) -> set[str]:
    """Those that get events."""
    return {function for _, function, _ in _wanted(config)}


def _wanted(config: Config) -> Iterator[tuple[str, str, tuple[FilterConfig, ...]]]:
    """Who wants events: a name, the function that gets them first, and the filters."""
    for name, trigger in config.triggers.items():
        yield name, trigger.function, trigger.filters
    for name, pipeline in config.pipelines.items():
        if pipeline.filters is not None:
            first = pipeline.steps[0]
            yield f"pipeline-{name}", first.function or first.parallel[0], pipeline.filters


def _operation(
    name: str, function: str, filters: tuple[FilterConfig, ...], found: Mapping[str, Described]
) -> Json:
    said = found.get(function)
    told: Json = {
        "action": "receive",
        "channel": {"$ref": f"#/channels/{CHANNEL}"},
        "messages": [{"$ref": f"#/channels/{CHANNEL}/messages/{name}"}],
        "bindings": {"http": {"method": "POST", "bindingVersion": "0.3.0"}},
        "x-bff-function": function,
        "x-bff-filters": [each.model_dump(exclude_none=True, by_alias=True, mode="json") for each in filters],
    }
    if said is not None and said.summary:
        told["summary"] = said.summary
    if said is not None and said.description:
        told["description"] = said.description
    return told


def _message(
    name: str,
    filters: tuple[FilterConfig, ...],
    function: str,
    found: Mapping[str, Described],
    schemas: Json,
) -> Json:
    said = exact(filters)
    properties: Json = {f"ce-{attribute}": {"type": "string"} for attribute in REQUIRED}
    properties["ce-specversion"] = {"const": "1.0"}
    properties |= {f"ce-{attribute}": {"const": value} for attribute, value in said.items()}
    headers = {
        "type": "object",
        "required": sorted({f"ce-{each}" for each in (*REQUIRED, *said)}),
        "properties": properties,
    }
    return {
        "name": said.get("type", name),
        "contentType": "application/json",
        "headers": headers,
        "payload": _payload(function, found.get(function), schemas),
    }


def exact(filters: Iterable[FilterConfig]) -> dict[str, str]:
    """The attributes that an event has to have, and their values; paths into its data are left out."""
    found: dict[str, str] = {}
    for each in filters:
        for name, value in (each.exact or {}).items():
            if not name.startswith("$"):
                found[name] = str(value).lower() if isinstance(value, bool) else str(value)
        found |= exact(each.all or ())
    return found


def _payload(function: str, said: Described | None, schemas: Json) -> Any:
    """What the function reads of the data; anything where it does not say."""
    content = ((said.body or {}).get("content") or {}) if said is not None else {}
    schema = (content.get("application/json") or {}).get("schema")
    if said is None or schema is None:
        return {}
    names = {name: f"{function}-{name}" for name in said.schemas}
    schemas |= {names[name]: renamed(each, names) for name, each in said.schemas.items()}
    return renamed(schema, names)
