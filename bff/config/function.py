"""How a function runs: its time, its settings, its instances and what each is isolated by."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from bff.config.auth import NOTHING_ASKED, Demand
from bff.config.compression import CompressionSetting
from bff.config.csrf import CsrfConfig, CsrfSetting
from bff.config.forms import FormsConfig
from bff.config.headers import SecurityHeadersConfig, SecurityHeadersSetting
from bff.config.limits import LimitNames
from bff.config.names import is_setting_name
from bff.config.scale import ScaleConfig
from bff.config.section import FROZEN, Count, Flag, OrEmpty, Secret, Section, no_entries, wrong
from bff.config.traffic import Label, ReleaseConfig, TrafficConfig
from bff.config.units import Duration, Size

DEFAULT_QUEUE = "default"
_QUEUE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def queue_name(text: str) -> str:
    """The name of a queue as it stands, or an error."""
    if not _QUEUE.fullmatch(text):
        raise wrong("is not the name of a queue: lower-case letters, digits and -")
    return text


def _setting_name(text: str) -> str:
    if not is_setting_name(text):
        raise wrong("is not the name of a setting: letters, digits and _, not beginning with a digit")
    return text


SettingName = Annotated[str, AfterValidator(_setting_name)]


class Defaults(Section):
    """What a function or route gets that says nothing else."""

    timeout: Duration = Field(default=10.0, description="How long a call may take until its answer starts.")
    warm_up_timeout: Duration = Field(
        default=10.0, description="How long importing and starting may take (AWS Lambda's init phase)."
    )
    scale: ScaleConfig = Field(default=ScaleConfig.plain(), description="How many instances, and how long.")
    concurrency: Count = Field(
        default=0,
        ge=0,
        le=1_000_000,
        description="Most calls inside one instance at a time; 0: no limit (containerConcurrency).",
    )
    auth: Demand = Field(
        default=NOTHING_ASKED, description="What a route asks of its callers; none: nothing."
    )
    compression: CompressionSetting | None = Field(
        default=None, description="How answers of functions are made smaller; false: not at all."
    )
    limits: LimitNames = Field(default=(), description="Rate limits by name that count on every route.")
    csrf: CsrfSetting = Field(
        default=CsrfConfig.plain(), description="How calls with cookies from other sites' pages are refused."
    )
    forms: FormsConfig = Field(
        default=FormsConfig.plain(), description="How much a form may hold: fields, files, and one of each."
    )
    security_headers: SecurityHeadersSetting = Field(
        default=SecurityHeadersConfig.plain(),
        description="Fields of answers that tell browsers to be careful.",
    )


class WebSocketConfig(Section):
    """What a function's WebSockets may carry; silences and the time in all are those of streams."""

    max_message: Size = Field(
        default=2**20, description="Largest message a caller may send, all of its frames together; then 1009."
    )
    max_frame: Size | None = Field(
        default=None, description="Largest frame a caller may send; without it as large as a message."
    )
    ping: Duration = Field(
        default=20.0,
        description="Time between pings; a caller that is silent until the next is gone (websockets' ping_interval).",
    )


class FunctionConfig(Section):
    """One function's settings; a function without an entry has all of the defaults."""

    timeout: Duration | None = Field(default=None, description="As in defaults, for this function.")
    warm_up_timeout: Duration | None = Field(default=None, description="As in defaults, for this function.")
    env: Annotated[Mapping[SettingName, Secret], OrEmpty, *FROZEN] = Field(
        default_factory=no_entries, description="What the function reads as ctx.settings; always secret."
    )
    cancel_on_disconnect: Flag = Field(
        default=False, description="Whether a caller that leaves also stops a POST, PUT, PATCH or DELETE."
    )
    stream_idle_timeout: Duration = Field(
        default=300.0, description="Longest silence within a streamed answer (Envoy's stream_idle_timeout)."
    )
    stream_timeout: Duration = Field(
        default=3600.0, description="How long a streamed answer may take in all."
    )
    stream_heartbeat: Duration = Field(
        default=15.0,
        description="Silence after which server-sent events carry a comment (HTML standard, §9.2.7).",
    )
    websocket: Annotated[WebSocketConfig, OrEmpty] = Field(
        default=WebSocketConfig(), description="Limits of its WebSockets."
    )
    scale: ScaleConfig | None = Field(default=None, description="As in defaults, for this function.")
    concurrency: Count | None = Field(
        default=None, ge=0, le=1_000_000, description="As in defaults, for this function."
    )
    isolation: Literal["inline", "thread", "process"] = Field(
        default="inline",
        description="inline: in the gateway, a plain `def` in threads; thread: the same, and an `async def` is"
        " refused; process: in killable child processes.",
    )
    queue: Annotated[str, AfterValidator(queue_name)] = Field(
        default=DEFAULT_QUEUE,
        description="Which queue its events, calls and steps are in: `bff worker --queues` names what a process takes.",
    )
    memory: Size | None = Field(
        default=None, description="Memory each process instance may take beyond what it starts with."
    )
    max_calls: Count = Field(
        default=0, ge=0, description="Calls after which a process instance is replaced; 0: never."
    )
    budget: Duration | None = Field(
        default=None, description="What its first warm-up may take; `bff check --cold` holds it to that."
    )
    traffic: Annotated[TrafficConfig, OrEmpty] = Field(
        default=TrafficConfig.plain(), description="Which revision a call gets where several are live."
    )
    release: Annotated[ReleaseConfig, OrEmpty] = Field(
        default=ReleaseConfig.plain(), description="How a new revision comes to have all calls."
    )
    lane: Label | None = Field(
        default=None,
        description="Lane of the calls that a release gives to its canary; it travels to services.",
    )
    threads: Count = Field(default=8, ge=1, le=1000, description="Most threads a synchronous handler uses.")
