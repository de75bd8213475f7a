"""Endpoints by DNS: A and AAAA records, or SRV records (RFC 2782), for as long as their TTL says.

dnspython asks (the extra ``bff-gateway[dns]``): the system's resolver tells no TTL and knows no SRV.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

from bff.services.discovery import sockets
from bff.services.resolver import Address, Found, NotResolved, Question

FAMILIES = ("A", "AAAA")
SHORTEST = 1.0
"""Seconds; a TTL of 0 is no reason to ask with every call (Envoy's ``dns_min_refresh_rate``)."""
LONGEST = 3600.0
"""Seconds; an answer that holds for a week is asked for again all the same."""
TIMEOUT = 5.0
"""Seconds for one name, over all name servers (dnspython's own default)."""


def addresses(question: Question) -> Addresses:
    """``type: dns``; ``name`` is ``host`` or ``host:port``."""
    host, port = split_port(question.name)
    return Addresses(Names(question.server), host, int(port) if port else question.port)


def services(question: Question) -> Services:
    """``type: srv``; ``name`` is a whole one, such as ``_http._tcp.designs.internal``."""
    return Services(Names(question.server), question.name)


def split_port(name: str) -> tuple[str, str]:
    """A name and what stands behind its colon."""
    host, _, port = name.rpartition(":") if ":" in name else (name, "", "")
    return host, port


class Names:
    """Asks name servers: those of the system, or the one given as ``10.0.0.2`` or ``10.0.0.2:5353``.

    Mutable state: ``_known``, the addresses of each host and family when they were last told.
    """

    def __init__(self, server: str = "", *, timeout: float = TIMEOUT) -> None:
        self._resolver = _dnspython(server)
        self._timeout = timeout
        self._known: dict[tuple[str, str], list[str]] = {}

    async def ask(self, name: str, kind: str) -> tuple[list[Any], float]:
        """The records of one kind and their TTL in seconds; none where the name has none of that kind.

        Raises:
            NotResolved: nobody answered, or the name does not exist.

        """
        import dns.exception
        import dns.resolver

        try:
            answer = await self._resolver.resolve(
                name,
                kind,
                lifetime=self._timeout,
                search=True,
                raise_on_no_answer=False,
                backend=sockets.backend(),
            )
        except (dns.exception.DNSException, OSError) as error:
            raise NotResolved(f"{kind} {name}: {type(error).__name__}") from error
        ttl = float(answer.chaining_result.minimum_ttl)
        return list(answer.rrset or ()), min(max(ttl, SHORTEST), LONGEST)

    async def addresses(self, host: str, port: int, *, weight: float = 1.0) -> tuple[list[Address], float]:
        """The endpoints behind a host name. One family that is not answered for is no failure while the other has
        addresses: many a name server never answers for AAAA. Where it had some they stay, or a failed query would have
        removed them.
        """
        answers = await asyncio.gather(*(self.ask(host, each) for each in FAMILIES), return_exceptions=True)
        failures = [each for each in answers if isinstance(each, BaseException)]
        if len(failures) == len(FAMILIES):
            raise failures[0]
        lifetimes = [
            self._learned(host, kind, answer)
            for kind, answer in zip(FAMILIES, answers, strict=True)
            if not isinstance(answer, BaseException)
        ]
        known = [each for kind in FAMILIES for each in self._known.get((host, kind), ())]
        if not known:
            raise failures[0] if failures else NotResolved(f"{host} has no address")
        found = [Address(host=each, port=port, weight=weight) for each in known]
        return found, min(filter(None, lifetimes), default=SHORTEST)

    def _learned(self, host: str, kind: str, answer: tuple[list[Any], float]) -> float | None:
        """Remember what was told; for how long it holds, where it was anything."""
        records, ttl = answer
        self._known[host, kind] = [str(each.address) for each in records]
        return ttl if records else None

    def forget_all_but(self, hosts: Collection[str]) -> None:
        """Targets come and go, and nothing of those that are gone is needed any more."""
        self._known = {key: known for key, known in self._known.items() if key[0] in hosts}


def _dnspython(server: str) -> Any:
    try:
        import dns.asyncresolver
    except ImportError:
        raise NotResolved(
            "discovery by DNS needs dnspython; install bff-gateway with its extra: pip install 'bff-gateway[dns]'"
        ) from None
    if not server:
        return dns.asyncresolver.Resolver()
    resolver = dns.asyncresolver.Resolver(configure=False)
    parts = urlsplit(f"//{server.removeprefix('dns://')}")
    resolver.nameservers = [parts.hostname or server]
    resolver.port = parts.port or 53
    return resolver


class Addresses:
    """A and AAAA records."""

    timeout = 2 * TIMEOUT

    def __init__(self, names: Names, host: str, port: int) -> None:
        self._names, self._host, self._port = names, host, port

    async def resolve(self) -> Found:
        """See :class:`bff.services.resolver.Resolver`."""
        found, ttl = await self._names.addresses(self._host, self._port)
        return Found(addresses=tuple(found), ttl=ttl)

    async def aclose(self) -> None:
        """Nothing is kept open."""


class Services:
    """SRV records: of those with the least priority number, all, by their weights (RFC 2782)."""

    timeout = 3 * TIMEOUT

    def __init__(self, names: Names, name: str) -> None:
        self._names, self._name = names, name

    async def resolve(self) -> Found:
        """See :class:`bff.services.resolver.Resolver`."""
        records, ttl = await self._names.ask(self._name, "SRV")
        chosen = preferred(records)
        if not chosen:
            raise NotResolved(f"SRV {self._name} names nobody")
        hosts = [each.target.to_text(omit_final_dot=True) for each in chosen]
        self._names.forget_all_but(hosts)
        targets = await asyncio.gather(
            *(
                self._names.addresses(host, each.port, weight=float(each.weight) or 1.0)
                for host, each in zip(hosts, chosen, strict=True)
            ),
            return_exceptions=True,
        )
        return _together(targets, ttl)

    async def aclose(self) -> None:
        """Nothing is kept open."""


def preferred(records: Iterable[Any]) -> list[Any]:
    """The records that are to be used: the most preferred ones. A target of "." means: not here (RFC 2782)."""
    usable = [each for each in records if each.target.to_text() != "."]
    least = min((each.priority for each in usable), default=0)
    return [each for each in usable if each.priority == least]


def _together(targets: Sequence[tuple[list[Address], float] | BaseException], ttl: float) -> Found:
    """All of the targets. A target that cannot be resolved fails the whole question: without it the list would
    be shorter, and a failed query is never a removal.
    """
    found: list[Address] = []
    for each in targets:
        if isinstance(each, BaseException):
            raise each
        found.extend(each[0])
        ttl = min(ttl, each[1])
    return Found(addresses=tuple(found), ttl=ttl)
