"""Sends spans of chosen calls to a collector, from a thread of its own: by OTLP over HTTP, in batches.

The event loop never waits for it and makes no span: it only puts what is remembered of a call into a bounded queue.
OpenTelemetry is imported by the thread, with the first batch. A collector that is away or hangs is told of once, and
once again when it is back.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from bff.clock import Clock
from bff.frozen import frozen
from bff.signals import Signals, TracesLeftOut, TracesLost, TracesReturned
from bff.telemetry.sampling import Chosen, Sampling

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

    from bff.telemetry.otlp import Builder

EVERY = 1.0
"""Seconds between two batches (OTEL_BSP_SCHEDULE_DELAY is 5): what happened is there when one looks for it."""
MOST_AT_ONCE = 128
"""Calls in one batch."""
GIVES_UP_AFTER = 10.0
"""Seconds a batch is tried for (OTEL_EXPORTER_OTLP_TIMEOUT's default)."""
IS_SET = 0.01
"""Seconds by which the system's time has been set; by less it only drifts, and spans of one trace shall not."""
TELLS_EVERY = 60.0
"""Seconds between two words about calls that were left out."""
LAST_WORDS = 2.0
"""Seconds that the end of the gateway waits for the last batch."""


@frozen
class Collector:
    """Where spans go, and what the gateway is called there. ``endpoint`` None is for the variables
    ``OTEL_EXPORTER_OTLP_…`` to say.
    """

    endpoint: str | None
    headers: Mapping[str, str]
    service_name: str
    instance: str
    version: str


class Exporting:
    """Mutable state: its thread; ``_is_busy``, whether that has a batch in its hands; ``_is_lost``, whether the last batch did not arrive, and ``_gone``, how many calls went with those that did not; ``_told``, when
    it was last said how many were left out.
    """

    def __init__(self, sampling: Sampling, collector: Collector, *, clock: Clock, signals: Signals) -> None:
        self._sampling = sampling
        self._collector = collector
        self._clock = clock
        self._signals = signals
        self._stopping = threading.Event()
        self._exporter: SpanExporter | None = None
        self._is_busy = False
        self._is_lost = False
        self._gone = 0
        self._told = -TELLS_EVERY
        self._thread = threading.Thread(target=self._run, name="bff-traces", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits to be sent, or is being sent."""
        return not self._sampling.waiting and not self._is_busy

    def stop(self) -> None:
        """Send what waits and end, within LAST_WORDS; called from a thread, for it waits."""
        self._stopping.set()
        self._thread.join(LAST_WORDS)
        if self._exporter is not None:
            self._exporter.shutdown()  # whatever it still waits for is given up

    def _run(self) -> None:
        overheard = Overheard()
        sends: Callable[[list[Chosen]], bool] | None = None
        while True:
            is_last = self._stopping.wait(EVERY)
            self._is_busy = True
            while batch := self._batch():
                try:
                    sends = sends or self._opened(overheard)
                    is_sent, why = sends(batch), overheard.said
                except Exception as error:  # what makes one batch fail must not end all that come after
                    is_sent, why = False, f"{type(error).__name__}: {error}"
                self._tell(is_sent=is_sent, count=len(batch), why=why)
            self._is_busy = False
            self._tell_of_those_left_out()
            if is_last:
                return

    def _batch(self) -> list[Chosen]:
        waiting, taken = self._sampling.waiting, list[Chosen]()
        while waiting and len(taken) < MOST_AT_ONCE:
            taken.append(waiting.popleft())
        return taken

    def _opened(self, overheard: Overheard) -> Callable[[list[Chosen]], bool]:
        from bff.telemetry import otlp

        for name in otlp.SPEAKERS:
            logging.getLogger(name).addFilter(overheard)
        self._exporter = exporter = otlp.exporter_of(self._collector, within=GIVES_UP_AFTER)
        builder: Builder = otlp.Builder(self._collector)
        epoch = epoch_of(self._clock)

        def send(batch: list[Chosen]) -> bool:
            nonlocal epoch
            fresh = epoch_of(self._clock)
            if abs(fresh - epoch) > IS_SET:
                epoch = fresh
            spans = [span for chosen in batch for span in builder.spans(chosen, epoch)]
            return otlp.is_success(exporter.export(spans))

        return send

    def _tell(self, *, is_sent: bool, count: int, why: str) -> None:
        if not is_sent:
            self._gone += count
            if not self._is_lost:
                self._is_lost = True
                self._signals.emit(TracesLost(why=why or "the collector took no batch"))
        elif self._is_lost:
            self._is_lost = False
            gone, self._gone = self._gone, 0
            self._signals.emit(TracesReturned(gone=gone))

    def _tell_of_those_left_out(self) -> None:
        """Once a minute, where there were more than may be sent."""
        now = self._clock.now()
        if self._sampling.dropped and now - self._told >= TELLS_EVERY:
            count, self._sampling.dropped, self._told = self._sampling.dropped, 0, now
            self._signals.emit(TracesLeftOut(count=count))


def epoch_of(clock: Clock) -> float:
    """The Unix time at which the clock was 0, from the closest of a few pairs of readings: this thread may be made to
    wait between two of them.
    """
    pairs = [(clock.now(), clock.wall(), clock.now()) for _ in range(5)]
    before, wall, after = min(pairs, key=lambda each: each[2] - each[0])
    return wall - (before + after) / 2


class Overheard(logging.Filter):
    """What the exporter says of its failures, which is told once and not by it. Mutable state: ``said``."""

    def __init__(self) -> None:
        super().__init__()
        self.said = ""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep it, and let nobody else hear it."""
        self.said = record.getMessage()[:300]
        return False
