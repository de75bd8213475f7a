"""The commands about events and triggers of a running gateway, and their options."""

from __future__ import annotations

from typing import Annotated

import typer

from bff.cli.options import GATEWAY, ROUTES, ConfigOption, GatewayOption, JsonOption

events = typer.Typer(no_args_is_help=True, help="Send, list, explain and redrive events.")
pipelines = typer.Typer(no_args_is_help=True, help="Begin, watch, resume and cancel runs of pipelines.")
schedules = typer.Typer(no_args_is_help=True, help="List schedules, and run one now.")
triggers = typer.Typer(no_args_is_help=True, help="List, pause and resume triggers.")

KeyArgument = Annotated[
    str, typer.Argument(metavar="KEY", help="As `bff events list` shows it, or the event's id.")
]
TriggerOption = Annotated[str, typer.Option("--trigger", help="Of this trigger.")]


@events.command()
def send(
    kind: Annotated[str, typer.Argument(metavar="TYPE", help="The type, such as account.upgraded.")],
    data: Annotated[str | None, typer.Option("--data", "-d", help="JSON; - reads standard input.")] = None,
    subject: Annotated[str, typer.Option("--subject", help="What it is about.")] = "",
    source: Annotated[str, typer.Option("--source", help="Where it comes from; /bff/cli if left out.")] = "",
    number: Annotated[
        str, typer.Option("--id", help="Its id; the same one again is not delivered twice.")
    ] = "",
    extension: Annotated[
        list[str] | None, typer.Option("--extension", "-x", metavar="NAME=VALUE", help="A further attribute.")
    ] = None,
    admin: GatewayOption = GATEWAY,
    config: ConfigOption = ROUTES,
    json: JsonOption = False,
) -> None:
    """Send a CloudEvent, and print its key once it is stored."""
    from bff.cli.events import send
    from bff.cli.output import fail

    pairs = [each.partition("=") for each in extension or ()]
    if any(not equals for _, equals, _ in pairs):
        fail("--extension is written NAME=VALUE", code=2, as_json=json)
    said = {"subject": subject, "source": source, "id": number, **{name: value for name, _, value in pairs}}
    attributes = {name: value for name, value in said.items() if value}
    send(kind, data, attributes, admin=admin, config=config, as_json=json)


@events.command("list")
def list_events(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=500, help="How many at most.")] = 20,
    before: Annotated[str, typer.Option("--before", help="Only what is older than this key.")] = "",
    kind: Annotated[str, typer.Option("--type", help="Only of this type.")] = "",
    source: Annotated[str, typer.Option("--source", help="Only of this source.")] = "",
    trigger: TriggerOption = "",
    state: Annotated[
        str, typer.Option("--state", help="waiting, running, delivered, dead or cancelled.")
    ] = "",
    admin: GatewayOption = GATEWAY,
    config: ConfigOption = ROUTES,
    json: JsonOption = False,
) -> None:
    """List events, newest first, and where they went."""
    from bff.cli.events import list_events

    sought = {
        "limit": limit,
        "before": before,
        "type": kind,
        "source": source,
        "trigger": trigger,
        "state": state,
    }
    list_events(sought, admin=admin, config=config, as_json=json)


@events.command()
def show(
    key: KeyArgument, admin: GatewayOption = GATEWAY, config: ConfigOption = ROUTES, json: JsonOption = False
) -> None:
    """Show an event and every attempt to deliver it."""
    from bff.cli.events import show_event

    show_event(key, admin=admin, config=config, as_json=json)


@events.command()
def explain(
    key: KeyArgument, admin: GatewayOption = GATEWAY, config: ConfigOption = ROUTES, json: JsonOption = False
) -> None:
    """Say for every trigger whether it matched or which clause failed, and what came of it."""
    from bff.cli.events import explain

    explain(key, admin=admin, config=config, as_json=json)


@events.command()
def redrive(
    key: Annotated[str, typer.Argument(metavar="[KEY]", help="An event; or name a trigger.")] = "",
    trigger: TriggerOption = "",
    admin: GatewayOption = GATEWAY,
    config: ConfigOption = ROUTES,
    json: JsonOption = False,
) -> None:
    """Let dead and cancelled deliveries of an event or of a trigger begin anew."""
    from bff.cli.events import change
    from bff.cli.output import fail

    if bool(key) == bool(trigger):
        fail("name either an event or a --trigger", code=2, as_json=json)
    change("redrive", key, {"trigger": trigger}, admin=admin, config=config, as_json=json)


@events.command()
def cancel(
    key: KeyArgument, admin: GatewayOption = GATEWAY, config: ConfigOption = ROUTES, json: JsonOption = False
) -> None:
    """End what is open of an event."""
    from bff.cli.events import change

    change("cancel", key, {}, admin=admin, config=config, as_json=json)


