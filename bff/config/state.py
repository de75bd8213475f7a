"""Where revisions and traffic are kept, and how long revisions stay."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, Field

from bff.config.section import Count, Section, wrong
from bff.config.units import Duration
from bff.frozen import frozen

HOUR = 3600.0


def state_url(text: str) -> str:
    """The address as it stands, or what is wrong with it. It may hold a password: no message begins with a verb, which
    would have the value repeated before it.
    """
    if text in ("sqlite://", "sqlite:///:memory:"):
        return "sqlite://"
    if text.startswith("sqlite:///"):
        if not text.removeprefix("sqlite:///").strip("/"):
            raise wrong("the address names no file; write sqlite:///.bff/state.db")
        return text
    if text.startswith("sqlite:"):
        raise wrong(
            "a file is written with three slashes, sqlite:///.bff/state.db, or four before a full path"
        )
    if not text.startswith(("postgresql://", "postgres://")):
        raise wrong("a store is sqlite:///.bff/state.db or postgresql://user@host/database")
    try:
        _ = urlsplit(text).port
    except ValueError:
        raise wrong("a server is written postgresql://user@host:5432/database") from None
    return text


StateUrl = Annotated[str, AfterValidator(state_url)]


@frozen
class Place:
    """Where the state is: a file, a PostgreSQL server, or with neither in memory."""

    file: Path | None = None
    postgres: str = ""

    def __repr__(self) -> str:
        return f"<Place {self.file or ('PostgreSQL' if self.postgres else 'memory')}>"


def place_of(url: str, folder: Path) -> Place:
    """A checked address, seen from routes.yaml's folder."""
    if url == "sqlite://":
        return Place()
    if url.startswith("sqlite:///"):
        return Place(file=folder / unquote(url.removeprefix("sqlite:///")))
    return Place(postgres=url)


class RetentionConfig(Section):
    """Which revisions are kept, by the four keys of Knative's ``config-gc``; what is routed or tagged always is."""

    retain_since_create_time: Duration = Field(
        default=48 * HOUR, description="How long a revision is kept after it was made (Knative)."
    )
    retain_since_last_active_time: Duration = Field(
        default=15 * HOUR, description="How long a revision is kept after it lost its traffic (Knative)."
    )
    min_non_active_revisions: Count = Field(
        default=20, ge=0, description="How many without traffic are kept however old they are (Knative)."
    )
    max_non_active_revisions: Count = Field(
        default=1000, ge=0, description="How many without traffic are kept however young they are (Knative)."
    )
