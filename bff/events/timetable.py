"""When a schedule is due. Pure: ``now`` comes in, moments go out; all of them Unix time.

cronsim reads the expression as Debian's cron does, daylight saving time among it: what falls into an hour that is
left out runs right after it, and what falls into one that comes twice runs once.
"""

from __future__ import annotations

from dataclasses import field
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from bff.config.schedule import ScheduleConfig
from bff.frozen import frozen

PREFIX = "schedule/"
"""What the trigger of a delivery begins with that is a schedule's."""


@frozen
class Timetable:
    """One schedule of routes.yaml."""

    name: str
    config: ScheduleConfig
    zone: tzinfo = field(default=UTC)

    @classmethod
    def of(cls, name: str, config: ScheduleConfig) -> Timetable:
        """The timetable of a section."""
        return cls(name=name, config=config, zone=ZoneInfo(config.time_zone))

    @property
    def source(self) -> str:
        """The source of its events."""
        return f"/schedules/{self.name}"

    @property
    def when(self) -> tuple[str, str, str]:
        """What its moments depend on; one that is changed is another schedule."""
        return self.name, self.config.cron, self.config.time_zone

    @property
    def trigger(self) -> str:
        """The name its deliveries go by."""
        return f"{PREFIX}{self.name}"

    def after(self, at: float) -> float:
        """The first moment after this one."""
        from cronsim import CronSim

        return next(CronSim(self.config.cron, self._there(at))).timestamp()

    def latest(self, since: float, now: float) -> float | None:
        """The last moment after ``since`` up to now; None where there is none."""
        from cronsim import CronSim

        # From a second later on: who looks back does not see the moment it looks from.
        found = next(CronSim(self.config.cron, self._there(now + 1), reverse=True)).timestamp()
        return found if since < found <= now else None

    def _there(self, at: float) -> datetime:
        return datetime.fromtimestamp(int(at), self.zone)


def instant(at: float) -> str:
    """A moment as the id of its event: the same on every gateway, in the order of time."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment_of(number: str) -> float:
    """The moment of such an id."""
    return datetime.fromisoformat(number).timestamp()
