"""``bff explain``: where the time of one invocation went, as a waterfall in the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bff.cli.gateway import asking
from bff.cli.moments import moment
from bff.cli.output import print_table, show, tell
from bff.cli.waterfall import bar
from bff.telemetry.plain import one_line

Told = Mapping[str, Any]


def explain(request_id: str, *, seq: int | None, admin: str, config: Path, as_json: bool) -> None:
    """Print it, or the same for programs."""
    with asking(admin, config, as_json=as_json) as gateway:
        told = gateway.get(f"/v1/invocations/{quote(request_id, safe='')}", seq=seq).value
    if as_json:
        show(told)
        return
    for line in heading(told):
        tell(one_line(line))
    print_table(("span", "from ms", "ms", "", "what"), rows(told["spans"]))


def heading(told: Told) -> Iterator[str]:
    """What it was, and why it failed."""
    whom = told["revision"] or told["function"] or "no function"
    yield f"{told['method']} {told['route'] or '(no route)'} → {told['status']} in {told['ms']:.2f} ms by {whom}"
    yield f"  at {moment(told['at'])}, request {told['request_id']}" + (
        f", trace {told['trace_id']}" if told["trace_id"] else ""
    )
    if told["missing"]:
        yield f"  without {', '.join(told['missing'])}"
    failure = told["failure"]
    if failure is not None:
        yield f"  {failure['sentence']} (fault: {failure['fault']})"
        place = f" at {failure['place']}" if failure["place"] else ""
        if failure["cause"] or place:
            yield f"  {failure['cause'] or failure['code']}{place}"


def rows(spans: Sequence[Told]) -> Iterator[list[str]]:
    """One line a span, indented below its parent; the bars are drawn over the whole time that is told of."""
    begin = min(span["start_ms"] for span in spans)
    length = max(max(span["start_ms"] + span["ms"] for span in spans) - begin, 1e-6)
    depths: list[int] = []
    for span in spans:
        depths.append(0 if span["parent"] is None else depths[span["parent"]] + 1)
        start = span["start_ms"] - begin
        yield [
            "  " * depths[-1] + span["name"],
            f"{span['start_ms']:.2f}",
            f"{span['ms']:.2f}",
            bar(start / length, min(1.0, (start + span["ms"]) / length)),
            ", ".join(_said(span)),
        ]


def _said(span: Told) -> Iterator[str]:
    facts = span["facts"]
    if "path" in facts:
        yield str(facts["path"])
    if facts.get("status") is not None:
        yield str(facts["status"])
    if "cache" in facts:
        yield f"cache {facts['cache']}"
    if facts.get("shared"):
        yield "shared with another call"
    if span["kind"] == "attempt" and facts.get("endpoint"):
        yield str(facts["endpoint"])
    if span["error"]:
        yield str(span["error"])
    if facts.get("flags"):
        yield str(facts["flags"])
