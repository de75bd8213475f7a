"""Markers that say where a handler's argument comes from, for when its name and type do not.

    async def handle(token: Annotated[str, Header("x-token")], tags: Annotated[list[str], Query()]) -> …

Without a marker a name in the route's path is a path parameter, a model-like type is the JSON body, and
everything else comes from the query.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Path:
    """From the route's path, under ``alias`` or the argument's own name."""

    alias: str | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """From the query string; a list type takes every occurrence."""

    alias: str | None = None


@dataclass(frozen=True, slots=True)
class Header:
    """From a request header; without ``alias``, the argument's name with ``_`` read as ``-``."""

    alias: str | None = None


@dataclass(frozen=True, slots=True)
class Cookie:
    """From a request cookie."""

    alias: str | None = None


@dataclass(frozen=True, slots=True)
class Body:
    """The whole JSON body, whatever the type."""


@dataclass(frozen=True, slots=True)
class Form:
    """A field of a form (``application/x-www-form-urlencoded`` or ``multipart/form-data``)."""

    alias: str | None = None


@dataclass(frozen=True, slots=True)
class File:
    """An uploaded file of a multipart form, as :class:`starlette.datastructures.UploadFile` or ``bytes``."""

    alias: str | None = None
