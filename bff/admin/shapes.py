"""What the admin API takes and gives, as types: bodies are read by them, answers are written by them, and the
API's description is made of them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    SkipValidation,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from bff.admin.keys import ANYBODY, LOCAL, Scope

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"


def _moment(at: float) -> str:
    text = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _nobody_else(name: str) -> str:
    """The name, when it is none that we give ourselves."""
    if name in (LOCAL, ANYBODY.name):
        raise PydanticCustomError("taken", "this name is the gateway's own")
    return name


Moment = Annotated[
    float,
    PlainSerializer(_moment, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""Unix time within, RFC 3339 in UTC outside."""


class Body(BaseModel):
    """Something that is sent to us: nothing unknown in it, nothing converted."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, hide_input_in_errors=True, defer_build=True
    )


class Shape(BaseModel):
    """Something that we send."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class TargetShape(TypedDict, total=False):
    """A share of the calls, as Knative writes it (serving.knative.dev/v1, spec.traffic)."""

    revisionName: str
    latestRevision: bool
    percent: int
    tag: str


Block = SkipValidation[list[TargetShape]]
"""A traffic block; what is wrong in one is told by :mod:`bff.revisions.traffic`, in better words."""


class TrafficShape(Shape):
    """Who gets a function's calls. ``version`` is also the ETag."""

    function: str
    version: int
    latest: str | None = Field(description="The newest ready revision.")
    traffic: Block


class TrafficBody(Body):
    """Who shall get a function's calls; the percentages sum up to 100."""

    traffic: Block
    why: str = Field(default="", max_length=500, description="For the history.")


class TagBody(Body):
    """Which revision a tag leads to, or none: the tag goes."""

    tag: str
    revision: str | None = None
    why: str = Field(default="", max_length=500)


class RollbackBody(Body):
    """Where to go back to; without ``to`` whatever had the calls before."""

    to: str | None = None
    why: str = Field(default="", max_length=500)


class ReasonBody(Body):
    """Why; may be empty."""

    why: str = Field(default="", max_length=500)


class PromoteBody(ReasonBody):
    """Which revision gets all calls; null is the one whose release goes on, else the newest."""

    revision: str | None = Field(default=None, max_length=200)


class RevisionShape(Shape):
    """One immutable version of a function."""

    name: str
    digest: str
    created: Moment
    author: str
    origin: str
    note: str
    percent: int = Field(description="Its share of the calls now.")
    tags: list[str]
    latest: bool
    taken_back: Moment | None = Field(
        default=None, description="When its release took it back, unless it had all calls since."
    )


class FileShape(Shape):
    """A file of a revision; ``text`` is null where it is no UTF-8 text, or too long to be shown here."""

    path: str
    size: int
    text: str | None


class WholeRevisionShape(RevisionShape):
    """A revision with its files and the settings that are frozen in it."""

    settings: dict[str, Any]
    files: list[FileShape]


class PublishedShape(Shape):
    """What became of a deploy."""

    revision: RevisionShape
    new: bool = Field(description="False: a revision with this digest was there already.")
    traffic: TrafficShape
    release: dict[str, Any] | None


class FileDiff(Shape):
    """How a file differs; ``diff`` is a unified diff, null where one of the two is no text."""

    path: str
    change: str
    diff: str | None


class SchemaDiff(Shape):
    """How what a handler takes and gives differs. ``before`` and ``after`` are JSON Schemas by parameter, and of
    the returned value; null with ``why`` where they cannot be told.
    """

    before: dict[str, Any] | None
    after: dict[str, Any] | None
    changes: list[str]
    why: str = ""


class DiffShape(Shape):
    """What differs between two revisions."""

    function: str
    before: str = Field(alias="from")
    after: str = Field(alias="to")
    same: bool
    files: list[FileDiff]
    settings: list[str]
    handler: SchemaDiff

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, serialize_by_alias=True)


class HistoryShape(Shape):
    """One thing that happened to a function's traffic; ``before`` and ``after`` are null where it did not move."""

    id: int
    at: Moment
    who: str
    what: str
    why: str
    numbers: dict[str, Any]
    before: Block | None
    after: Block | None


class ReleaseShape(Shape):
    """How far a release has come; ``release`` is null when there was none."""

    function: str
    version: int
    running: bool
    release: dict[str, Any] | None


class FunctionShape(BaseModel):
    """How a function stands; see the operations page for each member."""

    model_config = ConfigDict(extra="allow")

    name: str
    revision: str | None
    state: str
    failure: str | None


class TokenBody(Body):
    """A token to make."""

    name: Annotated[str, AfterValidator(_nobody_else)] = Field(
        pattern=NAME_PATTERN, description="Shown in history and audit log."
    )
    scopes: list[Scope] = Field(min_length=1)


class TokenShape(Shape):
    """A token, of which only the hash is kept."""

    id: str
    name: str
    scopes: list[str]
    created: Moment
    used: Moment | None


class NewTokenShape(TokenShape):
    """A token that was just made: the only time that it is shown."""

    token: str


class AuditShape(Shape):
    """One write, as it was asked for and answered."""

    id: int
    at: Moment
    who: str
    what: str
    target: str
    status: int
    detail: dict[str, Any]


class PurgeBody(Body):
    """What to forget: everything kept for a URL, or with a tag; exactly one of the two."""

    url: str | None = Field(default=None, max_length=8000)
    tag: str | None = Field(default=None, max_length=200)


class PurgedShape(Shape):
    """How many entries were forgotten."""

    purged: int


LevelName = Literal["debug", "info", "warning", "error"]


class LoggingBody(Body):
    """What shall be logged from now on; what is left out stays."""

    level: LevelName | None = None
    sample: float | None = Field(default=None, gt=0, le=1)
    functions: dict[str, LevelName | None] = Field(default_factory=dict, max_length=100)


class LoggingShape(Shape):
    """What is logged: the least ``level``, that of single functions, the share of good requests."""

    level: LevelName
    sample: float
    functions: dict[str, LevelName]


class ProblemShape(BaseModel):
    """RFC 9457 problem details."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: str
    fault: str
    retryable: bool
