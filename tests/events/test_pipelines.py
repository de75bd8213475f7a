"""What a pipeline does next, as a pure matter."""

from __future__ import annotations

from typing import Any

import pytest

from bff.config.pipeline import PipelineConfig
from bff.events import pipelines
from bff.events.pipelines import Broken, Step
from bff.events.records import Result
from bff.sdk.cloudevent import CloudEvent


def step(*functions: str, each: str | None = None, most: int = 3) -> Step:
    return Step(functions=functions, each=each, most=most)


@pytest.mark.parametrize(
    ("one", "data", "parts", "outputs", "handed_on"),
    [
        (step("a"), {"x": 1}, [("a", {"x": 1})], [2], 2),
        (step("a"), None, [("a", None)], [None], None),
        (step("a", "b"), 5, [("a", 5), ("b", 5)], [1, 2], [1, 2]),
        (step("a", each="$"), [1, 2], [("a", 1), ("a", 2)], ["x", "y"], ["x", "y"]),
        (step("a", each="$.l"), {"l": []}, [], [], []),
        (step("a", each="$.l"), {"l": [7]}, [("a", 7)], [8], [8]),
    ],
)
def test_a_step_takes_apart_and_joins(
    one: Step, data: Any, parts: list[tuple[str, Any]], outputs: list[Any], handed_on: Any
) -> None:
    assert pipelines.inputs(one, data) == parts
    assert pipelines.joined(one, outputs) == handed_on


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ({}, "has no list at"),
        ({"l": {}}, "has no list at"),
        ({"l": [1, 2, 3, 4]}, "has 4 items, and at most 3"),
    ],
)
def test_what_cannot_be_taken_apart_says_why(data: Any, why: str) -> None:
    with pytest.raises(Broken, match=why):
        pipelines.inputs(step("a", each="$.l"), data)


def test_a_plan_is_kept_as_text() -> None:
    """A run goes by the plan it began with."""
    said = {
        "steps": [{"function": "a"}, {"parallel": ["b", "c"]}, {"function": "d", "each": "$.x", "most": 7}]
    }
    plan = pipelines.plan_of(PipelineConfig.model_validate(said))
    assert plan == (step("a", most=1000), step("b", "c", most=1000), step("d", each="$.x", most=7))
    assert pipelines.read(pipelines.written(plan)) == plan


def test_parts_have_the_same_keys_whoever_makes_them() -> None:
    """In their order, and each with what tells which part it was."""
    made = pipelines.incoming_of("p", "run", 2, [("a", 1), ("a", b"x")])
    assert [each.key for each in made] == ["run-02.00000", "run-02.00001"]
    (planned,) = made[1].deliveries
    assert (planned.trigger, planned.function) == ("pipeline/p/2", "a")
    done = pipelines.done_of(planned.trigger, made[1].event, made[1].key, {})
    assert (done.pipeline, done.run, done.step) == ("p", "run", 2)
    begins = pipelines.done_of("pipeline/p", CloudEvent(id="1", source="/s", type="t"), "key", {"p": "plan"})
    assert (begins.run, begins.step, begins.plan) == ("key", -1, "plan")


@pytest.mark.parametrize(
    ("kind", "body", "value"),
    [
        (b"application/json", b'{"a": 1}', {"a": 1}),
        (b"text/plain; charset=utf-8", b"hi", "hi"),
        (b"image/png", b"\x00", b"\x00"),
        (b"application/json", b"", None),
    ],
)
def test_an_answer_is_data_for_the_next(kind: bytes, body: bytes, value: Any) -> None:
    assert pipelines.value_of(Result(status=200, headers=[(b"content-type", kind)], body=body)) == value
