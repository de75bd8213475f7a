"""Which of a service's endpoints belong to one of its subsets: by labels, as Istio's DestinationRule tells them apart.
Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bff.services.resolver import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The endpoints that have all ``labels``; or, for what is left to the service itself, none of ``others``."""

    subset: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    others: tuple[Mapping[str, str], ...] = ()

    def of(self, addresses: Sequence[Address]) -> tuple[Address, ...]:
        """Those of the addresses.

        There may be none: a canary's calls must not silently reach another version (Envoy's ``NO_FALLBACK``). Where
        every endpoint belongs to some subset, the service itself is all of them: then subsets only name what is there.
        """
        found = tuple(each for each in addresses if has(each, self.labels))
        if not self.others:
            return found
        return tuple(each for each in found if not any(has(each, other) for other in self.others)) or found


EVERYTHING = Selection()


def has(address: Address, labels: Mapping[str, str]) -> bool:
    """Whether an endpoint has all of the labels."""
    return labels.items() <= address.labels.items()
