"""The commands that talk to a running gateway, and their options."""

from __future__ import annotations

from typing import Annotated

import typer

from bff.cli.options import GATEWAY, ROUTES, ConfigOption, GatewayOption, JsonOption

NameArgument = Annotated[str, typer.Argument(help="The function's name.")]
WhyOption = Annotated[str, typer.Option("--why", help="Why; for the history.")]

app = typer.Typer()
token = typer.Typer(no_args_is_help=True, help="Make, list and revoke tokens for the admin listener.")
app.add_typer(token, name="token")


@app.command()
def deploy(
    name: Annotated[
        str | None, typer.Argument(help="The function's name; all functions if left out.")
    ] = None,
    note: Annotated[str, typer.Option("--note", "-m", help="Why; shown by `bff versions`.")] = "",
    tag: Annotated[str, typer.Option("--tag", help="A tag that shall lead to it, such as candidate.")] = "",
    no_traffic: Annotated[
        bool, typer.Option("--no-traffic", help="No calls, whatever the release policy says.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Release it although it has no calls by somebody's wish.")
    ] = False,
    admin: GatewayOption = GATEWAY,
    config: ConfigOption = ROUTES,
    json: JsonOption = False,
) -> None:
    """Publish a function's files as a new revision, which gets traffic by the release policy."""
    from bff.cli.deploying import deploy

    deploy(
        name,
        note=note,
        tag=tag,
        has_traffic=not no_traffic,
        again=again,
        admin=admin,
        config=config,
        as_json=json,
    )


@app.command()
def versions(
    name: NameArgument,
    admin: GatewayOption = GATEWAY,
    config: ConfigOption = ROUTES,
    json: JsonOption = False,
) -> None:
    """List the revisions of a function, newest first."""
    from bff.cli.versions import versions

    versions(name, admin=admin, config=config, as_json=json)


@app.command()
def traffic(
    name: NameArgument,
    shares: Annotated[
        list[str] | None,
        typer.Argument(help="REVISION=PERCENT, such as home-00002=90 latest=10; 100 together."),
    ] = None,
    why: WhyOption = "",
    most: Annotated[
        bool, typer.Option("--most", help="Print only the name of the revision with most of the calls.")
    ] = False,
    admin: GatewayOption = GATEWAY,
    config: ConfigOption = ROUTES,
    json: JsonOption = False,
) -> None:
    """Show who gets a function's calls, or give them to these revisions."""
    from bff.cli import moving

    if most and not shares:
        moving.most(name, admin=admin, config=config, as_json=json)
        return
    moving.traffic(name, shares or (), why=why, admin=admin, config=config, as_json=json)


@app.command()
def tag(
    name: NameArgument,
    tag: Annotated[str, typer.Argument(help="The tag, such as candidate.")],
    revision: Annotated[str | None, typer.Argument(help="The revision it shall lead to.")] = None,
    delete: Annotated[bool, typer.Option("--delete", help="Take the tag away.")] = False,
    why: WhyOption = "",
    admin: GatewayOption = GATEWAY,
    config: ConfigOption = ROUTES,
    json: JsonOption = False,
) -> None:
    """Let a tag lead to a revision, whatever its share of the calls is."""
    from bff.cli.moving import tag as set_tag

    set_tag(name, tag, revision, is_gone=delete, why=why, admin=admin, config=config, as_json=json)


@app.command()
def rollback(
    name: NameArgument,
    to: Annotated[
        str | None, typer.Option("--to", help="The revision; if left out, what had the calls before.")
    ] = None,
    only_from: Annotated[
        str | None, typer.Option("--from", help="Only if this revision has calls now; else nothing happens.")
    ] = None,
    why: WhyOption = "",
    admin: GatewayOption = GATEWAY,
    config: ConfigOption = ROUTES,
    json: JsonOption = False,
) -> None:
    """Go back: all calls at once to an older revision, which is warmed before."""
    from bff.cli.moving import rollback

    rollback(name, to=to, only_from=only_from, why=why, admin=admin, config=config, as_json=json)


@app.command()
def promote(
    name: NameArgument,
    revision: Annotated[
        str | None, typer.Argument(help="If left out, the one whose release goes on, else the newest.")
    ] = None,
    why: WhyOption = "",
    admin: GatewayOption = GATEWAY,
    config: ConfigOption = ROUTES,
    json: JsonOption = False,
) -> None:
    """End a release now: its revision gets all calls."""
    from bff.cli.moving import promote

    promote(name, revision, why=why, admin=admin, config=config, as_json=json)


