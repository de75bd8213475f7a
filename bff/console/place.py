"""Which gateway this is, for whoever has several of them open."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """``name`` is the project's folder's."""

    name: str
    is_dev: bool
    version: str
