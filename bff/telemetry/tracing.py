"""Traces as routes.yaml has them: where they come from, of which calls spans are sent, and what is said of that. What
sends them is imported where they are on.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bff.clock import Clock
from bff.config import TelemetryConfig
from bff.config.traces import TracesConfig
from bff.signals import Signals, TracesLeftOut, TracesLost, TracesReturned
from bff.telemetry.failure import Witness
from bff.telemetry.lines import Lines
from bff.trace import Origin

if TYPE_CHECKING:
    from bff.telemetry.exporting import Exporting
    from bff.telemetry.sampling import Policy, Sampling


class Tracing:
    """Mutable state: ``origin``, and the policy of what is sampled, both replaced when routes.yaml changes. Whether
    and where spans are sent is as it was at the start.
    """

    def __init__(
        self, config: TelemetryConfig, *, clock: Clock, signals: Signals, lines: Lines, witness: Witness
    ) -> None:
        self.origin = _origin(config, exports=config.traces is not None)
        self._clock = clock
        self._signals = signals
        self._lines = lines
        self._sampling: Sampling | None = None
        self._exporting: Exporting | None = None
        if config.traces is not None:
            from bff.telemetry.sampling import Sampling

            self._sampling = Sampling(_policy(config.traces), witness)
            self._sampling.listen(signals)
            signals.listen(TracesLost, self._lost)
            signals.listen(TracesReturned, self._returned)
            signals.listen(TracesLeftOut, self._left_out)

    def configure(self, config: TelemetryConfig) -> None:
        """Obey a changed routes.yaml, as far as that is possible without another start."""
        self.origin = _origin(config, exports=self._sampling is not None)
        if self._sampling is not None and config.traces is not None:
            self._sampling.policy = _policy(config.traces)

    def start(self, config: TelemetryConfig, instance: str) -> None:
        """Begin to send, where that is wanted; ``instance`` names this gateway among others."""
        if self._sampling is None or config.traces is None:
            return
        from bff import __version__
        from bff.telemetry.exporting import Collector, Exporting

        collector = Collector(
            endpoint=config.traces.endpoint,
            headers={name: value.get_secret_value() for name, value in config.traces.headers.items()},
            service_name=config.traces.service_name,
            instance=instance,
            version=__version__,
        )
        self._exporting = Exporting(self._sampling, collector, clock=self._clock, signals=self._signals)
        self._exporting.start()

    @property
    def is_on(self) -> bool:
        """Whether spans are sent at all."""
        return self._exporting is not None

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits to be sent, or is being sent."""
        return self._exporting is None or self._exporting.is_idle

    async def stop(self) -> None:
        """Send what waits, in a bounded time."""
        if self._exporting is not None:
            await asyncio.to_thread(self._exporting.stop)

    def _lost(self, said: TracesLost) -> None:
        self._lines.write("warning", "the collector takes no traces; calls go on", {"why": said.why})

    def _returned(self, said: TracesReturned) -> None:
        self._lines.write("info", "the collector takes traces again", {"gone": said.gone})

    def _left_out(self, said: TracesLeftOut) -> None:
        self._lines.write("info", "traces left out: there were more than `most`", {"count": said.count})


def _origin(config: TelemetryConfig, *, exports: bool) -> Origin:
    traces = config.traces if exports else None
    return Origin(
        share=0.0 if traces is None else traces.sample,
        exports=exports,
        honours=traces is None or traces.honour_callers,
        writes=config.trace_headers,
    )


def _policy(config: TracesConfig) -> Policy:
    from bff.telemetry.sampling import Policy

    return Policy(
        share=config.sample,
        errors=config.errors,
        slow=config.slow,
        most=config.most,
    )
