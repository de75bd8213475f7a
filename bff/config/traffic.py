"""How a function's traffic is chosen and released. Percentages are state and never stand here."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from bff.config.conditions import Conditions, CookieName, TrustConfig
from bff.config.fieldnames import HeaderName
from bff.config.scale import Number
from bff.config.section import Count, Flag, OrNone, Section, wrong
from bff.config.units import Duration

_LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")


def label(text: str) -> str:
    """A tag or a lane: RFC 1035 §2.3.1's label, for a tag is also the first part of a host."""
    if not _LABEL.fullmatch(text):
        raise wrong("is not a label: lower-case letters, digits and -, beginning with a letter, at most 63")
    return text


Label = Annotated[str, AfterValidator(label)]


class RuleConfig(Conditions):
    """Calls that meet all conditions go to one revision, named by its tag or by its name."""

    tag: Label | None = Field(default=None, description="The tag of the revision they get.")
    revision: str | None = Field(default=None, description="The name of the revision they get.")

    @model_validator(mode="after")
    def _leads_somewhere(self) -> RuleConfig:
        if (self.tag is None) == (self.revision is None):
            raise wrong("leads to exactly one of tag and revision")
        return self


class StickyConfig(Section):
    """What a caller is known by, so that each stays with a revision. Exactly one."""

    header: HeaderName | None = Field(default=None, description="A header field.")
    cookie: CookieName | None = Field(default=None, description="A cookie.")
    client: Flag = Field(default=False, description="The caller's address.")

    @model_validator(mode="after")
    def _is_one(self) -> StickyConfig:
        if sum((self.header is not None, self.cookie is not None, self.client)) != 1:
            raise wrong("has exactly one of header, cookie and client: true")
        return self


class TrafficConfig(Section):
    """Which revision a call gets; asked in this order, and where nothing says anything by chance."""

    override: TrustConfig | None = Field(
        default=None, description="Who may name a revision in `Bff-Override: home=home-00002`."
    )
    tag: TrustConfig | None = Field(
        default=None, description="Who may name a tag in `Bff-Tag` or as the first part of the host."
    )
    match: Annotated[tuple[RuleConfig, ...], OrNone] = Field(
        default=(), description="Rules; the first that a call meets decides."
    )
    sticky: StickyConfig | None = Field(
        default=None, description="What a caller is known by, so that each stays with a revision."
    )


def _steps(steps: tuple[int, ...]) -> tuple[int, ...]:
    if not steps or steps[-1] != 100 or any(a >= b for a, b in pairwise(steps)):
        raise wrong("grows from step to step and ends with 100, such as [1, 10, 50, 100]")
    if len(steps) == 1:
        raise wrong("has no step before 100, so nothing could be compared; write strategy: immediate")
    return steps


class ReleaseConfig(Section):
    """How a new revision comes to have all calls."""

    strategy: Literal["immediate", "canary", "manual"] = Field(
        default="immediate",
        description="`immediate`: at once; `canary`: step by step, judged; `manual`: when told.",
    )
    steps: Annotated[tuple[Annotated[Count, Field(ge=1, le=100)], ...], AfterValidator(_steps)] = Field(
        default=(1, 10, 50, 100), description="Percent of the calls, step by step."
    )
    interval: Duration = Field(default=120.0, description="How long a step takes at least.")
    min_requests: Count = Field(
        default=100, ge=1, le=10_000_000, description="Calls each cohort needs before a step is judged good."
    )
    max_error_ratio: Number = Field(
        default=1.2, ge=1, le=100, description="How many times as often as the baseline it may fail."
    )
    max_latency_ratio: Number = Field(
        default=1.1, ge=1, le=100, description="How many times as long as the baseline it may take."
    )
    baseline: Literal["equal"] = Field(
        default="equal",
        description="What it is compared with: `equal`, as many calls of the current revision as it gets itself.",
    )


class LaneConfig(Section):
    """How a lane travels in a request, and from whom it is believed."""

    header: HeaderName = Field(
        default="baggage", description="The field; `baggage` is the W3C's, any other holds the label alone."
    )
    member: str = Field(
        default="lane",
        pattern=r"^[A-Za-z0-9_.-]{1,64}$",
        description="The member of `baggage` that is the label.",
    )
    accept: TrustConfig | None = Field(
        default=None, description="Whose lanes are believed; without it a caller's lane is ignored."
    )
