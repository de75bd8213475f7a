"""Everything that listens to signals and tells of them, put together."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bff.clock import Clock
from bff.config import Config
from bff.sdk.invocation import Invocation
from bff.signals import Signals
from bff.telemetry.accesslog import AccessLog
from bff.telemetry.eventlog import EventLog
from bff.telemetry.failure import Witness
from bff.telemetry.identity import Callers
from bff.telemetry.journal import Journal
from bff.telemetry.labelsets import LabelSets
from bff.telemetry.lines import Lines
from bff.telemetry.readings import Sources
from bff.telemetry.recorder import Recorder
from bff.telemetry.tracing import Tracing
from bff.telemetry.verbosity import Said

if TYPE_CHECKING:
    from bff.telemetry.metrics import Metrics


class Telemetry:
    """Whether there are metrics, an access log and a recorder is decided at the start; the rest is live.

    Mutable state: what ``lines``, ``tracing`` and ``recorder`` keep.
    """

    def __init__(
        self,
        config: Config,
        *,
        lines: Lines,
        clock: Clock,
        signals: Signals,
        place_of: Callable[[str, str], str | None],
        sources: Sources,
    ) -> None:
        """``place_of`` tells, of a module and its file, how a function's author calls the place; ``sources`` are asked
        at a scrape how things are now.
        """
        self.lines = lines
        lines.discretion.learn(config.secrets)
        key = config.telemetry.log_key
        labelsets = LabelSets()
        self.callers = Callers(key.get_secret_value() if key is not None else None)
        EventLog(lines).listen(signals)
        witness = Witness(place_of, lines.discretion.text)
        # The first to hear of an invocation: a trace that it begins is then known to all who come after.
        self.tracing = Tracing(config.telemetry, clock=clock, signals=signals, lines=lines, witness=witness)
        if config.telemetry.access_log:
            signals.listen(Invocation, AccessLog(lines, self.callers, labelsets))
        self.metrics = _metrics(sources, clock, signals, labelsets) if config.telemetry.metrics else None
        self.recorder = self._recorder(config, witness, signals, labelsets)
        self.journal = Journal(clock=clock)
        self.journal.listen(signals)

    def _recorder(
        self, config: Config, witness: Witness, signals: Signals, labelsets: LabelSets
    ) -> Recorder | None:
        kept = config.telemetry.recorder
        if not kept.enabled:
            return None
        recorder = Recorder(
            witness,
            self.callers,
            memory=kept.memory,
            slow=kept.slow,
            bodies=kept.bodies or 0,
            labelsets=labelsets,
        )
        recorder.listen(signals)
        return recorder

    def configure(self, config: Config, before: Config) -> None:
        """What routes.yaml says now. The log stays as loud as somebody asked for at night, unless it is this that
        changed.
        """
        if said_of(config) != said_of(before):
            self.lines.wanted.obey(said_of(config))
        self.lines.discretion.learn(config.secrets)
        self.tracing.configure(config.telemetry)
        if self.recorder is not None:
            kept = config.telemetry.recorder
            self.recorder.configure(memory=kept.memory, slow=kept.slow, bodies=kept.bodies or 0)

    async def stop(self) -> None:
        """Send and write what is left."""
        await self.tracing.stop()
        self.lines.flush()


def said_of(config: Config) -> Said:
    """How much routes.yaml wants to have logged."""
    return Said(level=config.telemetry.log_level, sample=config.telemetry.log_sample)


def _metrics(sources: Sources, clock: Clock, signals: Signals, labelsets: LabelSets) -> Metrics:
    from bff.telemetry.metrics import Metrics

    metrics = Metrics(sources, to_wall=lambda: clock.wall() - clock.now(), labelsets=labelsets)
    metrics.listen(signals)
    return metrics
