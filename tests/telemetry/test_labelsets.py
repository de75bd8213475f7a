"""What requests have in common is found once, by whoever asks first, and forgotten where series go."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

from bff.sdk.invocation import Invocation
from bff.signals import Signals
from bff.telemetry.accesslog import AccessLog
from bff.telemetry.entry import Entry, Plain, plain, taken
from bff.telemetry.identity import Callers
from bff.telemetry.labelsets import LabelSets
from bff.telemetry.lines import Lines
from bff.telemetry.metrics import Metrics
from bff.telemetry.readings import Sources
from bff.telemetry.recorder import Recorder
from tests.telemetry.conftest import WITNESS

if TYPE_CHECKING:
    from tests.telemetry.conftest import Ended


def test_everybody_who_listens_finds_the_same_one(ended: Ended) -> None:
    """Whoever asks first, the others see it on the invocation; the next like it has it, too."""
    labelsets, stream, signals = LabelSets(), io.StringIO(), Signals()
    log = AccessLog(Lines(stream, pretty=False, level="info"), Callers(), labelsets)
    metrics = Metrics(labelsets=labelsets)
    recorder = Recorder(WITNESS, Callers(), memory=2**20, slow=0.5, labelsets=labelsets)
    signals.listen(Invocation, log)
    metrics.listen(signals)
    recorder.listen(signals)
    first, second, other = ended("a"), ended("b"), ended("c", status=404)
    for each in (first, second, other):
        signals.emit(each)
    assert first.labels is second.labels
    assert first.labels is not other.labels
    assert [json.loads(line)["status"] for line in stream.getvalue().splitlines()] == [200, 200, 404]
    text = metrics.scrape.now()[0].decode()
    assert (
        'bff_requests_total{fault="",function="home",method="GET",revision="",route="/home",status="200"} 2.0'
        in text
    )
    assert [entry.status for entry in recorder.newest()] == [404, 200, 200]


def test_a_series_that_went_is_not_counted_on(ended: Ended) -> None:
    """What was remembered of it goes with it: a late call is in the next scrape, as a new series."""
    known: dict[str, set[str]] = {"home": {"home-1"}}
    metrics, signals = Metrics(Sources(known=lambda name: known[name])), Signals()
    metrics.listen(signals)
    for _ in range(3):
        signals.emit(ended(revision="home-1"))
    known["home"] = set()
    for _ in range(2):
        metrics.scrape.now()
    assert 'revision="home-1"' not in metrics.scrape.now()[0].decode()
    signals.emit(ended(revision="home-1"))
    assert 'revision="home-1",route="/home",status="200"} 1.0' in metrics.scrape.now()[0].decode()


def test_a_plain_entry_says_what_a_whole_one_would(ended: Ended) -> None:
    """It is half as long, and nobody who reads can tell."""
    invocation = ended("id", client="192.0.2.1", began=1.5, returned=1.75, handler_seconds=0.25)
    short = plain(invocation, 7, 0.5, LabelSets().of(invocation))
    whole = Entry.of(taken(invocation, 7, 0.5, None))
    assert isinstance(short, Plain)
    assert Entry.of(short)._replace(weight=0) == whole._replace(weight=0)


def test_a_trace_begins_without_a_look_at_fields_that_were_seen_before(ended: Ended) -> None:
    """Who has read the head knows that nothing in it tells of a trace."""
    invocation = ended(may_tell_of_a_trace=False)
    assert len(invocation.trace.trace_id) == 32
    assert invocation.trace is invocation.known_trace
