"""A page, as data: where it is, what it tells, which of its parts are live."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bff.admin.operation import Asked, Query

Facts = Mapping[str, Any]
Telling = Callable[[Asked], Awaitable[Facts]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """``name`` is also its template's and that of the folder of its parts. ``facts`` raises BffErrors, which become
    error pages. ``nav`` is its word in the navigation, "" for none; ``under`` the name of the page in the navigation that
    it belongs to, ``key`` what opens it after ``g``, and ``heads`` a word above it and those that follow. ``parts`` are live.
    """

    name: str
    path: str
    title: str
    facts: Telling
    nav: str = ""
    key: str = ""
    heads: str = ""
    under: str = ""
    query: tuple[Query, ...] = ()
    parts: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """Which entry of the navigation is lit."""
        return self.under or self.name
