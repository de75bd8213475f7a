"""The options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", envvar="BFF_CONFIG", help="The routes.yaml, or its folder.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
GatewayOption = Annotated[
    str, typer.Option("--admin", envvar="BFF_ADMIN", help="The running gateway's admin listener.")
]
ROUTES = Path("routes.yaml")
GATEWAY = "http://127.0.0.1:8001"
