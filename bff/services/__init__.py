"""Calls to upstream domain services: the only room that opens connections to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bff.services.transport import Transport

__all__ = ["Transport"]


def __getattr__(name: str) -> Any:
    """``Transport`` imports httpx, so it is fetched when somebody asks for it."""
    if name == "Transport":
        from bff.services.transport import Transport

        return Transport
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
