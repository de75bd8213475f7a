"""What routes.yaml says about the choice for one function, made ready for :mod:`bff.revisions.choice`."""

from __future__ import annotations

from bff.config import FunctionConfig, StickyConfig
from bff.revisions.choice import Choosing, Rule
from bff.sdk import asked
from bff.sdk.asked import Key, conditions_of
from bff.sdk.trust import trust_of


def choosing_of(name: str, function: FunctionConfig) -> Choosing:
    """For the function of that name."""
    traffic = function.traffic
    return Choosing(
        function=name,
        override=trust_of(traffic.override) if traffic.override else None,
        tag=trust_of(traffic.tag) if traffic.tag else None,
        rules=tuple(
            Rule(conditions=conditions_of(rule), tag=rule.tag or "", revision=rule.revision or "")
            for rule in traffic.match
        ),
        sticky=_key_of(traffic.sticky) if traffic.sticky else None,
        lane=function.lane or "",
        source=(traffic, function.lane),
    )


def _key_of(sticky: StickyConfig) -> Key:
    if sticky.header is not None:
        return asked.header(sticky.header)
    return asked.cookie(sticky.cookie) if sticky.cookie is not None else asked.client()
