"""What a choice among revisions costs: five of them, an override and a tag that are guarded, three rules, a cookie."""

import time
from pathlib import Path

from benchmarks.figures import Series
from benchmarks.outcome import Effort, Outcome, Table, spread
from bff.clock import SystemClock
from bff.config import FunctionConfig
from bff.revisions.choice import Chooser
from bff.revisions.choosing import choosing_of
from bff.revisions.revision import Revision
from bff.revisions.routing import Routing
from bff.revisions.snapshot import Snapshot
from bff.revisions.traffic import Target, Traffic
from bff.sdk.invocation import Incoming, Invocation

CALLS = 20_000
CONFIG = {
    "override": {"token": "a-secret-of-16-letters"},
    "tag": {"token": "a-secret-of-16-letters"},
    "match": [
        {"headers": {"app-version": "<5.2"}, "revision": "home-00001"},
        {"headers": {"x-beta": {"regex": "y.s"}}, "cookies": {"beta": "1"}, "tag": "candidate"},
        {"query": {"v": "2"}, "revision": "home-00004"},
    ],
    "sticky": {"cookie": "sid"},
}
SHARES = {1: 60, 2: 20, 3: 10, 4: 9, 5: 1}
HEADERS = {
    "host": "shop.example.com",
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36",
    "accept": "*/*",
    "accept-encoding": "gzip, br",
    "accept-language": "en",
    "cookie": "theme=dark; sid=0f8a7c6d5e4b3a29; _ga=GA1.2.1",
    "x-beta": "no",
    "app-version": "5.3.1",
    "referer": "https://shop.example.com/",
    "sec-fetch-mode": "cors",
    "sec-fetch-site": "same-origin",
    "connection": "keep-alive",
}


def measure(effort: Effort) -> Outcome:
    chooser, invocation = compiled(), asked()
    rounds = [one_round(chooser, invocation) for _ in range(effort.rounds)]
    found = Series.of(rounds)
    effort.say(f"  a choice: {spread(found, 2)} µs")
    table = Table(
        title="A choice among revisions",
        head=("what", "µs of CPU"),
        rows=[
            (
                "five revisions, guarded override and tag, three rules that are not met, sticky",
                spread(found, 2),
            )
        ],
        note=f"{CALLS:,} choices a round for a request of {len(HEADERS)} header fields; median (lowest to highest).",
    )
    return Outcome(
        figures={"traffic.choice": found},
        tables=[table],
        rows=[{"benchmark": "traffic", "microseconds": each} for each in rounds],
    )


def compiled() -> Chooser:
    nothing = Snapshot("home", Path(), {}, {}, frozenset(), frozenset(), "digest", {})
    names = {number: f"home-{number:05d}" for number in SHARES}
    targets = [
        Target(revision=names[number], percent=share, tag="candidate" if number == 5 else "")
        for number, share in SHARES.items()
    ]
    routing = Routing(
        traffic=Traffic(tuple(targets)),
        revisions={name: Revision(name, "home", nothing, 0.0) for name in names.values()},
        latest=names[5],
    )
    chooser = choosing_of("home", FunctionConfig.model_validate({"traffic": CONFIG})).compiled(routing)
    assert chooser is not None
    return chooser


def asked() -> Invocation:
    invocation = Invocation(request_id="r", method="GET", clock=SystemClock(), started=0.0)
    headers = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
    scope = {"type": "http", "headers": headers, "query_string": b"page=2&sort=asc"}
    invocation.incoming = Incoming(scope, None, {}, 0)
    invocation.client = "203.0.113.7"
    return invocation


def one_round(chooser: Chooser, invocation: Invocation) -> float:
    """Microseconds of CPU for one choice."""
    began = time.process_time_ns()
    for _ in range(CALLS):
        chooser(invocation)
    return (time.process_time_ns() - began) / CALLS / 1000