@events.command()
def purge(
    state: Annotated[str, typer.Option("--state", help="delivered, dead or cancelled.")] = "dead",
    trigger: TriggerOption = "",
    admin: GatewayOption = GATEWAY,
    config: ConfigOption = ROUTES,
    json: JsonOption = False,
) -> None:
    """Forget events by what became of them, at most a thousand at a time."""
    from bff.cli.events import change
    from bff.cli.output import fail

    if state not in ("delivered", "dead", "cancelled"):
        fail("--state is delivered, dead or cancelled", code=2, as_json=json)
    body = {"state": state} | ({"trigger": trigger} if trigger else {})
    change("purge", "", body, admin=admin, config=config, as_json=json)


@triggers.command("list")
def list_triggers(
    admin: GatewayOption = GATEWAY, config: ConfigOption = ROUTES, json: JsonOption = False
) -> None:
    """List the triggers, and how many deliveries each has in each state."""
    from bff.cli.events import triggers

    triggers(admin=admin, config=config, as_json=json)


@triggers.command()
def pause(
    name: Annotated[str, typer.Argument(help="The trigger's name.")],
    admin: GatewayOption = GATEWAY,
    config: ConfigOption = ROUTES,
    json: JsonOption = False,
) -> None:
    """Deliver nothing for a trigger; events that match are stored."""
    from bff.cli.events import stay

    stay(name, "pause", admin=admin, config=config, as_json=json)


@triggers.command()
def resume(
    name: Annotated[str, typer.Argument(help="The trigger's name.")],
    admin: GatewayOption = GATEWAY,
    config: ConfigOption = ROUTES,
    json: JsonOption = False,
) -> None:
    """Deliver again, what has waited first."""
    from bff.cli.events import stay

    stay(name, "resume", admin=admin, config=config, as_json=json)


@schedules.command("list")
def list_schedules(
    admin: GatewayOption = GATEWAY, config: ConfigOption = ROUTES, json: JsonOption = False
) -> None:
    """List the schedules, when they ran and when they will."""
    from bff.cli.events import schedules

    schedules(admin=admin, config=config, as_json=json)


@schedules.command()
def run(
    name: Annotated[str, typer.Argument(help="The schedule's name.")],
    admin: GatewayOption = GATEWAY,
    config: ConfigOption = ROUTES,
    json: JsonOption = False,
) -> None:
    """Run a schedule now, beside its times."""
    from bff.cli.events import run

    run(name, admin=admin, config=config, as_json=json)


RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="As `bff pipelines runs` shows it.")]
WatchOption = Annotated[
    bool, typer.Option("--watch", "-w", help="Go on until it has ended; exit 1 if it failed.")
]


@pipelines.command("list")
def list_pipelines(
    admin: GatewayOption = GATEWAY, config: ConfigOption = ROUTES, json: JsonOption = False
) -> None:
    """List the pipelines and their steps."""
    from bff.cli.pipelines import list_pipelines

    list_pipelines(admin=admin, config=config, as_json=json)


@pipelines.command()
def runs(
    name: Annotated[str, typer.Argument(help="The pipeline's name.")],
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=500, help="How many at most.")] = 20,
    admin: GatewayOption = GATEWAY,
    config: ConfigOption = ROUTES,
    json: JsonOption = False,
) -> None:
    """List the runs of a pipeline, newest first, and how far they are."""
    from bff.cli.pipelines import runs

    runs(name, limit=limit, admin=admin, config=config, as_json=json)


@pipelines.command()
def start(
    name: Annotated[str, typer.Argument(help="The pipeline's name.")],
    data: Annotated[str | None, typer.Option("--data", "-d", help="JSON; - reads standard input.")] = None,
    watch: WatchOption = False,
    admin: GatewayOption = GATEWAY,
    config: ConfigOption = ROUTES,
    json: JsonOption = False,
) -> None:
    """Begin a run, and print its key once it is stored."""
    from bff.cli.pipelines import start

    start(name, data, watches=watch, admin=admin, config=config, as_json=json)


@pipelines.command("show")
def show_run(
    key: RunArgument,
    watch: WatchOption = False,
    admin: GatewayOption = GATEWAY,
    config: ConfigOption = ROUTES,
    json: JsonOption = False,
) -> None:
    """Show how a run stands, and what became of each of its parts."""
    from bff.cli.pipelines import show_run

    show_run(key, watches=watch, admin=admin, config=config, as_json=json)


@pipelines.command("resume")
def resume_run(
    key: RunArgument, admin: GatewayOption = GATEWAY, config: ConfigOption = ROUTES, json: JsonOption = False
) -> None:
    """Let a run go on from the step where it failed: what has ended well is not done again."""
    from bff.cli.pipelines import change

    change(key, "resume", admin=admin, config=config, as_json=json)


@pipelines.command("cancel")
def cancel_run(
    key: RunArgument, admin: GatewayOption = GATEWAY, config: ConfigOption = ROUTES, json: JsonOption = False
) -> None:
    """End a run."""
    from bff.cli.pipelines import change

    change(key, "cancel", admin=admin, config=config, as_json=json)
