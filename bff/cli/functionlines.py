"""The log of a command that runs a function: what the function says, and nothing about the gateway."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bff.telemetry.lines import Lines


class FunctionLines(Lines):
    """Leaves out whatever belongs to no request."""

    def write(self, level: str, event: str, fields: Mapping[str, Any], *, is_ours: bool = False) -> None:
        """Write it if it belongs to a request."""
        if "request_id" in fields:
            super().write(level, event, fields, is_ours=is_ours)
