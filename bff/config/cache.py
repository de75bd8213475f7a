"""How answers are kept: what routes.yaml states beside what the answers themselves say."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from bff.config.section import NoDoubles, OneOrMany, Present, Section, wrong
from bff.config.units import Duration


def _tag(text: str) -> str:
    if not text or not text.isprintable() or len(text) > 100:
        raise wrong("is not a tag: up to 100 printable characters")
    return text


Tag = Annotated[str, AfterValidator(_tag)]


class CacheConfig(Section):
    """Answers are kept as RFC 9111 lets a shared cache keep them; these durations count where they say nothing."""

    ttl: Duration | None = Field(
        default=None, description="How long an answer is fresh that does not say so itself."
    )
    stale_while_revalidate: Duration | None = Field(
        default=None,
        alias="stale-while-revalidate",
        description="How long after that it is served while a new one is fetched (RFC 5861).",
    )
    stale_if_error: Duration | None = Field(
        default=None,
        alias="stale-if-error",
        description="How long after that it stands in for a failure (RFC 5861).",
    )
    heuristics: bool = Field(
        default=False,
        description="Whether what does not say how long it is fresh is so for a tenth of its age (RFC 9111 §4.2.2).",
    )
    tags: Annotated[tuple[Tag, ...], OneOrMany, NoDoubles] = Field(
        default=(), description="Names to purge it by."
    )


CacheSetting = Annotated[CacheConfig | None, Present]
"""``cache: true`` obeys what answers say; a section states more."""
