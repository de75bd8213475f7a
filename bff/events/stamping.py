"""Events on their way into the store: a key of ours, their bytes, and who gets them."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Sequence

from pydantic_core import from_json, to_json

from bff.clock import Clock
from bff.events import broker
from bff.events.broker import Trigger
from bff.events.records import Claimed, Incoming, Planned
from bff.sdk.cloudevent import CloudEvent, document_of, from_document


class Keys:
    """Names in the order of their making: milliseconds, a count, and a run of this process. Mutable state: ``_count``."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._run = secrets.token_hex(3)
        self._count = itertools.count()

    def fresh(self) -> str:
        """A key nobody else has."""
        count = next(self._count) & 0xFFFFFF
        return f"{int(self._clock.wall() * 1000):012x}{count:06x}{self._run}"


class Stamp:
    """Mutable state: ``triggers`` and ``digest``, replaced together when routes.yaml changes."""

    def __init__(self, clock: Clock) -> None:
        self.triggers: Sequence[Trigger] = ()
        self.digest = ""
        self._keys = Keys(clock)

    def incoming(self, event: CloudEvent) -> Incoming:
        """The event with one delivery for each trigger that matches."""
        planned = tuple(
            Planned(trigger=each.name, function=each.function, lane=each.lane_of(event))
            for each in (said.trigger for said in broker.decide(event, self.triggers) if said.matched)
        )
        return self._made(event, planned)

    def letter(self, letter: CloudEvent, claimed: Claimed, sink: str) -> Incoming:
        """A dead letter for its sink: an event of its own, whose id tells from which delivery it comes."""
        from dataclasses import replace

        own = replace(letter, id=f"{letter.id}.{claimed.key}.{claimed.attempt}")
        return self._made(own, (Planned(trigger=claimed.trigger, function=sink, is_letter=True),))

    def planned(self, event: CloudEvent, planned: tuple[Planned, ...], digest: str) -> Incoming:
        """An event whose deliveries are known, under a key that nobody can guess."""
        from dataclasses import replace

        made = self._made(event, planned)
        return replace(made, key=f"{made.key}{secrets.token_hex(16)}", triggers=digest)

    def _made(self, event: CloudEvent, planned: tuple[Planned, ...]) -> Incoming:
        return Incoming(
            key=self._keys.fresh(),
            event=event,
            document=to_json(document_of(event)),
            triggers=self.digest,
            deliveries=planned,
        )

    @staticmethod
    def read(document: bytes) -> CloudEvent:
        """An event as it was stored."""
        event, wrong = from_document(from_json(document))
        assert event is not None, wrong
        return event
