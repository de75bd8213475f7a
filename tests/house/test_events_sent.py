"""A function hands events on to a service, over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from bff.sdk.cloudevent import CloudEvent, all_from_http
from tests.conftest import GatewayFactory, eventually
from tests.house.receiver import Receiver

Write = Callable[[Mapping[str, str | bytes]], Path]
FORWARD = """\
    from bff import CloudEvent, Context

    async def handle(ctx: Context, event: CloudEvent) -> None:
        ledger = ctx.services.ledger
        for sent in (event.binary(), event.structured(), CloudEvent.batched([event, event])):
            await ledger.post("/events", **sent)
    """


def test_an_event_is_handed_on_in_each_mode(
    gateway: GatewayFactory, write_project: Write, receiver: Receiver
) -> None:
    """What the function was given is what the service gets, extensions and letters beyond ASCII among it."""
    routes = f"""\
        services:
          ledger: {{url: "http://{receiver.host}"}}
        events: {{path: /events}}
        triggers:
          forward: {{function: forward}}
        """
    event = CloudEvent(
        id="1", source="/shop", type="order.paid", subject="größe", data={"n": 1}, extensions={"tenant": "a"}
    )
    folder = write_project({"routes.yaml": routes, "functions/forward.py": FORWARD})
    assert gateway(folder, "serve").client.post("/events", **event.structured()).status_code == 202
    eventually(lambda: len(receiver.heard) == 3)
    heard = [
        all_from_http(
            [(name.encode(), value.encode("latin-1")) for name, value in fields.items()], body, most=2
        )
        for fields, body in receiver.heard
    ]
    assert [len(each) for each in heard] == [1, 1, 2]
    assert {(each.id, each.subject, each.extensions["tenant"]) for events in heard for each in events} == {
        ("1", "größe", "a")
    }
    assert all(each.data == {"n": 1} for events in heard for each in events)
