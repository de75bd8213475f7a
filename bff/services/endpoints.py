"""The endpoints of one service: who is among them, who may be called, and who is next.

The list changes under running calls and none of them notices: what has left is called no more, and its
connections close with its last answer. Failures are told here by whoever calls; what they lead to is decided by
:mod:`bff.services.breaker` and :mod:`bff.services.outlier`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from random import Random

from bff.clock import Clock
from bff.sdk.failures import NoHealthyEndpoint
from bff.services.balance import Balancer
from bff.services.breaker import Breaker, BreakerPolicy, State
from bff.services.outlier import is_endpoints_fault, is_panicking, may_eject
from bff.services.policies import Policies
from bff.services.resolver import Address
from bff.services.retry import Failed
from bff.services.wire import EndpointWire

FROM_THE_BEGINNING = float("-inf")
"""When those joined that were there at first: none of them is new to the others."""


class Member:
    """One endpoint as it is called.

    Mutable state: ``active`` (calls on their way), ``weight``, ``breaker``, ``is_leaving``, and ``_wire``, made with
    its first call.
    """

    __slots__ = (
        "_make_wire",
        "_wire",
        "active",
        "address",
        "breaker",
        "is_leaving",
        "joined",
        "name",
        "weight",
    )

    def __init__(
        self, address: Address, make_wire: Callable[[Address], EndpointWire], breaker: Breaker, joined: float
    ) -> None:
        self.address = address
        self.name = str(address)
        self.weight = address.weight
        self.breaker = breaker
        self.joined = joined
        self.active = 0
        self.is_leaving = False
        self._make_wire = make_wire
        self._wire: EndpointWire | None = None

    @property
    def wire(self) -> EndpointWire:
        """The way there."""
        if self._wire is None:
            self._wire = self._make_wire(self.address)
        return self._wire

    async def aclose(self) -> None:
        """Close its connections."""
        if self._wire is not None:
            await self._wire.aclose()

    def __repr__(self) -> str:
        return f"<Member {self.name}: {self.active} active, {self.breaker.state}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """An endpoint was ejected for so many seconds, or (0) is back."""

    endpoint: str
    seconds: float


class EndpointSet:
    """Mutable state: ``members``; of these ``_usable`` and ``_out``, sorted anew when one moves; ``_closing``,
    tasks that close the connections of those who left.
    """

    def __init__(
        self,
        service: str,
        policies: Policies,
        make_wire: Callable[[Address], EndpointWire],
        *,
        clock: Clock,
        random: Random,
        tell: Callable[[Moved], None] = lambda _: None,
    ) -> None:
        self.members: tuple[Member, ...] = ()
        self._service = service
        self._policies = policies
        self._alone = policies.breaker_alone
        self._make_wire = make_wire
        self._clock = clock
        self._balancer = Balancer(policies.balance, random)
        self._tell = tell
        self._usable: tuple[Member, ...] = ()
        self._out: tuple[Member, ...] = ()
        self._closing: set[asyncio.Task[None]] = set()

    def update(self, addresses: Sequence[Address]) -> None:
        """These are the endpoints from now on. Who stays keeps connections, load and breaker."""
        before = {member.address.key: member for member in self.members}
        joined = self._clock.now() if before else FROM_THE_BEGINNING
        policy = self._alone if len(addresses) == 1 else self._policies.breaker
        self.members = tuple(
            self._member(before.pop(each.key, None), each, policy, joined) for each in addresses
        )
        for member in before.values():
            member.is_leaving = True
            self._close_if_unused(member)
        self._sort()

    def _member(self, known: Member | None, address: Address, policy: BreakerPolicy, joined: float) -> Member:
        if known is None:
            return Member(address, self._make_wire, Breaker(policy), joined)
        known.weight = address.weight
        known.breaker.obey(policy)
        return known

    def choose(self, now: float, tried: Collection[Member] = ()) -> Member:
        """Where the next attempt goes: to one that was not tried yet, if there is one.

        Raises:
            NoHealthyEndpoint: there is none that may be called.

        """
        usable: Sequence[Member] = self._usable
        if self._out:
            usable = self._beside_those_out(now, tried)
        if tried:
            usable = [member for member in usable if member not in tried] or usable
        if not usable:
            raise NoHealthyEndpoint(self._service, self._wait(now))
        return usable[0] if len(usable) == 1 else self._balancer.choose(usable, now)

    def undisturbed(self, now: float) -> Member | None:
        """Where the next attempt goes, while nothing has to be known of its outcome if that is good; None otherwise,
        and nothing has been done.
        """
        usable = self._usable
        if self._out or not usable:
            return None
        if len(usable) > 1:
            member = self._balancer.choose(usable, now) if self._balancer.is_free else None
        else:
            member = usable[0]
        return member if member is not None and member.breaker.is_spotless else None

    def _beside_those_out(self, now: float, tried: Collection[Member]) -> Sequence[Member]:
        for member in self._out:
            if member.breaker.admits(now) and member not in tried:
                return (member,)  # its time is over: this call is the probe
        if is_panicking(len(self.members), len(self._usable), self._policies.outlier):
            return self.members
        return self._usable

    def _wait(self, now: float) -> float:
        """Seconds until one of them may be called again."""
        return max(0.0, min((member.breaker.until for member in self._out), default=now) - now)

    # What callers tell.

    def answered(self, member: Member, epoch: int, seconds: float, now: float) -> None:
        """It gave a good answer. Need not be told of a breaker that is spotless."""
        breaker, before = member.breaker, member.breaker.state
        breaker.succeeded(epoch, seconds, now)
        if breaker.wants_out:
            self._eject(member, now)
        self._told(member, before)

    def failed(self, member: Member, epoch: int, failed: Failed, seconds: float, now: float) -> None:
        """It did not answer as it should."""
        breaker, before = member.breaker, member.breaker.state
        if not is_endpoints_fault(failed, alone=len(self.members) == 1):
            breaker.succeeded(epoch, seconds, now)
        elif breaker.failed(epoch, seconds, now):
            self._eject(member, now)
        self._told(member, before)

    def left(self, member: Member) -> None:
        """A call to it has ended."""
        member.active -= 1
        if member.is_leaving:
            self._close_if_unused(member)

    def _eject(self, member: Member, now: float) -> None:
        if not member.is_leaving and may_eject(len(self.members), len(self._out), self._policies.outlier):
            member.breaker.eject(now)

    def _told(self, member: Member, before: State) -> None:
        breaker = member.breaker
        if breaker.state is before or member.is_leaving:
            return
        if (breaker.state is State.CLOSED) != (member not in self._out):
            self._sort()
        if breaker.state is State.CLOSED:
            self._tell(Moved(endpoint=member.name, seconds=0.0))
        elif breaker.state is State.OPEN:
            self._tell(Moved(endpoint=member.name, seconds=breaker.until - self._clock.now()))

    def _sort(self) -> None:
        self._usable = tuple(each for each in self.members if each.breaker.state is State.CLOSED)
        self._out = tuple(each for each in self.members if each.breaker.state is not State.CLOSED)

    def _close_if_unused(self, member: Member) -> None:
        if member.active == 0:
            task = asyncio.get_running_loop().create_task(member.aclose())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def aclose(self) -> None:
        """Close every connection."""
        for member in self.members:
            await member.aclose()
        if self._closing:
            await asyncio.wait(set(self._closing))

    def __repr__(self) -> str:
        return f"<EndpointSet of {self._service}: {len(self._usable)} in, {len(self._out)} out>"
