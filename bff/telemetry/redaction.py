"""Secrets are taken out of what is kept of requests and answers: by the names of what holds them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

REDACTED = "[redacted]"
_SECRET = re.compile(
    r"passw(?:or)?d|passphrase|passcode|^pass$|^pwd|secret|token|jwt|bearer|api_?-?key|(?:^|[_-])key$|auth"
    r"|credential|cookie|session|signature|^sig$|^code$|^pin$|^otp|cvv|card_?-?n(?:umber|o|r)|iban|^ssn$|private",
    re.IGNORECASE,
)
_PARAMETER = re.compile(r"([?&;])([^=&;]*)=([^&;]*)")


def is_secret(name: str) -> bool:
    """Whether what has this name is better not shown."""
    return _SECRET.search(name) is not None


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
