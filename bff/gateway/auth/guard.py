"""What a route asks of its callers, worked out at load: who is let in, and what the others are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bff.config.auth import DemandConfig
from bff.errors import Forbidden, Unauthenticated
from bff.gateway.auth.scheme import Rejected, Request, Scheme, Unsure
from bff.sdk.caller import NOBODY, Caller


class Guard:
    """Immutable; the schemes keep what they have learnt themselves."""

    __slots__ = ("_is_optional", "_roles", "_schemes", "_scopes")

    def __init__(self, demand: DemandConfig, schemes: Mapping[str, Scheme]) -> None:
        self._schemes: Sequence[Scheme] = [schemes[name] for name in demand.any]
        self._scopes = frozenset(demand.scopes)
        self._roles = frozenset(demand.roles)
        self._is_optional = demand.optional

    def known(self, request: Request) -> Caller:
        """Who is let in, told at once.

        Raises:
            Unauthenticated: nothing was shown, or nothing believable.
            Forbidden: it may not do this.
            Unsure: see :meth:`look`.

        """
        rejected: Rejected | None = None
        for scheme in self._schemes:
            try:
                caller = scheme.known(request)
            except Rejected as no_good:
                rejected = rejected or no_good  # it may be meant for another scheme
            else:
                if caller is not None:
                    return self._allowed(caller)
        return self._unknown(rejected)

    async def look(self, request: Request) -> Caller:
        """The same, where a scheme has to look elsewhere first.

        Raises:
            Unauthenticated, Forbidden: as above.
            KeysUnavailable: there is nothing to check a token by.

        """
        rejected: Rejected | None = None
        for scheme in self._schemes:
            try:
                caller = await self._of(scheme, request)
            except Rejected as no_good:
                rejected = rejected or no_good
            else:
                if caller is not None:
                    return self._allowed(caller)
        return self._unknown(rejected)

    @staticmethod
    async def _of(scheme: Scheme, request: Request) -> Caller | None:
        try:
            return scheme.known(request)
        except Unsure:
            return await scheme.look(request)

    def _unknown(self, rejected: Rejected | None) -> Caller:
        if rejected is not None:
            raise self._refused(rejected)
        if self._is_optional:
            return NOBODY
        raise Unauthenticated("This needs a credential, and the request has none.", self._challenges())

    def _refused(self, rejected: Rejected) -> Unauthenticated:
        said = str(rejected)
        error = f', error="invalid_token", error_description="{said}"'  # RFC 6750 §3.1
        challenges = tuple(each + ' realm="bff"' + error for each in self._named())
        return Unauthenticated(f"{said[:1].upper()}{said[1:]}.", challenges or self._challenges())

    def _allowed(self, caller: Caller) -> Caller:
        if not self._scopes <= caller.scopes:
            missing = " ".join(sorted(self._scopes))
            challenge = f'Bearer realm="bff", error="insufficient_scope", scope="{missing}"'
            raise Forbidden("The caller lacks a scope that this needs.", challenge if caller.claims else "")
        if self._roles and not self._roles & caller.roles:
            raise Forbidden("The caller has none of the roles that this needs.")
        return caller

    def _named(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(scheme.challenge for scheme in self._schemes if scheme.challenge))

    def _challenges(self) -> tuple[str, ...]:
        """RFC 9110 §15.5.2 demands one; a key or a certificate has no registered name."""
        return tuple(f'{each} realm="bff"' for each in self._named()) or ('Bff-Credential realm="bff"',)
