"""What a connection of the public or the admin listener may take."""

from __future__ import annotations

from dataclasses import dataclass

from bff.config import GatewayConfig

STALLED = 30.0
"""Seconds a caller may take nothing of an answer that waits for it (nginx send_timeout, which is 60)."""


@dataclass(slots=True)
class HeadLimits:
    """Bytes and seconds a request's head may take, bytes its target alone, seconds its body may be silent, and
    seconds an answer may wait for a caller who does not read. App changes it on reload.
    """

    size: int
    seconds: float
    stalled: float = STALLED
    target: int = 8 * 2**10
    body: float = 60.0

    @classmethod
    def of(cls, said: GatewayConfig) -> HeadLimits:
        """As the gateway section says."""
        return cls(
            said.max_head,
            said.head_timeout,
            stalled=said.write_timeout,
            target=said.max_target,
            body=said.body_timeout,
        )

    def take_over(self, other: HeadLimits) -> None:
        """Be like the other from now on, for connections that are open already too."""
        self.size, self.seconds, self.stalled = other.size, other.seconds, other.stalled
        self.target, self.body = other.target, other.body
