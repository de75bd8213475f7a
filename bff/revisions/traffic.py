"""Who gets a function's calls: Knative's traffic block as one frozen value.

Pure. Which revision one call gets, and who may move traffic, is decided elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bff.errors import BffError, Fault

_TAG = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")  # RFC 1035 §2.3.1: a tag is also a host's first label
_KEYS = frozenset({"revisionName", "latestRevision", "percent", "tag"})


class TrafficInvalid(BffError):
    """A traffic block that cannot be obeyed; the sentence names the target and the remedy."""

    code, title = "traffic-invalid", "This traffic cannot be"
    status, fault = 422, Fault.CALLER


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A share of the calls. ``revision`` is a revision's name, or None for whichever is the newest ready one;
    a target of 0 percent is reached by its ``tag`` (or an override) only.
    """

    revision: str | None = None
    percent: int = 0
    tag: str = ""

    def block(self) -> dict[str, Any]:
        """As Knative writes it."""
        named = {"latestRevision": True} if self.revision is None else {"revisionName": self.revision}
        return {**named, "percent": self.percent, **({"tag": self.tag} if self.tag else {})}


@dataclass(frozen=True, slots=True)
class Traffic:
    """All targets of one function; their percentages sum up to 100 and every tag stands once.

    Raises:
        TrafficInvalid: they do not.

    """

    targets: tuple[Target, ...]

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for at, target in enumerate(self.targets):
            if not 0 <= target.percent <= 100:
                raise TrafficInvalid(f"traffic[{at}].percent is {target.percent}; it lies between 0 and 100.")
            if target.tag and not _TAG.fullmatch(target.tag):
                raise TrafficInvalid(
                    f"traffic[{at}].tag is no name: lower-case letters, digits and -, beginning with a letter,"
                    " at most 63 of them (it is also the first label of a host)."
                )
            if target.tag in seen:
                raise TrafficInvalid(
                    f"traffic[{at}].tag {target.tag} stands twice; a tag leads to one revision."
                )
            seen |= {target.tag} - {""}
        total = sum(target.percent for target in self.targets)
        if total != 100:
            raise TrafficInvalid(f"The percentages sum up to {total}; they must be 100 together.")

    def block(self) -> list[dict[str, Any]]:
        """As Knative writes it (serving.knative.dev/v1, spec.traffic)."""
        return [target.block() for target in self.targets]

    def names(self) -> frozenset[str]:
        """Every revision that is named, whatever its share."""
        return frozenset(target.revision for target in self.targets if target.revision is not None)

    def __str__(self) -> str:
        return ", ".join(
            f"{target.revision or 'latest'}={target.percent}{f' ({target.tag})' if target.tag else ''}"
            for target in self.targets
        )


LATEST = Traffic((Target(percent=100),))
"""What a function has that nobody has moved yet."""


def parsed(block: object) -> Traffic:
    """A traffic block as JSON brings it.

    Raises:
        TrafficInvalid: it is none, or cannot be obeyed.

    """
    if isinstance(block, str | bytes | Mapping) or not isinstance(block, Iterable):
        raise TrafficInvalid("Traffic is a list of targets: [{revisionName: home-00002, percent: 100}].")
    return Traffic(tuple(_target(at, raw) for at, raw in enumerate(block)))


def _target(at: int, raw: object) -> Target:
    if not isinstance(raw, Mapping):
        raise TrafficInvalid(f"traffic[{at}] is no target; write {{revisionName: home-00002, percent: 100}}.")
    unknown = [str(key) for key in raw if key not in _KEYS]
    if unknown:
        keys = ", ".join(sorted(_KEYS))
        raise TrafficInvalid(f"traffic[{at}] has no key {unknown[0]}; a target has {keys}.")
    name, is_latest = raw.get("revisionName"), raw.get("latestRevision", False)
    percent, tag = raw.get("percent", 0), raw.get("tag", "")
    if not isinstance(is_latest, bool) or is_latest == (name is not None):
        raise TrafficInvalid(f"traffic[{at}] has either revisionName or latestRevision: true.")
    if name is not None and not isinstance(name, str):
        raise TrafficInvalid(f"traffic[{at}].revisionName is a revision's name, such as home-00002.")
    if isinstance(percent, bool) or not isinstance(percent, int):
        raise TrafficInvalid(f"traffic[{at}].percent is a whole number from 0 to 100.")
    if not isinstance(tag, str):
        raise TrafficInvalid(f"traffic[{at}].tag is text.")
    return Target(revision=name, percent=percent, tag=tag)
