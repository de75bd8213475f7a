"""A service's credentials go to the service and nowhere else."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bff.sdk.failures import ServiceError
from bff.sdk.service import Service

pytestmark = pytest.mark.anyio

MakeUpstream = Callable[..., Awaitable[Any]]
SECRET = "s3cret-credential"


@pytest.mark.parametrize(
    "breaks", ["refuses", "resets", "answers 500", "answers HTML", "hangs", "bad path", "bad header"]
)
async def test_a_credential_is_in_no_error_no_repr_and_no_log(
    upstream: MakeUpstream,
    client: Any,
    invocation: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
    breaks: str,
) -> None:
    """Whatever fails: sentence, extras, headers, traceback, record and reprs are free of it."""

    async def behave(talk: Any) -> None:
        assert talk.request.headers["x-api-key"] == SECRET
        if breaks == "resets":
            talk.reset()
        elif breaks == "hangs":
            await talk.hang()
        else:
            await talk.answer(500 if breaks == "answers 500" else 200, b"<html>")

    caplog.set_level(logging.INFO)  # httpcore tells all at DEBUG; who asks for that is told
    bad = await upstream(behave)
    url = "http://127.0.0.1:1" if breaks == "refuses" else bad.url
    call = invocation()
    users = client(url, headers={"X-Api-Key": SECRET}, timeout="50ms")
    options: dict[str, Any] = {"headers": {"x-bad": f"{SECRET}\n"}} if breaks == "bad header" else {}
    pending = Service(users, call, _adapters()).get(
        "/.." if breaks == "bad path" else "/", into=dict, **options
    )
    with pytest.raises(Exception, match="users") as failure:
        await pending
    shown = [
        str(failure.value),
        repr(failure.value),
        repr(getattr(failure.value, "extras", dict)()),
        repr(getattr(failure.value, "headers", dict)()),
        repr(users),
        repr(users.config),
        repr(pending),
        repr(call),
        repr(call.calls),
        caplog.text,
    ]
    if isinstance(failure.value, ServiceError):
        shown.append("".join(traceback.format_exception(failure.value)))
    assert not [each for each in shown if SECRET in each]


def _adapters() -> Any:
    from bff.sdk.call import Adapters

    return Adapters()
