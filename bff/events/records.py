"""What is kept of events and their deliveries, as frozen values. Times are Unix seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from bff.events.broker import Outcome
from bff.events.queues import EVERYTHING, Reach
from bff.frozen import frozen
from bff.sdk.cloudevent import CloudEvent
from bff.sdk.gcra import Rate
from bff.sdk.reply import HeaderPairs


class State(StrEnum):
    """Of a delivery. Waiting and running are open; the others are where it ends."""

    WAITING = "waiting"
    RUNNING = "running"
    DELIVERED = "delivered"
    DEAD = "dead"
    CANCELLED = "cancelled"


OPEN = frozenset({State.WAITING, State.RUNNING})


@frozen
class Planned:
    """A delivery to make: to ``function``, for ``trigger``; ``is_letter`` when it takes a dead letter to its sink."""

    trigger: str
    function: str
    lane: str = ""
    is_letter: bool = False


@frozen
class Incoming:
    """An event to store with its deliveries, all or nothing. ``key`` is ours, ``triggers`` who decided."""

    key: str
    event: CloudEvent
    document: bytes
    triggers: str
    deliveries: tuple[Planned, ...]


@frozen
class Enqueued:
    """Events to store together, all or none: none where more than ``backlog`` deliveries would be open, and without their
    deliveries where one of the trigger ``unless_open`` is.
    """

    incoming: tuple[Incoming, ...]
    backlog: int
    unless_open: str = ""

    @property
    def deliveries(self) -> int:
        """How many it has."""
        return sum(len(each.deliveries) for each in self.incoming)


@frozen
class Accepted:
    """What became of one: ``is_new`` is false where the same id of the same source had been there before."""

    key: str
    is_new: bool


@frozen
class Claimed:
    """A delivery that is ours until its lease ends. ``attempt`` counts from 1, ``tries`` since it was redriven, and
    ``lost`` those of them that nobody has ended.
    """

    key: str
    event: str
    trigger: str
    function: str
    is_letter: bool
    attempt: int
    tries: int
    document: bytes
    lost: int = 0


@frozen
class Wanted:
    """Which deliveries a gateway has room for: ``free`` in all, and ``rooms`` by trigger where that is limited; of the
    functions in ``reach``, and not what it is ``running`` itself, whatever the clock says of the lease.
    """

    holder: str
    free: int
    lease: float
    rooms: Mapping[str, int]
    rates: Mapping[str, Rate] = field(default_factory=dict)
    reach: Reach = EVERYTHING
    running: tuple[str, ...] = ()


@frozen
class Result:
    """An answer that is kept; ``is_cut`` when there was more of it than may be."""

    status: int
    headers: HeaderPairs
    body: bytes
    is_cut: bool = False


@frozen
class Run:
    """A run of a pipeline: ``done`` parts of ``total`` of the ``step`` where it stands, counted from 0."""

    key: str
    pipeline: str
    state: str
    step: int
    total: int
    done: int
    created: float
    updated: float
    why: str


@frozen
class Progress:
    """How far a function says that it is: so much of ``total``, None where that is not known."""

    at: float
    done: float
    total: float | None
    note: str


@frozen
class Standing:
    """How a call stands. ``status`` is that of its answer, None while there is none."""

    key: str
    accepted: float
    function: str
    state: State
    attempts: int
    status: int | None
    progress: Progress | None


@frozen
class Going:
    """A part of a run that runs, and how far it says that it is."""

    key: str
    trigger: str
    function: str
    attempts: int
    progress: Progress | None


@frozen
class Settled:
    """How an attempt ended and what follows: ``delay`` is the seconds until the next one; ``published`` is stored
    with it.
    """

    claimed: Claimed
    holder: str
    outcome: Outcome
    state: State
    delay: float
    revision: str
    published: tuple[Incoming, ...] = ()
    result: Result | None = None


@frozen
class Attempt:
    """One attempt. ``ended`` None: it runs, or its gateway ended first."""

    number: int
    began: float
    ended: float | None
    status: int
    code: str
    detail: str
    revision: str
    gateway: str


@frozen
class Delivery:
    """How a delivery stands. ``due`` is not before when it is tried again, of one that waits."""

    key: str
    event: str
    trigger: str
    function: str
    is_letter: bool
    state: State
    due: float
    attempts: int
    updated: float


@frozen
class Dead:
    """A delivery that is dead, and what its last attempt said; ``event`` is the event's key."""

    event: str
    id: str
    type: str
    source: str
    trigger: str
    function: str
    attempts: int
    updated: float
    status: int
    code: str
    detail: str


@frozen
class Kept:
    """An event as it is kept. ``document`` is the event in structured mode."""

    key: str
    source: str
    id: str
    type: str
    subject: str
    accepted: float
    triggers: str
    document: bytes = b""


@frozen
class Shown:
    """An event with everything that became of it."""

    event: Kept
    deliveries: tuple[Delivery, ...]
    attempts: Mapping[str, tuple[Attempt, ...]]


@frozen
class Sought:
    """Which events to list: the newest first, older than ``before`` (a key), not of the type ``but``; "" for any.
    ``within`` is among how many of the newest they are looked for, 0 for all: what few are has no index.
    """

    limit: int = 50
    before: str = ""
    type: str = ""
    source: str = ""
    trigger: str = ""
    state: str = ""
    but: str = ""
    within: int = 0
