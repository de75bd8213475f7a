"""Asynchronous calls: functions that are called now and answer later."""

from __future__ import annotations

import base64
import re
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from bff.config.auth import Demand
from bff.config.section import Count, NoDoubles, OneOrMany, OrEmpty, Secret, Section, wrong
from bff.config.trigger import DAY, DeliveryConfig, IsoDuration, plain_path
from bff.config.units import Duration, Size

SHORTEST_SECRET = 24
"""Bytes; Standard Webhooks asks for 24 to 64."""
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?")


def _hosts(hosts: tuple[str, ...]) -> tuple[str, ...]:
    if not hosts:
        raise wrong("names no host, so that no callback could ever be made")
    for host in hosts:
        if not _HOST.fullmatch(host):
            raise wrong(
                "names what is no host: write hosts in lower case, with a port where it is not the scheme's:"
                " hooks.shop.example:8443"
            )
    return hosts


def _secret(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()  # no message begins with "is" or "has": before those it would be quoted
    try:
        key = base64.b64decode(text[6:], validate=True) if text.startswith("whsec_") else text.encode()
    except ValueError:
        raise wrong("a secret that begins with whsec_ goes on in Base64") from None
    if len(key) < SHORTEST_SECRET:
        raise wrong("a secret has 24 bytes or more, such as `openssl rand -base64 32` makes")
    return value


class CallbacksConfig(Section):
    """Who may be told of the end of a call, and how it is signed."""

    hosts: Annotated[tuple[str, ...], OneOrMany, NoDoubles, AfterValidator(_hosts)] = Field(
        description="Hosts that X-Callback-Url may name, with a port where it is not the scheme's."
    )
    secret: Annotated[Secret, AfterValidator(_secret)] = Field(
        description="What callbacks are signed with, as Standard Webhooks has it; a reference, always secret."
    )
    delivery: Annotated[DeliveryConfig, OrEmpty] = Field(
        default=DeliveryConfig(), description="Retries and timeout of callbacks, as of a trigger."
    )


class CallsConfig(Section):
    """Where callers ask how an asynchronous call stands, and what of it is kept."""

    path: Annotated[str, AfterValidator(plain_path)] = Field(
        default="/calls", description="Below this path a caller finds status and result of its calls."
    )
    auth: Demand | None = Field(
        default=None, description="What those paths ask of their callers, instead of defaults.auth."
    )
    functions: Annotated[tuple[str, ...], OneOrMany, NoDoubles] = Field(
        default=(), description="Functions that POST /async-function/NAME calls, with or without a route."
    )
    timeout: IsoDuration | None = Field(
        default=None, gt=0, description="How long such a call may take, instead of the function's timeout."
    )
    callbacks: CallbacksConfig | None = Field(
        default=None, description="Callbacks to X-Callback-Url; absent: a call that names one is refused."
    )
    retry: Count = Field(
        default=0, ge=0, le=100, description="Attempts after the first one: 0 unless functions can bear more."
    )
    max_body: Size | None = Field(
        default=None, description="Largest body of such a call, instead of gateway.max_body."
    )
    max_result: Size = Field(default=2**20, description="Bytes of an answer that are kept.")
    retention: Duration = Field(default=DAY, description="How long a call that has ended is kept.")
