"""What a caller would rather have (RFC 9110 §12.5.1): a page whole, or its parts as they come. Pure."""

from __future__ import annotations

from collections.abc import Iterable

NDJSON = "application/x-ndjson"
EVENTS = "text/event-stream"
_JSON = ("application/json", "application/*", "*/*")


def streamed(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The media type in which the caller wants to hear of parts as they come; None: it wants the whole page.

    It has to name NDJSON or server-sent events, and to want it at least as much as JSON. Ranges such as ``*/*``
    ask for neither.
    """
    said = b",".join(value for name, value in headers if name == b"accept").lower()
    if b"ndjson" not in said and b"event-stream" not in said:
        return None
    wanted = dict(map(_weighed, said.decode("latin-1").split(",")))
    whole = next((wanted[kind] for kind in _JSON if kind in wanted), 0.0)
    best = max((NDJSON, EVENTS), key=lambda kind: wanted.get(kind, 0.0))
    weight = wanted.get(best, 0.0)
    return best if weight > 0 and weight >= whole else None


def takes_json(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether an answer in JSON is welcome, whole or in parts; without ``Accept`` anything is (RFC 9110 §12.5.1)."""
    said = b""
    for name, value in headers:
        if name == b"accept":
            said = b"%b,%b" % (said, value) if said else value
    if not said or (b"*/*" in said and b"q=0" not in said):
        return True
    wanted = dict(map(_weighed, said.lower().decode("latin-1").split(",")))
    named = [weight for kind, weight in wanted.items() if "json" in kind or kind == EVENTS]
    ranges = max((wanted.get(kind, 0.0) for kind in ("application/*", "*/*")), default=0.0)
    if "application/json" in wanted and wanted["application/json"] == 0:
        return any(weight > 0 for weight in named)
    return ranges > 0 or any(weight > 0 for weight in named) or set(wanted) == {""}  # commas alone are none


def prefers_async(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether the caller would rather be told at once that the answer comes later (RFC 7240 §4.1)."""
    said = b",".join(value for name, value in headers if name == b"prefer").lower()
    return any(each.partition(b";")[0].strip() == b"respond-async" for each in said.split(b","))


def _weighed(option: str) -> tuple[str, float]:
    kind, *parameters = (each.strip() for each in option.split(";"))
    weight = next((each[2:] for each in parameters if each.startswith("q=")), "1")
    try:
        return kind, min(1.0, max(0.0, float(weight)))
    except ValueError:
        return kind, 0.0
