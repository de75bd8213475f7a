"""Which revisions may go: Knative's garbage collection, as one pure decision.

The four keys and their defaults are those of its ``config-gc`` map
(https://knative.dev/docs/serving/revisions/revision-admin-config-options).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from bff.config import Config
from bff.frozen import frozen
from bff.revisions.store.records import Published

HOUR = 3600.0


@frozen
class Retention:
    """Seconds since a revision was made, seconds since it last had traffic, and how many without traffic are
    kept at least and at most. None switches a bound off.
    """

    since_create: float | None = 48 * HOUR
    since_active: float | None = 15 * HOUR
    least: int = 20
    most: int | None = 1000


def retention_of(config: Config) -> Retention:
    """A ``revisions`` section for the garbage collection."""
    said = config.revisions
    return Retention(
        since_create=said.retain_since_create_time,
        since_active=said.retain_since_last_active_time,
        least=said.min_non_active_revisions,
        most=said.max_non_active_revisions,
    )


def collectable(
    versions: Sequence[Published], kept: Collection[str], policy: Retention, now: float
) -> list[Published]:
    """The revisions of one function that go, those first that had traffic longest ago.

    ``kept`` are the names of those that are routed, tagged, meant as the newest, or otherwise in use; they
    are not counted. Of the others, ``least`` always stay; what is old by both times goes, and beyond
    ``most`` even what is not.
    """
    inactive = sorted((each for each in versions if each.name not in kept), key=_last_used)
    spare = max(0, len(inactive) - policy.least)
    going = [each for each in inactive if _is_stale(each, policy, now)][:spare]
    if policy.most is not None:
        gone = {each.name for each in going}
        left = [each for each in inactive if each.name not in gone]
        going += left[: max(0, len(left) - max(policy.most, policy.least))]
    return going


def _last_used(each: Published) -> tuple[float, int]:
    return max(each.last_active, each.created), each.number


def _is_stale(each: Published, policy: Retention, now: float) -> bool:
    """Old by every time that is not switched off; with both off, nothing ever is."""
    if policy.since_create is None and policy.since_active is None:
        return False
    if policy.since_create is not None and now < each.created + policy.since_create:
        return False
    used = each.last_active or each.created
    return policy.since_active is None or now >= used + policy.since_active