@app.command()
def pause(
    name: NameArgument,
    why: WhyOption = "",
    admin: GatewayOption = GATEWAY,
    config: ConfigOption = ROUTES,
    json: JsonOption = False,
) -> None:
    """Let a release stay where it is."""
    from bff.cli.moving import stay

    stay(name, "pause", why=why, admin=admin, config=config, as_json=json)


@app.command()
def resume(
    name: NameArgument,
    why: WhyOption = "",
    admin: GatewayOption = GATEWAY,
    config: ConfigOption = ROUTES,
    json: JsonOption = False,
) -> None:
    """Let a paused release go on."""
    from bff.cli.moving import stay

    stay(name, "resume", why=why, admin=admin, config=config, as_json=json)


@app.command()
def diff(
    name: NameArgument,
    before: Annotated[str, typer.Argument(help="A revision.")],
    after: Annotated[str, typer.Argument(help="Another one.")],
    admin: GatewayOption = GATEWAY,
    config: ConfigOption = ROUTES,
    json: JsonOption = False,
) -> None:
    """Compare two revisions: files, settings, what the handler takes and gives."""
    from bff.cli.diffing import diff

    diff(name, before, after, admin=admin, config=config, as_json=json)


@app.command()
def history(
    name: NameArgument,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=500, help="How many at most.")] = 20,
    admin: GatewayOption = GATEWAY,
    config: ConfigOption = ROUTES,
    json: JsonOption = False,
) -> None:
    """Show what happened to a function's traffic, newest first."""
    from bff.cli.history import history

    history(name, limit=limit, admin=admin, config=config, as_json=json)


@app.command()
def release(
    name: NameArgument,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Go on until it ends; exit 1 if it was rolled back.")
    ] = False,
    admin: GatewayOption = GATEWAY,
    config: ConfigOption = ROUTES,
    json: JsonOption = False,
) -> None:
    """Show how far a function's release has come."""
    from bff.cli.releasing import release

    release(name, watches=watch, admin=admin, config=config, as_json=json)


@app.command()
def level(
    level: Annotated[
        str | None, typer.Argument(help="debug, info, warning or error; if left out, what holds is shown.")
    ] = None,
    function: Annotated[
        str | None, typer.Option("--function", help="For this function only; none takes its own level away.")
    ] = None,
    sample: Annotated[
        str | None,
        typer.Option("--sample", help="Share of the lines of requests that went well, such as 10%."),
    ] = None,
    reset: Annotated[bool, typer.Option("--reset", help="Log as routes.yaml says.")] = False,
    admin: GatewayOption = GATEWAY,
    config: ConfigOption = ROUTES,
    json: JsonOption = False,
) -> None:
    """Show how much a running gateway logs, or have it log more or less."""
    from bff.cli import level as logging

    logging.level(
        level, function=function, sample=sample, resets=reset, admin=admin, config=config, as_json=json
    )


@token.command("create")
def create_token(
    name: Annotated[str, typer.Argument(help="Whose it is; shown in histories and the audit log.")],
    scope: Annotated[
        list[str] | None, typer.Option("--scope", help="read or write, which includes it; read if left out.")
    ] = None,
    admin: GatewayOption = GATEWAY,
    config: ConfigOption = ROUTES,
    json: JsonOption = False,
) -> None:
    """Make a token and print it, this once."""
    from bff.cli.tokens import create

    create(name, scopes=scope or ["read"], admin=admin, config=config, as_json=json)


@token.command("list")
def list_tokens(
    admin: GatewayOption = GATEWAY, config: ConfigOption = ROUTES, json: JsonOption = False
) -> None:
    """List the tokens, never the secrets themselves."""
    from bff.cli.tokens import list_tokens

    list_tokens(admin=admin, config=config, as_json=json)


@token.command("revoke")
def revoke_token(
    number: Annotated[str, typer.Argument(metavar="ID", help="As `bff token list` shows it.")],
    admin: GatewayOption = GATEWAY,
    config: ConfigOption = ROUTES,
    json: JsonOption = False,
) -> None:
    """Take a token away; its next use is refused."""
    from bff.cli.tokens import revoke

    revoke(number, admin=admin, config=config, as_json=json)
