"""Who asked for it is told of the end of a call: a POST to the address that came with it, signed and tried again.

The words are OpenFaaS's (``X-Callback-Url``, ``X-Call-Id``, ``X-Function-Name``, ``X-Function-Status``,
https://docs.openfaas.com/reference/async/), the signature is Standard Webhooks'
(https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md). It is a delivery like any
other: stored with the end of the call, with retries, attempts and an end of its own.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from bff.clock import Clock, Expiry
from bff.config.calls import CallbacksConfig
from bff.events.broker import Outcome
from bff.events.courier import DEFAULT_TIMEOUT, Attempted
from bff.events.records import Claimed, Result, Settled
from bff.sdk.cloudevent import CloudEvent
from bff.sdk.eventfailures import CallbackRefused
from bff.services.posting import PostFailed, post

PREFIX = "callback/"
"""What the trigger of a delivery begins with that is a callback."""
TYPE = "bff.callback"
FIELD = b"x-callback-url"
_FORGOTTEN = Outcome(status=410, code="call-gone", detail="What the call answered is kept no longer.")
Read = Callable[[str], Awaitable[Result | None]]


def asked_for(headers: Iterable[tuple[bytes, bytes]], config: CallbacksConfig | None) -> str:
    """The address that a call names, "" where it names none.

    Raises:
        CallbackRefused: it may not be called.

    """
    named = [value.decode("latin-1").strip() for name, value in headers if name == FIELD]
    if not named:
        return ""
    if config is None:
        raise CallbackRefused("routes.yaml has no calls.callbacks")
    if len(named) > 1 or not is_allowed(named[0], config.hosts):
        raise CallbackRefused("it is not the http:// or https:// address of a host in calls.callbacks.hosts")
    return named[0]


def is_allowed(url: str, hosts: Iterable[str]) -> bool:
    """Whether the address is of one of these hosts; one without a port means the scheme's own."""
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return False
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or parts.fragment:
        return False
    usual = 443 if parts.scheme == "https" else 80
    said = parts.hostname if port in (None, usual) else f"{parts.hostname}:{port}"
    return said in hosts


def event_of(settled: Settled, url: str, state: str) -> CloudEvent:
    """What is stored with the end of a call."""
    claimed = settled.claimed
    data = {
        "url": url,
        "call": claimed.event,
        "delivery": claimed.key,
        "function": claimed.function,
        "state": state,
        "status": settled.outcome.status if settled.result is None else settled.result.status,
    }
    return CloudEvent(
        id=claimed.key,
        source=f"/calls/{claimed.event}",
        type=TYPE,
        datacontenttype="application/json",
        data=data,
    )


class Callbacks:
    """Mutable state: ``config``, replaced when routes.yaml changes."""

    def __init__(self, read: Read, *, clock: Clock) -> None:
        """``read`` gives what a call answered."""
        self.config: CallbacksConfig | None = None
        self._read = read
        self._clock = clock

    async def attempt(self, claimed: Claimed, data: dict[str, Any]) -> Attempted:
        """Tell it once."""
        if self.config is None or not is_allowed(data["url"], self.config.hosts):
            why = "routes.yaml does not allow callbacks to this host any more."
            return _ended(Outcome(status=403, code="callback-refused", detail=why))
        kept = await self._read(data["delivery"])
        if kept is None and data["state"] == "succeeded":
            return _ended(_FORGOTTEN)
        body = b"" if kept is None else kept.body
        headers = self._headers(claimed, data, kept, body, self.config)
        timeout = self.config.delivery.timeout or DEFAULT_TIMEOUT
        try:
            with Expiry(self._clock, self._clock.now() + timeout):
                heard = await post(data["url"], headers, body)
        except TimeoutError:
            return _ended(
                Outcome(status=504, code="callback-timeout", detail=f"No answer within {timeout:g} s.")
            )
        except PostFailed as failed:
            return _ended(Outcome(status=502, code="callback-failed", detail=str(failed)))
        if 200 <= heard.status < 300:
            return _ended(Outcome(status=heard.status))
        return _ended(
            Outcome(
                status=heard.status,
                code="callback-answered",
                detail=f"The callback was answered with {heard.status}.",
                data=heard.text,
                retry_after=heard.retry_after,
            )
        )

    def _headers(
        self,
        claimed: Claimed,
        data: dict[str, Any],
        kept: Result | None,
        body: bytes,
        config: CallbacksConfig,
    ) -> dict[str, str]:
        at = str(int(self._clock.wall()))
        kind = next((value for name, value in kept.headers if name == b"content-type"), b"") if kept else b""
        return {
            "x-call-id": data["call"],
            "x-function-name": data["function"],
            "x-function-status": str(data["status"]),
            "webhook-id": claimed.key,
            "webhook-timestamp": at,
            "webhook-signature": signature(config.secret.get_secret_value(), claimed.key, at, body),
            **({"content-type": kind.decode("latin-1")} if kind else {}),
            **({"bff-cut": "true"} if kept is not None and kept.is_cut else {}),
        }


def signature(secret: str, number: str, at: str, body: bytes) -> str:
    """As Standard Webhooks signs: HMAC-SHA256 over id, timestamp and body; a secret ``whsec_…`` is Base64."""
    key = base64.b64decode(secret.removeprefix("whsec_")) if secret.startswith("whsec_") else secret.encode()
    made = hmac.new(key, f"{number}.{at}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(made).decode()}"


def _ended(outcome: Outcome) -> Attempted:
    return Attempted(outcome=outcome, revision="")
