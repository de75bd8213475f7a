"""What work that nobody waits for stands on: the same for as long as its process lives."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import field

from bff.clock import Clock
from bff.frozen import frozen
from bff.revisions.store.bell import Bell, Silent
from bff.revisions.store.store import Store
from bff.runtime.invoker import Invoker
from bff.signals import Signals
from bff.trace import UNSAMPLED, Origin


@frozen
class Site:
    """``holder`` is this process's name among those that share the store, ``queues`` what it works on, None for all of
    them; ``is_shared`` when others may write to the store as well.
    """

    store: Store
    holder: str
    invoker: Invoker
    clock: Clock
    signals: Signals
    is_shared: bool
    is_draining: Callable[[], bool] = lambda: False
    queues: Collection[str] | None = None
    bell: Bell = field(default_factory=Silent)
    origin: Callable[[], Origin] = lambda: UNSAMPLED
