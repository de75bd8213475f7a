"""Times and traffic as commands print them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any


def moment(text: str) -> str:
    """An RFC 3339 time as this machine's clock shows it, to the second."""
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def traffic(block: Iterable[Mapping[str, Any]] | None) -> str:
    """A traffic block in one line: ``home-00002=90 home-00003=10 (candidate)``."""
    return " ".join(map(target, block or ()))


def target(one: Mapping[str, Any]) -> str:
    """A share of the calls."""
    tag = f" ({one['tag']})" if one.get("tag") else ""
    return f"{one.get('revisionName') or 'latest'}={one.get('percent', 0)}{tag}"
