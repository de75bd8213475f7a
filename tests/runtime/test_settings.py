"""What routes.yaml says of a function's scale, in the autoscaler's words: Knative's defaults, one by one."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from bff.config import Config, ScaleConfig
from bff.runtime.autoscaler import MAX_SCALE_DOWN_RATE, MAX_SCALE_UP_RATE, Memory, Policy, Seen, decide
from bff.runtime.settings import STOP_TIMEOUT, routes_by_function, scaling_of, settings_of

KNATIVE = {
    # knative/serving, config/core/configmaps/autoscaler.yaml and the per-revision annotations' defaults
    "min": 0,  # min-scale
    "max": 0,  # max-scale
    "initial": 1,  # initial-scale
    "metric": "concurrency",  # autoscaling.knative.dev/metric
    "target": 100.0,  # container-concurrency-target-default
    "utilization": 70.0,  # container-concurrency-target-percentage
    "window": 60.0,  # stable-window
    "panic_window_percentage": 10.0,  # panic-window-percentage
    "panic_threshold_percentage": 200.0,  # panic-threshold-percentage
    "scale_down_delay": 0.0,  # scale-down-delay
    "activation": 1,  # activation-scale
}


def test_every_default_is_knatives() -> None:
    """And `idle`, which Knative has no word for, is a minute, its stable window; so are the rates of change."""
    assert asdict(scaling_of(ScaleConfig(), 0)) == KNATIVE | {"idle": 60.0}
    assert scaling_of(ScaleConfig(), 0) == Policy()
    assert (MAX_SCALE_UP_RATE, MAX_SCALE_DOWN_RATE) == (1000.0, 2.0)


@pytest.mark.parametrize(
    ("scale", "concurrency", "target"),
    [
        ({}, 0, 100),
        ({}, 10, 10),  # the hard limit is what one instance can carry
        ({"target": 5}, 10, 5),
        ({"target": 50}, 10, 10),  # to aim at more than it takes is to aim at the limit
        ({"target": 50}, 0, 50),
        ({"metric": "rps"}, 0, 200),  # requests-per-second-target-default
        ({"metric": "rps"}, 10, 200),  # calls a second have nothing to do with calls at a time
        ({"metric": "rps", "target": 7}, 10, 7),
    ],
)
def test_the_target_is_resolved_as_knative_does(
    scale: dict[str, Any], concurrency: int, target: float
) -> None:
    """ResolveMetricTarget in knative/serving's pkg/reconciler/autoscaling/resources."""
    assert scaling_of(ScaleConfig(**scale), concurrency).target == target


def test_a_function_that_takes_one_call_at_a_time_gets_an_instance_for_each() -> None:
    """Ten callers want more than ten instances, for each shall be busy seven tenths of the time."""
    seen = Seen(ready=10, stable=10.0, panic=10.0, in_flight=10, last_call=0.0)
    assert decide(seen, scaling_of(ScaleConfig(), 1), 0.0, Memory()).instances == 15


def test_a_function_has_its_own_scale_or_the_defaults() -> None:
    """So with `concurrency`: what a function says stands in the place of what all have; 0 is no limit."""
    said = {
        "defaults": {"scale": {"idle": "5m", "max": 3}, "concurrency": 7},
        "functions": {"own": {"scale": {"min": 1, "window": "30s"}, "concurrency": 0}, "others": {}},
        "routes": [{"path": f"/{name}", "function": name} for name in ("own", "others", "unsaid")],
    }
    config = Config.model_validate(said)
    own, others, unsaid = (
        settings_of(config, name, routes_by_function(config)) for name in ("own", "others", "unsaid")
    )
    assert (own.scale, own.concurrency) == (Policy(min=1, window=30.0), 0)
    for each in (others, unsaid):
        assert (each.scale, each.concurrency) == (Policy(idle=300.0, max=3, target=7.0), 7)


def test_stop_has_the_shutdown_limit_of_a_lambda() -> None:
    """Two seconds, for every function."""
    config = Config.model_validate({"functions": {"home": {}}})
    assert settings_of(config, "home", {}).stop_timeout == STOP_TIMEOUT == 2.0
