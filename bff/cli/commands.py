"""Every other command and its options. What a command does is in a module of its own, imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bff.cli import eventful, remote, seeing
from bff.cli.options import GATEWAY, ROUTES, ConfigOption, GatewayOption, JsonOption
from bff.cli.servers import app as app


@app.command()
def check(
    config: ConfigOption = ROUTES,
    cold: Annotated[
        bool, typer.Option("--cold", help="Also measure cold starts, and hold functions to their budget.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Check routes.yaml and import every function; exit 1 when anything is wrong."""
    from bff.cli.checking import check

    check(config, is_cold=cold, as_json=json)


@app.command()
def profile(
    name: Annotated[str, typer.Argument(help="The function's name.")],
    path: Annotated[
        str | None,
        typer.Option("--path", "-p", help="Also call it, by a path of one of its routes, query included."),
    ] = None,
    config: ConfigOption = ROUTES,
    json: JsonOption = False,
) -> None:
    """Warm a function, evict it, warm it again: where the time goes, phase by phase and import by import."""
    from bff.cli.profiling import profile

    profile(name, path=path, config_path=config, as_json=json)


@app.command()
def schema() -> None:
    """Print the JSON Schema of routes.yaml, for editors."""
    import json

    from bff.config import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))


@app.command()
def key(json: JsonOption = False) -> None:
    """Make an API key and the digest to write into routes.yaml."""
    from bff.cli.keys import new_key

    new_key(as_json=json)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Where; made if it is not there.")] = Path(),
    json: JsonOption = False,
) -> None:
    """Write a working project: routes.yaml, one function, one test."""
    from bff.cli.scaffold import init

    init(folder, as_json=json)


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="The function's name: lower case, digits and _.")],
    config: ConfigOption = ROUTES,
    json: JsonOption = False,
) -> None:
    """Add a function, its route and a test for it."""
    from bff.cli.scaffold import new

    new(name, config, as_json=json)


@app.command("list")
def list_functions(
    config: ConfigOption = ROUTES, admin: GatewayOption = GATEWAY, json: JsonOption = False
) -> None:
    """List the functions: their routes, time limits and files, and how they are in a running gateway."""
    from bff.cli.listing import list_functions

    list_functions(config, admin=admin, as_json=json)


@app.command()
def invoke(
    name: Annotated[str, typer.Argument(help="The function's name.")],
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            "-d",
            help="Arguments as a JSON object, or the JSON body; @FILE reads it, @- from standard input.",
        ),
    ] = None,
    path: Annotated[
        str | None, typer.Option("--path", "-p", help="A path of one of its routes, query included.")
    ] = None,
    method: Annotated[
        str | None, typer.Option("--method", "-X", help="With --path; GET unless --data is given.")
    ] = None,
    config: ConfigOption = ROUTES,
    json: JsonOption = False,
) -> None:
    """Call a function without a server; print its answer, where the time went and which services it called."""
    from bff.cli.invoking import invoke

    invoke(name, data=data, path=path, method=method, config_path=config, as_json=json)


app.add_typer(remote.app)
app.add_typer(seeing.app)
app.add_typer(eventful.events, name="events")
app.add_typer(eventful.triggers, name="triggers")
app.add_typer(eventful.schedules, name="schedules")
app.add_typer(eventful.pipelines, name="pipelines")
export = typer.Typer(
    no_args_is_help=True, help="Write what other tools take away: openapi, asyncapi, typescript."
)
app.add_typer(export, name="export")
OutOption = Annotated[Path | None, typer.Option("--out", "-o", help="A file; else standard output.")]


@export.command("openapi")
def export_openapi(config: ConfigOption = ROUTES, out: OutOption = None) -> None:
    """Write the OpenAPI 3.1 document of all routes, from the functions' types and docstrings."""
    from bff.cli.exporting import export_openapi

    export_openapi(config, out=out)


@export.command("asyncapi")
def export_asyncapi(config: ConfigOption = ROUTES, out: OutOption = None) -> None:
    """Write the AsyncAPI 3.0 document of the events that triggers and pipelines want."""
    from bff.cli.exporting import export_asyncapi

    export_asyncapi(config, out=out)


@export.command("typescript")
def export_typescript(config: ConfigOption = ROUTES, out: OutOption = None) -> None:
    """Write TypeScript types of all routes; needs Node.js and openapi-typescript."""
    from bff.cli.exporting import export_typescript

    export_typescript(config, out=out)
