"""What the admin API needs of whoever publishes revisions and moves traffic; app hands the implementation in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from bff.clock import Clock
from bff.frozen import frozen
from bff.revisions.judgement import Verdict
from bff.revisions.snapshot import Snapshot
from bff.revisions.store.records import Deployed, Published, ReleaseState, TrafficState
from bff.revisions.store.store import Store
from bff.revisions.traffic import Traffic
from bff.runtime.closeup import Closeup
from bff.telemetry.journal import Journal
from bff.telemetry.recorder import Recorder
from bff.telemetry.verbosity import Said, Verbosity

if TYPE_CHECKING:
    from bff.admin.exchange import Application
    from bff.events.operating import Operating
    from bff.events.stages import Stages
    from bff.services.room import Backends


class Desk(Protocol):
    """The verbs. Each returns once what it did is durable, and obeyed by this gateway.

    ``expected`` is the version of the traffic that a change is based on, None for whatever it is. All raise
    StoreUnavailable when the store cannot be used, NoSuchRevision for a name that is none, and Conflict.
    """

    async def deploy(
        self,
        function: str,
        archive: bytes,
        *,
        note: str,
        tag: str,
        no_traffic: bool,
        again: bool,
        who: str,
    ) -> Deployed:
        """Publish the files of an archive; FunctionNotLoaded when they cannot serve. ``again`` releases what a
        release took back.
        """

    async def move(
        self, function: str, traffic: Traffic, *, expected: int | None, who: str, why: str
    ) -> TrafficState:
        """Give the calls to whom the block says."""

    async def tag(
        self, function: str, tag: str, revision: str | None, *, expected: int | None, who: str, why: str
    ) -> TrafficState:
        """Let a tag lead to a revision, or to none."""

    async def rollback(
        self, function: str, to: str | None, *, expected: int | None, who: str, why: str
    ) -> TrafficState:
        """Give all calls to a revision, or to what had them before."""

    async def promote(self, function: str, revision: str | None, *, who: str, why: str) -> TrafficState:
        """End the release: its revision gets all calls, or the one that is named."""

    async def pause(self, function: str, *, who: str, why: str) -> ReleaseState:
        """Let the release stay where it is."""

    async def resume(self, function: str, *, who: str, why: str) -> ReleaseState:
        """Let it go on."""


class Known(Protocol):
    """A function, as far as the API asks it itself."""

    def status(self) -> dict[str, object]:
        """How it stands."""


Functions = Callable[[], Mapping[str, Known]]
"""The functions of the gateway by name, as they are now."""

Closeups = Callable[[str], Sequence[Closeup]]
"""The live revisions of a function from close by; none of one that is gone."""


def _unseen(_function: str) -> Sequence[Closeup]:
    return ()


Unpack = Callable[[bytes], Awaitable[Snapshot]]
"""The files of an archive, unpacked off the event loop."""

Describe = Callable[[Published, Snapshot], Awaitable[dict[str, Any]]]
"""What a revision's handler takes and gives, as JSON Schemas; see :mod:`bff.admin.describing`."""

Purge = Callable[..., int]
"""``purge(url=…)`` or ``purge(tag=…)``: how many entries were forgotten."""

Exposition = Callable[[str], Awaitable[tuple[bytes, str]]]
"""The metrics as whoever scrapes accepts them, and their media type."""


@frozen
class Logging:
    """How much is ``wanted`` in the log, which can be changed, and what is ``usual``, by routes.yaml."""

    wanted: Verbosity
    usual: Callable[[], Said]


@frozen
class Public:
    """The public side: its ``app``, the ``url`` it listens at ("" before it does), the OpenAPI ``document`` of its
    routes, and whether callers may ask for faults, as in dev.
    """

    app: Application
    url: Callable[[], str]
    document: Callable[[], Awaitable[bytes]]
    is_dev: bool = False


@frozen
class House:
    """What the operations work on. ``metrics`` and ``recorder`` are None where they are off, ``events`` and ``stages``
    give None where routes.yaml has none; ``verdict`` does where nothing is judged here.
    """

    functions: Functions
    store: Store
    desk: Desk
    unpack: Unpack
    describe: Describe
    purge: Purge
    is_ready: Callable[[], bool]
    metrics: Exposition | None
    logging: Logging
    clock: Clock
    events: Callable[[], Operating | None] = lambda: None
    stages: Callable[[], Stages | None] = lambda: None
    recorder: Recorder | None = None
    closeups: Closeups = _unseen
    verdict: Callable[[str], Verdict | None] = lambda _: None
    backends: Backends
    journal: Journal
    public: Public
