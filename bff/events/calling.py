"""An asynchronous call on its way: a request as an event that can be stored, and the attempt to answer it.

Credentials are not stored. Who called is, as far as it was found out, so that the function finds its
``ctx.caller``; nothing of the caller's travels on to services.
"""

from __future__ import annotations

import base64
from typing import Any

from pydantic_core import to_json

from bff.config import Config, DeliveryConfig
from bff.config.names import HOP_BY_HOP
from bff.errors import BffError, problem
from bff.events.accepting import CALL
from bff.events.answered import Whole
from bff.events.courier import Attempted, Body, Courier, scope_of
from bff.events.records import Claimed, Result
from bff.runtime.isolation.remote import caller_of, told_of
from bff.sdk.cloudevent import CloudEvent
from bff.sdk.invocation import Incoming, Invocation
from bff.sdk.reply import HeaderPairs

PREFIX = "call/"
"""What the trigger of a delivery begins with that is a call; no trigger's own name has a slash."""

_NOT_STORED = HOP_BY_HOP | {
    *(
        "authorization",
        "cookie",
        "content-length",
        "expect",
        "idempotency-key",
        "prefer",
        "proxy-authorization",
        "x-callback-url",
    ),
}
_NOT_KEPT = frozenset({b"set-cookie", b"content-length", b"date", b"connection", b"transfer-encoding"})


def withheld(config: Config) -> frozenset[str]:
    """Fields of a request that are not stored: those of one connection, and those that show who calls."""
    ways = [way for scheme in config.auth.values() for way in (scheme.api_keys, scheme.certificate)]
    return _NOT_STORED | {way.header for way in ways if way is not None}


def event_of(
    invocation: Invocation,
    body: bytes,
    *,
    number: str,
    source: str,
    callback: str = "",
    withheld: frozenset[str] = _NOT_STORED,
) -> CloudEvent:
    """The request as an event. ``number`` and ``source`` tell calls apart that may not be made twice; ``callback`` is
    the address that is told of its end.
    """
    incoming = invocation.incoming
    assert incoming is not None
    scope = incoming.scope
    kept = [
        [name.decode("latin-1"), value.decode("latin-1")]
        for name, value in scope["headers"]
        if name.decode("latin-1") not in withheld
    ]
    data = {
        "method": scope["method"],
        "path": scope["path"],
        "raw_path": (scope.get("raw_path") or b"").decode("latin-1"),
        "query": scope["query_string"].decode("latin-1"),
        "headers": kept,
        "params": dict(incoming.path_params),
        "route": invocation.route,
        "caller": told_of(invocation.caller),
        "client": invocation.client,
        "trace": invocation.trace.child(invocation.span_id),
        "body": base64.b64encode(body).decode(),
        **({"callback": callback} if callback else {}),
    }
    return CloudEvent(id=number, source=source, type=CALL, datacontenttype="application/json", data=data)


def incoming_of(data: dict[str, Any], claimed: Claimed) -> Incoming:
    """The request of such an event."""
    body = base64.b64decode(data["body"])
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in data["headers"]]
    headers += [
        (b"idempotency-key", claimed.key.encode()),
        (b"bff-attempt", b"%d" % claimed.tries),
        (b"content-length", b"%d" % len(body)),
    ]
    scope = scope_of(
        headers,
        method=data["method"],
        path=data["path"],
        raw_path=data["raw_path"].encode("latin-1"),
        query_string=data["query"].encode("latin-1"),
    )
    return Incoming(scope, Body(body).receive, data["params"], max(len(body), 1))


class Calling:
    """Mutable state: ``config`` and ``withheld``, replaced when routes.yaml changes."""

    def __init__(self, courier: Courier, config: Config) -> None:
        self._courier = courier
        self.configure(config)

    def configure(self, config: Config) -> None:
        """Obey a routes.yaml from now on."""
        self.config, self.withheld = config.calls_said, withheld(config)

    @property
    def policy(self) -> DeliveryConfig:
        """When a call is tried again."""
        return DeliveryConfig.model_construct(retry=self.config.retry, timeout=self.config.timeout)

    async def attempt(self, claimed: Claimed, event: CloudEvent) -> Attempted:
        """Make the call once. Cancelling it cancels the handler."""
        data = event.data
        invocation = self._courier.invocation(
            claimed,
            route=data["route"],
            incoming=incoming_of(data, claimed),
            timeout=self.config.timeout,
            traceparent=data["trace"],
        )
        invocation.caller, invocation.client = caller_of(data["caller"]), data["client"]
        attempted = await self._courier.run(invocation, most=self.config.max_result)
        return attempted if invocation.error is None else _told(attempted, invocation.error)


def _told(attempted: Attempted, error: BaseException) -> Attempted:
    """With the problem document that the caller would have got."""
    from dataclasses import replace

    if not isinstance(error, BffError):
        return attempted
    body = to_json(problem(error), fallback=str)
    headers: HeaderPairs = [(b"content-type", b"application/problem+json")]
    return replace(attempted, whole=Whole(status=error.status, headers=headers, body=body))


def result_of(attempted: Attempted) -> Result | None:
    """What is kept of an answer: no cookies, and nothing that speaks of one connection."""
    whole = attempted.whole
    if whole is None:
        return None
    headers = [(name.lower(), value) for name, value in whole.headers if name.lower() not in _NOT_KEPT]
    return Result(status=whole.status, headers=headers, body=whole.body, is_cut=whole.is_cut)
