"""What is decided by who puts a gateway together, and not by routes.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bff.admin.keys import Key
from bff.clock import Clock
from bff.telemetry.lines import Lines

if TYPE_CHECKING:
    from bff.services.transport import MakeTransport


@dataclass(slots=True, kw_only=True)
class Options:
    """What a command, the testing kit or a test wants of a house."""

    dev: bool = False
    clock: Clock | None = None
    make_transport: MakeTransport | None = None
    lines: Lines | None = None
    admin_host: str = "127.0.0.1"
    environ: Mapping[str, str] | None = None
    admin_keys: tuple[Key, ...] = ()
    take_over_logging: bool = False
    keeps_state: bool = False
    name: str = ""
    queues: tuple[str, ...] | None = None
