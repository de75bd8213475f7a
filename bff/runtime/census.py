"""How the revisions of this gateway stand at one moment, for whoever scrapes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from bff.runtime.function import Function
from bff.runtime.lives import Live
from bff.telemetry.readings import RevisionNow


def census(functions: Iterable[Function]) -> Iterator[RevisionNow]:
    """Every revision that has an instance or somebody who waits; draining ones too."""
    for function in functions:
        if function.entrance.waiting:
            yield RevisionNow(
                function=function.name, revision="", instances={}, waiting=function.entrance.waiting
            )
        lives = (*function.lives.values(), *function.lives.retired)
        by_name: dict[str, list[Live]] = {}
        for live in lives:
            if live.instances or live.waiting or live.in_flight or live.by_state:
                by_name.setdefault(live.revision.name, []).append(live)
        for name, same in by_name.items():
            yield _counted(function.name, name, same)


def _counted(function: str, revision: str, lives: Iterable[Live]) -> RevisionNow:
    """One revision's, which drains here and is warm there after its settings have changed."""
    states: Counter[str] = Counter()
    in_flight = waiting = 0
    pids: list[int] = []
    for live in lives:
        states.update(live.by_state)
        in_flight += live.in_flight
        waiting += live.waiting
        pids += [pid for each in live.warm_instances if (pid := getattr(each, "pid", 0))]
    return RevisionNow(
        function=function,
        revision=revision,
        instances=states,
        in_flight=in_flight,
        waiting=waiting,
        process_ids=tuple(pids),
    )


def names_of(function: Function | None) -> frozenset[str]:
    """The revisions that calls can still come from; none of a function that is gone."""
    if function is None:
        return frozenset()
    return frozenset((*function.lives, *(each.revision.name for each in function.lives.retired)))
