"""The commands that put a server together, and the ``bff`` command that all are of. These three are started most, and
where seconds count: making the others costs them a tenth of a start.
"""

from __future__ import annotations

import gc
from typing import Annotated

import typer

from bff.cli.options import ROUTES, ConfigOption, JsonOption

app = typer.Typer(
    name="bff",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

HostOption = Annotated[str, typer.Option(help="Address of the public listener.")]
PortOption = Annotated[
    int, typer.Option(envvar="PORT", min=0, max=65535, help="Port of the public listener; 0 picks one.")
]
AdminOption = Annotated[str, typer.Option(help="Address and port of the admin listener.")]


QueuesOption = Annotated[
    str | None,
    typer.Option("--queues", "-q", help="Queues to take work from, such as images,mail; all if left out."),
]
NameOption = Annotated[
    str,
    typer.Option(
        "--name", help="A name of its own among all on this store: started again, it goes on at once."
    ),
]


def _version(wanted: bool) -> None:
    if wanted:
        from bff import __version__

        typer.echo(f"bff {__version__}")
        raise typer.Exit


SERVERS = frozenset({"dev", "serve", "worker"})
"""Those of this file, which begin without the collector."""


@app.callback()
def main(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Functions behind pages: drop a file in, call it, scale it to zero."""
    if context.invoked_subcommand not in SERVERS:
        gc.enable()


@app.command()
def dev(
    config: ConfigOption = ROUTES,
    host: HostOption = "127.0.0.1",
    port: PortOption = 8000,
    admin: AdminOption = "127.0.0.1:8001",
    json: JsonOption = False,
) -> None:
    """Serve for development: saves are live at once, errors show the function's own line."""
    from bff.cli.serving import serve

    serve(config, host=host, port=port, admin=admin, dev=True, as_json=json)


@app.command()
def serve(
    config: ConfigOption = ROUTES,
    host: HostOption = "127.0.0.1",
    port: PortOption = 8000,
    admin: AdminOption = "127.0.0.1:8001",
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Publish what is saved in the functions folder, as a deploy would."),
    ] = False,
    queues: QueuesOption = None,
    name: NameOption = "",
    json: JsonOption = False,
) -> None:
    """Serve for real: the functions folder is published at the start; routes.yaml stays live."""
    from bff.cli.serving import serve

    serve(
        config,
        host=host,
        port=port,
        admin=admin,
        dev=False,
        watches=watch,
        queues=queues,
        name=name,
        as_json=json,
    )


@app.command()
def worker(
    config: ConfigOption = ROUTES,
    queues: QueuesOption = None,
    name: NameOption = "",
    admin: Annotated[
        str, typer.Option(help="Address and port of the admin listener; port 0 picks one.")
    ] = "127.0.0.1:0",
    json: JsonOption = False,
) -> None:
    """Deliver events, calls and steps beside a gateway on the same `state`, without a public listener."""
    from bff.cli.working import worker

    worker(config, admin=admin, queues=queues, name=name, as_json=json)
