"""The lane a request comes in, and the field its service calls carry it in: compiled from ``lanes`` of routes.yaml."""

from __future__ import annotations

from collections.abc import Sequence

from bff.config import LaneConfig
from bff.sdk.invocation import Invocation
from bff.sdk.lane import Carrier
from bff.sdk.trust import TOKEN, trust_of


class Lanes:
    """Never changes. Lanes of callers that nobody trusts are not read: they lead to versions not yet released."""

    __slots__ = ("_carrier", "_trust")

    def __init__(self, config: LaneConfig) -> None:
        self._carrier = Carrier(header=config.header, member=config.member)
        self._trust = trust_of(config.accept) if config.accept is not None else None

    def enter(self, invocation: Invocation, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Note the lane of a request whose address and caller are known."""
        invocation.carrier = self._carrier
        if self._trust is None:
            return
        label = self._carrier.read(headers)
        if label:
            token = next((value for name, value in headers if name == TOKEN), None)
            if self._trust.allows(invocation.client, token, invocation.caller):
                invocation.lane = label
