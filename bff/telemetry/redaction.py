"""Secrets are taken out of what is kept of requests and answers: by the names of what holds them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bff.config.names import is_secret_name

REDACTED = "[redacted]"
# Besides what bff.config.names calls secret: what people send about themselves, and how they prove who they are.
_SECRET = re.compile(
    r"passcode|^pass$|^pwd|jwt|bearer|(?:^|[_-])key$|auth|session|^sig$|^code$|^pin$|^otp|cvv"
    r"|card_?-?n(?:umber|o|r)|iban|^ssn$|private",
    re.IGNORECASE,
)
_PARAMETER = re.compile(r"([?&;])([^=&;]*)=([^&;]*)")


def is_secret(name: str) -> bool:
    """Whether what has this name is better not shown."""
    return is_secret_name(name) or _SECRET.search(name) is not None


def redacted_path(path: str) -> str:
    """A path with its query, in which secrets have no value."""
    if "?" not in path:
        return path
    return _PARAMETER.sub(
        lambda found: f"{found[1]}{found[2]}={REDACTED}" if is_secret(found[2]) else found[0], path
    )


def redacted(value: Any) -> Any:
    """A JSON value in which the members that are secrets have no value, at any depth."""
    if isinstance(value, Mapping):
        return {name: REDACTED if is_secret(str(name)) else redacted(each) for name, each in value.items()}
    if isinstance(value, list):
        return [redacted(each) for each in value]
    return value
