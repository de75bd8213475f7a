"""The last good list of a service's endpoints, on disk: a gateway that starts while the registry is down uses it.

One small JSON file for each service, replaced whole. What it was found with is kept beside it: a list for another
question is none.
"""

from __future__ import annotations

import json
import uuid
from pathlib import Path

from bff.services.resolver import Address

FORMAT = 1


class LastGood:
    """One service's file. ``question`` tells the service's discovery from any other's."""

    def __init__(self, folder: Path, service: str, question: str) -> None:
        self._file = folder / f"{service}.json"
        self._question = question

    def read(self) -> tuple[Address, ...]:
        """The list; empty if there is none, or none that can be used."""
        try:
            kept = json.loads(self._file.read_text("utf-8"))
            if kept["format"] != FORMAT or kept["question"] != self._question:
                return ()
            return tuple(
                Address(host=str(host), port=int(port), weight=float(weight), labels=dict(labels))
                for host, port, weight, labels in kept["endpoints"]
            )
        except (OSError, ValueError, KeyError, TypeError):
            return ()

    def write(self, addresses: tuple[Address, ...]) -> None:
        """Replace it. Written beside it and moved over it, so that nobody reads half of one."""
        text = json.dumps(
            {
                "format": FORMAT,
                "question": self._question,
                "endpoints": [[each.host, each.port, each.weight, dict(each.labels)] for each in addresses],
            }
        )
        self._file.parent.mkdir(parents=True, exist_ok=True)
        # Of this writing alone: the places of a service with subsets write the same file, each in a thread of its own.
        beside = self._file.with_suffix(f".{uuid.uuid4().hex}.new")
        try:
            beside.write_text(text, "utf-8")
            beside.replace(self._file)
        finally:
            beside.unlink(missing_ok=True)
