"""The thread that sends spans goes on whatever happens to a batch, and says so once."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from bff.clock import SystemClock
from bff.signals import Signals, TracesLeftOut, TracesLost, TracesReturned
from bff.telemetry.exporting import Collector, Exporting
from bff.telemetry.sampling import Policy, Sampling
from tests.conftest import eventually
from tests.telemetry.collector import collecting
from tests.telemetry.conftest import WITNESS

if TYPE_CHECKING:
    from tests.telemetry.conftest import Ended

WITHIN = 30.0


def test_what_makes_a_batch_fail_ends_no_other(ended: Ended) -> None:
    """A call of which no span can be made costs its batch; it is told of once, and the next one arrives. Those that
    were more than may be sent are counted.
    """
    signals, heard = Signals(), list[object]()
    for kind in (TracesLost, TracesReturned, TracesLeftOut):
        signals.listen(kind, heard.append)
    sampling = Sampling(Policy(share=1.0, errors=True, slow=1.0, most=2), WITNESS)
    with collecting() as collector:
        where = Collector(
            endpoint=f"{collector.url}/v1/traces", headers={}, service_name="x", instance="y", version="1"
        )
        exporting = Exporting(sampling, where, clock=SystemClock(), signals=signals)
        sampling.ended(ended("broken", queued=1.0, phases={"read": "no number"}))
        sampling.ended(ended("beside it"))
        sampling.ended(ended("one too many"))
        exporting.start()
        eventually(lambda: any(isinstance(each, TracesLost) for each in heard), WITHIN)
        good = ended("good")
        good.ended += 10.0
        sampling.ended(good)
        eventually(lambda: collector.spans, WITHIN)
        exporting.stop()
    assert [span.attributes["bff.request_id"] for span in collector.named("GET /home")] == ["good"]
    assert [type(each) for each in heard] == [TracesLost, TracesLeftOut, TracesReturned]
    assert "TypeError" in str(heard[0])
    assert not any(thread.name == "bff-traces" for thread in threading.enumerate())
