"""What routes.yaml says of a function, resolved: its own words, else the defaults, else where they come from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from bff.config import Config, Pattern, ScaleConfig
from bff.frozen import frozen
from bff.runtime.autoscaler import DEFAULT, Metric, Policy

STOP_TIMEOUT = 2.0
"""Seconds a handler's ``stop`` may take (AWS Lambda's shutdown phase)."""

TARGETS = {Metric.CONCURRENCY: 100.0, Metric.RPS: 200.0}
"""What one instance shall carry where nobody says (Knative's ``container-concurrency-target-default`` and
``requests-per-second-target-default``)."""

Routes = Mapping[str, list[tuple[str, tuple[str, ...]]]]
"""By function: (template, path parameters)."""


@frozen
class Settings:
    """What routes.yaml says about a function, resolved. Seconds; ``routes`` are (template, parameters)."""

    timeout: float
    warm_up_timeout: float
    stop_timeout: float
    threads: int
    env: Mapping[str, str]
    routes: Sequence[tuple[str, tuple[str, ...]]]
    cancel_on_disconnect: bool
    stream_idle_timeout: float
    stream_timeout: float
    scale: Policy = DEFAULT
    concurrency: int = 0
    isolation: str = "inline"
    memory: int = 0
    max_calls: int = 0

    def frozen(self) -> bytes:
        """The part that makes a revision what it is, in one spelling; the rest is live configuration."""
        parts = {"timeout": self.timeout, "isolation": self.isolation, "concurrency": self.concurrency}
        return json.dumps(parts, sort_keys=True).encode()

    def for_revision(self, frozen: bytes) -> Settings:
        """The same with what a revision froze, whatever routes.yaml says of that now."""
        return self if not frozen or frozen == self.frozen() else replace(self, **json.loads(frozen))

    def of_an_instance(self) -> tuple[object, ...]:
        """The part that an instance is made with: where it changes, a new one has to be made."""
        return (self.frozen(), self.env, self.threads, self.warm_up_timeout, self.memory, self.max_calls)


def routes_by_function(config: Config) -> Routes:
    """Every function's routes."""
    found: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
    for name, function in config.reached_offline():
        found.setdefault(function, []).append((f"trigger {name}", ()))
    for route in config.routes:
        if not route.service:
            found.setdefault(route.function, []).append((route.path, Pattern.parse(route.path).parameters))
    return found


def settings_of(config: Config, name: str, routes: Routes) -> Settings:
    """What routes.yaml says about one function."""
    function, concurrency = config.function(name), config.concurrency_of(name)
    return Settings(
        timeout=config.function_timeout(name),
        warm_up_timeout=config.warm_up_timeout(name),
        stop_timeout=STOP_TIMEOUT,
        threads=function.threads,
        env={key: value.get_secret_value() for key, value in function.env.items()},
        routes=tuple(routes.get(name, ())),
        cancel_on_disconnect=function.cancel_on_disconnect,
        stream_idle_timeout=function.stream_idle_timeout,
        stream_timeout=function.stream_timeout,
        scale=scaling_of(config.scale_of(name), concurrency),
        concurrency=concurrency,
        isolation=function.isolation,
        memory=function.memory or 0,
        max_calls=function.max_calls,
    )


def scaling_of(scale: ScaleConfig, concurrency: int) -> Policy:
    """A ``scale`` section for the autoscaler. Where an instance takes only ``concurrency`` calls at a time,
    nobody aims at more (Knative's ``ResolveMetricTarget``).
    """
    metric = Metric(scale.metric)
    target = TARGETS[metric] if scale.target is None else float(scale.target)
    if metric is Metric.CONCURRENCY and concurrency:
        target = float(concurrency) if scale.target is None else min(target, float(concurrency))
    return Policy(
        min=scale.min,
        max=scale.max,
        initial=scale.initial,
        metric=metric,
        target=target,
        utilization=float(scale.utilization),
        window=scale.window,
        idle=scale.idle,
        panic_window_percentage=float(scale.panic_window_percentage),
        panic_threshold_percentage=float(scale.panic_threshold_percentage),
        scale_down_delay=scale.scale_down_delay or 0.0,
        activation=scale.activation,
    )
