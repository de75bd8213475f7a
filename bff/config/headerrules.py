"""What may travel in the head of a request or an answer, and what is changed there (Istio's HeaderOperations)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from bff.config.fieldnames import header_name
from bff.config.names import HOP_BY_HOP
from bff.config.section import (
    FROZEN,
    LowerCased,
    NoDoubles,
    OneOrMany,
    OrEmpty,
    Secret,
    Section,
    no_entries,
    wrong,
)

_FIELD_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?|")  # RFC 9110 §5.5, without obs-text
_OURS = frozenset({"forwarded", "x-forwarded-for", "traceparent", "tracestate", "x-request-id", "via"})
_OF_THE_MESSAGE = HOP_BY_HOP | {"host", "content-length"}


def header_value(value: SecretStr) -> SecretStr:
    """The value of a header field as it may be sent, or an error."""
    text = value.get_secret_value()
    if "\r" in text or "\n" in text:
        raise wrong("a header's value cannot hold a line break; a secret file may end in one newline only")
    if not _FIELD_VALUE.fullmatch(text):
        raise wrong("a header's value is visible ASCII, without spaces at its ends")
    return value


HeaderValue = Annotated[Secret, AfterValidator(header_value)]


def _name(name: str) -> str:
    header_name(name)
    if name in _OF_THE_MESSAGE:
        raise wrong("belongs to a single connection or message and cannot travel on; remove it")
    if name in _OURS:
        raise wrong("is always sent, with the gateway's own value; remove it")
    return name


def _named_one_by_one(name: str) -> str:
    if name in ("cookie", "set-cookie"):
        raise wrong("cookies travel one by one; name them under forward_cookies")
    return _name(name)


def _one_spelling(values: Mapping[str, SecretStr]) -> Mapping[str, SecretStr]:
    lowered = {name.lower(): value for name, value in values.items()}
    if len(lowered) != len(values):
        raise wrong("names the same header twice; headers are compared without case")
    return lowered


Name = Annotated[LowerCased, AfterValidator(_name)]
AllowedName = Annotated[LowerCased, AfterValidator(_named_one_by_one)]
Values = Annotated[
    Mapping[
        Annotated[str, AfterValidator(lambda name: (_named_one_by_one(name.lower()), name)[1])], HeaderValue
    ],
    AfterValidator(_one_spelling),
    OrEmpty,
    *FROZEN,
]


class HeaderRulesConfig(Section):
    """In this order: what is not allowed goes, then what is to be removed; then fields are set and added."""

    allow: Annotated[tuple[AllowedName, ...], OneOrMany, NoDoubles] | None = Field(
        default=None, description="The only headers that may pass; absent: those that would anyway."
    )
    remove: Annotated[tuple[Name, ...], OneOrMany, NoDoubles] = Field(
        default=(), description="Headers that do not pass."
    )
    set: Values = Field(
        default_factory=no_entries,
        description="Headers that are sent with these values instead of any others.",
    )
    add: Values = Field(
        default_factory=no_entries, description="Values that are sent beside those that are there."
    )
