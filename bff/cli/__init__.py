"""The ``bff`` command."""

from __future__ import annotations


def main() -> None:
    """Entry point of the console script."""
    from bff.cli.commands import app

    app()
