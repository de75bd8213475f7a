"""Durations and sizes: ``300ms`` and ``1MiB`` at the edge, seconds and bytes inside.

In code a duration is a float of seconds. In a file it carries its unit: nobody should have to guess whether
``timeout: 5`` means seconds or milliseconds.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

_NUMBER = r"[0-9]{1,9}(?:\.[0-9]{1,9})?"
# Units go from large to small, each at most once; "m" must not swallow the m of "ms".
_PARTS = "".join(rf"(?:({_NUMBER}){unit})?" for unit in ("d", "h", "m(?!s)", "s", "ms"))
_DURATION = re.compile(rf"(?=[0-9]){_PARTS}")
_SECONDS = (Decimal(86_400), Decimal(3_600), Decimal(60), Decimal(1), Decimal("0.001"))

_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_SIZE = re.compile(rf"([0-9]{{1,12}})({'|'.join(_UNITS)})?")

# What an editor checks: the same grammars, or a reference.
REFERENCE_PATTERN = r"\$\{"
DURATION_PATTERN = rf"^{_DURATION.pattern}$|{REFERENCE_PATTERN}"
SIZE_PATTERN = rf"^{_SIZE.pattern}$|{REFERENCE_PATTERN}"

_SHARE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,4})?)%")
SHARE_PATTERN = rf"^{_SHARE.pattern}$|{REFERENCE_PATTERN}"

FROM_FILE = "from a file"  # the validation context under which bare numbers are refused as durations


def parse_duration(text: str) -> float:
    """Seconds of ``300ms``, ``2s``, ``1.5h`` or ``1m30s``; raises ValueError with what to write."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError("is not a duration; write 300ms, 2s, 1m, 1h or 1m30s")
    seconds = float(sum(Decimal(n) * unit for n, unit in zip(match.groups(), _SECONDS, strict=True) if n))
    if seconds <= 0:
        raise ValueError("must be longer than zero")
    return seconds


def parse_size(text: str) -> int:
    """Bytes of ``512B``, ``64KB`` or ``1MiB``; raises ValueError with what to write."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(
            "is not a size; write 512B, 64KB (1000 bytes each), 64KiB (1024 bytes each), 1MiB or 1GiB"
        )
    return at_least_one_byte(int(match[1]) * _UNITS[match[2] or "B"])


def parse_share(text: str) -> float:
    """The fraction that ``20%`` or ``0.5%`` is; raises ValueError with what to write."""
    match = _SHARE.fullmatch(text)
    if match is None or not 0 < float(match[1]) <= 100:
        raise ValueError("is not a share; write a percentage above 0% up to 100%, such as 20% or 0.5%")
    return float(Decimal(match[1]) / 100)


def share_text(share: float) -> str:
    """How a share is written: ``20%``."""
    return f"{(Decimal(repr(share)) * 100).normalize():f}%"


def at_least_one_byte(size: int) -> int:
    """The size itself; zero is refused because nginx and others read it as "no limit"."""
    if size < 1:
        raise ValueError("must be at least 1B")
    return size


def duration_text(seconds: float) -> str:
    """The shortest way to write a duration in one unit: ``15s``, ``300ms``, ``10m``."""
    exact = Decimal(repr(seconds))
    for unit, length in zip(("d", "h", "m", "s"), _SECONDS, strict=False):
        if exact >= length and exact % length == 0:
            return f"{int(exact / length)}{unit}"
    return f"{(exact * 1000).normalize():f}ms"


def size_text(size: int) -> str:
    """The shortest exact way to write a size in binary units: ``1MiB``, ``1000B``."""
    unit = next(u for u in ("GiB", "MiB", "KiB", "B") if size % _UNITS[u] == 0)
    return f"{size // _UNITS[unit]}{unit}"


def _duration(value: Any, info: ValidationInfo) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(value, str):
        return _parsed(parse_duration, value)
    if is_number and info.context is FROM_FILE:
        raise PydanticCustomError("duration", "needs a unit", {"hint": f"; write {value:g}s or {value:g}ms"})
    if is_number and 0 < value < float("inf"):
        return float(value)
    raise PydanticCustomError("duration", "is not a duration; write 300ms, 2s, 1m or 1h")


def _size(value: Any) -> Any:
    if isinstance(value, str):
        return _parsed(parse_size, value)
    if isinstance(value, int) and not isinstance(value, bool):
        return _parsed(at_least_one_byte, value)
    raise PydanticCustomError("size", "is not a size; write 512B, 64KiB or 1MiB, or a whole number of bytes")


def _share(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, str):
        return _parsed(parse_share, value)
    if isinstance(value, float) and 0 < value <= 1 and info.context is not FROM_FILE:
        return value
    raise PydanticCustomError("share", "is not a share; write a percentage, such as 20%")


def _parsed(parse: Any, value: Any) -> Any:
    try:
        return parse(value)
    except ValueError as error:
        raise PydanticCustomError("unit", "{why}", {"why": str(error)}) from None


Duration = Annotated[
    float,
    BeforeValidator(_duration),
    WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN, "examples": ["300ms", "2s", "1m30s"]}),
]
"""Seconds, written ``300ms``, ``2s``, ``1m30s``; always longer than zero."""

Size = Annotated[
    int,
    BeforeValidator(_size),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": SIZE_PATTERN, "examples": ["512B", "64KiB", "1MiB"]},
                {"type": "integer", "minimum": 1},
            ]
        }
    ),
]
"""Bytes, written ``512B``, ``64KB``, ``1MiB`` or as a whole number; always at least one."""

Share = Annotated[
    float,
    BeforeValidator(_share),
    WithJsonSchema({"type": "string", "pattern": SHARE_PATTERN, "examples": ["20%", "0.5%"]}),
]
"""A fraction above 0 up to 1, written ``20%``."""
