"""Log lines from signals: one an invocation, one for everything an operator should know of.

Functions log through ``ctx.log``, a structlog logger whose lines carry the same fields; what uvicorn,
warnings and libraries log goes the same way.
"""

from __future__ import annotations

import logging
import traceback
from typing import Any

from bff.errors import Fault
from bff.sdk.invocation import CallRecord, Invocation
from bff.signals import (
    AdminWrite,
    ConfigApplied,
    ConfigRejected,
    Culprit,
    Deregistered,
    DiscoveryFailed,
    EndpointEjected,
    EndpointReturned,
    EndpointsChanged,
    EventDied,
    Evicted,
    FolderPassedOver,
    InstanceDead,
    LimitsLost,
    LimitsReturned,
    LoadFailed,
    LoopBlocked,
    LoopLost,
    LoopReturned,
    NoLocalToken,
    Registered,
    RegistrationFailed,
    ReleaseTurned,
    RevisionReady,
    Signals,
    StoreLost,
    StoreReturned,
    ThreadsStuck,
    TrafficMoved,
    Unexpected,
    WarmedUp,
    WarmUpFailed,
)
from bff.telemetry.lines import LEVELS, Lines


class AccessLog:
    """One line an invocation, once it has ended."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines

    def __call__(self, invocation: Invocation) -> None:
        # Probes come every few seconds, and a healthy one tells nothing.
        level = "info" if invocation.function or invocation.calls or invocation.error else "debug"
        fields: dict[str, Any] = {
            "method": invocation.method,
            "route": invocation.route,
            "status": invocation.status,
            "ms": _ms(invocation.ended - invocation.started),
            "function": invocation.function,
            "revision": invocation.revision,
            "request_id": invocation.request_id,
            "client": invocation.client,
        }
        if invocation.phases is not None:
            fields["cold"] = {name: _ms(seconds) for name, seconds in invocation.phases.items()}
        if invocation.calls:
            fields["trace_id"] = invocation.trace.trace_id
            fields["services"] = [_call(call) for call in invocation.calls]
        if (invocation.calls or invocation.error is not None) and (flags := invocation.flags):
            fields["flags"] = flags
        if invocation.missing:
            fields["missing"] = invocation.missing
        if invocation.error is not None:
            level = _explain_error(invocation, fields)
        self._lines.write(level, "request", fields)


def _call(call: CallRecord) -> dict[str, Any]:
    took = 0.0 if call.ended is None else call.ended - call.started
    shown: dict[str, Any] = {"service": call.service, "status": call.status, "ms": _ms(took)}
    if call.error:
        shown["error"] = call.error
    if how := call.how():
        shown["how"] = how
    if call.flags:
        shown |= {"endpoint": call.endpoint, "flags": call.flags}
    return shown


def _explain_error(invocation: Invocation, fields: dict[str, Any]) -> str:
    error = invocation.error
    assert error is not None
    fields["fault"] = str(invocation.fault)
    fields["error"] = str(error)
    if error.__cause__ is not None and invocation.fault in (Fault.FUNCTION, Fault.GATEWAY):
        fields["traceback"] = traceback.format_exception(error.__cause__, limit=-20)
    return "warning" if invocation.status < 500 else "error"


class EventLog:
    """Lines for what happens besides requests."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines

    def listen(self, signals: Signals) -> None:
        """Hear everything an operator should know of."""
        signals.listen(RevisionReady, self._revision_ready)
        signals.listen(LoadFailed, self._load_failed)
        signals.listen(WarmedUp, self._warmed_up)
        signals.listen(WarmUpFailed, self._warm_up_failed)
        signals.listen(InstanceDead, self._dead)
        signals.listen(Evicted, self._evicted)
        signals.listen(TrafficMoved, self._traffic_moved)
        signals.listen(ReleaseTurned, self._release_turned)
        signals.listen(EndpointEjected, self._ejected)
        signals.listen(EndpointReturned, self._returned)
        signals.listen(EndpointsChanged, self._endpoints_changed)
        signals.listen(DiscoveryFailed, self._discovery_failed)
        signals.listen(Registered, self._registered)
        signals.listen(Deregistered, self._deregistered)
        signals.listen(RegistrationFailed, self._registration_failed)
        signals.listen(ConfigApplied, self._config_applied)
        signals.listen(ConfigRejected, self._config_rejected)
        signals.listen(FolderPassedOver, self._passed_over)
        signals.listen(LimitsLost, self._limits_lost)
        signals.listen(LimitsReturned, self._limits_returned)
        signals.listen(StoreLost, self._store_lost)
        signals.listen(StoreReturned, self._store_returned)
        signals.listen(ThreadsStuck, self._threads_stuck)
        signals.listen(LoopBlocked, self._loop_blocked)
        signals.listen(LoopReturned, self._loop_returned)
        signals.listen(LoopLost, self._loop_lost)
        signals.listen(AdminWrite, self._admin_write)
        signals.listen(NoLocalToken, self._no_local_token)
        signals.listen(EventDied, self._event_died)
        signals.listen(Unexpected, self._unexpected)

    def _revision_ready(self, said: RevisionReady) -> None:
        fields = {"function": said.function, "revision": said.revision, "digest": said.digest[:12]}
        self._lines.write("info", "revision live", {**fields, "ms": round(said.seconds * 1000, 2)})

    def _load_failed(self, said: LoadFailed) -> None:
        going_on = f"{said.serving} goes on serving" if said.serving else "nothing serves it"
        self._lines.write(
            "error", f"load failed: {said.report}", {"function": said.function, "serving": going_on}
        )

    def _warmed_up(self, said: WarmedUp) -> None:
        """As AWS Lambda's line of that name tells its Init Duration."""
        warm_up = said.warm_up
        fields = {
            "function": said.function,
            "revision": said.revision,
            "init_ms": _ms(warm_up.seconds),
            "first_ever": warm_up.is_first_ever,
            "phases_ms": {name: _ms(seconds) for name, seconds in warm_up.phases.items()},
            "imports_ms": {each.name: _ms(each.seconds) for each in warm_up.imports.most_expensive()},
        }
        self._lines.write("info", "REPORT", fields)

    def _warm_up_failed(self, said: WarmUpFailed) -> None:
        self._lines.write(
            "error", f"warm-up failed: {said.why}", {"function": said.function, "revision": said.revision}
        )

    def _dead(self, said: InstanceDead) -> None:
        fields = {"function": said.function, "revision": said.revision, "why": said.why}
        self._lines.write("warning", "instance replaced", fields)

    def _evicted(self, said: Evicted) -> None:
        level = "warning" if said.stop_error else "debug"
        fields = {"function": said.function, "revision": said.revision, "stop_error": said.stop_error}
        self._lines.write(level, "evicted", fields)

    def _traffic_moved(self, said: TrafficMoved) -> None:
        if said.before in ("", said.after):
            return  # a first or a newer revision, which has a line of its own
        fields = {
            "function": said.function,
            "before": said.before,
            "after": said.after,
            "latest": said.latest,
        }
        self._lines.write("info", "traffic moved", fields)

    def _release_turned(self, said: ReleaseTurned) -> None:
        fields = {
            "function": said.function,
            "revision": said.canary,
            "baseline": said.baseline,
            "state": said.state,
            "percent": said.percent,
            "why": said.why,
            "numbers": dict(said.numbers),
        }
        is_bad = said.event in ("condemn", "roll-back")
        self._lines.write("warning" if is_bad else "info", f"release: {said.event}", fields)

    def _threads_stuck(self, said: ThreadsStuck) -> None:
        fields = {"function": said.function, "revision": said.revision, "stuck_threads": said.count}
        if said.count:
            fields["remedy"] = said.remedy
        self._lines.write("warning" if said.count else "info", "threads that nobody waits for", fields)

    # The watchdog's thread calls these three, while the loop cannot: their lines are written at once.

    def _loop_blocked(self, said: LoopBlocked) -> None:
        self._lines.write_out()
        fields = _accused(said.culprit, said.seconds) | {"remedy": said.culprit.remedy}
        self._lines.write("error", "the event loop is blocked", fields)

    def _loop_returned(self, said: LoopReturned) -> None:
        self._lines.write("warning", "the event loop was blocked", _accused(said.culprit, said.seconds))

    def _loop_lost(self, said: LoopLost) -> None:
        self._lines.write_out()
        fields = _accused(said.culprit, said.seconds) | {"remedy": said.culprit.remedy}
        self._lines.write("error", "the event loop does not come back; this process ends", fields)

    def _ejected(self, said: EndpointEjected) -> None:
        fields = {"service": said.service, "endpoint": said.endpoint, "seconds": round(said.seconds, 3)}
        self._lines.write("warning", "endpoint ejected", fields)

    def _returned(self, said: EndpointReturned) -> None:
        self._lines.write("info", "endpoint is back", {"service": said.service, "endpoint": said.endpoint})

    def _endpoints_changed(self, said: EndpointsChanged) -> None:
        fields = {"service": said.service, "endpoints": said.endpoints[:20], "count": len(said.endpoints)}
        self._lines.write("info", "endpoints changed", fields)

    def _discovery_failed(self, said: DiscoveryFailed) -> None:
        fields = {"service": said.service, "why": said.why, "kept": said.kept}
        self._lines.write("warning" if said.kept else "error", "discovery failed", fields)

    def _registered(self, said: Registered) -> None:
        self._lines.write("info", "registered", {"name": said.name, "address": said.address})

    def _deregistered(self, said: Deregistered) -> None:
        self._lines.write("info", "deregistered", {"name": said.name})

    def _registration_failed(self, said: RegistrationFailed) -> None:
        self._lines.write("warning", "registration failed", {"name": said.name, "why": said.why})

    def _config_applied(self, said: ConfigApplied) -> None:
        self._lines.write("info", "routes.yaml applied", {"routes": said.routes})

    def _config_rejected(self, said: ConfigRejected) -> None:
        text = "\n".join(("routes.yaml rejected; the last good one goes on:", *said.mistakes))
        self._lines.write("error", text, {})

    def _admin_write(self, said: AdminWrite) -> None:
        level = "info" if said.status < 400 and not said.unrecorded else "warning"
        fields = {"who": said.who, "what": said.what, "target": said.target, "status": said.status}
        if said.unrecorded:
            fields["unrecorded"] = said.unrecorded
        self._lines.write(level, "admin write", {**fields, "detail": said.detail})

    def _no_local_token(self, said: NoLocalToken) -> None:
        self._lines.write("warning", "no token for commands on this machine", {"why": said.why})

    def _passed_over(self, said: FolderPassedOver) -> None:
        fields = {"function": said.function, "folder": said.revision, "serving": said.serving}
        remedy = f"bff rollback {said.function} --to {said.revision}"
        self._lines.write(
            "warning", "the folder has an older revision; the newer one goes on", {**fields, "remedy": remedy}
        )

    def _limits_lost(self, said: LimitsLost) -> None:
        then = "calls are let in uncounted" if said.lets_in else "calls are refused"
        self._lines.write("error", f"rate limits cannot be counted; {then}", {"why": said.why})

    def _limits_returned(self, _said: LimitsReturned) -> None:
        self._lines.write("info", "rate limits are counted again", {})

    def _store_lost(self, said: StoreLost) -> None:
        self._lines.write("error", "the state store is away; traffic flows on as it was", {"why": said.why})

    def _store_returned(self, _said: StoreReturned) -> None:
        self._lines.write("info", "the state store is back", {})

    def _event_died(self, said: EventDied) -> None:
        fields = {"function": said.function, "trigger": said.trigger, "event_key": said.event}
        self._lines.write("error", "event is dead", {**fields, "attempts": said.attempts, "why": said.why})

    def _unexpected(self, said: Unexpected) -> None:
        trace = traceback.format_exception(said.error)
        self._lines.write("error", "unexpected failure", {"where": said.where, "traceback": trace})


