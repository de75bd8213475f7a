"""Log lines for everything besides requests that an operator should know of: one for each signal that says so."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from typing import Any

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
    NameLost,
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
from bff.telemetry.lines import Lines, ms


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
        signals.listen(NameLost, self._name_lost)
        signals.listen(Unexpected, self._unexpected)

    def _tell(self, level: str, event: str, fields: Mapping[str, Any]) -> None:
        self._lines.write(level, event, fields, is_ours=True)

    def _revision_ready(self, said: RevisionReady) -> None:
        fields = {"function": said.function, "revision": said.revision, "digest": said.digest[:12]}
        self._tell("info", "revision live", {**fields, "ms": round(said.seconds * 1000, 2)})

    def _load_failed(self, said: LoadFailed) -> None:
        going_on = f"{said.serving} goes on serving" if said.serving else "nothing serves it"
        self._tell("error", f"load failed: {said.report}", {"function": said.function, "serving": going_on})

    def _warmed_up(self, said: WarmedUp) -> None:
        """As AWS Lambda's line of that name tells its Init Duration."""
        warm_up = said.warm_up
        fields = {
            "function": said.function,
            "revision": said.revision,
            "init_ms": ms(warm_up.seconds),
            "first_ever": warm_up.is_first_ever,
            "phases_ms": {name: ms(seconds) for name, seconds in warm_up.phases.items()},
            "imports_ms": {each.name: ms(each.seconds) for each in warm_up.imports.most_expensive()},
        }
        self._tell("info", "REPORT", fields)

    def _warm_up_failed(self, said: WarmUpFailed) -> None:
        self._tell(
            "error", f"warm-up failed: {said.why}", {"function": said.function, "revision": said.revision}
        )

    def _dead(self, said: InstanceDead) -> None:
        fields = {"function": said.function, "revision": said.revision, "why": said.why}
        self._tell("warning", "instance replaced", fields)

    def _evicted(self, said: Evicted) -> None:
        level = "warning" if said.stop_error else "debug"
        fields = {"function": said.function, "revision": said.revision, "stop_error": said.stop_error}
        self._tell(level, "evicted", fields)

    def _traffic_moved(self, said: TrafficMoved) -> None:
        if said.before in ("", said.after):
            return  # a first or a newer revision, which has a line of its own
        fields = {
            "function": said.function,
            "before": said.before,
            "after": said.after,
            "latest": said.latest,
        }
        self._tell("info", "traffic moved", fields)

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
        self._tell("warning" if is_bad else "info", f"release: {said.event}", fields)

    def _threads_stuck(self, said: ThreadsStuck) -> None:
        fields = {"function": said.function, "revision": said.revision, "stuck_threads": said.count}
        if said.count:
            fields["remedy"] = said.remedy
        self._tell("warning" if said.count else "info", "threads that nobody waits for", fields)

    # The watchdog's thread calls these three, while the loop cannot: their lines are written at once.

    def _loop_blocked(self, said: LoopBlocked) -> None:
        self._lines.write_out()
        fields = _accused(said.culprit, said.seconds) | {"remedy": said.culprit.remedy}
        self._tell("error", "the event loop is blocked", fields)

    def _loop_returned(self, said: LoopReturned) -> None:
        self._tell("warning", "the event loop was blocked", _accused(said.culprit, said.seconds))

    def _loop_lost(self, said: LoopLost) -> None:
        self._lines.write_out()
        fields = _accused(said.culprit, said.seconds) | {"remedy": said.culprit.remedy}
        self._tell("error", "the event loop does not come back; this process ends", fields)

    def _ejected(self, said: EndpointEjected) -> None:
        fields = {"service": said.service, "endpoint": said.endpoint, "seconds": round(said.seconds, 3)}
        self._tell("warning", "endpoint ejected", fields)

    def _returned(self, said: EndpointReturned) -> None:
        self._tell("info", "endpoint is back", {"service": said.service, "endpoint": said.endpoint})

    def _endpoints_changed(self, said: EndpointsChanged) -> None:
        fields = {"service": said.service, "endpoints": said.endpoints[:20], "count": len(said.endpoints)}
        self._tell("info", "endpoints changed", fields)

    def _discovery_failed(self, said: DiscoveryFailed) -> None:
        fields = {"service": said.service, "why": said.why, "kept": said.kept}
        self._tell("warning" if said.kept else "error", "discovery failed", fields)

    def _registered(self, said: Registered) -> None:
        self._tell("info", "registered", {"name": said.name, "address": said.address})

    def _deregistered(self, said: Deregistered) -> None:
        self._tell("info", "deregistered", {"name": said.name})

    def _registration_failed(self, said: RegistrationFailed) -> None:
        self._tell("warning", "registration failed", {"name": said.name, "why": said.why})

    def _config_applied(self, said: ConfigApplied) -> None:
        self._tell("info", "routes.yaml applied", {"routes": said.routes})

    def _config_rejected(self, said: ConfigRejected) -> None:
        text = "\n".join(("routes.yaml rejected; the last good one goes on:", *said.mistakes))
        self._tell("error", text, {})

    def _admin_write(self, said: AdminWrite) -> None:
        level = "info" if said.status < 400 and not said.unrecorded else "warning"
        fields = {"who": said.who, "what": said.what, "target": said.target, "status": said.status}
        if said.unrecorded:
            fields["unrecorded"] = said.unrecorded
        self._tell(level, "admin write", {**fields, "detail": said.detail})

    def _no_local_token(self, said: NoLocalToken) -> None:
        self._tell("warning", "no token for commands on this machine", {"why": said.why})

    def _passed_over(self, said: FolderPassedOver) -> None:
        fields = {"function": said.function, "folder": said.revision, "serving": said.serving}
        remedy = f"bff rollback {said.function} --to {said.revision}"
        if said.is_taken_back:
            remedy = (
                f"a release took it back: mend it; bff deploy {said.function} --again releases it once more"
            )
        happening = "the folder has another revision than the one that serves, which goes on"
        self._tell("warning", happening, {**fields, "remedy": remedy})

    def _limits_lost(self, said: LimitsLost) -> None:
        then = "calls are let in uncounted" if said.lets_in else "calls are refused"
        self._tell("error", f"rate limits cannot be counted; {then}", {"why": said.why})

    def _limits_returned(self, _said: LimitsReturned) -> None:
        self._tell("info", "rate limits are counted again", {})

    def _store_lost(self, said: StoreLost) -> None:
        self._tell("error", "the state store is away; traffic flows on as it was", {"why": said.why})

    def _store_returned(self, _said: StoreReturned) -> None:
        self._tell("info", "the state store is back", {})

    def _event_died(self, said: EventDied) -> None:
        fields = {"function": said.function, "trigger": said.trigger, "event_key": said.event}
        self._tell("error", "event is dead", {**fields, "attempts": said.attempts, "why": said.why})

    def _name_lost(self, said: NameLost) -> None:
        why = "another process has it: this one said nothing for too long, and ends now"
        self._tell("error", "name is lost", {"name": said.name, "why": why})

    def _unexpected(self, said: Unexpected) -> None:
        trace = traceback.format_exception(said.error)
        self._tell("error", "unexpected failure", {"where": said.where, "traceback": trace})


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
