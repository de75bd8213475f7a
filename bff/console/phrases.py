"""Numbers as people read them: the filters of the templates. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

NOTHING = "–"


def milliseconds(value: float | None) -> str:
    """``42 µs``, ``0.42 ms``, ``12.3 ms``, ``840 ms``, ``1.24 s``, ``2 min 5 s``."""
    if value is None:
        return NOTHING
    if value >= 60_000:
        rest = int(value % 60_000 // 1000)
        return f"{int(value // 60_000)} min" + (f" {rest} s" if rest else "")
    if value >= 1000:
        return f"{value / 1000:.2f} s"
    if 0 < value < 0.1:
        return f"{value * 1000:.0f} µs"
    return f"{value:.{_places(value)}f} ms" if value else "0 ms"


def number(value: float | None) -> str:
    """``0``, ``0.42``, ``12.3``, ``1,234``."""
    if value is None:
        return NOTHING
    text = f"{value:,.{_places(value)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _places(value: float) -> int:
    return 0 if value >= 100 else 1 if value >= 10 else 2


def size(value: float | None) -> str:
    """Bytes in IEC units: ``840 B``, ``12.3 KiB``, ``64 MiB``."""
    if value is None:
        return NOTHING
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(value) < 1024 or unit == "GiB":
            break
        value /= 1024
    return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"


def percent(share: float | None) -> str:
    """Of a share between 0 and 1: ``0.4 %``, ``12 %``."""
    if share is None:
        return NOTHING
    hundred = share * 100
    return f"{hundred:.0f} %" if hundred in (0, 100) or hundred >= 10 else f"{hundred:.1f} %"


def moment(at: float | str) -> str:
    """Unix seconds as RFC 3339 in UTC; a text is one already."""
    if isinstance(at, str):
        return at
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def shares(block: Sequence[Mapping[str, Any]] | None) -> str:
    """A traffic block in words: ``home-00002 90 %, latest 10 %``."""
    told = [each for each in block or () if each.get("percent")]
    return ", ".join(f"{each.get('revisionName', 'latest')} {each['percent']} %" for each in told) or NOTHING


def plural(count: float, one: str, many: str = "") -> str:
    """``1 call``, ``2 calls``."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


def without_step(why: str) -> str:
    """Why a run failed, for a page that names the step anyway and does not count from 0."""
    return why.partition(": ")[2] if why.startswith("step ") and ": " in why else why


def segment(text: str) -> str:
    """A text as one segment of a path."""
    return quote(text, safe="")


def as_json(value: Any) -> str:
    """For an attribute, where autoescape does the rest."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def pretty(value: Any) -> str:
    """For people."""
    return json.dumps(value, indent=2, ensure_ascii=False)


FILTERS: Mapping[str, Callable[..., str]] = {
    "ms": milliseconds,
    "number": number,
    "size": size,
    "moment": moment,
    "shares": shares,
    "percent": percent,
    "plural": plural,
    "segment": segment,
    "without_step": without_step,
    "json": as_json,
    "pretty": pretty,
}
