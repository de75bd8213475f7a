"""The ``bff`` command."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Entry point of the console script."""
    # What is imported on the way stays: a collector that looks through it 150 times takes an eighth of a start. It
    # is on again when a server is put together, or any other command begins.
    gc.disable()
    from bff.cli.servers import SERVERS, app

    if sys.argv[1:2] == [] or sys.argv[1] not in SERVERS:
        from bff.cli import commands as commands  # they join those
    app()
