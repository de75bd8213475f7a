"""A request becomes a route's: it is held against the route's rules, and given its time and its limits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from bff.clock import Deadline
from bff.gateway.door import announced, csrf
from bff.gateway.offers import OFFER_KEY
from bff.gateway.sender import Sender
from bff.gateway.target import Table, Target
from bff.sdk.invocation import Incoming, Invocation

Scope = MutableMapping[str, Any]


def take(
    target: Target,
    params: Mapping[str, str],
    scope: Scope,
    receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
    invocation: Invocation,
    sender: Sender,
    table: Table,
) -> None:
    """Make it the target's.

    Raises:
        CrossSite, LengthRequired, BadRequest, ExpectationFailed: the route does not take it.

    """
    invocation.function = target.function
    if invocation.method not in csrf.SAFE or OFFER_KEY in scope:
        _refuse_unsafe(target, scope, table)
    allowed, peer = target.timeout, scope.get("client")
    if peer and table.proxies.are_any:
        patience = table.proxies.patience(peer[0], scope["headers"], table.timeout_header)
        allowed = allowed if patience is None else min(allowed, patience)
    invocation.deadline = Deadline(invocation.started + allowed, allowed)
    sender.target = target
    invocation.incoming = Incoming(
        scope, receive, params, target.max_body, target.forwarding, sender, target.forms
    )


def _refuse_unsafe(target: Target, scope: Scope, table: Table) -> None:
    """A call that may change something, or opens a WebSocket, comes from a page that may make it, and its body
    is announced as it has to be.
    """
    check = target.handshake if OFFER_KEY in scope and target.handshake is not None else target.csrf
    if check is not None:
        peer = scope.get("client")
        check.check(scope["headers"], is_vouched=peer is not None and table.proxies.trusts(peer[0]))
    announced.check(scope["headers"], length_required=target.length_required, is_ours=not target.service)