def _ms(seconds: float) -> float:
    """Milliseconds, to the microsecond. What :func:`round` would give but for the last digit, at a fifth of its cost."""
    return int(seconds * 1e6 + 0.5) / 1000


def _accused(culprit: Culprit, seconds: float) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "function": culprit.function,
        "revision": culprit.revision,
        "line": culprit.line,
        "ms": round(seconds * 1000),
    }
    if culprit.request_id:
        fields |= {"route": culprit.route, "request_id": culprit.request_id}
    return fields


class FunctionLogs:
    """Makes ``ctx.log``: a structlog logger bound to an invocation. structlog loads when one is asked for."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines

    def __call__(self, invocation: Invocation) -> Any:
        import structlog

        logger = structlog.wrap_logger(
            self,
            processors=[structlog.processors.format_exc_info, _positional],
            wrapper_class=structlog.make_filtering_bound_logger(self._lines.level),
            context_class=dict,
        )
        return logger.bind(
            function=invocation.function,
            revision=invocation.revision,
            request_id=invocation.request_id,
            trace_id=invocation.trace.trace_id,
        )

    def debug(self, event: str, fields: dict[str, Any]) -> None:
        """A line from a function."""
        self._lines.write("debug", event, fields)

    def info(self, event: str, fields: dict[str, Any]) -> None:
        """A line from a function."""
        self._lines.write("info", event, fields)

    def warning(self, event: str, fields: dict[str, Any]) -> None:
        """A line from a function."""
        self._lines.write("warning", event, fields)

    def error(self, event: str, fields: dict[str, Any]) -> None:
        """A line from a function."""
        self._lines.write("error", event, fields)

    critical = exception = error


def _positional(_logger: Any, _method: str, event: Any) -> tuple[tuple[str, dict[str, Any]], dict[str, Any]]:
    text = str(event.pop("event", ""))
    return (text, dict(event)), {}


class StandardLogs(logging.Handler):
    """Takes in what the standard library's loggers say: uvicorn, warnings, libraries."""

    def __init__(self, lines: Lines) -> None:
        super().__init__()
        self._lines = lines

    def __enter__(self) -> StandardLogs:
        root = logging.getLogger()
        root.addHandler(self)
        root.setLevel(max(self._lines.level, logging.INFO))
        logging.captureWarnings(True)
        for name, level in (
            ("uvicorn", logging.WARNING),
            ("httpx", logging.WARNING),
            ("watchfiles", logging.WARNING),
        ):
            logging.getLogger(name).setLevel(level)
        return self

    def __exit__(self, *_: object) -> None:
        logging.captureWarnings(False)
        logging.getLogger().removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record as a line."""
        level = next((name for name, number in reversed(LEVELS.items()) if record.levelno >= number), "debug")
        fields: dict[str, Any] = {"logger": record.name}
        if record.exc_info and record.exc_info[1] is not None:
            fields["traceback"] = traceback.format_exception(record.exc_info[1])
        self._lines.write(level, record.getMessage(), fields)
