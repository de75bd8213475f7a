"""Which gateway this is, for whoever has several of them open."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """``name`` is the project's folder's; ``token_file`` is where the token made at start lies, seen from there."""

    name: str
    is_dev: bool
    version: str
    token_file: str
