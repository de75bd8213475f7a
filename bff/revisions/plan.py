"""What the traffic becomes: pure steps from one block to the next. Tags are addresses that somebody has, and
outlive every step but their own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bff.revisions.traffic import LATEST, Target, Traffic


def pinned(traffic: Traffic, latest: str) -> Traffic:
    """The same shares, but of the revision that is the latest now: a newer one gets nothing."""
    return Traffic(
        tuple(target if target.revision else replace(target, revision=latest) for target in traffic.targets)
    )


def all_to(traffic: Traffic, revision: str | None) -> Traffic:
    """Everything to one revision; None is whichever is the latest."""
    return Traffic((Target(revision=revision, percent=100), *_tags(traffic.targets)))


def tagged(traffic: Traffic, tag: str, revision: str | None) -> Traffic:
    """A tag leads to this revision from now on; None takes it away.

    Raises:
        TrafficInvalid: the tag is no name.

    """
    kept = [replace(each, tag="") if each.tag == tag else each for each in traffic.targets]
    kept = [each for each in kept if each.percent or each.tag]
    return Traffic((*kept, *([Target(revision=revision, tag=tag)] if revision else [])))


def after_save(traffic: Traffic) -> Traffic:
    """In dev: whatever was saved last gets everything."""
    return LATEST if not any(each.tag for each in traffic.targets) else all_to(traffic, None)


def _tags(targets: Iterable[Target]) -> list[Target]:
    return [replace(each, percent=0) for each in targets if each.tag]
