"""What traffic and release become by a deploy, a tag, a turn: pure steps from one state to the next. Tags are
addresses that somebody has, and outlive every step but their own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from bff.config import ReleaseConfig
from bff.frozen import frozen
from bff.revisions.release import Release, State, begun, from_json
from bff.revisions.store.records import Planned, Published, ReleaseState, TrafficState
from bff.revisions.traffic import LATEST, Target, Traffic, TrafficInvalid


@frozen
class Deploy:
    """What is wished of a publication. With ``no_traffic`` the present shares stay where they are; ``again``
    releases what a release has taken back, which nobody else does.
    """

    who: str
    note: str = ""
    tag: str = ""
    no_traffic: bool = False
    again: bool = False


@frozen
class Rules:
    """By which traffic follows a publication: whether it is a save in dev, the function's ``release`` section,
    and Unix time.
    """

    is_save: bool
    release: ReleaseConfig
    now: float


def after_deploy(
    before: TrafficState, published: Published, release: ReleaseState, wish: Deploy, rules: Rules
) -> Planned:
    """What goes with a new revision. Its share is that of the latest one, which it is now, unless somebody
    wished otherwise or a release moves it.

    Raises:
        TrafficInvalid: the tag is no name.

    """
    planned = _shares(before, published, release, wish, rules)
    if not wish.tag:
        return planned
    return replace(planned, traffic=tagged(planned.traffic, wish.tag, published.name))


def _shares(
    before: TrafficState, published: Published, release: ReleaseState, wish: Deploy, rules: Rules
) -> Planned:
    if rules.is_save and not wish.no_traffic:
        return Planned(traffic=after_save(before.traffic))
    if not before.latest:
        return Planned(traffic=before.traffic)
    running = from_json(release.state) if release.goes_on and release.state else None
    held, is_main = pinned(before.traffic, before.latest), published.name == before.main
    is_latest = published.name == before.latest
    if _waits(published, running, wish, rules):
        return Planned(traffic=before.traffic if is_latest or is_main else held)
    if running is None and (_is_at_once(rules) or is_main or (is_latest and not wish.again)):
        return Planned(traffic=before.traffic)
    begins = begun(
        published.function,
        main=before.main,
        canary=published.name,
        config=rules.release,
        now=rules.now,
        running=running,
    )
    if running is not None and (_is_at_once(rules) or published.name == running.baseline):
        begins = replace(begins, baseline=running.canary, state=State.PROMOTED)
    return after_turn(begins, replace(before, traffic=held, latest=published.name))


def _waits(published: Published, running: Release | None, wish: Deploy, rules: Rules) -> bool:
    """Whether it gets no calls by being deployed, or none but those its release gives it already."""
    is_released = running is not None and published.name == running.canary and not wish.again
    is_manual = rules.release.strategy == "manual"
    return wish.no_traffic or is_manual or is_released or _is_out(published, wish)


def _is_at_once(rules: Rules) -> bool:
    return rules.release.strategy == "immediate"


def _is_out(published: Published, wish: Deploy) -> bool:
    """Whether a release has taken it back, and nobody asks to have it released again."""
    return bool(published.condemned) and not wish.again


def after_turn(release: Release, before: TrafficState) -> Planned:
    """What a release wants in force. One that was promoted leaves its share to whichever is the latest, so that
    the next deploy is a release again, or live at once.
    """
    traffic = release.traffic(before.traffic)
    if release.state is State.SUPERSEDED:
        traffic = before.traffic
    elif release.state is State.PROMOTED and release.canary == before.latest:
        traffic = all_to(traffic, None)
    return Planned(
        traffic=traffic, release=release.as_json(), goes_on=not release.has_ended, step=step_of(release)
    )


def step_of(release: Release) -> str:
    """What tells a step from every other, the same step of an earlier release included."""
    return f"{release.canary}={release.percent} since {release.since!r}"


def pinned(traffic: Traffic, latest: str) -> Traffic:
    """The same shares, but of the revision that is the latest now: a newer one gets nothing."""
    return Traffic(
        tuple(target if target.revision else replace(target, revision=latest) for target in traffic.targets)
    )


def all_to(traffic: Traffic, revision: str | None) -> Traffic:
    """Everything to one revision; None is whichever is the latest."""
    return Traffic((Target(revision=revision, percent=100), *_tags(traffic.targets)))


def all_by(traffic: Traffic, shares: Mapping[str, int]) -> Traffic:
    """Everything to these revisions, by percent."""
    targets = (Target(revision=name, percent=percent) for name, percent in shares.items())
    return Traffic((*targets, *_tags(traffic.targets)))


def without(traffic: Traffic, out: Collection[str]) -> Traffic | None:
    """The same, with the calls of some revisions given to the one with most of the others; None where no other has
    any. Every target has a name.
    """
    stay = [target for target in traffic.targets if target.revision not in out]
    heir = max((target for target in stay if target.percent), key=lambda each: each.percent, default=None)
    if heir is None:
        return None
    lost = 100 - sum(target.percent for target in stay)
    return Traffic(
        tuple(replace(each, percent=each.percent + lost) if each is heir else each for each in stay)
    )


def tagged(traffic: Traffic, tag: str, revision: str | None) -> Traffic:
    """A tag leads to this revision from now on; None takes it away.

    Raises:
        TrafficInvalid: the tag is no name.

    """
    kept = [replace(each, tag="") if each.tag == tag else each for each in traffic.targets]
    kept = [each for each in kept if each.percent or each.tag]
    return Traffic((*kept, *([Target(revision=revision, tag=tag)] if revision else [])))


def check_tag(state: TrafficState, tag: str) -> None:
    """Return if there is such a tag.

    Raises:
        TrafficInvalid: there is none.

    """
    known = sorted(target.tag for target in state.traffic.targets if target.tag)
    if tag not in known:
        has = f"its tags are {', '.join(known)}" if known else "it has none"
        raise TrafficInvalid(f"Function {state.function} has no tag {tag[:80]}; {has}.")


def after_save(traffic: Traffic) -> Traffic:
    """In dev: whatever was saved last gets everything."""
    return LATEST if not any(each.tag for each in traffic.targets) else all_to(traffic, None)


def _tags(targets: Iterable[Target]) -> list[Target]:
    return [replace(each, percent=0) for each in targets if each.tag]
