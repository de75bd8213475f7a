"""Where a function stands, as ``/v1/functions`` tells operators: times in milliseconds, moments in UTC."""

from __future__ import annotations

from datetime import UTC, datetime

from bff.clock import Clock
from bff.errors import FunctionNotLoaded
from bff.frozen import frozen
from bff.runtime.lifecycle import State
from bff.runtime.lives import Lives
from bff.runtime.tally import Tally
from bff.signals import Blockages


@frozen
class Standing:
    """What there is to tell; of the revision that gets most of the calls where it is one revision's.
    ``first_callers`` wait for the first revision of all, which is made while ``is_opening``.
    """

    name: str
    lives: Lives
    is_opening: bool
    first_callers: int
    tally: Tally
    blocked: Blockages
    failure: FunctionNotLoaded | None
    stuck_threads: int

    def told(self, clock: Clock) -> dict[str, object]:
        """The JSON object."""
        live = self.lives.main
        return {
            "name": self.name,
            "revision": live.revision.name if live else None,
            "state": str(live.state if live else State.WARMING if self.is_opening else State.COLD),
            "instances": sum(each.instances for each in self.lives.values()),
            "in_flight": sum(each.in_flight for each in self.lives.values()),
            "waiting": self.first_callers + sum(each.waiting for each in self.lives.values()),
            "traffic": self._traffic(),
            "warm_up": self.tally.warm_up(),
            "last_used": self._last_used(clock),
            "evictions": self.tally.evictions,
            "bytes_returned": self.tally.bytes_returned,
            "draining": sum(each.in_flight for each in self.lives.retired),
            "stuck_threads": self.stuck_threads,
            "warm_up_ms": {n: round(s * 1000, 3) for n, s in live.last_phases.items()} if live else {},
            "blocked": {
                "count": self.blocked.count,
                "longest_ms": round(self.blocked.longest * 1000),
                "line": self.blocked.line or None,
            },
            "failure": self.failure.report() if self.failure else None,
        }

    def _traffic(self) -> list[dict[str, object]]:
        """Knative's ``status.traffic``: every target with the revision it means now."""
        routing = self.lives.routing
        if routing is None:
            return []
        return [
            {**target.block(), "revisionName": routing.name_of(target)} for target in routing.traffic.targets
        ]

    def _last_used(self, clock: Clock) -> str | None:
        """When a call last ended, as an RFC 3339 time in UTC."""
        lives = (*self.lives.values(), *self.lives.retired)
        ended = [each.last_call for each in lives if each.last_call is not None]
        used = max(ended, default=self.lives.rested)
        if used is None:
            return None
        moment = clock.wall() - (clock.now() - used)
        return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
